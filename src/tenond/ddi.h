/*
 * The device protocol: hawkBit DDI, as SWUpdate, rauc-hawkbit-updater and Zephyr speak it. Handlers
 * of rows of the route table; `user` is a struct tn_tenond.
 */
#ifndef TN_TENOND_DDI_H
#define TN_TENOND_DDI_H

#include "http/request.h"

void tn_ddi_poll(struct tn_http_request *request, void *user);
void tn_ddi_config_data(struct tn_http_request *request, void *user);
void tn_ddi_deployment_base(struct tn_http_request *request, void *user);
void tn_ddi_deployment_feedback(struct tn_http_request *request, void *user);
void tn_ddi_outcomes(struct tn_http_request *request, void *user);
void tn_ddi_cancel_action(struct tn_http_request *request, void *user);
void tn_ddi_cancel_feedback(struct tn_http_request *request, void *user);
void tn_ddi_confirmation_base(struct tn_http_request *request, void *user);
void tn_ddi_confirmation(struct tn_http_request *request, void *user);
void tn_ddi_confirmation_feedback(struct tn_http_request *request, void *user);
void tn_ddi_auto_confirm(struct tn_http_request *request, void *user);
void tn_ddi_no_auto_confirm(struct tn_http_request *request, void *user);
void tn_ddi_installed_base(struct tn_http_request *request, void *user);
void tn_ddi_declare(struct tn_http_request *request, void *user);
void tn_ddi_artifacts(struct tn_http_request *request, void *user);
void tn_ddi_download(struct tn_http_request *request, void *user);

#endif
