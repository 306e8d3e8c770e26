/*
 * One request as a handler sees it, and its one answer.
 *
 * A handler answers exactly once, by a tn_http_reply…() or tn_http_problem(); one that does not is
 * answered 500. Texts live as long as the request.
 */
#ifndef TN_HTTP_REQUEST_H
#define TN_HTTP_REQUEST_H

#include "http/range.h"
#include "http/route.h"

#include <jansson.h>
#include <stdint.h>

struct tn_http_request;

const char *tn_http_method(const struct tn_http_request *request);
/** As sent, without the query. */
const char *tn_http_path(const struct tn_http_request *request);
/** The decoded value of "{name}" in the row's pattern. */
const char *tn_http_part(const struct tn_http_request *request, const char *name);
/** A decoded query argument, or NULL; one that cannot be decoded counts as not given. */
const char *tn_http_query(struct tn_http_request *request, const char *name);
/** Whether the argument is there at all, readable or not. */
bool tn_http_query_given(const struct tn_http_request *request, const char *name);
const char *tn_http_header(const struct tn_http_request *request, const char *name);
/** "http://HOST", from the Host header as the client wrote it. */
const char *tn_http_origin(struct tn_http_request *request);
/** Whether the client speaks TLS to us, or to the proxy that we trust. */
bool tn_http_is_tls(const struct tn_http_request *request);
/** The client's address as text; behind the trusted proxy, the address that it names. */
const char *tn_http_address(struct tn_http_request *request);
/** What tn_stream.open gave. */
void *tn_http_stream(const struct tn_http_request *request);
/** Content-Length, or -1 when it is not known beforehand. */
int64_t tn_http_body_bytes(const struct tn_http_request *request);
/** The collected body. */
const char *tn_http_body(const struct tn_http_request *request, size_t *ret_size);

/** Who asks, for the log: set by the admission. The text is copied. */
void tn_http_set_who(struct tn_http_request *request, const char *who);
const char *tn_http_who(const struct tn_http_request *request);
/** A number that the admission leaves for the handlers (a role). */
void tn_http_set_note(struct tn_http_request *request, int number);
int tn_http_note(const struct tn_http_request *request);

bool tn_http_answered(const struct tn_http_request *request);

/** A header of the answer to come. */
void tn_http_set_header(struct tn_http_request *request, const char *name, const char *value);

/** @param type NULL without a body; the text is copied */
void tn_http_reply(struct tn_http_request *request, int status, const char *type, const char *text,
                   size_t size);
/** One line of JSON with sorted keys. NULL is answered as 500. */
void tn_http_reply_json(struct tn_http_request *request, int status, json_t *json_steal);
/** application/problem+json; `code` is a name of the error table. */
void tn_http_problem(struct tn_http_request *request, int status, const char *code,
                     const char *format, ...) TN_PRINTF(4, 5);
/** The same with further members of the caller. */
void tn_http_problem_with(struct tn_http_request *request, int status, const char *code,
                          const char *detail, json_t *members_steal);
/** The status that belongs to an error, and its text; failures of the server itself are logged and
 * not told. */
void tn_http_reply_error(struct tn_http_request *request, const struct tn_error *err);

struct tn_http_file {
    int fd; /* taken: closed in any case */
    int64_t bytes;
    const char *etag; /* "\"…\"" */
    const char *type; /* NULL = application/octet-stream */
    const char *name; /* of Content-Disposition; NULL = none */
};
/** A file with ranges, conditions, HEAD. Sent by sendfile() unless a rate is set. */
void tn_http_reply_file(struct tn_http_request *request, const struct tn_http_file *file);

/** Whether two secrets are equal, in a time that does not tell where they differ. */
bool tn_secret_equal(const char *a, const char *b);

#endif
