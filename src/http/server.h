/*
 * HTTP/1.1 over libmicrohttpd, in the caller's loop: one thread, no waiting in handlers.
 *
 * One wake-up serves every connection that is ready; what the handlers changed is committed once,
 * and nobody is answered before that (`dirty`, `commit`): an answer never tells of something that a
 * crash could take back. When the commit fails, the whole group is answered 503.
 *
 * Every connection has a deadline in each of its phases, so that a client that sends or takes its
 * bytes one by one does not stay:
 *
 *     idle      until a request line is whole       idle_ms
 *     head      until the headers are whole         head_ms
 *     body      until the body is whole             head_ms + bytes / slowest_bytes_per_s
 *     answer    until the answer is sent            head_ms + bytes / slowest_bytes_per_s
 *
 * and none more than a week, however many bytes were announced.
 *
 * A server belongs to one thread. SIGPIPE must be ignored by the program.
 */
#ifndef TN_HTTP_SERVER_H
#define TN_HTTP_SERVER_H

#include "http/request.h"

#include <stdint.h>

struct tn_http;

/** Zeroed = the defaults in brackets. Strings are borrowed while the server lives. */
struct tn_http_options {
    const char *listen;           /* "ADDR:PORT", "[::1]:8600", port 0 = any free one */
    const char *tls_cert;         /* PEM text, chain; NULL = plain HTTP */
    const char *tls_key;          /* PEM text */
    const char *trusted_proxy;    /* address whose X-Forwarded-For and -Proto count; NULL = none */
    unsigned connections_most;    /* (10000) */
    unsigned connections_each;    /* of one address (0 = no limit) */
    int64_t idle_ms;              /* (75000) */
    int64_t head_ms;              /* (10000) */
    int64_t slowest_bytes_per_s;  /* (1024) */
    int64_t download_bytes_per_s; /* of all files together (0 = no limit) */
    bool verbose;                 /* log every request, not only changes and failures */

    const struct tn_route *routes;
    /** Before the body: @return whether it may go on; if not, it has answered. */
    bool (*admit)(struct tn_http_request *request, const struct tn_route *route, void *user);
    bool (*dirty)(void *user);
    int (*commit)(void *user, struct tn_error *err);
    void *user;
};

/** Whether "ADDR:PORT" can be read. @return 0, TN_E_USAGE */
int tn_http_check_listen(const char *address, struct tn_error *err);
/** Whether this is an address as connections show theirs: "192.0.2.7", "::1". @return 0, TN_E_USAGE
 */
int tn_http_check_proxy(const char *address, struct tn_error *err);

/** Binds and listens. @return 0, TN_E_USAGE (an address that cannot be read), TN_E_ACCESS,
 * TN_E_AGAIN (somebody listens there), TN_E_INVALID (certificate), TN_E_IO, TN_E_NOMEM */
int tn_http_open(const struct tn_http_options *options, struct tn_http **ret_http,
                 struct tn_error *err);
/** Ends connections as they are. */
void tn_http_close(struct tn_http *http);

/** "http://127.0.0.1:8600", with the port that was chosen. */
const char *tn_http_url(const struct tn_http *http);

/** A descriptor (of signals, say) that ends a wait when it becomes readable. */
int tn_http_watch(struct tn_http *http, int fd, struct tn_error *err);

/** Waits at most `wait_ms` (negative = for ever), serves what is ready, commits, answers. */
int tn_http_step(struct tn_http *http, int64_t wait_ms, struct tn_error *err);

/** Takes no new connection; idle ones end, requests in progress go on. Step until
 * tn_http_connections() is 0. */
void tn_http_drain(struct tn_http *http);
size_t tn_http_connections(const struct tn_http *http);

/** Figures since the start. */
struct tn_http_figures {
    int64_t connections;     /* now */
    int64_t accepted;        /* connections */
    int64_t late;            /* connections that missed a deadline */
    int64_t groups, grouped; /* commits, and requests that waited for them */
    int64_t failed_groups;
    int64_t download_bytes;    /* of files sent whole or in part, to the end */
    int64_t downloads_aborted; /* answers of files that did not reach their end */
    int64_t waiting_downloads; /* for the rate limit, now */
};
void tn_http_figures(const struct tn_http *http, struct tn_http_figures *ret_figures);

/** Requests by row of the table and class of status (1xx … 5xx at 0 … 4). The row behind the last
 * one counts paths that no row has. */
int64_t tn_http_requests(const struct tn_http *http, size_t row, size_t status_class);

#endif
