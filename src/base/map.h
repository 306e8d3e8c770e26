/*
 * A hash table from text to pointers. Keys are borrowed: they must live, unchanged, as long as
 * their entry (as a rule they are a member of the value). Zeroed = empty; an object belongs to one
 * thread.
 *
 * The hash is seeded by the system's random numbers once per table, so that foreign keys cannot be
 * chosen to collide.
 */
#ifndef TN_BASE_MAP_H
#define TN_BASE_MAP_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct tn_map_slot {
    const char *key; /* NULL = free */
    void *value;
    uint64_t hash;
};

struct tn_map {
    struct tn_map_slot *slot;
    size_t count, capacity; /* capacity is 0 or a power of two */
    uint64_t seed;
};

/** The value of a key, or NULL. */
void *tn_map_get(const struct tn_map *map, const char *key);

/** Adds or replaces (then the entry keeps its new key). @return 0 or TN_E_NOMEM */
int tn_map_put(struct tn_map *map, const char *key, void *value, struct tn_error *err);

/** Makes room for `count` entries, so that adding so many cannot fail. */
int tn_map_reserve(struct tn_map *map, size_t count, struct tn_error *err);

/** @return the value that was removed, or NULL */
void *tn_map_remove(struct tn_map *map, const char *key);

/** The next value in no useful order: begin with *at = 0; NULL at the end. The table must not
 * change meanwhile. */
void *tn_map_next(const struct tn_map *map, size_t *at);

/** Forgets all entries; the values are the caller's. */
void tn_map_done(struct tn_map *map);

#endif
