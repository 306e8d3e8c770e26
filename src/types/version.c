#include "types/version.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

int tn_version_parse(const char *text, struct tn_version *ret_version, struct tn_error *err)
{
    struct tn_version version = { .parts = 0 };
    const char *at = text;

    for (;;) {
        size_t length = strcspn(at, ".");
        uint64_t value;

        if (version.parts == 4 || !tn_text_u64(at, length, &value) || value > UINT32_MAX)
            return tn_fail(err, TN_E_INVALID, "'%.80s' is not a version such as 10.6.0.26", text);
        version.part[version.parts++] = (uint32_t)value;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    *ret_version = version;
    return TN_OK;
}

void tn_version_print(const struct tn_version *version, char ret_text[TN_VERSION_TEXT])
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (int i = 0; i < version->parts && used < TN_VERSION_TEXT; i++)
        used += (size_t)snprintf(ret_text + used, TN_VERSION_TEXT - used, "%s%u", i ? "." : "",
                                 version->part[i]);
}

struct tn_version tn_version_make(uint32_t major, uint32_t minor, uint32_t patch, uint32_t build)
{
    return (struct tn_version) { .part = { major, minor, patch, build }, .parts = 4 };
}

int tn_version_compare(const struct tn_version *a, const struct tn_version *b)
{
    int parts = a->parts < b->parts ? a->parts : b->parts;

    for (int i = 0; i < parts; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return 0;
}

bool tn_version_same(const struct tn_version *a, const struct tn_version *b)
{
    return a->parts == 4 && b->parts == 4 && tn_version_compare(a, b) == 0;
}
