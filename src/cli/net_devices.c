/* tenon devices. */
#include "cli/net.h"

#include "base/text.h"
#include "device/filter.h"

#include <stdlib.h>
#include <string.h>

#define DEVICES "/api/v1/devices"

static void device_path(struct tn_buf *path, const char *id, const char *rest)
{
    tn_buf_adds(path, DEVICES);
    tn_url_add_segment(path, id);
    tn_buf_adds(path, rest);
}

int tn_net_check_filter(struct tn_net *net, const char *option, const char *text)
{
    struct tn_filter *filter = NULL;
    struct tn_error why = { 0 };
    int rc = tn_filter_parse(text, &filter, &why);
    int column = 0;

    tn_filter_free(filter);
    if (rc == TN_OK)
        return 0;
    (void)fprintf(stderr, "tenon %s: --%s: %s\n", net->call->command->name, option, why.text);
    if (sscanf(why.text, "column %d", &column) == 1 && column > 0 && column <= 4096)
        (void)fprintf(stderr, "  %s\n  %*s^\n", text, column - 1, "");
    return tn_error_exit_status(rc == TN_E_INVALID ? TN_E_USAGE : rc);
}

static void hint_name(const char *name, void *user)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096), where = TN_BUF(1024);
    tn_auto(tn_json_done) json_t *page = NULL;
    struct tn_error why = { 0 };

    /* a comparison with what a device does not have is false */
    tn_buf_addf(&where, "%s != \"\"", name);
    tn_buf_adds(&path, DEVICES);
    tn_url_add_query(&path, "where", tn_buf_text(&where));
    tn_url_add_query(&path, "limit", "1");
    if (tn_net_get(user, tn_buf_text(&path), &page, &why) == TN_OK &&
        json_array_size(json_object_get(page, "items")) == 0)
        (void)fprintf(stderr, "no device has an attribute or label '%s'\n", name);
}

void tn_net_hint_names(struct tn_net *net, const char *text)
{
    struct tn_filter *filter = NULL;

    if (!net->call->quiet && tn_filter_parse(text, &filter, NULL) == TN_OK)
        tn_filter_names(filter, hint_name, net);
    tn_filter_free(filter);
}

static int devices_list(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "DEVICE", "id", TN_CELL_TEXT },         { "STATE", "state", TN_CELL_TEXT },
        { "GPU", "gpu|class", TN_CELL_TEXT },     { "RUNTIMES", "runtimes", TN_CELL_TEXT },
        { "RUNS", "installed", TN_CELL_RELEASE }, { "TO DO", "action", TN_CELL_RELEASE },
        { "WAITING", "waiting", TN_CELL_TEXT },   { "LABELS", "labels", TN_CELL_PAIRS },
        { "SEEN", "seen", TN_CELL_AGO },          { 0 },
    };
    const char *where = tn_given(net->call, "where");
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(16384);
    int status = where ? tn_net_check_filter(net, "where", where) : 0;

    if (status != 0)
        return status;
    tn_buf_adds(&path, DEVICES);
    tn_url_add_query(&path, "where", where);
    status = tn_net_list(net, tn_buf_text(&path), columns,
                         where ? "no device matches" : "no devices have registered yet", err);
    if (status == TN_OK && where && net->listed == 0)
        tn_net_hint_names(net, where);
    return status;
}

static int devices_show(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "device", "id", TN_CELL_TEXT },
        { "state", "state", TN_CELL_TEXT },
        { "registered", "created", TN_CELL_AGO },
        { "by", "registered_by", TN_CELL_TEXT },
        { "seen", "seen", TN_CELL_AGO },
        { "poll seconds", "poll_seconds", TN_CELL_TEXT },
        { "gpu", "gpu", TN_CELL_TEXT },
        { "runtimes", "runtimes", TN_CELL_TEXT },
        { "platform", "platform", TN_CELL_TEXT },
        { "class", "class", TN_CELL_TEXT },
        { "labels", "labels", TN_CELL_PAIRS },
        { "attributes", "attributes", TN_CELL_PAIRS },
        { "runs", "models", TN_CELL_TEXT },
        { "says it runs", "declared", TN_CELL_PAIRS },
        { "to do", "action/name", TN_CELL_TEXT },
        { "action", "action/id", TN_CELL_TEXT },
        { "its state", "action/state", TN_CELL_TEXT },
        { "no engine of", "waiting", TN_CELL_TEXT },
        { "confirms all since", "auto_confirm", TN_CELL_AGO },
        { "last load", "load/time", TN_CELL_AGO },
        { "result", "load/result", TN_CELL_TEXT },
        { "of", "load/model", TN_CELL_TEXT },
        { "loaded by", "load/by", TN_CELL_TEXT },
        { "seconds", "load/seconds", TN_CELL_TEXT },
        { "why", "load/first_line|load/class", TN_CELL_TEXT },
        { 0 },
    };
    static const struct tn_net_column history[] = {
        { "ACTION", "id", TN_CELL_COUNT },      { "MODEL", "model", TN_CELL_TEXT },
        { "VERSION", "version", TN_CELL_TEXT }, { "ENGINE", "name", TN_CELL_TEXT },
        { "STATE", "state", TN_CELL_TEXT },     { "CHANGED", "changed", TN_CELL_AGO },
        { "DETAIL", "detail", TN_CELL_TEXT },   { 0 },
    };
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc;

    device_path(&path, net->call->args[1], "");
    rc = tn_net_get(net, tn_buf_text(&path), &json, err);
    if (rc == TN_OK)
        rc = tn_net_show(net, json, columns, err);
    if (rc < 0 || net->call->json || json_array_size(json_object_get(json, "history")) == 0)
        return rc;
    (void)putchar('\n');
    return tn_net_table(json_object_get(json, "history"), history, "", net, err);
}

/* "site=north": a label; "rack=" removes one. */
static int add_label(json_t *labels, const char *word, struct tn_error *err)
{
    size_t length = strcspn(word, "=");
    char name[129];

    if (length == 0 || !word[length])
        return tn_fail(err, TN_E_USAGE, "'%s' is not NAME=VALUE", word);
    if (!tn_text_copy_n(name, sizeof(name), word, length))
        return tn_fail(err, TN_E_USAGE, "a label's name has at most 128 bytes");
    tn_json_set_str(labels, name, word + length + 1);
    return TN_OK;
}

static int devices_label(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *labels = json_object();
    int rc = TN_OK;

    for (size_t i = 2; rc == TN_OK && i < net->call->arg_count; i++)
        rc = add_label(labels, args[i], err);
    if (rc < 0) {
        json_decref(labels);
        return rc;
    }
    device_path(&path, args[1], "/labels");
    rc = tn_net_send(net, "PUT", tn_buf_text(&path), labels, &answer, err);
    return rc < 0 ? rc : tn_net_say(net, answer, err, "labelled %s", args[1]);
}

/* "poll edge-17 30s": one device; "poll 5m": all that have no time of their own. */
static int devices_poll(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    bool one = net->call->arg_count == 3;
    const char *time = args[one ? 2 : 1];
    bool otherwise = strcmp(time, "default") == 0;
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body;
    int64_t ns;
    int rc;

    if (!otherwise && !tn_text_duration(time, &ns))
        return tn_cli_usage(net->call, "'%s' is neither a time such as 30s nor 'default'", time);
    if (one)
        device_path(&path, args[1], "/poll");
    else
        tn_buf_adds(&path, "/api/v1/server/settings");
    body = json_pack("{s:s?}", "poll", otherwise ? NULL : time);
    rc = tn_net_send(net, "PUT", tn_buf_text(&path), body, &answer, err);
    return rc < 0
               ? rc
               : tn_net_say(net, answer, err, "%s polls every %lld s", one ? args[1] : "a device",
                            (long long)tn_json_int(answer, "poll_seconds", 0));
}

/* A bundled board by its name: the server knows it too; a fingerprint file as its attributes. */
static int describe(const struct tn_invocation *call, json_t *body, struct tn_error *err)
{
    const char *named = tn_given(call, "device");
    struct tn_device *device;
    json_t *attributes = NULL;
    int rc;

    if (!named)
        return TN_OK;
    device = malloc(sizeof(*device));
    rc = device ? tn_device_get(named, device, err) : tn_fail(err, TN_E_NOMEM, "read a device");
    if (rc == TN_OK) {
        attributes = tn_device_attributes(device);
        rc = attributes ? TN_OK : tn_fail(err, TN_E_NOMEM, "read a device");
    }
    if (rc == TN_OK)
        tn_json_set(body, "attributes", attributes);
    free(device);
    return rc;
}

static int devices_add(struct tn_net *net, struct tn_error *err)
{
    const char *id = net->call->args[1];
    const char *token_file = tn_given(net->call, "token-file");
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    tn_auto(tn_json_done) json_t *body = json_object();
    char token[TN_TOKEN_MAX + 1];
    int rc = describe(net->call, body, err);

    net->token_is_of_device = true;
    if (rc == TN_OK && token_file) {
        rc = tn_token_read(token_file, token, err);
        if (rc == TN_OK)
            tn_json_set_str(body, "token", token);
        explicit_bzero(token, sizeof(token));
    }
    if (rc < 0)
        return rc;
    device_path(&path, id, "");
    rc = tn_net_send(net, "PUT", tn_buf_text(&path), json_incref(body), &answer, err);
    return rc < 0 ? rc : tn_net_say(net, answer, err, "registered %s", id);
}

int tn_net_give_token(struct tn_net *net, json_t *answer, const char *whose, struct tn_error *err)
{
    const char *output = tn_given(net->call, "output");
    const char *token = tn_json_str(answer, "token", NULL);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_TOKEN_MAX + 2);
    char folder[PATH_MAX];
    int rc;

    if (!token)
        return tn_fail(err, TN_E_INVALID, "the server answered without a token");
    if (!output)
        return tn_net_say(net, answer, err, "%s", token);
    tn_buf_addf(&text, "%s\n", token);
    rc = tn_buf_check(&text, "a token", err);
    (void)tn_text_copy_n(folder, sizeof(folder), output, (size_t)(tn_path_base(output) - output));
    if (rc == TN_OK)
        rc = tn_file_replace(*folder ? folder : ".", tn_path_base(output), tn_buf_text(&text),
                             text.size, 0600, err);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    if (rc < 0)
        return rc;
    (void)json_object_del(answer, "token");
    tn_json_set_str(answer, "path", output);
    return tn_net_say(net, answer, err, "the token of %s is in '%s'", whose, output);
}

static int devices_token(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    bool revoke = strcmp(args[1], "revoke") == 0;
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    int rc;

    if (!revoke && strcmp(args[1], "new") != 0)
        return tn_cli_usage(net->call, "'%s' is not one of new|revoke", args[1]);
    device_path(&path, args[2], "/token");
    rc = tn_net_send(net, revoke ? "DELETE" : "POST", tn_buf_text(&path), NULL,
                     revoke ? NULL : &answer, err);
    if (rc < 0 || !revoke)
        return rc < 0 ? rc : tn_net_give_token(net, answer, args[2], err);
    answer = json_object();
    tn_json_set_str(answer, "id", args[2]);
    tn_json_set(answer, "revoked", json_true());
    return tn_net_say(net, answer, err, "revoked the token of %s", args[2]);
}

static int devices_remove(struct tn_net *net, struct tn_error *err)
{
    const char *id = net->call->args[1];
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = json_object();
    int rc;

    device_path(&path, id, "");
    rc = tn_net_send(net, "DELETE", tn_buf_text(&path), NULL, NULL, err);
    tn_json_set_str(answer, "id", id);
    tn_json_set(answer, "removed", json_true());
    return rc < 0 ? rc : tn_net_say(net, answer, err, "removed %s", id);
}

int tn_net_devices(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "list", devices_list, "", 0, 0, "where " },
        { "show", devices_show, "ID", 1, 1, "" },
        { "label", devices_label, "ID NAME=VALUE…", 2, 64, "" },
        { "poll", devices_poll, "[ID] TIME|default", 1, 2, "" },
        { "add", devices_add, "ID", 1, 1, "device " },
        { "token", devices_token, "new|revoke ID", 2, 2, "output " },
        { "remove", devices_remove, "ID", 1, 1, "" },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}
