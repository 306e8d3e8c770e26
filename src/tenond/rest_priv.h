/*
 * What the rest_*.c files share: bodies in, pages out.
 */
#ifndef TN_TENOND_REST_PRIV_H
#define TN_TENOND_REST_PRIV_H

#include "base/json.h"
#include "tenond/rest.h"
#include "tenond/tenond.h"

enum { TN_REST_PAGE = 100, TN_REST_PAGE_MOST = 1000 };

/** The body as an object; NULL after it was answered. An empty body is an empty object. */
json_t *tn_rest_body(struct tn_http_request *request);

/** ?limit= and ?cursor=. @return false after it was answered */
bool tn_rest_page(struct tn_http_request *request, struct tn_page *ret_page);

/** {"items": …, "next": cursor or null}; NULL items are answered as no memory. */
void tn_rest_reply_page(struct tn_http_request *request, json_t *items_steal,
                        const struct tn_page *page);
/** The same, or the error that stands in place of the items. */
void tn_rest_reply_items(struct tn_http_request *request, json_t *items_steal,
                         const struct tn_page *page, const struct tn_error *err);

/** 200, for NULL 404 "no WHAT NAME". */
void tn_rest_reply_one(struct tn_http_request *request, json_t *json_steal, const char *what,
                       const char *name);

/** 200 with what is there now (NULL: an empty object), or the error. */
void tn_rest_reply_done(struct tn_http_request *request, int rc, json_t *json_steal,
                        const struct tn_error *err);

/** Takes {"poll": "30s" or null} as the device's time between two polls; NULL = the server's.
 * @return false after an error was answered */
bool tn_rest_poll_set(struct tn_http_request *request, struct tn_tenond *tenond,
                      struct tn_fleet_device *device);

/** A positive number in the path; 0 after 404 was answered. */
int64_t tn_rest_number(struct tn_http_request *request, const char *part);

/** A digest in the path. @return false after it was answered */
bool tn_rest_digest(struct tn_http_request *request, const char *part,
                    struct tn_digest *ret_digest);

#endif
