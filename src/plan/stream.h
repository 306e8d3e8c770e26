/*
 * The tagged stream inside a plan, read item by item from bytes that nobody vouches for.
 *
 * An item is u16 tag, u16 version, value. The low 15 bits of the tag name the type of a primitive;
 * any other tag opens an object, which (from TensorRT 8.0 on) closes with the bare complement of
 * its tag. Object numbers change from release to release and are never compared with constants.
 * Every reader answers false, and moves nothing, where the bytes end or are something else.
 * Internal to src/plan. Any thread.
 */
#ifndef TN_PLAN_STREAM_H
#define TN_PLAN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TN_ITEM_HEADER_BYTES = 4 };

enum tn_item {
    TN_ITEM_U8 = 0x02,
    TN_ITEM_BYTE = 0x03,
    TN_ITEM_I32 = 0x06,
    TN_ITEM_U32 = 0x07,
    TN_ITEM_U64 = 0x08,
    TN_ITEM_I64 = 0x09,
    TN_ITEM_BOOL = 0x0a,
    TN_ITEM_F32 = 0x0b,
};

/** A place in bytes that are at hand. */
struct tn_stream {
    const uint8_t *data;
    size_t size, at;
};

static inline uint16_t tn_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t tn_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t tn_le64(const uint8_t *p)
{
    return (uint64_t)tn_le32(p) | (uint64_t)tn_le32(p + 4) << 32;
}

/** A 64-bit length as a signed one; TN_UNKNOWN (-1) above 2^60, which no file has. */
int64_t tn_le_length(const uint8_t *p);

/** The type of the primitive at the cursor (low 15 bits of its tag), 0 when there is none whole. */
int tn_stream_peek(const struct tn_stream *s);

/** Takes a primitive of exactly this type; U64 and I64 are one (their C types differ, no more). */
bool tn_stream_take(struct tn_stream *s, enum tn_item type, uint64_t *ret_value);

/** Takes the header of an object: a tag that is no primitive, version 1. */
bool tn_stream_open(struct tn_stream *s, uint16_t *ret_tag);

/** Takes the bare complement of `tag`. */
bool tn_stream_close(struct tn_stream *s, uint16_t tag);

/** Steps over raw bytes. */
bool tn_stream_skip(struct tn_stream *s, uint64_t bytes);

/** Takes exactly these bytes. */
bool tn_stream_expect(struct tn_stream *s, const void *bytes, size_t size);

#endif
