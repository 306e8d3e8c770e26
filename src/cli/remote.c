#include "cli/remote.h"

#include "base/file.h"
#include "base/libexec.h"
#include "base/proc.h"
#include "base/text.h"
#include "net/servers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTING_BYTES_MAX = 64 << 20 };

/* ---- one child ---- */

struct asking {
    tn_remote_watch_fn watch;
    void *user;
    bool done, stopped;
    int rc; /* that the child said */
    struct tn_error err;
    char complaint[300]; /* first line on its standard error */
};

static void take_error(struct asking *asking, const json_t *error)
{
    int code = (int)tn_json_int(error, "code", TN_E_IO);

    asking->rc = tn_fail(&asking->err, code < 0 ? code : TN_E_IO, "%s",
                         tn_json_str(error, "text", "it failed without a word"));
}

static bool on_line(enum tn_stream stream, const char *line, size_t length, void *user)
{
    struct asking *asking = user;
    tn_auto(tn_json_done) json_t *json = NULL;
    const json_t *progress;

    if (stream == TN_STREAM_TICK)
        return true;
    if (stream == TN_STREAM_ERR) {
        if (!asking->complaint[0])
            (void)tn_text_copy_n(asking->complaint, sizeof(asking->complaint), line, length);
        return true;
    }
    if (tn_json_parse(line, length, "tenon-net", &json, NULL) < 0)
        return true;
    progress = json_object_get(json, "progress");
    if (json_object_get(json, "error"))
        take_error(asking, json_object_get(json, "error"));
    asking->done = asking->done || tn_json_bool(json, "done", false);
    if (progress && asking->watch)
        asking->stopped = !asking->watch(tn_json_int(progress, "done", 0),
                                         tn_json_int(progress, "total", TN_UNKNOWN), asking->user);
    return !asking->stopped;
}

static int run_child(const char *program, const json_t *request, struct asking *asking,
                     struct tn_error *err)
{
    const char *const argv[] = { program, "--child", NULL };
    tn_auto(tn_str_free) char *text = tn_json_text(request);
    tn_auto(tn_buf_done) struct tn_buf input = TN_BUF(1 << 16);
    struct tn_proc_options options = { .argv = argv, .environment = (const char *const *)environ };
    struct tn_proc_result result;
    int rc;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "ask a server");
    tn_buf_addf(&input, "%s\n", text);
    options.input = tn_buf_text(&input);
    rc = tn_buf_check(&input, "a request", err);
    if (rc == TN_OK)
        rc = tn_proc_run(&options, on_line, asking, &result, err);
    if (rc < 0)
        return rc;
    if (asking->stopped)
        return tn_fail(err, TN_E_CANCELLED, "stopped");
    if (asking->rc < 0)
        return tn_fail(err, asking->rc, "%s", asking->err.text);
    if (!asking->done)
        return tn_fail(err, TN_E_IO, "tenon-net ended without an answer%s%s",
                       asking->complaint[0] ? ": " : "", asking->complaint);
    return TN_OK;
}

static int ask(json_t *request_steal, struct asking *asking, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *request = request_steal;
    char program[PATH_MAX];
    int rc = tn_libexec_find("tenon-net", program, err);

    return rc == TN_OK ? run_child(program, request, asking, err) : rc;
}

/* ---- the loader's questions ---- */

static json_t *request_for(const char *what, const char *server, const char *to)
{
    json_t *request = json_object();

    tn_json_set_str(request, "do", what);
    tn_json_set_str(request, "server", server);
    tn_json_set_str(request, "to", to);
    return request;
}

/* An answer that is larger than a line goes through a file of ours. */
static int ask_for_json(json_t *request_steal, json_t **ret_json, struct tn_error *err)
{
    char path[] = "/tmp/tenon-net-XXXXXX";
    struct asking asking = { .watch = NULL };
    int fd = mkstemp(path);
    int rc;

    if (fd < 0) {
        json_decref(request_steal);
        return tn_fail_os(err, TN_E_IO, "make a file in /tmp");
    }
    (void)close(fd);
    tn_json_set_str(request_steal, "to", path);
    rc = ask(request_steal, &asking, err);
    if (rc == TN_OK)
        rc = tn_json_read(path, LISTING_BYTES_MAX, ret_json, err);
    (void)unlink(path);
    return rc;
}

static int release(void *self, const char *model, const char *at, json_t **ret_release,
                   struct tn_error *err)
{
    json_t *request = request_for("release", self, NULL);

    tn_json_set_str(request, "model", model);
    tn_json_set_str(request, "at", at);
    return ask_for_json(request, ret_release, err);
}

static int engines(void *self, const char *model, json_t **ret_records, struct tn_error *err)
{
    json_t *request = request_for("engines", self, NULL);

    tn_json_set_str(request, "model", model);
    return ask_for_json(request, ret_records, err);
}

static int fetch(void *self, const struct tn_digest *digest, int64_t bytes, const char *path,
                 tn_remote_watch_fn watch, void *user, struct tn_error *err)
{
    struct asking asking = { .watch = watch, .user = user };
    json_t *request = request_for("fetch", self, path);
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    tn_json_set_str(request, "digest", hex);
    tn_json_set_int(request, "bytes", bytes);
    return ask(request, &asking, err);
}

/* ---- which servers ---- */

static bool add(struct tn_remotes *remotes, const char *url)
{
    char *kept = strdup(url);

    if (!kept || remotes->count == TN_REMOTES_MAX) {
        free(kept);
        return false;
    }
    remotes->url[remotes->count] = kept;
    remotes->remote[remotes->count++] = (struct tn_remote) { kept, kept, release, engines, fetch };
    return true;
}

static bool add_known(const struct tn_server *server, void *user)
{
    return add(user, server->url.text);
}

int tn_remotes_find(const struct tn_invocation *call, struct tn_remotes *ret_remotes)
{
    struct tn_error err = { 0 };
    const char *given;

    *ret_remotes = (struct tn_remotes) { .count = 0 };
    for (size_t i = 0; (given = tn_given_at(call, "remote", i)) != NULL; i++) {
        struct tn_url url;

        if (tn_url_parse(given, &url, &err) < 0)
            return tn_cli_usage(call, "--remote: %s", err.text);
        if (!add(ret_remotes, url.text))
            return tn_cli_usage(call, "more than %d servers", TN_REMOTES_MAX);
    }
    if (ret_remotes->count == 0 && tn_servers_each(add_known, ret_remotes, &err) < 0)
        tn_cli_warn(call, "servers are left out: %s", err.text);
    return 0;
}

void tn_remotes_done(struct tn_remotes *remotes)
{
    for (size_t i = 0; i < remotes->count; i++)
        free(remotes->url[i]);
    remotes->count = 0;
}
