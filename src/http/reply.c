#include "http/http_priv.h"

#include "base/event.h"
#include "base/json.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char type_json[] = "application/json";
static const char type_problem[] = "application/problem+json";

/* What an error of the inside means to a client. */
static const struct {
    int code, status;
} error_status[] = {
    { TN_E_NOTFOUND, 404 },    { TN_E_USAGE, 400 },   { TN_E_INVALID, 400 },
    { TN_E_TOOBIG, 413 },      { TN_E_CORRUPT, 422 }, { TN_E_AGAIN, 503 },
    { TN_E_NOSPACE, 507 },     { TN_E_ACCESS, 403 },  { TN_E_CANCELLED, 410 },
    { TN_E_UNSUPPORTED, 501 }, { TN_E_NOMEM, 503 },   { TN_E_UNTRUSTED, 403 },
};

static const struct {
    int status;
    const char *title;
} titles[] = {
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 422, "Unprocessable Content" },
    { 424, "Failed Dependency" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 507, "Insufficient Storage" },
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < TN_COUNT(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

bool tn_http_answered(const struct tn_http_request *request)
{
    return request->answer != NULL;
}

void tn_http_set_header(struct tn_http_request *request, const char *name, const char *value)
{
    assert(request->header_count < TN_ANSWER_HEADERS && !request->answer);
    if (request->header_count == TN_ANSWER_HEADERS)
        return;
    request->header[request->header_count].name = name;
    (void)tn_text_copy(request->header[request->header_count].value,
                       sizeof(request->header[0].value), value);
    request->header_count++;
}

void tn_reply_take(struct tn_http_request *request, int status, struct MHD_Response *answer)
{
    assert(!request->answer);
    if (request->answer || !answer) {
        MHD_destroy_response(answer);
        return;
    }
    for (size_t i = 0; i < request->header_count; i++)
        (void)MHD_add_response_header(answer, request->header[i].name, request->header[i].value);
    request->answer = answer;
    request->status = status;
    request->file_bytes = -1;
}

/* `text` is ours to free when `owned`. */
static void reply_text(struct tn_http_request *request, int status, const char *type, char *text,
                       size_t size, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *answer = MHD_create_response_from_buffer(size, text, mode);

    if (!answer) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(text);
        return;
    }
    if (type)
        (void)MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    tn_reply_take(request, status, answer);
}

void tn_http_reply(struct tn_http_request *request, int status, const char *type, const char *text,
                   size_t size)
{
    static char nothing[1];

    if (size == 0)
        reply_text(request, status, type, nothing, 0, MHD_RESPMEM_PERSISTENT);
    else
        reply_text(request, status, type, (char *)(uintptr_t)text, size, MHD_RESPMEM_MUST_COPY);
}

static void reply_json(struct tn_http_request *request, int status, const char *type, json_t *json)
{
    char *text = json ? tn_json_text(json) : NULL;

    json_decref(json);
    if (!text) {
        tn_http_reply(request, 503, NULL, NULL, 0);
        return;
    }
    reply_text(request, status, type, text, strlen(text), MHD_RESPMEM_MUST_FREE);
}

void tn_http_reply_json(struct tn_http_request *request, int status, json_t *json)
{
    tn_http_set_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply_json(request, status, type_json, json);
}

void tn_http_problem_with(struct tn_http_request *request, int status, const char *code,
                          const char *detail, json_t *members)
{
    json_t *json = members ? members : json_object();
    char id[20];

    (void)snprintf(id, sizeof(id), "%016" PRIx64, request->id);
    tn_json_set_str(json, "type", "about:blank");
    tn_json_set_str(json, "title", title_of(status));
    tn_json_set_str(json, "detail", detail);
    tn_json_set_str(json, "code", code);
    tn_json_set_str(json, "request_id", id);
    tn_json_set_int(json, "status", status);
    if (status == 401)
        tn_http_set_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"tenon\"");
    tn_http_set_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply_json(request, status, type_problem, json);
}

void tn_http_problem(struct tn_http_request *request, int status, const char *code,
                     const char *format, ...)
{
    char detail[sizeof(((struct tn_error *)0)->text)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    tn_http_problem_with(request, status, code, detail, NULL);
}

static int status_of(int code)
{
    for (size_t i = 0; i < TN_COUNT(error_status); i++)
        if (error_status[i].code == code)
            return error_status[i].status;
    return 500;
}

void tn_http_reply_error(struct tn_http_request *request, const struct tn_error *err)
{
    int status = status_of(err->code);

    if (status < 500) {
        tn_http_problem(request, status, tn_error_name(err->code), "%s", err->text);
        return;
    }
    tn_event_error("request_failed", err);
    tn_http_problem(request, status, tn_error_name(err->code), "%s; the server's log says more",
                    tn_error_meaning(err->code));
}

void tn_reply_withdraw(struct tn_http_request *request, const struct tn_error *why)
{
    MHD_destroy_response(request->answer);
    request->answer = NULL;
    request->header_count = 0;
    tn_http_set_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "5");
    tn_http_problem(request, 503, tn_error_name(why->code),
                    "the change could not be made durable and does not count; the server's log "
                    "says more");
}

bool tn_secret_equal(const char *a, const char *b)
{
    size_t length_a = strlen(a), length_b = strlen(b);
    unsigned char difference = length_a != length_b;

    for (size_t i = 0; i < length_a; i++)
        difference |= (unsigned char)(a[i] ^ b[i < length_b ? i : 0]);
    return difference == 0;
}
