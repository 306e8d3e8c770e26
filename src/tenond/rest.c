#include "tenond/rest_priv.h"

#include "base/clock.h"
#include "base/text.h"

#include <string.h>

json_t *tn_rest_body(struct tn_http_request *request)
{
    struct tn_error err = { 0 };
    json_t *json = NULL;
    size_t size;
    const char *text = tn_http_body(request, &size);

    if (size == 0)
        return json_object();
    if (tn_json_parse(text, size, "request body", &json, &err) < 0) {
        tn_http_reply_error(request, &err);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        tn_http_problem(request, 400, "INVALID", "the body is no JSON object");
        return NULL;
    }
    return json;
}

bool tn_rest_page(struct tn_http_request *request, struct tn_page *ret_page)
{
    const char *limit = tn_http_query(request, "limit");
    const char *cursor = tn_http_query(request, "cursor");
    int64_t number = TN_REST_PAGE;

    if (limit && (!tn_text_i64(limit, &number) || number < 1 || number > TN_REST_PAGE_MOST)) {
        tn_http_problem(request, 400, "USAGE", "limit is a number from 1 to %d", TN_REST_PAGE_MOST);
        return false;
    }
    *ret_page = (struct tn_page) { .cursor = cursor ? cursor : "", .limit = (size_t)number };
    return true;
}

void tn_rest_reply_page(struct tn_http_request *request, json_t *items, const struct tn_page *page)
{
    json_t *json = items ? json_object() : NULL;

    tn_json_set(json, "items", items);
    tn_json_set_str(json, "next", page->ret_cursor);
    tn_http_reply_json(request, 200, json);
}

void tn_rest_reply_items(struct tn_http_request *request, json_t *items, const struct tn_page *page,
                         const struct tn_error *err)
{
    if (!items && err->code != 0)
        tn_http_reply_error(request, err);
    else
        tn_rest_reply_page(request, items, page);
}

void tn_rest_reply_one(struct tn_http_request *request, json_t *json, const char *what,
                       const char *name)
{
    if (json)
        tn_http_reply_json(request, 200, json);
    else
        tn_http_problem(request, 404, "NOTFOUND", "no %s %s", what, name);
}

void tn_rest_reply_done(struct tn_http_request *request, int rc, json_t *json,
                        const struct tn_error *err)
{
    if (rc == TN_OK) {
        tn_http_reply_json(request, 200, json ? json : json_object());
        return;
    }
    json_decref(json);
    tn_http_reply_error(request, err);
}

static int read_poll(const json_t *body, int64_t *ret_seconds, struct tn_error *err)
{
    const json_t *poll = json_object_get(body, "poll");
    const char *text = json_string_value(poll);
    int64_t ns = 0;

    if (json_object_size(body) != 1 || !poll || (!text && !json_is_null(poll)))
        return tn_fail(err, TN_E_INVALID, "the body is {\"poll\": a time such as 30s, or null}");
    if (text && (!tn_text_duration(text, &ns) || ns < TN_NSEC_PER_S))
        return tn_fail(err, TN_E_INVALID, "poll: a time from 1s to 23h, not '%.40s'", text);
    *ret_seconds = ns / TN_NSEC_PER_S;
    return TN_OK;
}

bool tn_rest_poll_set(struct tn_http_request *request, struct tn_tenond *tenond,
                      struct tn_fleet_device *device)
{
    tn_auto(tn_json_done) json_t *body = tn_rest_body(request);
    struct tn_error err = { 0 };
    int64_t seconds = 0;
    int rc;

    if (!body)
        return false;
    rc = read_poll(body, &seconds, &err);
    if (rc == TN_OK)
        rc = tn_fleet_poll_set(tenond->fleet, device, seconds, tn_http_who(request),
                               tn_tenond_now_ms(), &err);
    if (rc < 0)
        tn_http_reply_error(request, &err);
    return rc == TN_OK;
}

int64_t tn_rest_number(struct tn_http_request *request, const char *part)
{
    const char *text = tn_http_part(request, part);
    uint64_t number;

    if (tn_text_u64(text, strlen(text), &number) && number >= 1 && number <= INT64_MAX)
        return (int64_t)number;
    tn_http_problem(request, 404, "NOTFOUND", "'%s' is no number", text);
    return 0;
}

bool tn_rest_digest(struct tn_http_request *request, const char *part, struct tn_digest *ret_digest)
{
    struct tn_error err = { 0 };

    if (tn_digest_parse(tn_http_part(request, part), ret_digest, &err) == TN_OK)
        return true;
    tn_http_reply_error(request, &err);
    return false;
}
