#include "store/listing.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct tn_entries all;
    tn_passed_fn passed;
    void *user;
    bool no_memory;
};

static bool keep(struct tn_entry *entry, void *user)
{
    struct reading *reading = user;

    reading->no_memory = tn_entries_add(&reading->all, entry, NULL) != TN_OK;
    return !reading->no_memory;
}

static void pass_on(const char *path, const struct tn_error *why, void *user)
{
    const struct reading *reading = user;

    if (reading->passed)
        reading->passed(path, why, reading->user);
}

static int newest_first(const void *a, const void *b)
{
    const struct tn_record *x = &((const struct tn_entry *)a)->record;
    const struct tn_record *y = &((const struct tn_entry *)b)->record;

    return (x->sequence < y->sequence) - (x->sequence > y->sequence);
}

int tn_listing_read(const struct tn_store *store, tn_passed_fn passed, void *user,
                    struct tn_entries *ret_entries, struct tn_error *err)
{
    struct reading reading = { .passed = passed, .user = user };
    int rc = tn_objects_each(store, keep, pass_on, &reading, err);

    if (rc == TN_OK && reading.no_memory)
        rc = tn_fail(err, TN_E_NOMEM, "list the store");
    if (rc < 0) {
        tn_entries_done(&reading.all);
        return rc;
    }
    if (reading.all.count > 1)
        qsort(reading.all.item, reading.all.count, sizeof(*reading.all.item), newest_first);
    *ret_entries = reading.all;
    return TN_OK;
}

static int by_recipe(const void *a, const void *b)
{
    const struct tn_entry *x = *(struct tn_entry *const *)a, *y = *(struct tn_entry *const *)b;
    int order = memcmp(x->record.key.sha256, y->record.key.sha256, sizeof(x->record.key.sha256));

    return order ? order : tn_entry_compare(x, y);
}

int tn_listing_chosen(const struct tn_entries *all, bool **ret_chosen, struct tn_error *err)
{
    bool *chosen = calloc(all->count + 1, sizeof(*chosen));
    struct tn_entry **order = malloc((all->count + 1) * sizeof(struct tn_entry *));
    const struct tn_entry *best = NULL;

    if (!chosen || !order) {
        free(chosen);
        free(order);
        return tn_fail(err, TN_E_NOMEM, "list the store");
    }
    for (size_t i = 0; i < all->count; i++)
        order[i] = &all->item[i];
    qsort(order, all->count, sizeof(struct tn_entry *), by_recipe);
    for (size_t i = 0; i < all->count; i++) {
        if (!best || !tn_digest_equal(&best->record.key, &order[i]->record.key))
            best = order[i];
        chosen[order[i] - all->item] = tn_entry_compare(best, order[i]) == 0;
    }
    free(order);
    *ret_chosen = chosen;
    return TN_OK;
}

json_t *tn_entry_to_json(const struct tn_entry *entry, bool chosen)
{
    const struct tn_record *record = &entry->record;
    tn_nsec used = entry->last_used;
    char hex[TN_DIGEST_HEX], when[TN_RFC3339_BYTES];
    json_t *json = json_object();

    tn_digest_hex(&record->digest, hex);
    tn_json_set_str(json, "digest", hex);
    tn_digest_hex(&record->key, hex);
    tn_json_set_str(json, "key", hex);
    tn_json_set_str(json, "path", entry->path);
    tn_json_set_str(json, "name", record->name);
    tn_json_set_str(json, "model", record->model_name);
    tn_json_set_str(json, "precision", record->recipe.value[TN_RECIPE_PRECISION]);
    tn_json_set_str(json, "flavor", record->recipe.value[TN_RECIPE_FLAVOR]);
    tn_json_set_str(json, "version", record->recipe.value[TN_RECIPE_TRT_VERSION]);
    tn_json_set_int(json, "size_bytes", record->plan_bytes);
    tn_json_set_str(json, "level", tn_level_name(entry->level));
    tn_json_set_tri(json, "pinned", entry->pinned);
    tn_json_set_tri(json, "blessed", chosen);
    tn_json_set(json, "revoked", tn_revocation_to_json(&entry->revoked));
    tn_clock_rfc3339(used < 0 ? 0 : used, when);
    tn_json_set_str(json, "last_used", used < 0 ? NULL : when);
    return json;
}

struct tn_collect_sum tn_collection_sum(const struct tn_collection *collection)
{
    struct tn_collect_sum sum = { 0 };

    for (size_t i = 0; i < collection->count; i++) {
        const struct tn_collect_item *item = &collection->item[i];

        sum.count += item->goes && !item->twin;
        sum.bytes += item->goes ? item->bytes : 0;
    }
    return sum;
}

json_t *tn_collection_sum_to_json(const struct tn_collection *collection, bool dry_run)
{
    const struct tn_collect_sum gone = tn_collection_sum(collection);
    json_t *json = json_object();

    tn_json_set(json, "dry_run", json_boolean(dry_run));
    tn_json_set_int(json, "bound_bytes", collection->bounds.max_bytes);
    tn_json_set_int(json, "used_bytes", collection->total_bytes);
    tn_json_set_int(json, "gone_bytes", gone.bytes);
    tn_json_set_int(json, "gone", (int64_t)gone.count);
    tn_json_set_int(json, "free_bytes", collection->bounds.free_bytes);
    tn_json_set_int(json, "keep_free_bytes", collection->bounds.keep_free_bytes);
    return json;
}
