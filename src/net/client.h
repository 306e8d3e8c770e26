/*
 * HTTP calls to a Tenon server, over one kept connection, through libcurl.
 *
 * Errors name cause and cure: nobody listens there, the token is not good, the certificate is not
 * trusted, what the server itself said (problem+json). Redirects are not followed: the token goes
 * where it was told to go and nowhere else.
 *
 * Calls that may be repeated without harm (GET, HEAD, PUT, DELETE) are: when the connection breaks,
 * and on 429, 502, 503 and 504, with pauses from 0.2 s doubling to 5 s, as long as the server says
 * in Retry-After where that is longer, eight times in all. Before the first answer of a server only
 * what it said itself is repeated: who mistyped an address should not wait.
 *
 * Blocking. An object belongs to one thread. curl_global_init() is the program's business.
 */
#ifndef TN_NET_CLIENT_H
#define TN_NET_CLIENT_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "net/servers.h"

struct tn_client;

/** How far a transfer is. @param total TN_UNKNOWN where nobody said. @return false to stop it
 * (TN_E_CANCELLED) */
typedef bool (*tn_transfer_fn)(int64_t done, int64_t total, void *user);

/** @return 0, TN_E_NOMEM */
int tn_client_open(const struct tn_server *server, struct tn_client **ret_client,
                   struct tn_error *err);
void tn_client_close(struct tn_client *client);
void tn_client_done(struct tn_client **client); /* for tn_auto() */

const struct tn_server *tn_client_server(const struct tn_client *client);

/** What a server answered. Owned: tn_reply_done(). */
struct tn_reply {
    long status;           /* 200 … */
    json_t *json;          /* of a JSON body; NULL without one */
    char *text;            /* of another body, where one was; NULL */
    int64_t upload_offset; /* Upload-Offset; TN_UNKNOWN */
    int64_t length;        /* Content-Length; TN_UNKNOWN */
    char request_id[64];   /* X-Request-Id; "" */
};
void tn_reply_done(struct tn_reply *reply);

/**
 * One call with a JSON body or none.
 * @param method "GET", "HEAD", "PUT", "POST", "DELETE"
 * @param path   below the server's address, "/api/v1/…", encoded (url.h)
 * @param body   may be NULL; borrowed
 * @return 0 with whatever the server answered; TN_E_AGAIN (nobody listens there, or the connection
 *         broke), TN_E_UNTRUSTED (certificate; token over plain http), TN_E_TOOBIG, TN_E_INVALID
 *         (no HTTP, or no JSON where JSON was announced), TN_E_NOMEM
 */
int tn_client_call(struct tn_client *client, const char *method, const char *path,
                   const json_t *body, struct tn_reply *ret_reply, struct tn_error *err);

/** Makes an error of an answer that is not 2xx. @return 0, or the code that fits: the one that the
 * server named, else by status */
int tn_client_check(const struct tn_client *client, const struct tn_reply *reply,
                    struct tn_error *err);

/** A call and its check; the answer's JSON, which must be there. @param ret_json may be NULL */
int tn_client_json(struct tn_client *client, const char *method, const char *path,
                   const json_t *body, json_t **ret_json, struct tn_error *err);

/** Sends a part of an open file as the body of PUT, from `offset` to `total` (Content-Range unless
 * it is the whole). Not repeated: the caller asks how far it came. @return as tn_client_call() */
int tn_client_send_file(struct tn_client *client, const char *path, int fd, int64_t offset,
                        int64_t total, struct tn_reply *ret_reply, struct tn_error *err);

/** Called with bytes of a download in order. @return 0 or an error, which ends it */
typedef int (*tn_bytes_fn)(const void *data, size_t size, void *user, struct tn_error *err);

/** GET from `offset` on (Range), handed to `each` as it comes; only bytes of an answer of 200 (from
 * the start) or 206 are handed on. Not repeated. @param ret_reply status 206 or 200; a body of
 * another status is in its json. @return as tn_client_call(), what `each` returned, or
 * TN_E_UNSUPPORTED (the server answered with the whole where a part was asked for) */
int tn_client_receive(struct tn_client *client, const char *path, int64_t offset, tn_bytes_fn each,
                      void *user, struct tn_reply *ret_reply, struct tn_error *err);

/** Watches the transfers of the two calls above. */
void tn_client_watch(struct tn_client *client, tn_transfer_fn watch, void *user);

/** Waits before try number `try` (from 1) of something that was broken off. @return false after the
 * last one */
bool tn_client_pause(const struct tn_client *client, unsigned try);

#endif
