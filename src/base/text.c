#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool tn_text_copy(char *ret_text, size_t size, const char *text)
{
    return tn_text_copy_n(ret_text, size, text, strlen(text));
}

bool tn_text_copy_n(char *ret_text, size_t size, const char *text, size_t length)
{
    size_t fits = length < size ? length : size - 1;

    /* not in the middle of a character of UTF-8 */
    while (fits < length && fits > 0 && ((unsigned char)text[fits] & 0xc0) == 0x80)
        fits--;
    memcpy(ret_text, text, fits);
    ret_text[fits] = '\0';
    return fits == length;
}

bool tn_text_u64(const char *text, size_t length, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

bool tn_text_i64(const char *text, int64_t *ret_value)
{
    bool minus = text[0] == '-';
    uint64_t value;

    if (!tn_text_u64(text + minus, strlen(text + minus), &value) || value > INT64_MAX)
        return false;
    *ret_value = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

struct unit {
    const char *name;
    double factor;
};

static const struct unit size_units[] = {
    { "", 1 },
    { "B", 1 },
    { "K", 1024.0 },
    { "KiB", 1024.0 },
    { "KB", 1e3 },
    { "M", 1048576.0 },
    { "MiB", 1048576.0 },
    { "MB", 1e6 },
    { "G", 1073741824.0 },
    { "GiB", 1073741824.0 },
    { "GB", 1e9 },
    { "TiB", 1099511627776.0 },
};

static const struct unit duration_units[] = {
    { "", 1e9 },     { "ms", 1e6 },   { "s", 1e9 },     { "m", 60e9 },
    { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
};

static bool read_with_unit(const char *text, const struct unit *units, size_t count,
                           int64_t *ret_value)
{
    char *end;
    double number;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    number = strtod(text, &end);
    if (errno || end == text || memchr(text, 'x', (size_t)(end - text)))
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(end, units[i].name) != 0)
            continue;
        number *= units[i].factor;
        if (!(number >= 0 && number < 9e18))
            return false;
        *ret_value = (int64_t)number;
        return true;
    }
    return false;
}

bool tn_text_size(const char *text, int64_t *ret_bytes)
{
    return read_with_unit(text, size_units, TN_COUNT(size_units), ret_bytes);
}

bool tn_text_duration(const char *text, int64_t *ret_nsec)
{
    return read_with_unit(text, duration_units, TN_COUNT(duration_units), ret_nsec);
}

bool tn_text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool tn_text_ends(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);

    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

/* Bytes of the UTF-8 character at `text`, or 0 where it is broken (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    unsigned first = text[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* Bytes of the character at `bytes` when it may be shown as it is, else 0. */
static size_t safe_length(const unsigned char *bytes, size_t length)
{
    size_t step;

    if (bytes[0] >= 0x20 && bytes[0] < 0x7f)
        return 1;
    step = utf8_length(bytes, length);
    return step < 2 || (step == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0) ? 0 : step;
}

/* How many bytes from the beginning may be shown as they are. */
static size_t safe_span(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length) {
        size_t step = safe_length((const unsigned char *)text + at, length - at);

        if (step == 0)
            break;
        at += step;
    }
    return at;
}

bool tn_text_is_clean(const char *text, size_t length)
{
    return safe_span(text, length) == length;
}

void tn_text_add_safe(struct tn_buf *buf, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t span = safe_span(text + at, length - at);

        tn_buf_add(buf, text + at, span);
        at += span;
        if (at < length)
            tn_buf_addf(buf, "\\x%02x", (unsigned char)text[at++]);
    }
}

int tn_text_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void tn_text_hex(const unsigned char *bytes, size_t count, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * count] = '\0';
}

bool tn_text_unhex(const char *hex, size_t count, unsigned char *ret_bytes)
{
    for (size_t i = 0; i < count; i++) {
        int high = tn_text_hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : tn_text_hex_value(hex[2 * i + 1]);

        if (low < 0)
            return false;
        ret_bytes[i] = (unsigned char)(high << 4 | low);
    }
    return hex[2 * count] == '\0';
}

void tn_text_one_line(char *ret_text, size_t size, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(64 << 10);

    for (const char *at = text; *at; at += strcspn(at, "\r\n")) {
        at += strspn(at, "\r\n ");
        if (safe.size > 0 && *at)
            tn_buf_adds(&safe, " ");
        tn_text_add_safe(&safe, at, strcspn(at, "\r\n"));
    }
    (void)tn_text_copy(ret_text, size, tn_buf_text(&safe));
}

void tn_text_add_bytes(struct tn_buf *buf, int64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < TN_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    tn_buf_addf(buf, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* Levenshtein distance, given up beyond `most`. */
static size_t edit_distance(const char *a, const char *b, size_t most)
{
    size_t row[64];
    size_t length = strlen(b);

    if (length >= TN_COUNT(row) || strlen(a) >= TN_COUNT(row))
        return most + 1;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change =
                diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            size_t shorter = row[j] < row[j + 1] ? row[j] : row[j + 1];

            diagonal = row[j + 1];
            row[j + 1] = shorter + 1 < change ? shorter + 1 : change;
        }
    }
    return row[length];
}

const char *tn_text_nearest(const char *text, const char *const *known)
{
    const char *best = NULL;
    size_t best_distance = strlen(text) / 3 + 2;

    for (; *known; known++) {
        size_t distance = edit_distance(text, *known, best_distance);

        if (distance < best_distance) {
            best_distance = distance;
            best = *known;
        }
    }
    return best;
}
