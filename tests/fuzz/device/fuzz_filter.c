/* Any bytes as an expression of --require: parsed, asked, explained. */
#include "device/filter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Some names are known, some not; values of every sort. */
static const char *attribute(const char *name, void *user)
{
    static const char *const values[] = { "8.7", "10.3.0.30", "150109880320", "h200", "0.5", "" };

    size_t at = (unsigned char)name[0] % (TN_COUNT(values) + 1);

    (void)user;
    return at < TN_COUNT(values) ? values[at] : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct tn_filter *filter = NULL;
    struct tn_buf why = TN_BUF(1 << 20);
    struct tn_error err = { 0 };

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (tn_filter_parse(text, &filter, &err) == TN_OK) {
        bool answer = tn_filter_matches(filter, attribute, NULL);

        tn_filter_explain(filter, attribute, NULL, &why);
        if (answer != (why.size == 0)) /* a refusal has a reason, a match has none */
            abort();
    } else if (!err.text[0]) {
        abort();
    }
    tn_filter_free(filter);
    tn_buf_done(&why);
    free(text);
    return 0;
}
