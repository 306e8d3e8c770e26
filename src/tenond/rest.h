/*
 * REST /api/v1, for people and programs. Handlers of rows of the route table; `user` is a struct
 * tn_tenond. Errors are problem+json; lists are pages.
 */
#ifndef TN_TENOND_REST_H
#define TN_TENOND_REST_H

#include "http/request.h"

/* devices: rest_devices.c */
void tn_rest_devices(struct tn_http_request *request, void *user);
void tn_rest_device(struct tn_http_request *request, void *user);
void tn_rest_device_put(struct tn_http_request *request, void *user);
void tn_rest_device_delete(struct tn_http_request *request, void *user);
void tn_rest_device_labels(struct tn_http_request *request, void *user);
void tn_rest_device_token(struct tn_http_request *request, void *user);
void tn_rest_device_token_delete(struct tn_http_request *request, void *user);

/* files and releases: rest_blobs.c, rest_releases.c */
extern const struct tn_stream tn_rest_upload;
void tn_rest_blob_head(struct tn_http_request *request, void *user);
void tn_rest_blob_get(struct tn_http_request *request, void *user);
void tn_rest_blob_put(struct tn_http_request *request, void *user);
void tn_rest_release_put(struct tn_http_request *request, void *user);
void tn_rest_release_delete(struct tn_http_request *request, void *user);
void tn_rest_releases(struct tn_http_request *request, void *user);
void tn_rest_release(struct tn_http_request *request, void *user);
void tn_rest_engines(struct tn_http_request *request, void *user);
void tn_rest_engine_put(struct tn_http_request *request, void *user);
void tn_rest_engine_revoke(struct tn_http_request *request, void *user);
void tn_rest_engine_pin(struct tn_http_request *request, void *user);
void tn_rest_engine_unpin(struct tn_http_request *request, void *user);
void tn_rest_engine_override(struct tn_http_request *request, void *user);
void tn_rest_attachment_put(struct tn_http_request *request, void *user);
void tn_rest_channel_put(struct tn_http_request *request, void *user);
void tn_rest_map(struct tn_http_request *request, void *user);

/* deployments and actions: rest_actions.c */
void tn_rest_deploy(struct tn_http_request *request, void *user);
void tn_rest_deployments(struct tn_http_request *request, void *user);
void tn_rest_deployment(struct tn_http_request *request, void *user);
void tn_rest_deployment_state(struct tn_http_request *request, void *user);
void tn_rest_actions(struct tn_http_request *request, void *user);
void tn_rest_action(struct tn_http_request *request, void *user);
void tn_rest_action_cancel(struct tn_http_request *request, void *user);

/* the server itself: rest_server.c */
void tn_rest_server(struct tn_http_request *request, void *user);
void tn_rest_tokens(struct tn_http_request *request, void *user);
void tn_rest_token_new(struct tn_http_request *request, void *user);
void tn_rest_token_delete(struct tn_http_request *request, void *user);
void tn_rest_backup(struct tn_http_request *request, void *user);
void tn_rest_audit(struct tn_http_request *request, void *user);
void tn_rest_metrics(struct tn_http_request *request, void *user);
void tn_rest_health(struct tn_http_request *request, void *user);

#endif
