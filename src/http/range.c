#include "http/range.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Reads digits; a number beyond 63 bits counts as the largest. @return false without a digit */
static bool read_number(const char **at, int64_t *ret_value)
{
    const char *start = *at;
    int64_t value = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        int digit = **at - '0';

        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    *ret_value = value;
    return *at > start;
}

bool tn_etag_listed(const char *list, const char *etag, bool weak)
{
    size_t length = strlen(etag);
    const char *at = skip_blanks(list);

    if (strcmp(at, "*") == 0)
        return true;
    while (*at) {
        bool is_weak = strncmp(at, "W/", 2) == 0;
        const char *end;

        at += is_weak ? 2 : 0;
        end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!end)
            return false;
        if ((weak || !is_weak) && (size_t)(end + 1 - at) == length &&
            strncmp(at, etag, length) == 0)
            return true;
        at = skip_blanks(end + 1);
        if (*at && *at != ',')
            return false;
        at = skip_blanks(at + (*at == ','));
    }
    return false;
}

/* "bytes=A-B", "bytes=A-", "bytes=-N". @return 200 for what cannot be read, 206 or 416 */
static int read_range(const char *text, int64_t size, struct tn_range *ret_range)
{
    int64_t first = 0, last = INT64_MAX;
    bool has_first, has_last;
    const char *at;

    if (strncasecmp(text, "bytes=", 6) != 0)
        return 200;
    at = skip_blanks(text + 6);
    has_first = read_number(&at, &first);
    if (*at++ != '-')
        return 200;
    has_last = read_number(&at, &last);
    if (*skip_blanks(at) != '\0' || (!has_first && !has_last) ||
        (has_first && has_last && last < first))
        return 200;
    if (!has_first) {
        first = last >= size ? 0 : size - last;
        last = last > 0 ? INT64_MAX : -1;
    }
    if (first >= size || last < 0)
        return 416;
    if (!has_last || last >= size)
        last = size - 1;
    *ret_range = (struct tn_range) { first, last - first + 1 };
    return 206;
}

int tn_range_answer(const struct tn_conditions *conditions, const char *etag, int64_t size,
                    struct tn_range *ret_range)
{
    struct tn_range part;
    int status = 200;

    assert(size >= 0 && etag[0] == '"');
    if (conditions->if_match && !tn_etag_listed(conditions->if_match, etag, false))
        return 412;
    if (conditions->if_none_match && tn_etag_listed(conditions->if_none_match, etag, true))
        return 304;
    if (conditions->range &&
        (!conditions->if_range || strcmp(skip_blanks(conditions->if_range), etag) == 0))
        status = read_range(conditions->range, size, &part);
    if (status == 206)
        *ret_range = part;
    else if (status == 200)
        *ret_range = (struct tn_range) { 0, size };
    return status;
}

bool tn_content_range_read(const char *text, struct tn_range *ret_range, int64_t *ret_total)
{
    int64_t first, last, total;
    const char *at = text;

    if (strncasecmp(at, "bytes ", 6) != 0)
        return false;
    at = skip_blanks(at + 6);
    if (!read_number(&at, &first) || *at++ != '-' || !read_number(&at, &last) || *at++ != '/' ||
        !read_number(&at, &total) || *skip_blanks(at) != '\0')
        return false;
    if (last < first || last >= total || total == INT64_MAX)
        return false;
    *ret_range = (struct tn_range) { first, last - first + 1 };
    *ret_total = total;
    return true;
}
