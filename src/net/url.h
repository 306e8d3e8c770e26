/*
 * Addresses of servers, and paths made of foreign names. Pure text; any thread.
 */
#ifndef TN_NET_URL_H
#define TN_NET_URL_H

#include "base/buf.h"

#include <stdbool.h>

enum { TN_URL_MAX = 512 };

/** Where a server is. A plain value. */
struct tn_url {
    char text[TN_URL_MAX]; /* normalised: scheme and host in lower case, no '/' at its end */
    bool tls;              /* https */
    bool loopback;         /* the host is this machine whatever a name server says */
};

/**
 * Reads "http://HOST[:PORT][/PREFIX]" or https. Names of users, passwords, queries and fragments
 * are refused: a secret in an address ends in logs.
 * @return 0 or TN_E_USAGE with what is wrong; the text is not repeated where it may hold a secret
 */
int tn_url_parse(const char *text, struct tn_url *ret_url, struct tn_error *err);

/** Appends "/segment", percent-encoded so that it stays one segment whatever it holds. */
void tn_url_add_segment(struct tn_buf *path, const char *segment);

/** Appends "?name=value", "&name=value" from the second on; nothing when `value` is NULL. `name` is
 * ours and goes in as it is. */
void tn_url_add_query(struct tn_buf *path, const char *name, const char *value);

#endif
