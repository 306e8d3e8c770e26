/*
 * What a store holds, told to somebody: its engines newest first, an engine and a collection as the
 * objects that `tenon cache --json` prints and libtenon gives.
 */
#ifndef TN_STORE_LISTING_H
#define TN_STORE_LISTING_H

#include "store/collect.h"
#include "store/object.h"

/**
 * All engines of all stores, newest first.
 * @param passed told what cannot be used; may be NULL
 * @param ret_entries owned by the caller: tn_entries_done()
 * @return 0, TN_E_NOMEM, TN_E_IO
 */
int tn_listing_read(const struct tn_store *store, tn_passed_fn passed, void *user,
                    struct tn_entries *ret_entries, struct tn_error *err);

/** Of each engine of a listing, whether it is the one of its recipe that is handed out.
 * @param ret_chosen one flag per engine; free it
 * @return 0, TN_E_NOMEM */
int tn_listing_chosen(const struct tn_entries *all, bool **ret_chosen, struct tn_error *err);

/** An engine; `chosen`: it is the one of its recipe that is handed out. A new object, or NULL when
 * memory has run out. */
json_t *tn_entry_to_json(const struct tn_entry *entry, bool chosen);

/** What goes, or went: one engine counts once, whatever records it has. */
struct tn_collect_sum {
    size_t count;
    int64_t bytes;
};
struct tn_collect_sum tn_collection_sum(const struct tn_collection *collection);

/** The last line of `tenon cache gc`. A new object, or NULL when memory has run out. */
json_t *tn_collection_sum_to_json(const struct tn_collection *collection, bool dry_run);

#endif
