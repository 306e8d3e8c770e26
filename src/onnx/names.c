#include "onnx/names.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_FIRST = 1 << 10,
    SLOTS_MAX = 1 << 18, /* 4 MiB: about 196,000 names */
    PROBES_MAX = 2048,   /* names chosen to collide must not cost quadratic time */
    TEXT_BYTES = 1 << 20,
};

uint64_t tn_name_hash_add(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    /* FNV-1a: short keys, fed in pieces */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t tn_name_hash_end(uint64_t hash)
{
    /* FNV's low bits mix badly, and the table uses them */
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

/* The slot that holds `hash` or the free one for it; NULL when it is too far away. */
static struct tn_name *probe(struct tn_name *slot, size_t slots, uint64_t hash)
{
    for (size_t i = 0; i < PROBES_MAX && i < slots; i++) {
        struct tn_name *name = &slot[(hash + i) & (slots - 1)];

        if (name->hash == hash || name->hash == 0)
            return name;
    }
    return NULL;
}

static bool grow(struct tn_names *names)
{
    size_t slots = names->slots ? names->slots * 2 : SLOTS_FIRST;
    struct tn_name *slot = slots <= SLOTS_MAX ? calloc(slots, sizeof(*slot)) : NULL;

    if (!slot)
        return false;
    for (size_t i = 0; i < names->slots; i++) {
        struct tn_name *to = names->slot[i].hash ? probe(slot, slots, names->slot[i].hash) : NULL;

        if (to)
            *to = names->slot[i];
        else if (names->slot[i].hash)
            names->incomplete = true;
    }
    free(names->slot);
    names->slot = slot;
    names->slots = slots;
    return true;
}

struct tn_name *tn_names_at(struct tn_names *names, uint64_t hash)
{
    struct tn_name *name = names->slots ? probe(names->slot, names->slots, hash) : NULL;

    if (name && name->hash == hash)
        return name;
    if (names->used >= names->slots / 4 * 3) {
        name = NULL;
        if (grow(names))
            name = probe(names->slot, names->slots, hash);
    }
    if (!name) {
        names->incomplete = true;
        return NULL;
    }
    name->hash = hash;
    names->used++;
    return name;
}

struct tn_name *tn_names_find(const struct tn_names *names, uint64_t hash)
{
    struct tn_name *name = names->slots ? probe(names->slot, names->slots, hash) : NULL;

    return name && name->hash == hash ? name : NULL;
}

void tn_names_keep_text(struct tn_names *names, struct tn_name *name, const char *text)
{
    size_t size = strlen(text) + 1;

    if (!name || name->text || size == 1)
        return;
    if (!names->text)
        names->text = malloc(TEXT_BYTES);
    if (!names->text || size > TEXT_BYTES - names->text_bytes)
        return;
    memcpy(names->text + names->text_bytes, text, size);
    name->text = (uint32_t)names->text_bytes + 1;
    names->text_bytes += size;
}

const char *tn_names_text(const struct tn_names *names, const struct tn_name *name)
{
    return name->text ? names->text + name->text - 1 : "";
}

void tn_names_done(struct tn_names *names)
{
    free(names->slot);
    free(names->text);
    *names = (struct tn_names) { 0 };
}
