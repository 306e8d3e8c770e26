/*
 * Makes ONNX files for tests, field by field: a protobuf encoder of six functions. Messages nest by
 * building the inner one first.
 */
#ifndef MODEL_BYTES_H
#define MODEL_BYTES_H

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

enum { BYTES_MAX = 64 << 20 };

#define BYTES() TN_BUF(BYTES_MAX)

static inline void put_varint(struct tn_buf *to, uint64_t value)
{
    do {
        unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

        tn_buf_add(to, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void put_int(struct tn_buf *to, unsigned field, int64_t value)
{
    put_varint(to, field << 3);
    put_varint(to, (uint64_t)value);
}

static inline void put_bytes(struct tn_buf *to, unsigned field, const void *bytes, size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    tn_buf_add(to, bytes, size);
}

static inline void put_text(struct tn_buf *to, unsigned field, const char *text)
{
    put_bytes(to, field, text, strlen(text));
}

/* Takes over and ends `message`. */
static inline void put_message(struct tn_buf *to, unsigned field, struct tn_buf *message)
{
    put_bytes(to, field, tn_buf_text(message), message->size);
    tn_buf_done(message);
}

enum { F32 = 1, U8 = 2, I8 = 3, U16 = 4, I32 = 6, I64 = 7, STR = 8, BOOLEAN = 9, F16 = 10 };
enum { F64 = 11, BF16 = 16, E4M3 = 17, E5M2 = 19, I4 = 22, FP4 = 23 };

/* An initializer (field 5 of a graph) of `count` elements with `size` bytes of data. */
static inline void put_tensor(struct tn_buf *graph, unsigned field, const char *name, int type,
                              int64_t count, const void *data, size_t size)
{
    struct tn_buf tensor = BYTES();

    put_int(&tensor, 1, count);
    put_int(&tensor, 2, type);
    put_text(&tensor, 8, name);
    put_bytes(&tensor, 9, data, size);
    put_message(graph, field, &tensor);
}

/* An initializer whose data lies in a file; `offset` and `length` may be NULL. */
static inline void put_external(struct tn_buf *graph, const char *name, int64_t count,
                                const char *location, const char *offset, const char *length)
{
    const char *const pairs[][2] = { { "location", location },
                                     { "offset", offset },
                                     { "length", length } };
    struct tn_buf tensor = BYTES();

    put_int(&tensor, 1, count);
    put_int(&tensor, 2, F32);
    put_text(&tensor, 8, name);
    for (size_t i = 0; i < 3; i++) {
        struct tn_buf entry = BYTES();

        if (!pairs[i][1])
            continue;
        put_text(&entry, 1, pairs[i][0]);
        put_text(&entry, 2, pairs[i][1]);
        put_message(&tensor, 13, &entry);
    }
    put_int(&tensor, 14, 1);
    put_message(graph, 5, &tensor);
}

/* An input (field 11) or output (12); axes as "3", "batch", "" (unknown), ended by NULL. `axes`
 * NULL: no shape. */
static inline void put_io(struct tn_buf *graph, unsigned field, const char *name, int type,
                          const char *const *axes)
{
    struct tn_buf value = BYTES(), outer = BYTES(), tensor = BYTES(), shape = BYTES();

    for (; axes && *axes; axes++) {
        struct tn_buf axis = BYTES();

        if (**axes >= '0' && **axes <= '9')
            put_int(&axis, 1, **axes - '0');
        else if (**axes)
            put_text(&axis, 2, *axes);
        put_message(&shape, 1, &axis);
    }
    put_int(&tensor, 1, type);
    if (axes)
        put_message(&tensor, 2, &shape);
    put_message(&outer, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &outer);
    put_message(graph, field, &value);
    tn_buf_done(&shape);
}

/* A node; inputs separated by spaces ("-" = left out). `attribute` NULL or a finished one, taken.
 */
static inline void put_node(struct tn_buf *graph, const char *op, const char *domain,
                            const char *inputs, const char *output, struct tn_buf *attribute)
{
    struct tn_buf node = BYTES();

    while (*inputs) {
        size_t length = strcspn(inputs, " ");

        put_bytes(&node, 1, inputs, length == 1 && *inputs == '-' ? 0 : length);
        inputs += length + (inputs[length] == ' ');
    }
    put_text(&node, 2, output);
    put_text(&node, 4, op);
    if (attribute)
        put_message(&node, 5, attribute);
    if (*domain)
        put_text(&node, 7, domain);
    put_message(graph, 1, &node);
}

/* The whole file from a graph, which is taken. */
static inline struct tn_buf make_model(struct tn_buf *graph, int64_t opset)
{
    struct tn_buf model = BYTES(), import = BYTES();

    put_int(&import, 2, opset);
    put_int(&model, 1, 8);
    put_text(&model, 2, "tenon-test");
    put_message(&model, 7, graph);
    put_message(&model, 8, &import);
    return model;
}

#endif
