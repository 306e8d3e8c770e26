/*
 * Versions of two to four numeric parts. Of a TensorRT all four count; a shorter one is one of
 * which less is known, and compares by the parts that it gives.
 */
#ifndef TN_TYPES_VERSION_H
#define TN_TYPES_VERSION_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define TN_VERSION_TEXT 44 /* four full 32-bit numbers fit */

struct tn_version {
    uint32_t part[4];
    int parts; /* how many are known; 0 = version unknown */
};

/** "10.6.0.26", "8.4": one to four numbers, nothing after them. @return 0 or TN_E_INVALID */
int tn_version_parse(const char *text, struct tn_version *ret_version, struct tn_error *err);

/** "10.6.0.26"; "" when unknown. */
void tn_version_print(const struct tn_version *version, char ret_text[TN_VERSION_TEXT]);

struct tn_version tn_version_make(uint32_t major, uint32_t minor, uint32_t patch, uint32_t build);

/** All four parts known and equal. */
bool tn_version_same(const struct tn_version *a, const struct tn_version *b);

/** -1, 0, 1 by the parts that both give ("8.4" equals "8.4.1.5"). */
int tn_version_compare(const struct tn_version *a, const struct tn_version *b);

#endif
