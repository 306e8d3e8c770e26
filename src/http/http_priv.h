/*
 * What the files of src/http share. Nothing outside of it includes this.
 */
#ifndef TN_HTTP_HTTP_PRIV_H
#define TN_HTTP_HTTP_PRIV_H

#include "base/buf.h"
#include "base/clock.h"
#include "http/server.h"
#include "http/work.h"

#include <microhttpd.h>

enum tn_phase { TN_PHASE_IDLE, TN_PHASE_HEAD, TN_PHASE_BODY, TN_PHASE_WORK, TN_PHASE_ANSWER };

enum {
    TN_ADDRESS_TEXT = 64,
    TN_WHO_TEXT = 96,
    TN_STATUS_CLASSES = 5,
    TN_ANSWER_HEADERS = 8,
    TN_QUERIES = 8
};

/** A connection and its deadline; in the server's list from accept to close. */
struct tn_connection {
    struct tn_connection *next, *previous;
    int fd;
    enum tn_phase phase;
    bool late; /* was shut down for its deadline */
    tn_nsec deadline;
};

/** A download that waits for its share of the rate. */
struct tn_transfer {
    struct tn_http *http;
    struct tn_connection *connection;
    struct MHD_Connection *mhd;
    struct tn_transfer *next; /* in the queue while `waiting` */
    bool waiting;
    int fd;
    int64_t from;
};

/** The work of a request that is answered when that is done. */
struct tn_later {
    struct tn_job job; /* first: it leads here */
    struct tn_http_request *request;
    void (*run)(void *user); /* NULL = the handler answers itself */
    void (*done)(struct tn_http_request *request, void *user);
    void *user;
};

struct tn_http_request {
    struct tn_http *http;
    struct MHD_Connection *mhd;
    struct tn_connection *connection;
    const char *method, *path;
    const struct tn_route *route; /* NULL: no row has the path */
    struct tn_route_match match;
    uint64_t id;

    struct tn_buf body;
    void *stream;
    char *query[TN_QUERIES]; /* decoded arguments that tn_http_query() handed out */
    size_t query_count;
    char address[TN_ADDRESS_TEXT];
    char origin[280];
    char who[TN_WHO_TEXT];
    int note;

    struct {
        const char *name;
        char value[160];
    } header[TN_ANSWER_HEADERS];
    size_t header_count;
    struct MHD_Response *answer;
    int status;
    int64_t file_bytes;              /* of the answer's file part; -1 = no file */
    struct tn_http_request *waiting; /* next in the group */
    bool suspended;
    struct tn_later later; /* what answers it */
};

struct tn_http {
    struct tn_http_options options;
    struct tn_routes *routes;
    struct MHD_Daemon *daemon;
    int epoll, listening;
    char url[96];
    bool draining, running;
    bool resumed; /* something was: MHD_get_timeout() does not know, so the next step must not wait
                   */
    tn_nsec now;  /* of this wake-up */
    uint64_t request_seed, request_count;
    struct tn_connection *connections;
    tn_nsec next_sweep;
    struct tn_http_request *group; /* waits for the commit, newest first */
    struct tn_work *work;
    struct tn_transfer *first_waiting, *last_waiting;
    int64_t tokens; /* bytes that may be sent now */
    tn_nsec refilled;
    struct tn_http_figures figures;
    int64_t *requests; /* [row][status class] */
    char trouble[160]; /* what libmicrohttpd said last */
};

/* connection.c */
void tn_connection_notify(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code);
void tn_connection_phase(struct tn_http *http, struct tn_connection *connection,
                         enum tn_phase phase, int64_t bytes);
/** Shuts down what is late; idle ones too while draining. */
void tn_connections_sweep(struct tn_http *http);

/* file.c */
/** Gives waiting downloads what the rate allows. @return ns until it should be called again, or -1
 */
int64_t tn_transfers_refill(struct tn_http *http);
/** Resumes all without tokens: before the daemon is stopped. */
void tn_transfers_release(struct tn_http *http);

/* reply.c */
/** Takes the answer; a second one is dropped. */
void tn_reply_take(struct tn_http_request *request, int status, struct MHD_Response *answer);
/** 503 in place of what was promised. */
void tn_reply_withdraw(struct tn_http_request *request, const struct tn_error *why);

/* listen.c */
/** Binds and listens on "ADDR:PORT". @param ret_url "http://ADDR:PORT" as bound */
int tn_listen(const char *address, bool tls, char *ret_url, size_t size, int *ret_fd,
              struct tn_error *err);

#endif
