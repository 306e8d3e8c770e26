#include "types/shape.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

void tn_dims_add(struct tn_buf *text, const struct tn_dims *dims)
{
    if (dims->count <= 0) {
        tn_buf_adds(text, dims->count == 0 ? "s" : "?");
        return;
    }
    for (int i = 0; i < dims->count; i++)
        tn_buf_addf(text, "%s%lld", i ? "x" : "", (long long)dims->dim[i]);
}

static bool parse_axis(const char *text, size_t length, int64_t *ret_axis)
{
    uint64_t value;

    if (length == 2 && memcmp(text, "-1", 2) == 0) {
        *ret_axis = -1;
        return true;
    }
    if (!tn_text_u64(text, length, &value) || value > INT64_MAX)
        return false;
    *ret_axis = (int64_t)value;
    return true;
}

bool tn_dims_parse(const char *text, size_t length, struct tn_dims *ret_dims)
{
    struct tn_dims dims = { .count = 0 };
    size_t start = 0;

    if (length == 1 && text[0] == 's') {
        *ret_dims = dims;
        return true;
    }
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] != 'x')
            continue;
        if (dims.count == TN_DIMS_MAX ||
            !parse_axis(text + start, i - start, &dims.dim[dims.count]))
            return false;
        dims.count++;
        start = i + 1;
    }
    *ret_dims = dims;
    return true;
}

bool tn_dims_equal(const struct tn_dims *a, const struct tn_dims *b)
{
    if (a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool tn_dims_dynamic(const struct tn_dims *dims)
{
    for (int i = 0; i < dims->count; i++)
        if (dims->dim[i] < 0)
            return true;
    return dims->count < 0;
}

static bool ordered(const struct tn_dims *low, const struct tn_dims *high)
{
    if (low->count != high->count)
        return false;
    for (int i = 0; i < low->count; i++)
        if (low->dim[i] > high->dim[i])
            return false;
    return true;
}

const struct tn_shape_range *tn_shapes_find(const struct tn_shapes *shapes, const char *input)
{
    for (size_t i = 0; i < shapes->count; i++)
        if (strcmp(shapes->range[i].input, input) == 0)
            return &shapes->range[i];
    return NULL;
}

int tn_shapes_add(struct tn_shapes *shapes, const struct tn_shape_range *range,
                  struct tn_error *err)
{
    struct tn_shape_range *grown;

    if (tn_shapes_find(shapes, range->input))
        return tn_fail(err, TN_E_INVALID, "input '%s' has two shapes", range->input);
    if (tn_dims_dynamic(&range->min) || tn_dims_dynamic(&range->opt) ||
        tn_dims_dynamic(&range->max))
        return tn_fail(err, TN_E_INVALID, "the shape of input '%s' has an open axis: give numbers",
                       range->input);
    if (!ordered(&range->min, &range->opt) || !ordered(&range->opt, &range->max))
        return tn_fail(err, TN_E_INVALID,
                       "the shapes of input '%s' must have one rank and satisfy MIN <= OPT <= MAX",
                       range->input);
    if (shapes->count == TN_IO_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d inputs have a shape", TN_IO_MAX);
    grown = realloc(shapes->range, (shapes->count + 1) * sizeof(*grown));
    if (!grown)
        return tn_fail(err, TN_E_NOMEM, "shape of '%s'", range->input);
    shapes->range = grown;
    shapes->range[shapes->count++] = *range;
    return TN_OK;
}

/* One `NAME=MIN[:OPT:MAX]` of `length` bytes. */
static int parse_range(const char *text, size_t length, struct tn_shape_range *ret_range,
                       struct tn_error *err)
{
    const char *equals = memrchr(text, '=', length);
    const char *end = text + length;
    const char *part[3];
    size_t part_length[3];
    size_t parts = 0;

    if (!equals || equals == text)
        return tn_fail(
            err, TN_E_INVALID,
            "'%.*s' is not NAME=MIN[:OPT:MAX], such as x=1x3x320x320:1x3x640x640:2x3x960x960",
            (int)(length > 160 ? 160 : length), text);
    if (!tn_text_copy_n(ret_range->input, sizeof(ret_range->input), text, (size_t)(equals - text)))
        return tn_fail(err, TN_E_INVALID, "an input's name is longer than %d bytes",
                       TN_TENSOR_NAME_MAX - 1);
    for (const char *at = equals + 1; parts < 3; at += part_length[parts - 1] + 1) {
        const char *colon = memchr(at, ':', (size_t)(end - at));

        part[parts] = at;
        part_length[parts] = (size_t)((colon ? colon : end) - at);
        parts++;
        if (!colon)
            break;
    }
    if (parts == 2 || part[parts - 1] + part_length[parts - 1] != end)
        return tn_fail(err, TN_E_INVALID, "input '%s' needs one shape or three (MIN:OPT:MAX)",
                       ret_range->input);
    if (!tn_dims_parse(part[0], part_length[0], &ret_range->min) ||
        !tn_dims_parse(part[parts / 2], part_length[parts / 2], &ret_range->opt) ||
        !tn_dims_parse(part[parts - 1], part_length[parts - 1], &ret_range->max))
        return tn_fail(err, TN_E_INVALID,
                       "'%.*s' is not a shape such as 1x3x640x640 ('s' for a scalar)",
                       (int)(end - equals - 1), equals + 1);
    return TN_OK;
}

int tn_shapes_parse(const char *text, struct tn_shapes *ret_shapes, struct tn_error *err)
{
    tn_auto(tn_shapes_done) struct tn_shapes shapes = { 0 };

    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        struct tn_shape_range range = { .input = "" };
        int rc = parse_range(at, length, &range, err);

        if (rc == TN_OK)
            rc = tn_shapes_add(&shapes, &range, err);
        if (rc < 0)
            return rc;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    *ret_shapes = shapes;
    shapes = (struct tn_shapes) { 0 };
    return TN_OK;
}

void tn_shape_range_add(struct tn_buf *text, const struct tn_shape_range *range)
{
    tn_buf_addf(text, "%s=", range->input);
    tn_dims_add(text, &range->min);
    if (tn_dims_equal(&range->min, &range->opt) && tn_dims_equal(&range->opt, &range->max))
        return;
    tn_buf_adds(text, ":");
    tn_dims_add(text, &range->opt);
    tn_buf_adds(text, ":");
    tn_dims_add(text, &range->max);
}

void tn_shapes_done(struct tn_shapes *shapes)
{
    free(shapes->range);
    *shapes = (struct tn_shapes) { 0 };
}
