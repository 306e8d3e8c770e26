/*
 * Which server, and with which token.
 *
 *   config.yaml   what a person or an installation wrote: servers to know of (recipe/config.h).
 *   credentials   what `tenon login` keeps: JSON, mode 0600, in the user's folder only. A file that
 *                 others may read or write is refused.
 *
 * A token is never part of an argument, a message or a log: it comes from a file, from standard
 * input, or from credentials. Blocking; no state; any thread.
 */
#ifndef TN_NET_SERVERS_H
#define TN_NET_SERVERS_H

#include "net/url.h"
#include "recipe/config.h"

enum { TN_TOKEN_MAX = 256 };

/** One server as it is to be talked to. Ends with tn_server_done(), which wipes the token. */
struct tn_server {
    struct tn_url url;
    char ca[PATH_MAX];            /* certificates to trust instead of the system's; "" = those */
    bool insecure_http;           /* a token may go over plain http to another machine */
    char token[TN_TOKEN_MAX + 1]; /* "" = none */
};
void tn_server_done(struct tn_server *server);

/** What the command line says. Zeroed = nothing. */
struct tn_server_choice {
    const char *url;        /* --server */
    const char *token_file; /* --token-file; "-" = standard input */
    const char *ca;         /* --ca */
    bool insecure_http;     /* --insecure-http */
};

/**
 * The server to talk to: --server, else $TENON_SERVER, else the one that was logged in to last,
 * else the first of config.yaml. Its token: --token-file, else $TENON_TOKEN_FILE, else what login
 * kept for it, else none.
 * @return 0; TN_E_USAGE (no server is known, or a bad address); TN_E_UNTRUSTED (a file that others
 *         may read or change); TN_E_INVALID, TN_E_NOTFOUND (a token file), TN_E_IO, TN_E_NOMEM
 */
int tn_server_choose(const struct tn_server_choice *choice, struct tn_server *ret_server,
                     struct tn_error *err);

/** Reads a token out of a file, "-" = standard input: one word of visible ASCII.
 * @return 0, TN_E_UNTRUSTED (others may change the file), TN_E_INVALID, TN_E_NOTFOUND, TN_E_IO */
int tn_token_read(const char *path, char ret_token[TN_TOKEN_MAX + 1], struct tn_error *err);

/** Whether the token may go to that server as it is addressed: over https, to this machine, or
 * where --insecure-http says so. @return 0 or TN_E_UNTRUSTED with the cure */
int tn_server_may_send_token(const struct tn_server *server, struct tn_error *err);

/** Keeps a server and its token in credentials; it becomes the one that is used by default.
 * @return 0, TN_E_ACCESS, TN_E_UNTRUSTED, TN_E_IO, … */
int tn_server_keep(const struct tn_server *server, struct tn_error *err);

/** Forgets the token that was kept for a server. @param ret_was whether there was one */
int tn_server_forget(const struct tn_url *url, bool *ret_was, struct tn_error *err);

/** Called with each known server (logged in to, then config.yaml), the token included, each once.
 * @return false to stop */
typedef bool (*tn_server_fn)(const struct tn_server *server, void *user);
int tn_servers_each(tn_server_fn each, void *user, struct tn_error *err);

#endif
