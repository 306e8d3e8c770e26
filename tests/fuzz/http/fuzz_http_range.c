/* Any text as Range, If-Match, If-None-Match, If-Range and Content-Range: what is given out lies
 * within the file. */
#include "http/range.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_BYTES = 1000 };

static void check_answer(const struct tn_conditions *conditions, int64_t bytes)
{
    struct tn_range range = { -1, -1 };
    int status = tn_range_answer(conditions, "\"tag\"", bytes, &range);

    if (status == 206 && (range.from < 0 || range.bytes < 1 || range.from + range.bytes > bytes))
        abort();
    if (status == 200 && (range.from != 0 || range.bytes != bytes))
        abort();
    if (status != 200 && status != 206 && range.from != -1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct tn_range range;
    int64_t total;

    if (!text)
        return 0;
    if (size > 0)
        (void)memcpy(text, data, size);
    text[size] = '\0';
    check_answer(&(struct tn_conditions) { .range = text }, FILE_BYTES);
    check_answer(&(struct tn_conditions) { .range = text }, 0);
    check_answer(&(struct tn_conditions) { .range = text }, INT64_MAX);
    check_answer(&(struct tn_conditions) { .if_match = text }, FILE_BYTES);
    check_answer(&(struct tn_conditions) { .if_none_match = text }, FILE_BYTES);
    check_answer(&(struct tn_conditions) { .if_range = text, .range = "bytes=1-2" }, FILE_BYTES);
    if (tn_content_range_read(text, &range, &total) &&
        (range.from < 0 || range.bytes < 1 || range.from > total - range.bytes))
        abort();
    free(text);
    return 0;
}
