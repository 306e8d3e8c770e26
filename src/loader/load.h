/*
 * The application's own deserialization as the last proof of an engine: tn_get() with `load` in its
 * options calls it after the trial in a child, once for each engine that it would hand out, and
 * goes on (another engine of the recipe, the next rung) when it fails for a reason of the engine.
 *
 * design.md §4, "An application". One call per thread, as tn_get().
 */
#ifndef TN_LOADER_LOAD_H
#define TN_LOADER_LOAD_H

#include "base/clock.h"
#include "store/object.h"

/** A plan's bytes, mapped read-only. Zeroed = none. */
struct tn_mapping {
    void *bytes;
    size_t size;
};

/** @return 0, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO */
int tn_mapping_open(const struct tn_entry *entry, struct tn_mapping *ret_mapping,
                    struct tn_error *err);
void tn_mapping_done(struct tn_mapping *mapping);

/** What the application brings, and what came of it. Zeroed but for the first two at the start. */
struct tn_load {
    tn_deserialize_fn deserialize;
    void *user;
    /* when tn_get() succeeds: */
    void *object;           /* what the callback returned */
    struct tn_mapping plan; /* the bytes that it was given; the caller's: tn_mapping_done() */
    tn_nsec elapsed;        /* of the call that succeeded */
};

#endif
