/*
 * Builds small plans of every generation, for tests: written from the documents of the format, not
 * from the parser. A device block is spelt as pairs of type digit and fact letter.
 */
#ifndef TN_TEST_MAKE_PLAN_H
#define TN_TEST_MAKE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { MADE_MAX = 16384 };

struct made {
    unsigned char data[MADE_MAX];
    size_t size;
};

enum made_envelope { MADE_OLD, MADE_80, MADE_82, MADE_F1, MADE_F2, MADE_RTX };
enum made_after { AFTER_BATCH, AFTER_WEIGHTS_BATCH, AFTER_BOOL_WEIGHTS, AFTER_FLAGS };

/** One generation. */
struct made_kind {
    const char *layout, *block;
    unsigned char version[4];
    uint32_t safe, serialization;
    enum made_envelope envelope;
    unsigned prim_bit, object_bit; /* 0x8000 where set */
    unsigned objects[3];           /* outermost first; 0 ends */
    bool level_first;              /* u32 hardware compatibility begins the outermost object */
    const char *items;
    enum made_after after;
};

#define D60_ITEMS  "7M7m7c7k7b8L8.8.8.7SaI"
#define D70_ITEMS  D60_ITEMS "7.7.7.7."
#define D85_START  "7M7m7c7k7b8L8.7.7.7.7SaI"
#define D109_ITEMS "9T8L8.7c7k7b7.7.7S7I7.7.7M7m7."

static const struct made_kind made_kinds[] = {
    { "P-old",
      "D60",
      { 6, 0, 1, 10 },
      87,
      170,
      MADE_OLD,
      0,
      0,
      { 0x21 },
      false,
      D60_ITEMS,
      AFTER_BATCH },
    { "P-old",
      "D70",
      { 7, 0, 0, 11 },
      89,
      194,
      MADE_OLD,
      0,
      0,
      { 0x21 },
      false,
      D70_ITEMS,
      AFTER_BATCH },
    { "P-old",
      "D71",
      { 7, 1, 3, 0 },
      97,
      211,
      MADE_OLD,
      0,
      0,
      { 0x21 },
      false,
      D70_ITEMS "8T",
      AFTER_BATCH },
    { "P-old",
      "D72",
      { 7, 2, 2, 3 },
      96,
      214,
      MADE_OLD,
      0,
      0,
      { 0x21 },
      false,
      D70_ITEMS "8T7.",
      AFTER_BATCH },
    { "P-80",
      "D80",
      { 8, 0, 1, 6 },
      43,
      256,
      MADE_80,
      0,
      0x8000,
      { 0x48, 0xa5 },
      false,
      D70_ITEMS "9T7.",
      AFTER_WEIGHTS_BATCH },
    { "P-82",
      "D80",
      { 8, 2, 1, 8 },
      0,
      205,
      MADE_82,
      0x8000,
      0x8000,
      { 0x12, 0x10 },
      false,
      D70_ITEMS "9T7.",
      AFTER_WEIGHTS_BATCH },
    { "P-82",
      "D84",
      { 8, 4, 1, 5 },
      0,
      213,
      MADE_82,
      0x8000,
      0x8000,
      { 0x12, 0x10 },
      false,
      "7M7m7c7k7b8L7.7.7.7SaI7.7.7.7.9T7.",
      AFTER_WEIGHTS_BATCH },
    { "P-82",
      "D85",
      { 8, 5, 3, 1 },
      0,
      232,
      MADE_82,
      0x8000,
      0x8000,
      { 0x12, 0x10 },
      false,
      D85_START "7.7.7.7.9T7.",
      AFTER_WEIGHTS_BATCH },
    { "F1",
      "D85",
      { 8, 6, 1, 6 },
      0,
      236,
      MADE_F1,
      0x8000,
      0x8000,
      { 0xe5, 0x12, 0x10 },
      true,
      D85_START "7.7.7.7.9T7.",
      AFTER_WEIGHTS_BATCH },
    { "F1",
      "D100",
      { 10, 0, 1, 6 },
      0,
      237,
      MADE_F1,
      0x8000,
      0x8000,
      { 0xd2, 0x12, 0x10 },
      true,
      D85_START "7.7.7.7.7.9T7.",
      AFTER_BOOL_WEIGHTS },
    { "F1",
      "D101",
      { 10, 3, 0, 26 },
      0,
      239,
      MADE_F1,
      0x8000,
      0x8000,
      { 0xd2, 0x12, 0x10 },
      true,
      D85_START "7.7.7.7.7.9T",
      AFTER_BOOL_WEIGHTS },
    { "F2",
      "D101",
      { 10, 6, 0, 26 },
      0,
      239,
      MADE_F2,
      0x8000,
      0x8000,
      { 0xd2, 0x12, 0x10 },
      true,
      D85_START "7.7.7.7.7.9T",
      AFTER_FLAGS },
    { "F2",
      "D109",
      { 10, 9, 0, 34 },
      0,
      239,
      MADE_F2,
      0x8000,
      0x8000,
      { 0xd2, 0x12, 0x10 },
      true,
      D109_ITEMS,
      AFTER_FLAGS },
    { "RTX",
      "",
      { 1, 4, 0, 76 },
      0,
      94,
      MADE_RTX,
      0x8000,
      0x8000,
      { 0x4e, 0x11, 0x0f },
      true,
      "7M7m7.",
      AFTER_FLAGS },
    { "RTX",
      "D109",
      { 1, 7, 1, 116 },
      0,
      100,
      MADE_RTX,
      0x8000,
      0x8000,
      { 0x4e, 0x11, 0x0f },
      true,
      D109_ITEMS,
      AFTER_FLAGS },
};

/** What a made plan says. */
struct made_facts {
    const struct made_kind *kind;
    uint32_t cc_major, cc_minor, core, memory_clock, bus, sms;
    uint64_t memory, l2;
    bool integrated;
    uint32_t level, refit, batch;
    bool stripped, streaming, lean;
    uint64_t mask;           /* RTX */
    size_t weights;          /* bytes in the archive or in WGHT */
    size_t lean_bytes;       /* size of the LEAN section */
    const char *platform;    /* four bytes; NULL = zeros */
    const struct made *more; /* bytes at the end of the stream; NULL = none */
};

static inline void made_bytes(struct made *m, const void *data, size_t size)
{
    if (m->size + size <= sizeof(m->data)) {
        memcpy(m->data + m->size, data, size);
        m->size += size;
    }
}

static inline void made_le(struct made *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        made_bytes(m, &(unsigned char) { (unsigned char)value }, 1);
}

static inline void made_put(struct made *m, size_t at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        m->data[at + (size_t)i] = (unsigned char)value;
}

static inline void made_zeros(struct made *m, size_t count)
{
    while (count-- > 0)
        made_le(m, 0, 1);
}

static inline void made_item(struct made *m, const struct made_kind *kind, unsigned type,
                             uint64_t value)
{
    made_le(m, type | kind->prim_bit, 2);
    made_le(m, 1, 2);
    made_le(m, value, type == 0x07 ? 4 : type == 0x08 || type == 0x09 ? 8 : 1);
}

static inline void made_open(struct made *m, const struct made_kind *kind, unsigned object)
{
    made_le(m, object | kind->object_bit, 2);
    made_le(m, 1, 2);
}

static inline void made_close(struct made *m, const struct made_kind *kind, unsigned object)
{
    made_le(m, 0xffff ^ (object | kind->object_bit), 2);
}

static inline uint64_t made_fact(const struct made_facts *f, char letter)
{
    switch (letter) {
    case 'M':
        return f->cc_major;
    case 'm':
        return f->cc_minor;
    case 'c':
        return f->core;
    case 'k':
        return f->memory_clock;
    case 'b':
        return f->bus;
    case 'L':
        return f->l2;
    case 'S':
        return f->sms;
    case 'I':
        return f->integrated;
    case 'T':
        return f->memory;
    default:
        return 1024;
    }
}

/** The record of a float16 tensor of -1x640, as RTX writes it behind the network's name. */
static inline void made_tensor(struct made *m, const struct made_kind *kind, const char *name,
                               uint32_t output)
{
    made_open(m, kind, 0x43);
    made_open(m, kind, 0x16);
    made_item(m, kind, 0x07, 0);
    made_open(m, kind, 0x41);
    made_open(m, kind, 0x13);
    made_le(m, strlen(name), 8);
    made_bytes(m, "\x01\x80\x0c\x80\x01\x00", 6);
    made_le(m, strlen(name), 8);
    made_bytes(m, name, strlen(name));
    made_open(m, kind, 0x1c);
    made_item(m, kind, 0x03, 0);
    made_open(m, kind, 0x0d);
    made_item(m, kind, 0x07, 1);
    made_item(m, kind, 0x03, 0);
    made_bytes(m, "\x01\x80\x09\x80\x01\x00", 6);
    made_le(m, 8, 8);
    made_zeros(m, 64);
    made_item(m, kind, 0x07, 0x80000000u);
    made_close(m, kind, 0x1c);
    made_open(m, kind, 0x59);
    made_item(m, kind, 0x07, 2);
    made_bytes(m, "\x01\x80\x09\x80\x01\x00", 6);
    made_le(m, 2, 8);
    made_le(m, UINT64_MAX - 3, 8);
    made_le(m, 640, 8);
    made_close(m, kind, 0x59);
    made_open(m, kind, 0x15);
    made_item(m, kind, 0x07, 0);
    made_open(m, kind, 0x28);
    made_item(m, kind, 0x07, output);
    made_close(m, kind, 0x41);
    made_close(m, kind, 0x43);
}

static inline void made_block(struct made *m, const struct made_facts *f)
{
    const struct made_kind *kind = f->kind;

    for (const char *at = kind->items; *at; at += 2)
        made_item(m, kind, at[0] == 'a' ? 0x0a : (unsigned)(at[0] - '0'), made_fact(f, at[1]));
}

static inline void made_after_flags(struct made *m, const struct made_facts *f)
{
    const struct made_kind *kind = f->kind;

    made_item(m, kind, 0x0a, 0);
    made_item(m, kind, 0x0a, f->stripped);
    made_item(m, kind, 0x09, f->stripped ? 4096 : 0);
    if (f->stripped) {
        made_item(m, kind, 0x09, 2);
        for (int i = 0; i < 4; i++)
            made_item(m, kind, 0x09, 16);
    } else {
        made_item(m, kind, 0x09, f->weights);
    }
    made_open(m, kind, 0xe9);
    made_item(m, kind, 0x09, 32);
    made_zeros(m, 32);
    made_item(m, kind, 0x09, 0);
    made_item(m, kind, 0x07, f->stripped);
    made_item(m, kind, 0x09, 0);
    made_item(m, kind, 0x09, 0);
    made_close(m, kind, 0xe9);
    made_open(m, kind, 0xe8);
    made_item(m, kind, 0x07, f->refit);
    made_item(m, kind, 0x0a, 0);
    made_item(m, kind, 0x0a, 1);
    made_item(m, kind, 0x0a, f->streaming);
}

static inline void made_weights(struct made *m, const struct made_facts *f)
{
    made_open(m, f->kind, 0xc1);
    made_item(m, f->kind, 0x09, f->weights);
    made_zeros(m, f->weights);
    made_close(m, f->kind, 0xc1);
}

static inline void made_batch(struct made *m, const struct made_facts *f)
{
    made_item(m, f->kind, 0x07, f->batch);
    made_item(m, f->kind, 0x0a, 1);
    made_item(m, f->kind, 0x0a, 0);
}

static inline void made_stream(struct made *m, const struct made_facts *f)
{
    const struct made_kind *kind = f->kind;
    int objects = 0;

    for (int i = 0; i < 4; i++)
        made_item(m, kind, 0x02, kind->version[i]);
    while (objects < 3 && kind->objects[objects]) {
        made_open(m, kind, kind->objects[objects]);
        if (objects++ == 0 && kind->level_first)
            made_item(m, kind, 0x07, f->level);
    }
    made_block(m, f);
    for (int i = objects - 1; i >= 0 && i >= objects - 2 && kind->object_bit; i--)
        made_close(m, kind, kind->objects[i]);
    if (kind->after == AFTER_FLAGS)
        made_after_flags(m, f);
    if (kind->after == AFTER_BOOL_WEIGHTS)
        made_item(m, kind, 0x0a, 0);
    if (kind->after == AFTER_WEIGHTS_BATCH || kind->after == AFTER_BOOL_WEIGHTS)
        made_weights(m, f);
    if (kind->after == AFTER_BATCH || kind->after == AFTER_WEIGHTS_BATCH)
        made_batch(m, f);
    if (f->more)
        made_bytes(m, f->more->data, f->more->size);
    made_zeros(m, 40); /* graph and kernels */
}

static inline uint32_t made_crc(const struct made *m, size_t from)
{
    return (uint32_t)crc32(0, m->data + from, (uInt)(m->size - from));
}

/* An archive: its header, then the stream, lengths filled in. */
static inline void made_archive(struct made *m, const struct made_facts *f)
{
    const struct made_kind *kind = f->kind;
    bool short_header = kind->envelope == MADE_F2 || kind->envelope == MADE_RTX;
    size_t header = short_header ? 0x14 : 0x18;
    size_t start = m->size;

    made_bytes(m, "ptrt", 4);
    if (!short_header)
        made_le(m, kind->safe, 4);
    made_le(m, kind->serialization, 4);
    made_zeros(m, header - (m->size - start));
    made_stream(m, f);
    if (kind->version[0] > 8 || (kind->version[0] == 8 && kind->version[1] >= 4) ||
        kind->envelope == MADE_RTX)
        made_bytes(m, "\x8f\x8b\x8d\x8b", 4);
    made_put(m,
             start + (short_header                 ? 0x08
                      : kind->envelope == MADE_OLD ? 0x0c
                                                   : 0x10),
             m->size - start - header, 8);
    if (kind->envelope == MADE_OLD)
        made_put(m, start + 0x14, made_crc(m, start + header), 4);
    if (kind->envelope == MADE_80)
        made_put(m, start + 0x0c, made_crc(m, start + header), 4);
}

static inline void made_section(struct made *m, const char *tag)
{
    made_bytes(m, tag, 4);
    made_zeros(m, 20);
}

static inline void made_align(struct made *m)
{
    made_zeros(m, (8 - m->size % 8) % 8);
}

static inline void made_container(struct made *m, const struct made_facts *f)
{
    const struct made_kind *kind = f->kind;
    bool rtx = kind->envelope == MADE_RTX;
    bool weights = kind->envelope != MADE_F1;
    size_t table;

    made_bytes(m, rtx ? "vtrt" : "ftrt", 4);
    made_le(m, 0, 4);
    made_le(m, (unsigned)weights + 1 + f->lean, 8);
    made_le(m, 0, 8);
    made_bytes(m, kind->version, 4);
    made_bytes(m, f->platform ? f->platform : "\0\0\0\0", 4);
    if (rtx) {
        made_le(m, f->mask, 8);
        made_le(m, 13000, 8);
        made_le(m, 13020, 8);
        made_le(m, f->weights, 8);
    }
    table = m->size;
    if (f->lean)
        made_section(m, "NAEL");
    made_section(m, "NGNE");
    if (weights)
        made_section(m, "THGW");
    if (f->lean) {
        made_put(m, table + 8, m->size, 8);
        made_put(m, table + 16, f->lean_bytes, 8);
        made_zeros(m, f->lean_bytes);
        table += 24;
    }
    made_put(m, table + 8, m->size, 8);
    made_archive(m, f);
    made_put(m, table + 16, m->size - m->data[table + 8] - m->data[table + 9] * 256u, 8);
    made_align(m);
    if (weights) {
        made_put(m, table + 24 + 8, m->size, 8);
        made_put(m, table + 24 + 16, f->weights, 8);
        made_zeros(m, f->weights);
        made_align(m);
    }
    made_bytes(m, "\x99\x8b\x8d\x8b", 4);
    made_put(m, 0x10, m->size, 8);
}

static inline void make_plan(struct made *m, const struct made_facts *f)
{
    m->size = 0;
    if (f->kind->envelope >= MADE_F1)
        made_container(m, f);
    else
        made_archive(m, f);
}

/** A board that no test shares with the corpus. */
static inline struct made_facts made_facts_of(const struct made_kind *kind)
{
    return (struct made_facts) { .kind = kind,
                                 .cc_major = 8,
                                 .cc_minor = 9,
                                 .core = 2505000,
                                 .memory_clock = 9001000,
                                 .bus = 256,
                                 .sms = 76,
                                 .memory = UINT64_C(17170956288),
                                 .l2 = 67108864,
                                 .batch = 7,
                                 .mask = kind->version[1] < 5 ? 0x3e : 0x7e,
                                 .weights = 96,
                                 .platform = kind->envelope == MADE_RTX ? "vtrt"
                                             : kind->version[0] >= 10   ? "rtrt"
                                                                        : NULL };
}

#endif
