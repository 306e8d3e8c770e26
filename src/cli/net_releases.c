/* tenon releases, channel, engine. */
#include "cli/net.h"

#include "base/text.h"
#include "cli/container.h"
#include "net/transfer.h"

#include <string.h>

static void model_path(struct tn_buf *path, const char *model)
{
    tn_buf_adds(path, "/api/v1/models");
    tn_url_add_segment(path, model);
}

static int releases_rm(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    char model[128], version[128];
    int rc;

    if (strcmp(args[0], "rm") != 0)
        return tn_cli_usage(net->call, "'%s' is one argument too many", args[1]);
    rc = tn_net_split(args[1], model, version, err);
    if (rc == TN_OK && !*version)
        rc = tn_fail(err, TN_E_USAGE, "'%s' names no release: MODEL@VERSION", args[1]);
    if (rc < 0)
        return rc;
    model_path(&path, model);
    tn_buf_adds(&path, "/releases");
    tn_url_add_segment(&path, version);
    rc = tn_net_send(net, "DELETE", tn_buf_text(&path), NULL, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "removed %s@%s: devices that run it keep it",
                               model, version);
}

int tn_net_releases(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "MODEL", "model", TN_CELL_TEXT },       { "VERSION", "version", TN_CELL_TEXT },
        { "CHANNELS", "channels", TN_CELL_TEXT }, { "ENGINES", "engines_in_force", TN_CELL_COUNT },
        { "SIGNED", "signed", TN_CELL_TEXT },     { "PUBLISHED", "created", TN_CELL_AGO },
        { "BY", "created_by", TN_CELL_TEXT },     { 0 },
    };
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096), nothing = TN_BUF(512);
    const char *model = net->call->arg_count ? net->call->args[0] : NULL;

    if (net->call->arg_count > 1)
        return releases_rm(net, err);
    if (model && strchr(model, '@'))
        return tn_cli_usage(net->call,
                            "'%s' is one release: name a model, as %.*s; 'tenon engine "
                            "list' shows what a release holds",
                            model, (int)strcspn(model, "@"), model);
    tn_buf_adds(&path, "/api/v1/releases");
    tn_url_add_query(&path, "model", model);
    tn_buf_addf(&nothing, "no releases%s%.128s: 'tenon push MODEL --release VERSION' makes one",
                model ? " of " : "", model ? model : "");
    return tn_net_list(net, tn_buf_text(&path), columns, tn_buf_text(&nothing), err);
}

/* ---- channel ---- */

static int channel_set(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    char model[128], channel[128];
    json_t *body = json_object();
    int rc = tn_net_split(args[1], model, channel, err);

    if (rc == TN_OK && !*channel)
        rc = tn_fail(err, TN_E_USAGE, "'%s' names no channel: MODEL@CHANNEL, as %s@stable", args[1],
                     model);
    model_path(&path, model);
    tn_buf_adds(&path, "/channels");
    tn_url_add_segment(&path, channel);
    tn_json_set_str(body, "version", args[2]);
    if (rc < 0) {
        json_decref(body);
        return rc;
    }
    rc = tn_net_send(net, "PUT", tn_buf_text(&path), body, &answer, err);
    return rc < 0 ? rc : tn_net_say(net, answer, err, "%s@%s is %s now", model, channel, args[2]);
}

int tn_net_channel(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "set", channel_set, "MODEL@CHANNEL VERSION", 2, 2, "" },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}

/* ---- engine ---- */

static int engine_list(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "DIGEST", "digest", TN_CELL_DIGEST },
        { "SIZE", "bytes", TN_CELL_BYTES },
        { "STATE", "state", TN_CELL_TEXT },
        { "SIGNED", "signed", TN_CELL_TEXT },
        { "ATTACHED", "attachments", TN_CELL_TEXT },
        { "PINNED", "pinned", TN_CELL_TEXT },
        { "NAME", "name", TN_CELL_TEXT },
        { "WHY", "revoked_why", TN_CELL_TEXT },
        { 0 },
    };
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    char model[128], version[128];
    int rc = tn_net_split(net->call->args[1], model, version, err);

    if (rc == TN_OK && !*version)
        rc = tn_fail(err, TN_E_USAGE,
                     "'%s' names no release: MODEL@VERSION; 'tenon releases %s' "
                     "lists them",
                     net->call->args[1], model);
    if (rc < 0)
        return rc;
    model_path(&path, model);
    tn_buf_adds(&path, "/releases");
    tn_url_add_segment(&path, version);
    tn_buf_adds(&path, "/engines");
    return tn_net_list(net, tn_buf_text(&path), columns, "no engines in this release yet", err);
}

static void engine_path(struct tn_buf *path, const char *engine, const char *rest)
{
    tn_buf_adds(path, "/api/v1/engines");
    tn_url_add_segment(path, engine);
    tn_buf_adds(path, rest);
}

/* A person may have given six digits of it. */
static const char *name_of(const json_t *engine, const char *given)
{
    return tn_json_str(engine, "name", given);
}

static int engine_revoke(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body = json_object();
    int rc;

    tn_json_set_str(body, "why", tn_given(net->call, "why"));
    engine_path(&path, net->call->args[1], "/revoke");
    rc = tn_net_send(net, "POST", tn_buf_text(&path), body, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "revoked %s: nobody is given it any more",
                               name_of(answer, net->call->args[1]));
}

static int pin(struct tn_net *net, const char *method, const char *what, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    int rc;

    engine_path(&path, net->call->args[1], "/pin");
    rc = tn_net_send(net, method, tn_buf_text(&path), NULL, &answer, err);
    return rc < 0
               ? rc
               : tn_net_say(net, answer, err, "%s %s", what, name_of(answer, net->call->args[1]));
}

static int engine_pin(struct tn_net *net, struct tn_error *err)
{
    return pin(net, "PUT", "pinned", err);
}

static int engine_unpin(struct tn_net *net, struct tn_error *err)
{
    return pin(net, "DELETE", "no longer pinned:", err);
}

static bool show_transfer(int64_t done, int64_t total, void *user)
{
    tn_net_show_transfer(user, "sending", done, total, 0);
    return true;
}

static int send_container(struct tn_net *net, const char *kind, const char *file,
                          struct tn_digest *ret_digest, struct tn_error *err)
{
    struct tn_upload_file upload = { .path = file };
    struct tn_transfer transfer;
    tn_auto(tn_fd_done) int fd = -1;
    int rc = tn_file_open(file, &fd, NULL, err);

    if (rc == TN_OK)
        rc = tn_digest_fd(fd, &upload.digest, &upload.bytes, err);
    if (rc == TN_OK && (rc = tn_container_check(kind, fd, upload.bytes, err)) < 0)
        return tn_while(err, rc, "'%s'", file);
    if (rc == TN_OK)
        rc = tn_net_open(net, err);
    if (rc < 0)
        return rc;
    tn_client_watch(net->client, show_transfer, net);
    rc = tn_upload(net->client, &upload, &transfer, err);
    tn_client_watch(net->client, NULL, NULL);
    tn_meter_end(&net->meter);
    *ret_digest = upload.digest;
    return rc < 0 ? tn_while(err, rc, "send '%s'", file) : TN_OK;
}

static int engine_attach(struct tn_net *net, struct tn_error *err)
{
    const char *const *args = net->call->args;
    const char *kind = tn_given(net->call, "kind");
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    char hex[TN_DIGEST_HEX];
    struct tn_digest digest;
    json_t *body;
    int rc;

    if (!kind)
        kind = tn_container_kind(args[2]);
    if (!kind)
        return tn_cli_usage(net->call, "'%s' ends in neither .swu nor .raucb: say --kind", args[2]);
    rc = send_container(net, kind, args[2], &digest, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&digest, hex);
    body = json_object();
    tn_json_set_str(body, "file", hex);
    tn_json_set_str(body, "name", tn_path_base(args[2]));
    engine_path(&path, args[1], "/attachments");
    tn_url_add_segment(&path, kind);
    rc = tn_net_send(net, "PUT", tn_buf_text(&path), body, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "attached %s to %s for %s", tn_path_base(args[2]),
                               name_of(answer, args[1]), kind);
}

static int override(struct tn_net *net, const char *verdict, struct tn_error *err)
{
    const char *class_key = tn_given(net->call, "class");
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body;
    int rc;

    if (!class_key)
        return tn_cli_usage(net->call, "%s needs --class: which devices is it about?", verdict);
    body = json_object();
    tn_json_set_str(body, "class", class_key);
    tn_json_set_str(body, "verdict", verdict);
    engine_path(&path, net->call->args[1], "/override");
    rc = tn_net_send(net, "POST", tn_buf_text(&path), body, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "%s %s for devices of class %s",
                               strcmp(verdict, "stop") == 0 ? "stopped" : "allowed",
                               name_of(answer, net->call->args[1]), class_key);
}

static int engine_allow(struct tn_net *net, struct tn_error *err)
{
    return override(net, "allow", err);
}

static int engine_stop(struct tn_net *net, struct tn_error *err)
{
    return override(net, "stop", err);
}

int tn_net_engine(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "list", engine_list, "MODEL@VERSION", 1, 1, "" },
        { "revoke", engine_revoke, "ENGINE", 1, 1, "why " },
        { "attach", engine_attach, "ENGINE FILE", 2, 2, "kind " },
        { "pin", engine_pin, "ENGINE", 1, 1, "" },
        { "unpin", engine_unpin, "ENGINE", 1, 1, "" },
        { "allow", engine_allow, "ENGINE", 1, 1, "class " },
        { "stop", engine_stop, "ENGINE", 1, 1, "class " },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}
