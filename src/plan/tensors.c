/*
 * Tensors and weight types of TensorRT-RTX plans, which stand in clear in ENGN.
 *
 * Behind the network's name come a u64 count and one record per tensor; this is what is read of it:
 *   A{ B u32, C{ D u64 n, list of n bytes: the name,
 *     E{ byte, F u32 data type, byte, list of 8 strides, u32 },
 *     G{ u32 rank, list of dims unless rank is 0 }, H u32, I u32 direction, … } }
 * where a list is `01 80`, the header of its element type, u64 count, the elements. Letters are
 * object tags, which differ between releases: only the shape and the closing complements of A, C, E
 * and G are compared. Tensors with computed shapes have more behind the direction: the next record
 * is found by the closing pair.
 */
#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/parse.h"

#include <stdlib.h>
#include <string.h>

enum { STRIDES = 8, ITEM_STRING = 0x0c };

/* Any header of version 1: objects and typed wrappers alike. */
static bool take_header(struct tn_stream *s, uint16_t *ret_tag)
{
    if (s->size - s->at < TN_ITEM_HEADER_BYTES || tn_le16(s->data + s->at + 2) != 1)
        return false;
    *ret_tag = tn_le16(s->data + s->at);
    s->at += TN_ITEM_HEADER_BYTES;
    return true;
}

/* `01 80`, header of the element type, u64 count; the elements follow. */
static bool take_list(struct tn_stream *s, int element, uint64_t *ret_count)
{
    static const uint8_t begin[2] = { 0x01, 0x80 };
    uint16_t tag;

    if (!tn_stream_expect(s, begin, sizeof(begin)) || !take_header(s, &tag) ||
        (tag & 0x7fff) != element || s->size - s->at < 8)
        return false;
    *ret_count = tn_le64(s->data + s->at);
    s->at += 8;
    return true;
}

static bool take_name(struct tn_stream *s, char ret_name[TN_TENSOR_NAME_MAX])
{
    uint64_t length;
    uint64_t again;
    uint16_t tag;
    const char *name;

    if (!take_header(s, &tag) || s->size - s->at < 8)
        return false;
    length = tn_le64(s->data + s->at);
    s->at += 8;
    name = (const char *)s->data + s->at + 2 + TN_ITEM_HEADER_BYTES + 8;
    if (!take_list(s, ITEM_STRING, &again) || again != length || length >= TN_TENSOR_NAME_MAX ||
        !tn_stream_skip(s, length) || memchr(name, '\0', (size_t)length))
        return false;
    return tn_text_copy_n(ret_name, TN_TENSOR_NAME_MAX, name, (size_t)length);
}

/* The API's DataType by number. */
static enum tn_dtype dtype_of(uint64_t number)
{
    static const enum tn_dtype known[] = {
        TN_DTYPE_FLOAT, TN_DTYPE_HALF,  TN_DTYPE_INT8, TN_DTYPE_INT32,
        TN_DTYPE_BOOL,  TN_DTYPE_UINT8, TN_DTYPE_FP8,  TN_DTYPE_BF16,
        TN_DTYPE_INT64, TN_DTYPE_INT4,  TN_DTYPE_FP4,
    };

    return number < TN_COUNT(known) ? known[number] : TN_DTYPE_OTHER;
}

static bool take_format(struct tn_stream *s, struct tn_io *io)
{
    uint64_t value;
    uint64_t type;
    uint16_t outer;
    uint16_t tag;

    if (!take_header(s, &outer) || !tn_stream_take(s, TN_ITEM_BYTE, &value) ||
        !take_header(s, &tag) || !tn_stream_take(s, TN_ITEM_U32, &type) ||
        !tn_stream_take(s, TN_ITEM_BYTE, &value) || !take_list(s, TN_ITEM_I64, &value) ||
        value != STRIDES || !tn_stream_skip(s, STRIDES * 8) ||
        !tn_stream_take(s, TN_ITEM_U32, &value) || !tn_stream_close(s, outer))
        return false;
    io->dtype = dtype_of(type);
    return true;
}

/* A dynamic axis is a negative number that names it. */
static bool take_dims(struct tn_stream *s, struct tn_dims *dims)
{
    uint64_t rank;
    uint64_t count;
    uint16_t tag;

    if (!take_header(s, &tag) || !tn_stream_take(s, TN_ITEM_U32, &rank) || rank > TN_DIMS_MAX)
        return false;
    dims->count = (int)rank;
    if (tn_stream_close(s, tag))
        return rank == 0;
    if (!take_list(s, TN_ITEM_I64, &count) || count != rank || s->size - s->at < rank * 8)
        return false;
    for (uint64_t i = 0; i < rank; i++, s->at += 8) {
        int64_t dim = (int64_t)tn_le64(s->data + s->at);

        dims->dim[i] = dim < 0 ? -1 : dim;
    }
    return tn_stream_close(s, tag);
}

/* @return whether a whole record stood at the cursor, which then is behind its direction;
 * `ret_end` gets the bytes that close it */
static bool take_record(struct tn_stream *s, struct tn_io *ret_io, uint8_t ret_end[4])
{
    uint16_t record;
    uint16_t inner;
    uint16_t tag;
    uint64_t value;

    memset(ret_io, 0, sizeof(*ret_io));
    if (!take_header(s, &record) || !take_header(s, &tag) ||
        !tn_stream_take(s, TN_ITEM_U32, &value) || !take_header(s, &inner) ||
        !take_name(s, ret_io->name) || !take_format(s, ret_io) || !take_dims(s, &ret_io->dims) ||
        !take_header(s, &tag) || !tn_stream_take(s, TN_ITEM_U32, &value) || !take_header(s, &tag) ||
        !tn_stream_take(s, TN_ITEM_U32, &value) || value > 1)
        return false;
    ret_io->output = value == 1;
    inner ^= 0xffff;
    record ^= 0xffff;
    ret_end[0] = (uint8_t)inner;
    ret_end[1] = (uint8_t)(inner >> 8);
    ret_end[2] = (uint8_t)record;
    ret_end[3] = (uint8_t)(record >> 8);
    return true;
}

static bool skip_past(struct tn_stream *s, const uint8_t end[4])
{
    const uint8_t *found = memmem(s->data + s->at, s->size - s->at, end, 4);

    if (found)
        s->at = (size_t)(found - s->data) + 4;
    return found != NULL;
}

/* Reads `count` records; false when they are not all there. */
static bool take_records(struct tn_stream *s, struct tn_io *io, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t end[4];

        if (!take_record(s, &io[i], end) || !skip_past(s, end))
            return false;
    }
    return true;
}

/* Inputs first, each kind in file order. */
static void inputs_first(struct tn_io *io, size_t count)
{
    size_t next = 0;

    for (size_t i = 0; i < count; i++) {
        struct tn_io input = io[i];

        if (input.output)
            continue;
        memmove(&io[next + 1], &io[next], (i - next) * sizeof(*io));
        io[next++] = input;
    }
}

/* The count item that has a record right behind it. */
static bool find_count(struct tn_stream *s, size_t *ret_count)
{
    static const uint8_t item[TN_ITEM_HEADER_BYTES] = { TN_ITEM_U64, 0x80, 1, 0 };
    const uint8_t *found;
    struct tn_io io;
    uint8_t end[4];

    while ((found = memmem(s->data + s->at, s->size - s->at, item, sizeof(item))) != NULL) {
        struct tn_stream ahead;
        uint64_t count;

        s->at = (size_t)(found - s->data);
        if (!tn_stream_take(s, TN_ITEM_U64, &count))
            return false;
        ahead = *s;
        if (count > 0 && count <= TN_IO_MAX && take_record(&ahead, &io, end)) {
            *ret_count = (size_t)count;
            return true;
        }
    }
    return false;
}

static void free_bytes(unsigned char **bytes)
{
    free(*bytes);
}

int tn_plan_read_io(int fd, const struct tn_plan *plan, struct tn_plan_io *ret_io,
                    struct tn_error *err)
{
    tn_auto(free_bytes) unsigned char *head = NULL;
    struct tn_plan_io io = { .found = false };
    struct tn_stream s = { .at = 0 };
    int rc;

    *ret_io = io;
    if (plan->flavor != TN_FLAVOR_RTX || plan->payload_offset < 0)
        return TN_OK;
    head = malloc(TN_PLAN_IO_HEAD_BYTES);
    if (!head)
        return tn_fail(err, TN_E_NOMEM, "read the tensors of a plan");
    rc = tn_file_read_at(fd, plan->payload_offset, head, TN_PLAN_IO_HEAD_BYTES, &s.size, err);
    if (rc < 0)
        return rc;
    s.data = head;
    if (!find_count(&s, &io.count))
        return TN_OK;
    io.io = calloc(io.count, sizeof(*io.io));
    if (!io.io)
        return tn_fail(err, TN_E_NOMEM, "read the tensors of a plan");
    io.found = take_records(&s, io.io, io.count);
    if (!io.found) {
        tn_plan_io_done(&io);
        return TN_OK;
    }
    inputs_first(io.io, io.count);
    *ret_io = io;
    return TN_OK;
}

void tn_plan_io_done(struct tn_plan_io *io)
{
    free(io->io);
    *io = (struct tn_plan_io) { .found = false };
}
