/*
 * Precisions (the rungs of a ladder) and tensor data types.
 */
#ifndef TN_TYPES_PRECISION_H
#define TN_TYPES_PRECISION_H

#include "base/error.h"

#include <stddef.h>

enum tn_precision {
    TN_PRECISION_UNKNOWN = 0,
    TN_PRECISION_FP32,
    TN_PRECISION_FP16,
    TN_PRECISION_BF16,
    TN_PRECISION_FP8,
    TN_PRECISION_INT8,
    TN_PRECISION_FP4,
    TN_PRECISION_INT4,
};

#define TN_LADDER_MAX 7

/** "fp32", …; NULL for unknown. */
const char *tn_precision_name(enum tn_precision precision);
enum tn_precision tn_precision_parse(const char *text, size_t length);

/** The order in which precisions are tried. */
struct tn_ladder {
    enum tn_precision rung[TN_LADDER_MAX];
    size_t count;
};

/** "int8,fp16,fp32"; a precision named twice or unknown is refused. @return 0 or TN_E_INVALID */
int tn_ladder_parse(const char *text, struct tn_ladder *ret_ladder, struct tn_error *err);

/** Element type of a tensor, as TensorRT names them; the ones it lacks come last. */
enum tn_dtype {
    TN_DTYPE_UNKNOWN = 0,
    TN_DTYPE_FLOAT,
    TN_DTYPE_HALF,
    TN_DTYPE_BF16,
    TN_DTYPE_FP8,
    TN_DTYPE_FP4,
    TN_DTYPE_INT4,
    TN_DTYPE_INT8,
    TN_DTYPE_UINT8,
    TN_DTYPE_INT32,
    TN_DTYPE_INT64,
    TN_DTYPE_BOOL,
    TN_DTYPE_DOUBLE,
    TN_DTYPE_STRING,
    TN_DTYPE_OTHER,
};

/** "float32", "float16", "bfloat16", "int8", … (NumPy's words where it has one); NULL for unknown.
 */
const char *tn_dtype_name(enum tn_dtype dtype);

#endif
