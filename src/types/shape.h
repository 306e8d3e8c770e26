/*
 * Dimensions of a tensor, and the ranges (optimization profile) that a plan is built for.
 */
#ifndef TN_TYPES_SHAPE_H
#define TN_TYPES_SHAPE_H

#include "base/buf.h"
#include "types/precision.h"

#include <stdbool.h>
#include <stdint.h>

enum { TN_DIMS_MAX = 16, TN_TENSOR_NAME_MAX = 256, TN_IO_MAX = 256 };

/** A shape; a dynamic axis is -1. */
struct tn_dims {
    int count; /* 0 = scalar; negative = rank unknown */
    int64_t dim[TN_DIMS_MAX];
};

/** "1x3x640x640"; dynamic axes as -1; "s" for a scalar; "?" for an unknown rank. */
void tn_dims_add(struct tn_buf *text, const struct tn_dims *dims);

/** Reads `length` bytes of "1x3x640x640"; "s" is a scalar. Axes are 0 or more, or -1. */
bool tn_dims_parse(const char *text, size_t length, struct tn_dims *ret_dims);

bool tn_dims_equal(const struct tn_dims *a, const struct tn_dims *b);
bool tn_dims_dynamic(const struct tn_dims *dims);

/** A network's input or output. */
struct tn_io {
    char name[TN_TENSOR_NAME_MAX];
    struct tn_dims dims;
    enum tn_dtype dtype;
    bool output;
};

/** The range of one input. A fixed shape has min = opt = max. */
struct tn_shape_range {
    char input[TN_TENSOR_NAME_MAX];
    struct tn_dims min, opt, max;
};

/** Ranges by input, in the order given. Zeroed = none. */
struct tn_shapes {
    struct tn_shape_range *range;
    size_t count;
};

/**
 * Reads `NAME=MIN[:OPT:MAX],…`, as trtexec users write them. Names may hold ':' and '/', the last
 * '=' before the numbers counts. MIN:MAX without OPT is refused.
 * @return 0, TN_E_INVALID or TN_E_NOMEM
 */
int tn_shapes_parse(const char *text, struct tn_shapes *ret_shapes, struct tn_error *err);

/** Adds a copy of `range`; the same input twice is refused (TN_E_INVALID), and so are ranks that
 * differ or min > opt > max. */
int tn_shapes_add(struct tn_shapes *shapes, const struct tn_shape_range *range,
                  struct tn_error *err);

/** The range of an input, or NULL. */
const struct tn_shape_range *tn_shapes_find(const struct tn_shapes *shapes, const char *input);

/** Appends "name=1x3x320x320:1x3x640x640:2x3x960x960" (fixed: "name=1x3x640x640"). */
void tn_shape_range_add(struct tn_buf *text, const struct tn_shape_range *range);

void tn_shapes_done(struct tn_shapes *shapes);

#endif
