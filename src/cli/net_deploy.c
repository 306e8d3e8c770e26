/* tenon map, deploy, deployments, actions. */
#include "cli/net.h"

#include "base/text.h"
#include "cli/table.h"

#include <string.h>

#define DEPLOYMENTS "/api/v1/deployments"
#define ACTIONS     "/api/v1/actions"

/* ---- map ---- */

static const struct tn_net_column map_columns[] = {
    { "VERSION", "version", TN_CELL_TEXT },
    { "PLATFORM", "platform", TN_CELL_TEXT },
    { "RUNTIME", "runtime", TN_CELL_TEXT },
    { "GPU", "gpu|class", TN_CELL_TEXT },
    { "VIA", "delivery", TN_CELL_TEXT },
    { "DEVICES", "devices", TN_CELL_COUNT },
    { "RUNNING", "running", TN_CELL_COUNT },
    { "WAITING", "waiting", TN_CELL_COUNT },
    { "VERDICT", "verdict", TN_CELL_TEXT },
    { "ENGINE", "name|state", TN_CELL_TEXT },
    { 0 },
};

static void print_reason(struct tn_net *net, const json_t *candidate)
{
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(8192);
    const json_t *reasons = json_object_get(candidate, "reasons");
    const json_t *one;
    size_t at;

    tn_buf_addf(&line, "%s: %s",
                tn_json_str(candidate, "name", tn_json_str(candidate, "engine", "?")),
                tn_json_str(candidate, "verdict", tn_json_str(candidate, "result", "?")));
    if (tn_json_str(candidate, "reason", NULL))
        tn_buf_addf(&line, ", %s", tn_json_str(candidate, "reason", ""));
    json_array_foreach(reasons, at, one)
    {
        tn_buf_addf(&line, "%s%s", at ? "; " : ", ",
                    json_is_string(one) ? json_string_value(one) : tn_json_str(one, "detail", ""));
    }
    (void)tn_net_say(net, NULL, NULL, "    %s", tn_buf_text(&line));
}

/* What map --why adds below the table. */
static void print_why(struct tn_net *net, const json_t *items)
{
    const json_t *item, *candidate;
    size_t at, which;

    json_array_foreach(items, at, item)
    {
        (void)putchar('\n');
        (void)tn_net_say(net, NULL, NULL, "%s, %s, %s (class %s): %s",
                         tn_json_str(item, "platform", "?"), tn_json_str(item, "runtime", "?"),
                         tn_json_str(item, "gpu", "?"), tn_json_str(item, "class_key", "?"),
                         tn_json_str(item, "state", "?"));
        json_array_foreach(json_object_get(item, "why"), which, candidate)
        {
            print_reason(net, candidate);
        }
    }
}

static bool has_holes(const json_t *items)
{
    const json_t *item;
    size_t at;

    json_array_foreach(items, at, item)
    {
        if (strcmp(tn_json_str(item, "state", ""), "hole") == 0)
            return true;
    }
    return false;
}

static int print_map(struct tn_net *net, const json_t *items, struct tn_error *err)
{
    const json_t *item;
    size_t at;
    int rc = TN_OK;

    if (!net->call->json) {
        rc = tn_net_table(items, map_columns, "no devices are in the fleet yet", net, err);
        if (rc == TN_OK && tn_given(net->call, "why"))
            print_why(net, items);
        return rc;
    }
    json_array_foreach(items, at, item)
    {
        if (rc == TN_OK)
            rc = tn_json_line(stdout, item, err);
    }
    return rc;
}

int tn_net_map(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    const json_t *items;
    char model[128], version[128];
    int rc = tn_net_split(net->call->args[0], model, version, err);

    if (rc < 0)
        return rc;
    tn_buf_adds(&path, "/api/v1/map");
    tn_url_add_query(&path, "model", model);
    tn_url_add_query(&path, "version", *version ? version : NULL);
    tn_url_add_query(&path, "why", tn_given(net->call, "why") ? "1" : NULL);
    rc = tn_net_get(net, tn_buf_text(&path), &answer, err);
    if (rc < 0)
        return rc;
    items = json_object_get(answer, "items");
    rc = print_map(net, items, err);
    return rc < 0 ? rc : has_holes(items);
}

/* ---- deploy ---- */

static int read_first(const struct tn_invocation *call, json_t *body)
{
    const char *text = tn_given(call, "first");
    int64_t first = 0;

    if (text && (!tn_text_i64(text, &first) || first <= 0))
        return tn_cli_usage(call, "--first takes a number of devices, not '%s'", text);
    if (text)
        tn_json_set_int(body, "first", first);
    return 0;
}

static int add_what(struct tn_net *net, json_t *body, struct tn_error *err)
{
    char model[128], at[128];
    bool release = false;
    int rc = tn_net_split(net->call->args[0], model, at, err);

    if (rc == TN_OK && *at)
        rc = tn_net_is_release(net, model, at, &release, err);
    tn_json_set_str(body, "model", model);
    tn_json_set_str(body, release ? "version" : "channel", *at ? at : "stable");
    return rc;
}

/* It may be meant for devices to come, or be a slip of the pen. */
static void say_nobody(struct tn_net *net, const char *to)
{
    if (net->call->quiet)
        return;
    (void)fprintf(stderr, "no device matches now; those that will, get it then\n");
    if (to)
        tn_net_hint_names(net, to);
}

int tn_net_deploy(struct tn_net *net, struct tn_error *err)
{
    const struct tn_invocation *call = net->call;
    const char *to = tn_given(call, "to");
    const char *accept = tn_given(call, "accept");
    tn_auto(tn_json_done) json_t *body = json_object();
    tn_auto(tn_json_done) json_t *answer = NULL;
    int rc = to ? tn_net_check_filter(net, "to", to) : 0;

    if (rc == 0)
        rc = read_first(call, body);
    if (rc == 0)
        rc = add_what(net, body, err);
    if (rc != 0)
        return rc;
    tn_json_set_str(body, "to", to);
    tn_json_set_str(body, "type", tn_given(call, "type"));
    tn_json_set(body, "accept_may_load", json_boolean(accept && strcmp(accept, "may-load") == 0));
    tn_json_set(body, "confirm", json_boolean(tn_given(call, "confirm") != NULL));
    rc = tn_net_send(net, "POST", DEPLOYMENTS, json_incref(body), &answer, err);
    if (rc < 0)
        return rc;
    rc = tn_net_say(
        net, answer, err, "deployment %lld: %lld of %lld device%s assigned, %lld waiting in holes",
        (long long)tn_json_int(answer, "id", 0), (long long)tn_json_int(answer, "assigned", 0),
        (long long)tn_json_int(answer, "devices", 0),
        tn_json_int(answer, "devices", 0) == 1 ? "" : "s",
        (long long)tn_json_int(answer, "holes", 0));
    if (rc == TN_OK && tn_json_int(answer, "devices", 1) == 0)
        say_nobody(net, to);
    return rc;
}

/* ---- deployments ---- */

/* The path of what the verb's argument numbers. @return 0, or 2 with the mistake printed */
static int numbered(struct tn_net *net, const char *list, const char *rest, struct tn_buf *path)
{
    const char *text = net->call->args[1];
    int64_t number;

    if (!tn_text_i64(text, &number) || number <= 0)
        return tn_cli_usage(net->call, "'%s' is no number of those that '%s' lists", text,
                            net->call->command->name);
    tn_buf_addf(path, "%s/%lld%s", list, (long long)number, rest);
    return 0;
}

static int deployments_list(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "N", "id", TN_CELL_COUNT },
        { "MODEL", "model", TN_CELL_TEXT },
        { "AT", "channel|version", TN_CELL_TEXT },
        { "TO", "to", TN_CELL_TEXT },
        { "TYPE", "type", TN_CELL_TEXT },
        { "STATE", "state", TN_CELL_TEXT },
        { "ASSIGNED", "assigned", TN_CELL_COUNT },
        { "FINISHED", "finished", TN_CELL_COUNT },
        { "FAILED", "failed", TN_CELL_COUNT },
        { "CREATED", "created", TN_CELL_AGO },
        { "WHY", "why", TN_CELL_TEXT },
        { 0 },
    };

    return tn_net_list(net, DEPLOYMENTS, columns, "nothing is deployed yet", err);
}

static const struct tn_net_column deployment_columns[] = {
    { "deployment", "id", TN_CELL_TEXT },
    { "model", "model", TN_CELL_TEXT },
    { "channel", "channel", TN_CELL_TEXT },
    { "version", "version", TN_CELL_TEXT },
    { "to", "to", TN_CELL_TEXT },
    { "first", "first", TN_CELL_TEXT },
    { "type", "type", TN_CELL_TEXT },
    { "confirm", "confirm", TN_CELL_TEXT },
    { "state", "state", TN_CELL_TEXT },
    { "why", "why", TN_CELL_TEXT },
    { "devices", "devices", TN_CELL_TEXT },
    { "assigned", "assigned", TN_CELL_TEXT },
    { "finished", "finished", TN_CELL_TEXT },
    { "failed", "failed", TN_CELL_TEXT },
    { "holes", "holes", TN_CELL_TEXT },
    { "created", "created", TN_CELL_AGO },
    { "by", "created_by", TN_CELL_TEXT },
    { 0 },
};

static int deployments_show(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc = numbered(net, DEPLOYMENTS, "", &path);

    if (rc == 0)
        rc = tn_net_get(net, tn_buf_text(&path), &json, err);
    return rc != 0 ? rc : tn_net_show(net, json, deployment_columns, err);
}

static int set_state(struct tn_net *net, const char *state, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body;
    int rc = numbered(net, DEPLOYMENTS, "/state", &path);

    if (rc != 0)
        return rc;
    body = json_object();
    tn_json_set_str(body, "state", state);
    tn_json_set_str(body, "why", tn_given(net->call, "why"));
    rc = tn_net_send(net, "POST", tn_buf_text(&path), body, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "deployment %s is %s", net->call->args[1], state);
}

static int deployments_pause(struct tn_net *net, struct tn_error *err)
{
    return set_state(net, "paused", err);
}

static int deployments_resume(struct tn_net *net, struct tn_error *err)
{
    return set_state(net, "running", err);
}

static int deployments_stop(struct tn_net *net, struct tn_error *err)
{
    return set_state(net, "stopped", err);
}

static int deployments_force(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    int rc;

    tn_buf_adds(&path, "/api/v1/deployments");
    tn_url_add_segment(&path, net->call->args[1]);
    tn_buf_adds(&path, "/force");
    rc = tn_net_send(net, "POST", tn_buf_text(&path), NULL, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "deployment %s is forced", net->call->args[1]);
}

int tn_net_deployments(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "list", deployments_list, "", 0, 0, "" },
        { "show", deployments_show, "N", 1, 1, "" },
        { "pause", deployments_pause, "N", 1, 1, "why " },
        { "resume", deployments_resume, "N", 1, 1, "why " },
        { "stop", deployments_stop, "N", 1, 1, "why " },
        { "force", deployments_force, "N", 1, 1, "" },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}

/* ---- actions ---- */

static int actions_list(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "N", "id", TN_CELL_COUNT },
        { "DEVICE", "device", TN_CELL_TEXT },
        { "MODEL", "model", TN_CELL_TEXT },
        { "VERSION", "version", TN_CELL_TEXT },
        { "ENGINE", "name", TN_CELL_TEXT },
        { "STATE", "state", TN_CELL_TEXT },
        { "CHANGED", "changed", TN_CELL_AGO },
        { "DETAIL", "detail", TN_CELL_TEXT },
        { 0 },
    };
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(256);
    bool failed = tn_given(net->call, "failed") != NULL;
    int status = tn_net_limit(net, 0);

    if (status != 0)
        return status;
    tn_buf_adds(&path, ACTIONS);
    tn_url_add_query(&path, "failed", failed ? "1" : NULL);
    return tn_net_list(net, tn_buf_text(&path), columns,
                       failed ? "nothing failed" : "no device was given anything to do yet", err);
}

static const struct tn_net_column action_columns[] = {
    { "action", "id", TN_CELL_TEXT },
    { "device", "device", TN_CELL_TEXT },
    { "deployment", "deployment", TN_CELL_TEXT },
    { "model", "model", TN_CELL_TEXT },
    { "version", "version", TN_CELL_TEXT },
    { "engine", "name", TN_CELL_TEXT },
    { "state", "state", TN_CELL_TEXT },
    { "detail", "detail", TN_CELL_TEXT },
    { "created", "created", TN_CELL_AGO },
    { "changed", "changed", TN_CELL_AGO },
    { 0 },
};

static const struct tn_net_column history_columns[] = {
    { "WHEN", "time", TN_CELL_AGO },          { "EXECUTION", "execution", TN_CELL_TEXT },
    { "FINISHED", "finished", TN_CELL_TEXT }, { "CODE", "code", TN_CELL_TEXT },
    { "DETAILS", "details", TN_CELL_TEXT },   { 0 },
};

static int actions_show(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc = numbered(net, ACTIONS, "", &path);

    if (rc == 0)
        rc = tn_net_get(net, tn_buf_text(&path), &json, err);
    if (rc == 0)
        rc = tn_net_show(net, json, action_columns, err);
    if (rc != 0 || net->call->json)
        return rc;
    if (json_array_size(json_object_get(json, "history")) > 0)
        (void)putchar('\n');
    return tn_net_table(json_object_get(json, "history"), history_columns,
                        "the device has said nothing yet", net, err);
}

static int actions_cancel(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    int rc = numbered(net, ACTIONS, "/cancel", &path);
    bool ended;

    if (rc == 0)
        rc = tn_net_send(net, "POST", tn_buf_text(&path), NULL, &answer, err);
    if (rc != 0)
        return rc;
    ended = strcmp(tn_json_str(answer, "state", ""), "canceled") == 0;
    return tn_net_say(net, answer, err, "action %s: %s", net->call->args[1],
                      ended ? "canceled before the device had begun"
                            : "the device is asked to stop");
}

int tn_net_actions(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "list", actions_list, "", 0, 0, "failed limit " },
        { "show", actions_show, "N", 1, 1, "" },
        { "cancel", actions_cancel, "N", 1, 1, "" },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}
