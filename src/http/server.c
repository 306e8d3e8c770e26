/*
 * The daemon, the loop, and the way of a request:
 *
 *     begin    headers are there: row, admission, limits of the body
 *     collect  pieces of the body, into memory or into the row's stream
 *     run      the handler answers into request->answer, or has a thread work first
 *     answer   at once, or suspended until the commit when anything is dirty
 */
#include "http/http_priv.h"

#include "base/event.h"
#include "base/file.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POOL_BYTES = 8 * 1024, /* of a connection; request line and headers must fit */
    CONNECTIONS_MOST = 10000,
    IDLE_MS = 75000,
    HEAD_MS = 10000,
    SLOWEST_BYTES_PER_S = 1024,
    SWEEP_MS = 1000,
    PASSES_MOST = 8, /* over what is ready, before one commit */
};

/* ---- one request ---- */

static void log_request(struct tn_http_request *request)
{
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    bool quiet = reads || (request->route && request->route->quiet);
    struct tn_event event;
    char id[20];

    if (quiet && request->status < 400 && !request->http->options.verbose)
        return;
    (void)snprintf(id, sizeof(id), "%016" PRIx64, request->id);
    tn_event_begin(&event, request->status >= 500 ? TN_EVENT_WARNING : TN_EVENT_INFO, "request");
    tn_event_text(&event, "id", id);
    tn_event_text(&event, "method", request->method);
    tn_event_text(&event, "path", request->path);
    tn_event_int(&event, "status", request->status);
    tn_event_text(&event, "who", request->who[0] ? request->who : NULL);
    tn_event_text(&event, "address", tn_http_address(request));
    tn_event_end(&event);
}

static enum MHD_Result send_answer(struct tn_http_request *request)
{
    struct tn_http *http = request->http;
    size_t row = request->route ? request->match.index : tn_routes_count(http->routes);
    struct MHD_Response *answer = request->answer;
    enum MHD_Result queued;

    assert(request->status >= 200 && request->status < 600);
    http->requests[row * TN_STATUS_CLASSES + (size_t)(request->status / 100 - 1)]++;
    log_request(request);
    tn_connection_phase(http, request->connection, TN_PHASE_ANSWER,
                        request->file_bytes > 0 ? request->file_bytes : 0);
    queued = MHD_queue_response(request->mhd, (unsigned)request->status, answer);
    MHD_destroy_response(answer);
    request->answer = NULL;
    return queued;
}

/* Nobody is answered while something is not durable yet: not even a reader, who may have seen it.
 */
static enum MHD_Result answer(struct tn_http_request *request)
{
    struct tn_http *http = request->http;

    if (!request->answer) {
        tn_http_problem(request, 500, "IO", "the server has no answer; its log may say more");
        if (!request->answer)
            return MHD_NO;
    }
    if (request->suspended || !http->options.dirty(http->options.user))
        return send_answer(request);
    request->suspended = true;
    request->waiting = http->group;
    http->group = request;
    MHD_suspend_connection(request->mhd);
    return MHD_YES;
}

static void run(struct tn_http_request *request)
{
    request->route->run(request, request->http->options.user);
}

/* ---- answers that need work ---- */

static void run_later(struct tn_job *job)
{
    struct tn_later *later = (struct tn_later *)job;

    later->run(later->user);
}

/* Back in the loop: it waits for the commit with the others. */
static void end_later(struct tn_job *job)
{
    struct tn_later *later = (struct tn_later *)job;
    struct tn_http_request *request = later->request;
    struct tn_http *http = request->http;

    later->done(request, later->user);
    later->run = NULL;
    request->waiting = http->group;
    http->group = request;
}

void tn_http_reply_later(struct tn_http_request *request, void (*run_fn)(void *user),
                         void (*done)(struct tn_http_request *request, void *user), void *user)
{
    assert(!request->answer && !request->later.run);
    request->later = (struct tn_later) {
        .job = { .run = run_later, .done = end_later },
        .request = request,
        .run = run_fn,
        .done = done,
        .user = user,
    };
}

static enum MHD_Result begin_work(struct tn_http_request *request)
{
    request->suspended = true;
    tn_connection_phase(request->http, request->connection, TN_PHASE_WORK, 0);
    MHD_suspend_connection(request->mhd);
    tn_work_submit(request->http->work, &request->later.job);
    return MHD_YES;
}

/* @return whether the row was found; else it is answered */
static bool find_route(struct tn_http_request *request)
{
    int status =
        tn_routes_find(request->http->routes, request->method, request->path, &request->match);

    if (status == 0) {
        request->route = request->match.route;
        return true;
    }
    if (status == 405)
        tn_http_set_header(request, MHD_HTTP_HEADER_ALLOW, request->match.allowed);
    tn_http_problem(request, status, status == 414 ? "TOOBIG" : "NOTFOUND",
                    status == 405 ? "the resource does not take this method" : "no such resource");
    return false;
}

/* Limits that the headers alone can break. @return whether the request may go on */
static bool check_body(struct tn_http_request *request, int64_t bytes)
{
    const struct tn_route *route = request->route;

    if (route->stream && bytes < 0) {
        tn_http_problem(request, 411, "USAGE", "the body needs a Content-Length");
        return false;
    }
    if (!route->stream && bytes != 0 &&
        (route->body_most == 0 || bytes > (int64_t)route->body_most)) {
        tn_http_problem(request, 413, "TOOBIG",
                        "the body is %" PRId64 " bytes, at most %zu are read", bytes,
                        route->body_most);
        return false;
    }
    return true;
}

static void begin_body(struct tn_http_request *request, int64_t bytes)
{
    const struct tn_route *route = request->route;
    struct tn_http *http = request->http;

    request->body = TN_BUF(route->body_most);
    tn_connection_phase(http, request->connection, TN_PHASE_BODY,
                        bytes >= 0 ? bytes : (int64_t)route->body_most);
    if (route->stream)
        request->stream = route->stream->open(request, http->options.user);
}

static struct tn_http_request *new_request(struct tn_http *http, struct MHD_Connection *mhd,
                                           const char *path, const char *method)
{
    struct tn_http_request *request = calloc(1, sizeof(*request));
    const union MHD_ConnectionInfo *info;

    if (!request)
        return NULL;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->http = http;
    request->mhd = mhd;
    request->connection = info ? info->socket_context : NULL;
    request->method = method;
    request->path = path;
    request->file_bytes = -1;
    request->id = http->request_seed + ++http->request_count;
    return request;
}

/* The headers are whole: what they alone decide. */
static void begin(struct tn_http_request *request, int64_t bytes)
{
    struct tn_http *http = request->http;

    if (!find_route(request) || !http->options.admit(request, request->route, http->options.user))
        return;
    if (check_body(request, bytes))
        begin_body(request, bytes);
}

/* What comes after the answer is known is read and thrown away: the client hears it at the end. */
static void collect(struct tn_http_request *request, const char *data, size_t size)
{
    const struct tn_route *route = request->route;

    if (request->answer)
        return;
    if (route->stream) {
        (void)route->stream->write(request, request->stream, data, size);
        return;
    }
    tn_buf_add(&request->body, data, size);
    if (request->body.failed == TN_E_TOOBIG)
        tn_http_problem(request, 413, "TOOBIG", "at most %zu bytes of body are read",
                        route->body_most);
    else if (request->body.failed != 0)
        tn_http_problem(request, 503, "NOMEM", "no memory for the body");
}

/* An answer to the first call ends the connection, because the library cannot know where the next
 * request begins: only bodies that are not wanted are worth that. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct tn_http_request *request = *context;

    (void)version;
    if (!request) {
        request = new_request(user, mhd, url, method);
        if (!request)
            return MHD_NO;
        *context = request;
        begin(request, tn_http_body_bytes(request));
        return request->answer && tn_http_body_bytes(request) != 0 ? answer(request) : MHD_YES;
    }
    if (*size > 0) {
        collect(request, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!request->answer)
        run(request);
    return request->later.run ? begin_work(request) : answer(request);
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    struct tn_http_request *request = *context;
    struct tn_http *http = user;

    (void)mhd;
    *context = NULL;
    if (!request)
        return;
    if (request->file_bytes > 0 && why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        http->figures.download_bytes += request->file_bytes;
    else if (request->file_bytes > 0)
        http->figures.downloads_aborted++;
    if (http->running)
        tn_connection_phase(http, request->connection, TN_PHASE_IDLE, 0);
    if (request->stream)
        request->route->stream->close(request->stream);
    MHD_destroy_response(request->answer);
    tn_buf_done(&request->body);
    for (size_t i = 0; i < request->query_count; i++)
        free(request->query[i]);
    free(request);
}

/* The request line is whole; the headers have their own deadline from here. */
static void *on_request_line(void *user, const char *uri, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    (void)uri;
    tn_connection_phase(user, info ? info->socket_context : NULL, TN_PHASE_HEAD, 0);
    return NULL;
}

/* Paths are cut at their slashes before they are decoded: route.h. */
static size_t decode_nothing(void *user, struct MHD_Connection *mhd, char *text)
{
    (void)user;
    (void)mhd;
    return strlen(text);
}

TN_PRINTF(2, 0)
static void on_trouble(void *user, const char *format, va_list args)
{
    struct tn_http *http = user;
    char *end;

    (void)vsnprintf(http->trouble, sizeof(http->trouble), format, args);
    end = http->trouble + strlen(http->trouble);
    while (end > http->trouble && (end[-1] == '\n' || end[-1] == ' '))
        *--end = '\0';
}

/* ---- the server ---- */

static void fill_defaults(struct tn_http_options *options)
{
    if (options->connections_most == 0)
        options->connections_most = CONNECTIONS_MOST;
    if (options->idle_ms == 0)
        options->idle_ms = IDLE_MS;
    if (options->head_ms == 0)
        options->head_ms = HEAD_MS;
    if (options->slowest_bytes_per_s == 0)
        options->slowest_bytes_per_s = SLOWEST_BYTES_PER_S;
}

/* 1 makes the library use sendfile(), which raises SIGPIPE: the program ignores it. */
static int start_daemon(struct tn_http *http, struct tn_error *err)
{
    const struct tn_http_options *options = &http->options;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (options->tls_cert ? MHD_USE_TLS : 0u);
    struct MHD_OptionItem more[8] = {
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->connections_most, NULL },
        { MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->connections_each, NULL },
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
        { MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
    };
    size_t count = 5;

    if (options->tls_cert) {
        more[count++] = (struct MHD_OptionItem) { MHD_OPTION_HTTPS_MEM_CERT, 0,
                                                  (void *)(uintptr_t)options->tls_cert };
        more[count++] = (struct MHD_OptionItem) { MHD_OPTION_HTTPS_MEM_KEY, 0,
                                                  (void *)(uintptr_t)options->tls_key };
    }
    more[count] = (struct MHD_OptionItem) { MHD_OPTION_END, 0, NULL };
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_trouble, http,
        MHD_OPTION_LISTEN_SOCKET, http->listening, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, tn_connection_notify, http, MHD_OPTION_URI_LOG_CALLBACK,
        on_request_line, http, MHD_OPTION_UNESCAPE_CALLBACK, decode_nothing, http, MHD_OPTION_ARRAY,
        more, MHD_OPTION_END);
    http->listening = -1; /* the daemon's */
    if (!http->daemon)
        return tn_fail(err, options->tls_cert ? TN_E_INVALID : TN_E_IO, "start of HTTP%s: %s",
                       options->tls_cert ? "S" : "", http->trouble);
    return TN_OK;
}

static int make_epoll(struct tn_http *http, struct tn_error *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (http->epoll < 0)
        return tn_fail_os(err, TN_E_IO, "epoll");
    return tn_http_watch(http, info->epoll_fd, err);
}

static int open_all(struct tn_http *http, struct tn_error *err)
{
    int rc = tn_routes_new(http->options.routes, &http->routes, err);

    if (rc < 0)
        return rc;
    http->requests =
        calloc((tn_routes_count(http->routes) + 1) * TN_STATUS_CLASSES, sizeof(http->requests[0]));
    if (!http->requests)
        return tn_fail(err, TN_E_NOMEM, "no memory for counters");
    if (getrandom(&http->request_seed, sizeof(http->request_seed), 0) < 0)
        return tn_fail_os(err, TN_E_IO, "random number");
    rc = tn_listen(http->options.listen, http->options.tls_cert != NULL, http->url,
                   sizeof(http->url), &http->listening, err);
    if (rc == TN_OK)
        rc = start_daemon(http, err);
    if (rc == TN_OK)
        rc = make_epoll(http, err);
    if (rc == TN_OK)
        rc = tn_work_open(&http->work, err);
    return rc < 0 ? rc : tn_http_watch(http, tn_work_fd(http->work), err);
}

int tn_http_open(const struct tn_http_options *options, struct tn_http **ret_http,
                 struct tn_error *err)
{
    struct tn_http *http = calloc(1, sizeof(*http));
    int rc;

    assert(options->routes && options->admit && options->dirty && options->commit);
    if (!http)
        return tn_fail(err, TN_E_NOMEM, "no memory for a server");
    http->options = *options;
    http->epoll = http->listening = -1;
    http->running = true;
    http->now = http->refilled = tn_clock_monotonic();
    fill_defaults(&http->options);
    rc = open_all(http, err);
    if (rc < 0) {
        tn_http_close(http);
        return rc;
    }
    *ret_http = http;
    return TN_OK;
}

void tn_http_close(struct tn_http *http)
{
    if (!http)
        return;
    http->running = false;
    tn_work_close(http->work);
    tn_transfers_release(http);
    while (http->group) {
        MHD_resume_connection(http->group->mhd);
        http->group = http->group->waiting;
    }
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    tn_fd_done(&http->listening);
    tn_fd_done(&http->epoll);
    tn_routes_free(http->routes);
    free(http->requests);
    free(http);
}

struct tn_work *tn_http_work(struct tn_http *http)
{
    return http->work;
}

const char *tn_http_url(const struct tn_http *http)
{
    return http->url;
}

int tn_http_watch(struct tn_http *http, int fd, struct tn_error *err)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return tn_fail_os(err, TN_E_IO, "watch of a descriptor");
    return TN_OK;
}

/* Makes what the handlers changed durable and lets the group go. */
static void settle(struct tn_http *http)
{
    struct tn_error err = { 0 };
    int rc = TN_OK;

    if (http->options.dirty(http->options.user)) {
        rc = http->options.commit(http->options.user, &err);
        http->figures.groups++;
    }
    if (rc < 0) {
        http->figures.failed_groups++;
        tn_event_error("commit_failed", &err);
    }
    while (http->group) {
        struct tn_http_request *request = http->group;

        http->group = request->waiting;
        request->waiting = NULL;
        http->figures.grouped++;
        if (rc < 0)
            tn_reply_withdraw(request, &err);
        http->resumed = true;
        MHD_resume_connection(request->mhd);
    }
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int64_t wait_of(struct tn_http *http, int64_t wait_ms)
{
    MHD_UNSIGNED_LONG_LONG left;

    if (http->resumed)
        return 0;
    if (MHD_get_timeout(http->daemon, &left) == MHD_YES)
        wait_ms = sooner(wait_ms, left > SWEEP_MS ? SWEEP_MS : (int64_t)left);
    if (http->connections)
        wait_ms = sooner(wait_ms, SWEEP_MS);
    if (http->first_waiting)
        wait_ms = sooner(wait_ms, tn_transfers_refill(http) / TN_NSEC_PER_MS);
    return wait_ms;
}

/* Whether more requests are ready at this instant. */
static bool is_more_ready(struct tn_http *http)
{
    MHD_UNSIGNED_LONG_LONG left;
    struct epoll_event got;

    return (MHD_get_timeout(http->daemon, &left) == MHD_YES && left == 0) ||
           epoll_wait(http->epoll, &got, 1, 0) > 0;
}

/* What has come while the first of a group were served joins them: a commit costs as much as twenty
 * requests. */
static int serve(struct tn_http *http, struct tn_error *err)
{
    int passes = 0;

    do {
        if (MHD_run(http->daemon) == MHD_NO)
            return tn_fail(err, TN_E_IO, "serve requests: %s", http->trouble);
    } while (http->group && ++passes < PASSES_MOST && is_more_ready(http));
    return TN_OK;
}

int tn_http_step(struct tn_http *http, int64_t wait_ms, struct tn_error *err)
{
    int64_t wait = wait_of(http, wait_ms);
    struct epoll_event got;
    int rc;

    if (wait != 0 && epoll_wait(http->epoll, &got, 1, (int)wait) < 0 && errno != EINTR)
        return tn_fail_os(err, TN_E_IO, "wait for requests");
    http->now = tn_clock_monotonic();
    http->resumed = false;
    (void)tn_transfers_refill(http);
    tn_work_deliver(http->work);
    rc = serve(http, err);
    if (rc < 0)
        return rc;
    settle(http);
    tn_connections_sweep(http);
    return TN_OK;
}

void tn_http_drain(struct tn_http *http)
{
    int fd;

    if (http->draining)
        return;
    http->draining = true;
    http->next_sweep = 0;
    fd = MHD_quiesce_daemon(http->daemon);
    tn_fd_done(&fd);
    tn_connections_sweep(http);
}

size_t tn_http_connections(const struct tn_http *http)
{
    return (size_t)http->figures.connections;
}

void tn_http_figures(const struct tn_http *http, struct tn_http_figures *ret_figures)
{
    *ret_figures = http->figures;
}

int64_t tn_http_requests(const struct tn_http *http, size_t row, size_t status_class)
{
    assert(row <= tn_routes_count(http->routes) && status_class < TN_STATUS_CLASSES);
    return http->requests[row * TN_STATUS_CLASSES + status_class];
}
