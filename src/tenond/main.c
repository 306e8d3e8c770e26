/*
 * The program `tenond`: opens the parts, runs the loop, drains on SIGTERM.
 */
#include "base/clock.h"
#include "base/event.h"
#include "base/file.h"
#include "base/json.h"
#include "tenond/backup.h"
#include "tenond/collect.h"
#include "tenond/documents.h"
#include "tenond/tenond.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FLUSH_SEEN_MS = 60 * 1000,
    COLLECT_MS = 3600 * 1000,
    FORGET_MOST = 500, /* old actions, and old entries of the audit log, at one time: some ms */
    SIGNALS_MS = 10,   /* between two looks at signals */
    PEM_MOST = 256 * 1024,
    TOKEN_MOST = 4096,
    SPARE_FILES = 256, /* descriptors beside connections and the files they send */
};

/* ---- the admin's token ---- */

static bool has_admin(struct tn_fleet *fleet)
{
    tn_auto(tn_json_done) json_t *tokens = tn_fleet_tokens_json(fleet);
    json_t *token;
    size_t i;

    json_array_foreach(tokens, i, token)
    {
        if (strcmp(tn_json_str(token, "role", ""), "admin") == 0 &&
            !tn_json_str(token, "revoked", NULL))
            return true;
    }
    return false;
}

/* The file comes first: killed in between, the next start finds no admin and makes another. */
static int make_admin(struct tn_tenond *tenond, struct tn_error *err)
{
    struct tn_event event;
    char token[65], id[17];
    int rc;

    if (has_admin(tenond->fleet))
        return TN_OK;
    rc = tn_fleet_role_token_new(tenond->fleet, TN_ROLE_ADMIN, "first admin", token, id, "tenond",
                                 tn_tenond_now_ms(), err);
    if (rc == TN_OK)
        rc = tn_file_replace(tenond->options.data, "admin.token", token, strlen(token), 0600, err);
    if (rc == TN_OK)
        rc = tn_fleet_commit(tenond->fleet, err);
    if (rc < 0)
        return tn_while(err, rc, "first admin token");
    tn_event_begin(&event, TN_EVENT_INFO, "admin_token_made");
    tn_event_text(&event, "folder", tenond->options.data);
    tn_event_text(&event, "file", "admin.token");
    tn_event_end(&event);
    return TN_OK;
}

/* ---- the parts ---- */

static bool is_dirty(void *user)
{
    return tn_fleet_dirty(((struct tn_tenond *)user)->fleet);
}

static int commit(void *user, struct tn_error *err)
{
    struct tn_tenond *tenond = user;
    int rc = tn_fleet_commit(tenond->fleet, err);

    tn_space_learn(&tenond->space, tenond->options.data, rc, tn_clock_monotonic());
    return rc;
}

static int read_text(const char *path, size_t most, char **ret_text, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(most);
    int rc = path ? tn_file_read(path, &text, err) : TN_OK;

    if (rc < 0 || !path)
        return rc;
    *ret_text = tn_buf_steal(&text);
    return *ret_text ? TN_OK : tn_fail(err, TN_E_INVALID, "'%s' is empty", path);
}

static bool is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0 ||
           strncmp(listen, "localhost:", 10) == 0;
}

static int read_secrets(struct tn_tenond *tenond, struct tn_error *err)
{
    const struct tn_tenond_options *options = &tenond->options;
    int rc = read_text(options->tls_cert, PEM_MOST, &tenond->tls_cert, err);

    if (rc == TN_OK)
        rc = read_text(options->tls_key, PEM_MOST, &tenond->tls_key, err);
    if (rc == TN_OK)
        rc = read_text(options->metrics_token_file, TOKEN_MOST, &tenond->metrics_token, err);
    if (rc < 0)
        return rc;
    if (tenond->metrics_token)
        tenond->metrics_token[strcspn(tenond->metrics_token, "\r\n")] = '\0';
    if (tenond->metrics_token && !tenond->metrics_token[0])
        return tn_fail(err, TN_E_INVALID, "'%s' holds no token", options->metrics_token_file);
    tenond->metrics_open = !tenond->metrics_token && is_loopback(options->listen);
    return TN_OK;
}

static int open_data(struct tn_tenond *tenond, struct tn_error *err)
{
    const struct tn_tenond_options *options = &tenond->options;
    const struct tn_fleet_options fleet = {
        .poll_seconds = options->poll_ns / TN_NSEC_PER_S,
        .monotonic_ns = tn_clock_monotonic,
        .evidence_devices = options->evidence_devices,
        .evidence_ratio = options->evidence_ratio,
        .pause_devices = options->pause_devices,
        .pause_percent = options->pause_percent,
        .keep_actions_ms = options->keep_actions_ns / TN_NSEC_PER_MS,
        .keep_audit_ms = options->keep_audit_ns / TN_NSEC_PER_MS,
    };
    tn_auto(tn_str_free) char *path = tn_path_join(options->data, "tenond.db");
    int rc = path ? tn_dir_make(options->data, 0700, err) : tn_fail(err, TN_E_NOMEM, "no memory");

    if (rc == TN_OK)
        rc = tn_db_open(path, &tenond->db, err);
    if (rc == TN_OK)
        rc = tn_blobs_open(options->data, &tenond->blobs, err);
    if (rc == TN_OK)
        rc = tn_fleet_open(tenond->db, tenond->blobs, &fleet, &tenond->fleet, err);
    return rc;
}

/* The keys in the folder now; a folder that cannot be read leaves those of before. */
static int trust(struct tn_tenond *tenond, struct tn_error *err)
{
    const struct tn_tenond_options *options = &tenond->options;
    struct tn_keyring ring = { .count = 0 };
    int rc = options->trusted_keys ? tn_keyring_read(options->trusted_keys, &ring, err) : TN_OK;

    if (rc < 0) {
        tn_keyring_done(&ring);
        return tn_while(err, rc, "--trusted-keys");
    }
    tn_keyring_done(&tenond->trusted);
    tenond->trusted = ring;
    tn_fleet_trust(tenond->fleet, &tenond->trusted, options->require_signatures != 0);
    return TN_OK;
}

static void trust_anew(struct tn_tenond *tenond)
{
    struct tn_error err = { 0 };
    struct tn_event event;

    if (trust(tenond, &err) < 0) {
        tn_event_error("trusted_keys_not_read", &err);
        return;
    }
    tn_event_begin(&event, TN_EVENT_INFO, "trusted_keys");
    tn_event_int(&event, "keys", (int64_t)tenond->trusted.count);
    tn_event_end(&event);
}

static void close_all(struct tn_tenond *tenond)
{
    tenond->closing = true;
    tn_http_close(tenond->http);
    tn_fleet_close(tenond->fleet);
    tn_blobs_close(tenond->blobs);
    tn_db_close(tenond->db);
    tn_keyring_done(&tenond->trusted);
    free(tenond->tls_cert);
    free(tenond->tls_key);
    free(tenond->metrics_token);
}

static int open_http(struct tn_tenond *tenond, struct tn_error *err)
{
    const struct tn_tenond_options *options = &tenond->options;
    const struct tn_http_options http = {
        .listen = options->listen,
        .tls_cert = tenond->tls_cert,
        .tls_key = tenond->tls_key,
        .trusted_proxy = options->trusted_proxy,
        .connections_most = (unsigned)options->connections,
        .connections_each = (unsigned)options->connections_each,
        .download_bytes_per_s = options->download_bytes_per_s,
        .verbose = options->verbose != 0,
        .routes = tn_tenond_routes,
        .admit = tn_tenond_admit,
        .dirty = is_dirty,
        .commit = commit,
        .user = tenond,
    };

    return tn_http_open(&http, &tenond->http, err);
}

/* Each download holds a file beside its connection. */
static void raise_file_limit(int64_t connections)
{
    rlim_t wanted = (rlim_t)connections * 2 + SPARE_FILES;
    struct rlimit limit;
    struct tn_event event;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return;
    tn_event_begin(&event, TN_EVENT_WARNING, "few_descriptors");
    tn_event_int(&event, "limit", (int64_t)limit.rlim_cur);
    tn_event_int(&event, "wanted", (int64_t)wanted);
    tn_event_end(&event);
}

static int open_all(struct tn_tenond *tenond, struct tn_error *err)
{
    uint64_t seed = 0;
    int rc;

    if (getrandom(&seed, sizeof(seed), 0) < 0)
        return tn_fail_os(err, TN_E_IO, "random number");
    tn_attempts_init(&tenond->attempts, seed);
    tenond->started_ms = tn_tenond_now_ms();
    raise_file_limit(tenond->options.connections);
    rc = read_secrets(tenond, err);
    if (rc == TN_OK)
        rc = open_data(tenond, err);
    if (rc == TN_OK)
        rc = trust(tenond, err);
    if (rc == TN_OK)
        rc = make_admin(tenond, err);
    if (rc == TN_OK)
        rc = open_http(tenond, err);
    return rc;
}

/* ---- the loop ---- */

/* Tells systemd (Type=notify); without it nothing. */
static void notify(const char *state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length < 2 || length >= sizeof(address.sun_path))
        return;
    (void)memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    (void)close(fd);
}

/* SIGTERM, SIGINT and SIGHUP become readable; SIGPIPE is nobody's business (http/server.h). */
static int take_signals(int *ret_fd, struct tn_error *err)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return tn_fail_os(err, TN_E_IO, "block signals");
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? tn_fail_os(err, TN_E_IO, "signalfd") : TN_OK;
}

/* Those that came are taken; SIGHUP has the trusted keys read anew, the others stop the server. */
static bool was_asked_to_stop(struct tn_tenond *tenond, int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP)
            return true;
        trust_anew(tenond);
    }
    return false;
}

/* What is due by the clock; the next step commits what it changed. */
struct timers {
    tn_nsec flush, collect, signals;
};

static void run_timers(struct tn_tenond *tenond, struct timers *timers)
{
    tn_nsec now = tn_clock_monotonic();
    struct tn_error err = { 0 };

    if (now >= timers->flush && tn_space_admits(&tenond->space, tenond->options.data, now)) {
        timers->flush = now + (tn_nsec)FLUSH_SEEN_MS * TN_NSEC_PER_MS;
        if (tn_fleet_flush_seen(tenond->fleet, tn_tenond_now_ms(), FLUSH_SEEN_MS, &err) < 0)
            tn_event_error("flush_failed", &err);
        if (tn_fleet_forget_actions(tenond->fleet, tn_tenond_now_ms(), FORGET_MOST, &err) < 0)
            tn_event_error("forget_failed", &err);
        if (tn_fleet_forget_audit(tenond->fleet, tn_tenond_now_ms(), FORGET_MOST, &err) < 0)
            tn_event_error("forget_failed", &err);
    }
    if (now >= timers->collect) {
        timers->collect = now + (tn_nsec)COLLECT_MS * TN_NSEC_PER_MS;
        tn_tenond_collect(tenond);
    }
}

static int serve(struct tn_tenond *tenond, int signals, struct tn_error *err)
{
    tn_nsec now = tn_clock_monotonic();
    struct timers timers = { now + (tn_nsec)FLUSH_SEEN_MS * TN_NSEC_PER_MS,
                             now + (tn_nsec)COLLECT_MS * TN_NSEC_PER_MS, 0 };

    for (;;) {
        int rc = tn_http_step(tenond->http, FLUSH_SEEN_MS, err);

        if (rc < 0)
            return rc;
        run_timers(tenond, &timers);
        /* A signal ends the wait of a step; under load, a look at each would be a call in ten. */
        now = tn_clock_monotonic();
        if (now < timers.signals)
            continue;
        timers.signals = now + (tn_nsec)SIGNALS_MS * TN_NSEC_PER_MS;
        if (was_asked_to_stop(tenond, signals))
            return TN_OK;
    }
}

/* All that was acknowledged is durable before this: when each device was heard last is all that a
 * full disk can take. */
static void keep_seen(struct tn_tenond *tenond)
{
    struct tn_error err = { 0 };
    int rc = tn_fleet_flush_seen(tenond->fleet, tn_tenond_now_ms(), 0, &err);
    int committed = tn_fleet_commit(tenond->fleet, rc < 0 ? NULL : &err);
    struct tn_event event;

    if (rc == TN_OK && committed == TN_OK)
        return;
    tn_event_begin(&event, TN_EVENT_WARNING, "last_seen_lost");
    tn_event_text(&event, "error", err.text);
    tn_event_end(&event);
}

/* Lets requests in progress end; a second signal ends it at once. */
static int drain(struct tn_tenond *tenond, int signals, struct tn_error *err)
{
    tn_nsec end = tn_clock_monotonic() + tenond->options.drain_ns;

    notify("STOPPING=1");
    tn_http_drain(tenond->http);
    while (tn_http_connections(tenond->http) > 0 && tn_clock_monotonic() < end &&
           !was_asked_to_stop(tenond, signals)) {
        int rc = tn_http_step(tenond->http, 100, err);

        if (rc < 0)
            return rc;
    }
    keep_seen(tenond);
    return TN_OK;
}

static void say(const char *name, const struct tn_tenond *tenond)
{
    struct tn_event event;

    tn_event_begin(&event, TN_EVENT_INFO, name);
    tn_event_text(&event, "version", TN_VERSION);
    tn_event_text(&event, "url", tn_http_url(tenond->http));
    tn_event_text(&event, "data", tenond->options.data);
    tn_event_int(&event, "devices", (int64_t)tn_fleet_device_count(tenond->fleet));
    tn_event_int(&event, "ms", tn_tenond_now_ms() - tenond->started_ms);
    tn_event_end(&event);
}

static int run(struct tn_tenond *tenond, struct tn_error *err)
{
    tn_auto(tn_fd_done) int signals = -1;
    int rc = take_signals(&signals, err);

    if (rc == TN_OK)
        rc = open_all(tenond, err);
    if (rc == TN_OK)
        rc = tn_http_watch(tenond->http, signals, err);
    if (rc < 0)
        return rc;
    say("listening", tenond);
    notify("READY=1");
    rc = serve(tenond, signals, err);
    if (rc == TN_OK)
        rc = drain(tenond, signals, err);
    say("stopped", tenond);
    return rc;
}

static int fail(const struct tn_error *err)
{
    (void)fprintf(stderr, "tenond: %s\n", err->text);
    if (err->code == TN_E_USAGE)
        (void)fputs("Try 'tenond --help'.\n", stderr);
    return tn_error_exit_status(err->code);
}

int main(int argc, char **argv)
{
    static struct tn_tenond tenond;
    struct tn_error err = { 0 };
    int rc = tn_tenond_options_read(argc, argv, &tenond.options, &err);

    if (rc < 0)
        return fail(&err);
    if (tenond.options.document)
        return tn_tenond_document(stdout, tenond.options.document);
    if (tenond.options.help || tenond.options.version) {
        if (tenond.options.help)
            tn_tenond_help(stdout);
        else
            (void)printf("tenond %s\n", TN_VERSION);
        return fflush(stdout) == 0 ? 0 : tn_error_exit_status(TN_E_IO);
    }
    rc = strcmp(tenond.options.verb, "backup") == 0
             ? tn_tenond_backup(tenond.options.data, tenond.options.to, &err)
             : run(&tenond, &err);
    close_all(&tenond);
    return rc < 0 ? fail(&err) : 0;
}
