/*
 * What is known of each name in a graph, by a 64-bit hash of the name: tensors come after the nodes
 * that use them, so uses and values meet only at the end. Bounded memory and bounded time whatever
 * the file holds: names beyond the bounds are not remembered, and the table says so.
 *
 * Two names that share a hash share their facts; a hostile model can so only mislead about itself.
 * Internal to src/onnx. An object belongs to one thread.
 */
#ifndef TN_ONNX_NAMES_H
#define TN_ONNX_NAMES_H

#include "types/precision.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TN_NAME_CONSTANT = 1 << 0,   /* an initializer or the output of a Constant node */
    TN_NAME_TWICE = 1 << 1,      /* defined twice (branches of an If): its facts are unsure */
    TN_NAME_NONZERO = 1 << 2,    /* a constant with a byte that is not zero */
    TN_NAME_NO_VALUE = 1 << 3,   /* a constant whose bytes lie outside the file */
    TN_NAME_SCALED = 1 << 4,     /* first input of DequantizeLinear */
    TN_NAME_ZERO_POINT = 1 << 5, /* third input of Quantize- or DequantizeLinear */
    TN_NAME_USED = 1 << 6,       /* input of any other node */
    TN_NAME_CONDITION = 1 << 7,  /* condition of an If */
    TN_NAME_FROM_CAST = 1 << 8,  /* output of a Cast to float */
    TN_NAME_OUTPUT = 1 << 9,     /* output of the network */
    TN_NAME_CUSTOM_OP = 1 << 10, /* "domain::op" that a node names and no parser knows */
    TN_NAME_FUNCTION = 1 << 11,  /* "domain::op" that the model defines itself */
    TN_NAME_INITIALIZER = 1 << 12,
    TN_NAME_BESIDE_CAST = 1 << 13, /* with a FROM_CAST in an operator that wants equal types */
    TN_NAME_CAST_USED = 1 << 14,   /* a FROM_CAST that is computed with */
};

struct tn_name {
    uint64_t hash;  /* 0 = free slot */
    uint16_t flags; /* TN_NAME_* */
    uint8_t dtype;  /* enum tn_dtype of a constant */
    uint8_t spare;
    uint32_t text; /* offset of the text + 1; 0 = not kept */
};

struct tn_names {
    struct tn_name *slot;
    size_t slots, used;
    char *text;
    size_t text_bytes;
    bool incomplete; /* a bound was met */
};

enum { TN_NAME_TEXT = 64 };

/** Continues a hash over more bytes; begin with TN_NAME_HASH_BEGIN, end with tn_name_hash_end(). */
#define TN_NAME_HASH_BEGIN UINT64_C(0xcbf29ce484222325)
uint64_t tn_name_hash_add(uint64_t hash, const void *bytes, size_t size);
uint64_t tn_name_hash_end(uint64_t hash);

/** The entry of a name, new if need be; NULL when a bound is met or memory has run out. Valid until
 * the next call. */
struct tn_name *tn_names_at(struct tn_names *names, uint64_t hash);

/** The entry, or NULL. */
struct tn_name *tn_names_find(const struct tn_names *names, uint64_t hash);

/** Remembers how a name reads, for messages; the first text stays. Best effort. */
void tn_names_keep_text(struct tn_names *names, struct tn_name *name, const char *text);
const char *tn_names_text(const struct tn_names *names, const struct tn_name *name);

void tn_names_done(struct tn_names *names);

#endif
