/*
 * Routes: one row per resource, one place where a path of the wire becomes names and values. Pure.
 *
 * A pattern is "/api/v1/devices/{id}/labels". A part of a path is percent-decoded after the path
 * was cut at its slashes, so that an encoded slash cannot make a new part; parts that are empty,
 * "." or "..", that hold a slash, a control byte or broken UTF-8 match nothing.
 */
#ifndef TN_HTTP_ROUTE_H
#define TN_HTTP_ROUTE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tn_http_request;

/** How a row takes its body piece by piece. The first failure answers the request; what still comes
 * is thrown away. */
struct tn_stream {
    /** @return the stream, or NULL after it has answered */
    void *(*open)(struct tn_http_request *request, void *user);
    /** @return 0, or an error that has been answered */
    int (*write)(struct tn_http_request *request, void *stream, const void *data, size_t size);
    /** The connection has ended, or the request was answered. */
    void (*close)(void *stream);
};

struct tn_route {
    const char *method; /* "GET" also serves HEAD unless a row of HEAD stands in the table */
    const char *path;   /* pattern */
    int access;         /* what the admission makes of it */
    size_t body_most;   /* bytes; 0 = a body is refused. Not looked at with a stream */
    void (*run)(struct tn_http_request *request, void *user);
    const struct tn_stream *stream; /* NULL: the body is collected in memory */
    bool quiet;                     /* what succeeds is not logged: devices do it all the time */
    const char *body;               /* the body in a word, for the documents; NULL = none */
    const char *help;               /* one line */
};

enum { TN_ROUTE_SEGMENTS = 12, TN_ROUTE_PARTS = 4, TN_ROUTE_TEXT = 1024 };

/** The named parts of one path, decoded. */
struct tn_route_match {
    const struct tn_route *route;
    size_t index; /* of the row */
    size_t count;
    struct {
        const char *name; /* in the pattern, up to '}' */
        const char *value;
    } part[TN_ROUTE_PARTS];
    char text[TN_ROUTE_TEXT];
    char allowed[64]; /* with 405: "GET, HEAD, PUT" */
};

struct tn_routes;

/** Cuts the patterns once. @param rows ended by a row whose path is NULL; borrowed */
int tn_routes_new(const struct tn_route *rows, struct tn_routes **ret_routes, struct tn_error *err);
void tn_routes_free(struct tn_routes *routes);
size_t tn_routes_count(const struct tn_routes *routes);
const struct tn_route *tn_routes_row(const struct tn_routes *routes, size_t index);

/** @param path as sent, without the query. @return 0, 404, 405 (`allowed` is set) or 414 */
int tn_routes_find(const struct tn_routes *routes, const char *method, const char *path,
                   struct tn_route_match *ret_match);

/** The value of "{name}"; the name must be in the pattern. */
const char *tn_route_part(const struct tn_route_match *match, const char *name);

/** Percent-decodes into `ret_text`. @return false when it is broken, holds a control byte or broken
 * UTF-8, or does not fit */
bool tn_percent_decode(const char *text, size_t length, char *ret_text, size_t size);

#endif
