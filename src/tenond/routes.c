/*
 * Every resource of the server, one row each. docs/server.md is cut from here.
 */
#include "tenond/routes.h"

#include "tenond/ddi.h"
#include "tenond/rest.h"
#include "tenond/tenond.h"

#include <string.h>

enum {
    SMALL = 16 * 1024,
    FEEDBACK = 128 * 1024, /* SWUpdate sends its whole log as details */
    ATTRIBUTES = 128 * 1024,
    OUTCOMES = 512 * 1024,
    RECORD = 256 * 1024,
    MANIFEST = 1024 * 1024,
};

#define DDI "/{tenant}/controller/v1/{id}"
#define API "/api/v1"

#define ROW(method_, path_, access_, most_, body_, run_, help_)                                    \
    .method = method_, .path = path_, .access = TN_ACCESS_##access_, .body_most = most_,           \
    .body = body_, .run = run_, .help = help_
#define GET(path, access, run, help)                                                               \
    {                                                                                              \
        ROW("GET", path, access, 0, NULL, run, help)                                               \
    }
#define BARE(method, path, access, run, help)                                                      \
    {                                                                                              \
        ROW(method, path, access, 0, NULL, run, help)                                              \
    }
#define SEND(method, path, access, most, body, run, help)                                          \
    {                                                                                              \
        ROW(method, path, access, most, body, run, help)                                           \
    }
/* What devices send all the time is logged only when it fails. */
#define TELL(method, path, most, body, run, help)                                                  \
    {                                                                                              \
        ROW(method, path, DEVICE, most, body, run, help), .quiet = true                            \
    }

const struct tn_route tn_tenond_routes[] = {
    /* the device protocol */
    GET(DDI, DEVICE_ENROL, tn_ddi_poll, "What there is to do; registers a device of the gateway."),
    TELL("PUT", DDI "/configData", ATTRIBUTES, "mode, data", tn_ddi_config_data,
         "The device's attributes."),
    GET(DDI "/deploymentBase/{action}", DEVICE, tn_ddi_deployment_base,
        "The engine to install; `?actionHistory=N` adds messages."),
    TELL("POST", DDI "/deploymentBase/{action}/feedback", FEEDBACK, "status",
         tn_ddi_deployment_feedback, "Progress and result; 410 once the action has ended."),
    TELL("POST", DDI "/outcomes", OUTCOMES, "spool, outcomes", tn_ddi_outcomes,
         "How loads went outside of actions; each counts once, however often it is sent."),
    GET(DDI "/cancelAction/{action}", DEVICE, tn_ddi_cancel_action, "What to stop."),
    TELL("POST", DDI "/cancelAction/{action}/feedback", FEEDBACK, "status", tn_ddi_cancel_feedback,
         "`closed` accepts, `rejected` refuses."),
    GET(DDI "/confirmationBase", DEVICE, tn_ddi_confirmation_base,
        "Whether the device confirms everything, and what waits for its word."),
    GET(DDI "/confirmationBase/{action}", DEVICE, tn_ddi_confirmation,
        "What waits for the device's word; 404 when it does not."),
    TELL("POST", DDI "/confirmationBase/{action}/feedback", FEEDBACK, "confirmation, details, code",
         tn_ddi_confirmation_feedback,
         "`confirmed`: `deploymentBase` is next; `denied`: it waits on. 410 once it has ended."),
    TELL("POST", DDI "/confirmationBase/activateAutoConfirm", SMALL, "initiator, remark",
         tn_ddi_auto_confirm, "The device confirms all that it is given, what waits as well."),
    TELL("POST", DDI "/confirmationBase/deactivateAutoConfirm", SMALL, NULL, tn_ddi_no_auto_confirm,
         "Ends that."),
    GET(DDI "/installedBase/{action}", DEVICE, tn_ddi_installed_base, "A finished deployment."),
    TELL("PUT", DDI "/installedBase", SMALL, "name, version", tn_ddi_declare,
         "The device runs that release already: 201, 200 when that was known."),
    GET(DDI "/softwaremodules/{module}/artifacts", DEVICE, tn_ddi_artifacts,
        "The files of an assigned action."),
    GET(DDI "/softwaremodules/{module}/artifacts/{file}", DEVICE, tn_ddi_download,
        "The file, whole or a range; `.MD5SUM` behind the name gives its MD5."),

    /* people and programs */
    GET(API "/server", VIEWER, tn_rest_server, "Version, time, figures, the token's role."),
    GET(API "/server/settings", VIEWER, tn_rest_settings,
        "What an operator may change at run time."),
    SEND("PUT", API "/server/settings", ADMIN, SMALL, "poll: time or null", tn_rest_settings_put,
         "The time between two polls of a device; null: that of `--poll`."),
    GET(API "/devices", VIEWER, tn_rest_devices,
        "A page of devices; `?where=` filters, an error names the column."),
    GET(API "/devices/{id}", VIEWER, tn_rest_device,
        "One device with attributes, labels, action and history."),
    SEND("PUT", API "/devices/{id}", PUBLISHER, RECORD, "token, device or attributes",
         tn_rest_device_put,
         "Registers a device beforehand; the token of a known one only an admin changes."),
    BARE("DELETE", API "/devices/{id}", ADMIN, tn_rest_device_delete, "Forgets a device."),
    SEND("PUT", API "/devices/{id}/labels", PUBLISHER, SMALL, "name: text or null",
         tn_rest_device_labels, "Sets labels; null removes one."),
    SEND("PUT", API "/devices/{id}/poll", PUBLISHER, SMALL, "poll: time or null",
         tn_rest_device_poll, "The device's own time between two polls; null: the server's."),
    BARE("POST", API "/devices/{id}/token", ADMIN, tn_rest_device_token,
         "A new token for the device, shown once."),
    BARE("DELETE", API "/devices/{id}/token", ADMIN, tn_rest_device_token_delete,
         "Revokes the device's token."),
    GET(API "/releases", VIEWER, tn_rest_releases, "A page of releases; `?model=`."),
    GET(API "/models/{model}/releases/{version}", VIEWER, tn_rest_release,
        "One release with its engines."),
    SEND("PUT", API "/models/{model}/releases/{version}", PUBLISHER, MANIFEST, "manifest",
         tn_rest_release_put,
         "Publishes a release: 201, 200 when it is the same, 409 when it is another, 424 with the "
         "files that are missing."),
    BARE("DELETE", API "/models/{model}/releases/{version}", ADMIN, tn_rest_release_delete,
         "Removes a release; 409 while a channel or a deployment means it. Who runs it keeps it."),
    GET(API "/models/{model}/releases/{version}/engines", VIEWER, tn_rest_engines,
        "The engines of a release, or of the one that a channel points to."),
    SEND("PUT", API "/models/{model}/releases/{version}/engines/{hex}", PUBLISHER, RECORD, "record",
         tn_rest_engine_put,
         "Adds an engine: 201, 200 when the release has it already, 424 when its bytes are not "
         "here."),
    SEND("PUT", API "/models/{model}/channels/{name}", PUBLISHER, SMALL, "version",
         tn_rest_channel_put, "Points a channel to a release."),
    GET(API "/map", VIEWER, tn_rest_map,
        "Model x platform x TensorRT x GPU class: an engine or a hole; `?model= ?version= "
        "?why=1`."),
    SEND("POST", API "/engines/{hex}/revoke", PUBLISHER, SMALL, "why", tn_rest_engine_revoke,
         "Nobody gets the engine any more; who runs it keeps it."),
    SEND("POST", API "/engines/{hex}/override", ADMIN, SMALL, "class, verdict",
         tn_rest_engine_override, "Overrules evidence for a class: `allow` or `stop`."),
    BARE("PUT", API "/engines/{hex}/pin", PUBLISHER, tn_rest_engine_pin,
         "Keeps the engine's file, whatever refers to it."),
    BARE("DELETE", API "/engines/{hex}/pin", PUBLISHER, tn_rest_engine_unpin, "Ends that."),
    SEND("PUT", API "/engines/{hex}/attachments/{kind}", PUBLISHER, SMALL, "file, name",
         tn_rest_attachment_put, "A foreign client's container of the engine."),
    GET(API "/deployments", VIEWER, tn_rest_deployments, "A page of deployments."),
    SEND("POST", API "/deployments", PUBLISHER, SMALL,
         "model, channel or version, to, first, accept_may_load, type, confirm", tn_rest_deploy,
         "Deploys to all devices that match, now and later; `type` is `forced`, `soft` or "
         "`download-only`."),
    GET(API "/deployments/{number}", VIEWER, tn_rest_deployment, "One deployment."),
    SEND("POST", API "/deployments/{number}/state", PUBLISHER, SMALL, "state, why",
         tn_rest_deployment_state, "`running`, `paused` or `stopped`."),
    BARE("POST", API "/deployments/{number}/force", PUBLISHER, tn_rest_deployment_force,
         "Makes a soft deployment forced."),
    GET(API "/actions", VIEWER, tn_rest_actions, "A page of actions; `?failed=1`."),
    GET(API "/actions/{number}", VIEWER, tn_rest_action, "One action with its history."),
    BARE("POST", API "/actions/{number}/cancel", PUBLISHER, tn_rest_action_cancel,
         "Asks the device to stop."),
    BARE("HEAD", API "/blobs/sha256/{hex}", VIEWER, tn_rest_blob_head,
         "200 when the file is whole; else 404 with `Upload-Offset`."),
    GET(API "/blobs/sha256/{hex}", VIEWER, tn_rest_blob_get,
        "A file by content, whole or a range."),
    { ROW("PUT", API "/blobs/sha256/{hex}", PUBLISHER, 0, "bytes", tn_rest_blob_put,
          "The whole file, or with `Content-Range` a part from `Upload-Offset` on: 201 whole, 202 "
          "more is to come, 409 another offset, 422 other content."),
      .stream = &tn_rest_upload },
    GET(API "/tokens", ADMIN, tn_rest_tokens, "The tokens, without their secrets."),
    SEND("POST", API "/tokens", ADMIN, SMALL, "role, name", tn_rest_token_new,
         "A new token of a person, a program or the gateway; shown once."),
    BARE("DELETE", API "/tokens/{token}", ADMIN, tn_rest_token_delete, "Revokes a token."),
    SEND("POST", API "/backup", ADMIN, SMALL, "path", tn_rest_backup,
         "A copy of the database in the folder `backups` of the server's data."),
    GET(API "/audit", ADMIN, tn_rest_audit, "Who changed what, newest first."),

    /* machines */
    GET("/metrics", METRICS, tn_rest_metrics, "Figures for Prometheus."),
    GET("/healthz", OPEN, tn_rest_health, "`ok`."),
    { 0 },
};

static const char *kind_of(const struct tn_route *route)
{
    if (route->access == TN_ACCESS_DEVICE || route->access == TN_ACCESS_DEVICE_ENROL)
        return "device";
    return strncmp(route->path, API, strlen(API)) == 0 ? "api" : "machine";
}

void tn_routes_markdown(FILE *out, const char *kind)
{
    (void)fputs("| request | for | body | what it does |\n| --- | --- | --- | --- |\n", out);
    for (const struct tn_route *route = tn_tenond_routes; route->path; route++) {
        if (strcmp(kind_of(route), kind) != 0)
            continue;
        (void)fprintf(out, "| `%s %s` | %s | %s | %s |\n", route->method, route->path,
                      tn_access_name(route->access), route->body ? route->body : "", route->help);
    }
}
