/* tenon-net --child: answers one question of the loader; remote.h has the requests and answers. */
#include "cli/net.h"

#include "base/text.h"
#include "net/transfer.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 1 << 16, PROGRESS_PAUSE_MS = 100 };

struct child {
    struct tn_net *net;
    const json_t *request;
    tn_nsec told; /* when progress was told last */
};

/* ---- listings ---- */

static void release_path(struct tn_buf *path, const char *model, const char *version)
{
    tn_buf_adds(path, "/api/v1/models");
    tn_url_add_segment(path, model);
    tn_buf_adds(path, "/releases");
    tn_url_add_segment(path, version);
}

/* Records of engines, each with what the server says of it as further members: its signatures, and
 * why it was revoked where that was done. */
static int add_records(struct tn_net *net, const char *model, const char *version, json_t *records,
                       struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *engines = json_array();
    const json_t *engine;
    size_t at;
    int rc;

    release_path(&path, model, version);
    tn_buf_adds(&path, "/engines");
    rc = tn_net_items(net, tn_buf_text(&path), engines, err);
    json_array_foreach(engines, at, engine)
    {
        json_t *record = json_object_get(engine, "record");

        if (rc != TN_OK || !json_is_object(record))
            continue;
        tn_json_set(record, "signatures", json_incref(json_object_get(engine, "signatures")));
        if (tn_net_is_revoked(engine))
            tn_json_set(record, "revoked", json_string(tn_json_str(engine, "revoked_why", "")));
        (void)json_array_append(records, record);
    }
    return rc;
}

static int list_releases(struct tn_net *net, const char *model, json_t *releases,
                         struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);

    tn_buf_adds(&path, "/api/v1/releases");
    tn_url_add_query(&path, "model", model);
    return tn_net_items(net, tn_buf_text(&path), releases, err);
}

static bool has_channel(const json_t *release, const char *channel)
{
    const json_t *one;
    size_t at;

    json_array_foreach(json_object_get(release, "channels"), at, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), channel) == 0)
            return true;
    }
    return false;
}

/* A version is itself, a channel what it points to. */
static int version_of(struct tn_net *net, const char *model, const char *at, char ret_version[128],
                      struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *releases = json_array();
    const json_t *release;
    size_t which;
    bool is_release = false;
    int rc = tn_net_is_release(net, model, at, &is_release, err);

    (void)tn_text_copy(ret_version, 128, at);
    if (rc < 0 || is_release)
        return rc;
    rc = list_releases(net, model, releases, err);
    json_array_foreach(releases, which, release)
    {
        if (rc == TN_OK && has_channel(release, at)) {
            (void)tn_text_copy(ret_version, 128, tn_json_str(release, "version", ""));
            return TN_OK;
        }
    }
    return rc < 0 ? rc
                  : tn_fail(err, TN_E_NOTFOUND, "'%s' has no release or channel %s@%s",
                            net->server.url.text, model, at);
}

/* What was published, in the answer about a release. */
static json_t *manifest_of(json_t *release)
{
    json_t *manifest = json_object_get(release, "manifest");

    return json_is_object(manifest) ? manifest : release;
}

static int write_json(const json_t *json, const char *to, struct tn_error *err)
{
    if (json_dump_file(json, to, JSON_COMPACT | JSON_SORT_KEYS) < 0)
        return tn_fail_os(err, TN_E_IO, "write '%s'", to);
    return TN_OK;
}

static int do_release(struct child *child, struct tn_error *err)
{
    const char *model = tn_json_str(child->request, "model", "");
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *release = NULL;
    json_t *records = json_array();
    json_t *manifest;
    char version[128];
    int rc = version_of(child->net, model, tn_json_str(child->request, "at", ""), version, err);

    release_path(&path, model, version);
    if (rc == TN_OK)
        rc = tn_net_get(child->net, tn_buf_text(&path), &release, err);
    if (rc == TN_OK)
        rc = add_records(child->net, model, version, records, err);
    if (rc < 0) {
        json_decref(records);
        return rc;
    }
    manifest = manifest_of(release);
    tn_json_set_str(manifest, "model", model);
    tn_json_set_str(manifest, "version", version);
    tn_json_set(manifest, "signatures", json_incref(json_object_get(release, "signatures")));
    tn_json_set(manifest, "engines", records);
    return write_json(manifest, tn_json_str(child->request, "to", ""), err);
}

static int do_engines(struct child *child, struct tn_error *err)
{
    const char *model = tn_json_str(child->request, "model", "");
    tn_auto(tn_json_done) json_t *releases = json_array();
    tn_auto(tn_json_done) json_t *records = json_array();
    const json_t *release;
    size_t at;
    int rc = list_releases(child->net, model, releases, err);

    json_array_foreach(releases, at, release)
    {
        if (rc == TN_OK)
            rc = add_records(child->net, model, tn_json_str(release, "version", ""), records, err);
    }
    return rc < 0 ? rc : write_json(records, tn_json_str(child->request, "to", ""), err);
}

/* ---- a blob ---- */

static bool parent_is_gone(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = 0 };

    return poll(&input, 1, 0) == 1 && (input.revents & (POLLHUP | POLLERR));
}

static bool tell_progress(int64_t done, int64_t total, void *user)
{
    struct child *child = user;
    tn_nsec now = tn_clock_monotonic();

    if (now - child->told < PROGRESS_PAUSE_MS * TN_NSEC_PER_MS)
        return true;
    child->told = now;
    (void)printf("{\"progress\":{\"done\":%lld,\"total\":%lld}}\n", (long long)done,
                 (long long)total);
    return fflush(stdout) == 0 && !parent_is_gone();
}

static int do_fetch(struct child *child, struct tn_error *err)
{
    int64_t bytes = tn_json_int(child->request, "bytes", -1);
    struct tn_transfer transfer;
    struct tn_digest digest;
    int rc = tn_digest_parse(tn_json_str(child->request, "digest", ""), &digest, err);

    if (rc == TN_OK && bytes < 0)
        rc = tn_fail(err, TN_E_INVALID, "how large a file is was not said");
    if (rc == TN_OK)
        rc = tn_net_open(child->net, err);
    if (rc < 0)
        return rc;
    tn_client_watch(child->net->client, tell_progress, child);
    return tn_download(child->net->client, &digest, bytes, tn_json_str(child->request, "to", ""),
                       &transfer, err);
}

/* ---- the frame ---- */

static int read_request(json_t **ret_request, struct tn_error *err)
{
    static char line[REQUEST_BYTES_MAX];

    if (!fgets(line, sizeof(line), stdin))
        return tn_fail(err, TN_E_INVALID, "no request came");
    return tn_json_parse(line, strlen(line), "request", ret_request, err);
}

static int answer(struct child *child, struct tn_error *err)
{
    static const struct {
        const char *name;
        int (*run)(struct child *child, struct tn_error *err);
    } questions[] = { { "release", do_release }, { "engines", do_engines }, { "fetch", do_fetch } };
    const char *what = tn_json_str(child->request, "do", "");
    struct tn_server_choice choice = { .url = tn_json_str(child->request, "server", NULL) };
    int rc = tn_server_choose(&choice, &child->net->server, err);

    if (rc == TN_OK)
        rc = tn_server_may_send_token(&child->net->server, err);
    if (rc == TN_OK)
        rc = tn_client_open(&child->net->server, &child->net->client, err);
    for (size_t i = 0; rc == TN_OK && i < TN_COUNT(questions); i++)
        if (strcmp(questions[i].name, what) == 0)
            return questions[i].run(child, err);
    return rc < 0 ? rc : tn_fail(err, TN_E_INVALID, "'%s' is no question", what);
}

int tn_net_child(struct tn_net *net)
{
    tn_auto(tn_json_done) json_t *request = NULL;
    tn_auto(tn_json_done) json_t *json = json_object();
    struct child child = { .net = net };
    struct tn_error err = { 0 };
    int rc;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    rc = read_request(&request, &err);
    child.request = request;
    if (rc == TN_OK)
        rc = answer(&child, &err);
    if (rc < 0) {
        json_t *error = json_object();

        tn_json_set(error, "code", json_integer(err.code));
        tn_json_set_str(error, "text", err.text);
        tn_json_set(json, "error", error);
    } else {
        tn_json_set(json, "done", json_true());
    }
    return tn_json_line(stdout, json, &err) < 0 || fflush(stdout) != 0;
}
