#include "store/listing.h"

#include <stdlib.h>

struct reading {
    struct tn_entries all;
    tn_passed_fn passed;
    void *user;
    bool no_memory;
};

static bool keep(struct tn_entry *entry, void *user)
{
    struct reading *reading = user;
    struct tn_entry *grown = realloc(reading->all.item, (reading->all.count + 1) * sizeof(*grown));

    if (!grown) {
        reading->no_memory = true;
        return false;
    }
    reading->all.item = grown;
    reading->all.item[reading->all.count++] = *entry;
    *entry = (struct tn_entry) { 0 };
    return true;
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

bool tn_listing_chosen(const struct tn_entries *all, size_t at)
{
    for (size_t i = 0; i < all->count; i++)
        if (i != at && tn_digest_equal(&all->item[i].record.key, &all->item[at].record.key) &&
            tn_entry_compare(&all->item[i], &all->item[at]) < 0)
            return false;
    return true;
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
