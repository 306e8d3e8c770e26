#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SMALLEST = 16 };

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

static uint64_t hash_of(uint64_t seed, const char *key)
{
    size_t left = strlen(key);
    uint64_t h = seed ^ left;

    for (; left >= 8; left -= 8, key += 8) {
        uint64_t piece;

        memcpy(&piece, key, 8);
        h = mix(h ^ piece) + seed;
    }
    for (; left > 0; left--, key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return mix(h);
}

/* The slot of a key, or the free one where it would stand. */
static struct tn_map_slot *find(const struct tn_map *map, const char *key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t at = (size_t)hash & mask;

    while (map->slot[at].key && (map->slot[at].hash != hash || strcmp(map->slot[at].key, key) != 0))
        at = (at + 1) & mask;
    return &map->slot[at];
}

void *tn_map_get(const struct tn_map *map, const char *key)
{
    const struct tn_map_slot *slot;

    if (map->count == 0)
        return NULL;
    slot = find(map, key, hash_of(map->seed, key));
    return slot->key ? slot->value : NULL;
}

static int grow(struct tn_map *map, size_t capacity, struct tn_error *err)
{
    struct tn_map bigger = { .slot = calloc(capacity, sizeof(*bigger.slot)),
                             .count = map->count,
                             .capacity = capacity,
                             .seed = map->seed };

    if (!bigger.slot)
        return tn_fail(err, TN_E_NOMEM, "a table of %zu entries", capacity);
    if (map->capacity == 0 && getrandom(&bigger.seed, sizeof(bigger.seed), GRND_NONBLOCK) < 0)
        bigger.seed = (uint64_t)(uintptr_t)bigger.slot;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slot[i].key)
            *find(&bigger, map->slot[i].key, map->slot[i].hash) = map->slot[i];
    free(map->slot);
    *map = bigger;
    return TN_OK;
}

int tn_map_reserve(struct tn_map *map, size_t count, struct tn_error *err)
{
    size_t capacity = map->capacity ? map->capacity : SMALLEST;

    while (count > capacity / 4 * 3)
        capacity *= 2;
    return capacity == map->capacity ? TN_OK : grow(map, capacity, err);
}

int tn_map_put(struct tn_map *map, const char *key, void *value, struct tn_error *err)
{
    struct tn_map_slot *slot;
    uint64_t hash;
    int rc = tn_map_reserve(map, map->count + 1, err);

    if (rc < 0)
        return rc;
    hash = hash_of(map->seed, key);
    slot = find(map, key, hash);
    map->count += slot->key == NULL;
    *slot = (struct tn_map_slot) { .key = key, .value = value, .hash = hash };
    return TN_OK;
}

/* Later entries of the same run move up, so that no search ends too early. */
static void close_gap(struct tn_map *map, size_t gap)
{
    size_t mask = map->capacity - 1;

    for (size_t at = (gap + 1) & mask; map->slot[at].key; at = (at + 1) & mask) {
        size_t home = (size_t)map->slot[at].hash & mask;

        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        map->slot[gap] = map->slot[at];
        gap = at;
    }
    map->slot[gap] = (struct tn_map_slot) { .key = NULL };
}

void *tn_map_remove(struct tn_map *map, const char *key)
{
    struct tn_map_slot *slot;
    void *value;

    if (map->count == 0)
        return NULL;
    slot = find(map, key, hash_of(map->seed, key));
    if (!slot->key)
        return NULL;
    value = slot->value;
    map->count--;
    close_gap(map, (size_t)(slot - map->slot));
    return value;
}

void *tn_map_next(const struct tn_map *map, size_t *at)
{
    while (*at < map->capacity) {
        const struct tn_map_slot *slot = &map->slot[(*at)++];

        if (slot->key)
            return slot->value;
    }
    return NULL;
}

void tn_map_done(struct tn_map *map)
{
    free(map->slot);
    *map = (struct tn_map) { .slot = NULL };
}
