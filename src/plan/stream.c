#include "plan/stream.h"

#include "base/macros.h"

#include <string.h>

/* Bytes of a primitive's value by the low 15 bits of its tag; 0 = not a primitive of fixed size. */
static const uint8_t value_bytes[16] = {
    [TN_ITEM_U8] = 1,  [TN_ITEM_BYTE] = 1, [TN_ITEM_I32] = 4,  [TN_ITEM_U32] = 4,
    [TN_ITEM_U64] = 8, [TN_ITEM_I64] = 8,  [TN_ITEM_BOOL] = 1, [TN_ITEM_F32] = 4,
};

/* Byte strings and the prefixes of vectors: neither a fixed primitive nor an object. */
static bool is_composite(unsigned type)
{
    return type == 0x01 || (type >= 0x0c && type <= 0x0e);
}

int64_t tn_le_length(const uint8_t *p)
{
    uint64_t value = tn_le64(p);

    return value > UINT64_C(1) << 60 ? TN_UNKNOWN : (int64_t)value;
}

/* Type at the cursor when a whole header with version 1 is there. */
static int header_type(const struct tn_stream *s)
{
    if (s->size - s->at < TN_ITEM_HEADER_BYTES || tn_le16(s->data + s->at + 2) != 1)
        return -1;
    return tn_le16(s->data + s->at) & 0x7fff;
}

int tn_stream_peek(const struct tn_stream *s)
{
    int type = header_type(s);

    if (type < 0 || type >= (int)TN_COUNT(value_bytes) || value_bytes[type] == 0 ||
        s->size - s->at < TN_ITEM_HEADER_BYTES + (size_t)value_bytes[type])
        return 0;
    return type;
}

bool tn_stream_take(struct tn_stream *s, enum tn_item type, uint64_t *ret_value)
{
    int found = tn_stream_peek(s);
    const uint8_t *value;

    if (found == 0 || (found == TN_ITEM_I64 ? TN_ITEM_U64 : found) !=
                          (int)(type == TN_ITEM_I64 ? TN_ITEM_U64 : type))
        return false;
    value = s->data + s->at + TN_ITEM_HEADER_BYTES;
    *ret_value = value_bytes[found] == 8   ? tn_le64(value)
                 : value_bytes[found] == 4 ? tn_le32(value)
                                           : *value;
    s->at += TN_ITEM_HEADER_BYTES + (size_t)value_bytes[found];
    return true;
}

bool tn_stream_open(struct tn_stream *s, uint16_t *ret_tag)
{
    int type = header_type(s);

    if (type <= 0 || (type < (int)TN_COUNT(value_bytes) &&
                      (value_bytes[type] != 0 || is_composite((unsigned)type))))
        return false;
    *ret_tag = tn_le16(s->data + s->at);
    s->at += TN_ITEM_HEADER_BYTES;
    return true;
}

bool tn_stream_close(struct tn_stream *s, uint16_t tag)
{
    if (s->size - s->at < 2 || (tn_le16(s->data + s->at) ^ tag) != 0xffff)
        return false;
    s->at += 2;
    return true;
}

bool tn_stream_skip(struct tn_stream *s, uint64_t bytes)
{
    if (bytes > s->size - s->at)
        return false;
    s->at += (size_t)bytes;
    return true;
}

bool tn_stream_expect(struct tn_stream *s, const void *bytes, size_t size)
{
    if (s->size - s->at < size || memcmp(s->data + s->at, bytes, size) != 0)
        return false;
    s->at += size;
    return true;
}
