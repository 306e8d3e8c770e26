#include "types/precision.h"

#include <string.h>

static const char *const precision_names[] = { NULL,  "fp32", "fp16", "bf16",
                                               "fp8", "int8", "fp4",  "int4" };

static const char *const dtype_names[] = { NULL,     "float32", "float16", "bfloat16", "float8",
                                           "float4", "int4",    "int8",    "uint8",    "int32",
                                           "int64",  "bool",    "float64", "string",   "other" };

const char *tn_precision_name(enum tn_precision precision)
{
    return precision_names[precision];
}

enum tn_precision tn_precision_parse(const char *text, size_t length)
{
    for (size_t i = 1; i < TN_COUNT(precision_names); i++)
        if (strlen(precision_names[i]) == length && memcmp(text, precision_names[i], length) == 0)
            return (enum tn_precision)i;
    return TN_PRECISION_UNKNOWN;
}

int tn_ladder_parse(const char *text, struct tn_ladder *ret_ladder, struct tn_error *err)
{
    struct tn_ladder ladder = { .count = 0 };

    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        enum tn_precision rung = tn_precision_parse(at, length);

        if (rung == TN_PRECISION_UNKNOWN)
            return tn_fail(err, TN_E_INVALID,
                           "precision '%.*s' is not known: use a list of fp32, fp16, bf16, fp8, "
                           "int8, fp4, int4",
                           (int)(length > 40 ? 40 : length), at);
        for (size_t i = 0; i < ladder.count; i++)
            if (ladder.rung[i] == rung)
                return tn_fail(err, TN_E_INVALID, "precision '%s' stands twice in '%.80s'",
                               precision_names[rung], text);
        ladder.rung[ladder.count++] = rung;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    *ret_ladder = ladder;
    return TN_OK;
}

const char *tn_dtype_name(enum tn_dtype dtype)
{
    return dtype_names[dtype];
}
