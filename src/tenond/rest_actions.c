#include "tenond/rest_priv.h"

#include <string.h>

void tn_rest_deploy(struct tn_http_request *request, void *user)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };
    struct tn_deploy deploy;
    int64_t id = 0;

    if (!body)
        return;
    deploy = (struct tn_deploy) {
        .model = tn_json_str(body, "model", NULL),
        .channel = tn_json_str(body, "channel", NULL),
        .version = tn_json_str(body, "version", NULL),
        .filter = tn_json_str(body, "to", NULL),
        .first = tn_json_int(body, "first", 0),
        .accept_may_load = tn_json_bool(body, "accept_may_load", false),
        .confirm = tn_json_bool(body, "confirm", false),
        .type = tn_json_str(body, "type", NULL),
    };
    if (!deploy.model || deploy.first < 0 || (deploy.channel && deploy.version)) {
        tn_http_problem(request, 400, "INVALID",
                        "needed are 'model', at most one of 'channel' and 'version', and a 'first' "
                        "that is not negative");
        return;
    }
    if (tn_fleet_deploy(tenond->fleet, &deploy, tn_http_who(request), tn_tenond_now_ms(), &id,
                        &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 201, tn_fleet_deployment_json(tenond->fleet, id));
}

void tn_rest_deployments(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    struct tn_page page;

    if (tn_rest_page(request, &page))
        tn_rest_reply_page(request, tn_fleet_deployments_json(tenond->fleet, &page), &page);
}

void tn_rest_deployment(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    int64_t id = tn_rest_number(request, "number");

    if (id > 0)
        tn_rest_reply_one(request, tn_fleet_deployment_json(tenond->fleet, id), "deployment",
                          tn_http_part(request, "number"));
}

void tn_rest_deployment_state(struct tn_http_request *request, void *user)
{
    int64_t id = tn_rest_number(request, "number");
    tn_auto(tn_json_done) json_t *body = id > 0 ? tn_rest_body(request) : NULL;
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };

    if (!body)
        return;
    if (tn_fleet_deployment_set(tenond->fleet, id, tn_json_str(body, "state", ""),
                                tn_json_str(body, "why", ""), tn_http_who(request),
                                tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 200, tn_fleet_deployment_json(tenond->fleet, id));
}

void tn_rest_deployment_force(struct tn_http_request *request, void *user)
{
    int64_t id = tn_rest_number(request, "number");
    struct tn_tenond *tenond = user;
    struct tn_error err = { 0 };

    if (id == 0)
        return;
    if (tn_fleet_deployment_force(tenond->fleet, id, tn_http_who(request), tn_tenond_now_ms(),
                                  &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 200, tn_fleet_deployment_json(tenond->fleet, id));
}

void tn_rest_actions(struct tn_http_request *request, void *user)
{
    const char *failed = tn_http_query(request, "failed");
    struct tn_tenond *tenond = user;
    struct tn_page page;

    if (tn_rest_page(request, &page))
        tn_rest_reply_page(
            request,
            tn_fleet_actions_json(tenond->fleet, failed && strcmp(failed, "1") == 0, &page), &page);
}

void tn_rest_action(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    int64_t id = tn_rest_number(request, "number");

    if (id > 0)
        tn_rest_reply_one(request, tn_fleet_action_json(tenond->fleet, id), "action",
                          tn_http_part(request, "number"));
}

void tn_rest_action_cancel(struct tn_http_request *request, void *user)
{
    struct tn_tenond *tenond = user;
    int64_t id = tn_rest_number(request, "number");
    struct tn_error err = { 0 };

    if (id == 0)
        return;
    if (tn_fleet_cancel(tenond->fleet, id, tn_http_who(request), tn_tenond_now_ms(), &err) < 0)
        tn_http_reply_error(request, &err);
    else
        tn_http_reply_json(request, 200, tn_fleet_action_json(tenond->fleet, id));
}
