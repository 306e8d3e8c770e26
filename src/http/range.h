/*
 * Which bytes of a file a request gets: conditions and a single range of RFC 9110. Pure.
 *
 * Several ranges in one header are answered with the whole file, as the standard allows; so is a
 * header that cannot be read. Entity tags are strong ones, with their quotes.
 */
#ifndef TN_HTTP_RANGE_H
#define TN_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/** The headers of a request that decide; NULL = not sent. For HEAD leave `range` out. */
struct tn_conditions {
    const char *if_match, *if_none_match, *if_range, *range;
};

struct tn_range {
    int64_t from, bytes;
};

/**
 * @param etag      of the file as it is now: "\"…\""
 * @param size      of the file in bytes
 * @param ret_range what to send; set for 200 and 206 only
 * @return 200, 206, 304 (If-None-Match), 412 (If-Match) or 416 (the range lies behind the end)
 */
int tn_range_answer(const struct tn_conditions *conditions, const char *etag, int64_t size,
                    struct tn_range *ret_range);

/** Whether a list of entity tags ("*", "\"a\", W/\"b\"") names this one. `weak` = compare without
 * regard to W/. */
bool tn_etag_listed(const char *list, const char *etag, bool weak);

/** What a request to send a part of a file says of it: "bytes 0-99/200". @return false when it
 * cannot be read or contradicts itself */
bool tn_content_range_read(const char *text, struct tn_range *ret_range, int64_t *ret_total);

#endif
