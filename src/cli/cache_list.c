/* tenon cache ls, show, verify: what is in the store, and whether it is whole. */
#include "base/text.h"
#include "cli/cache.h"
#include "store/object.h"

#include <stdlib.h>
#include <string.h>

struct listing {
    struct tn_entries all;
    const struct tn_invocation *call;
    size_t broken;
    bool no_memory;
};

static bool keep(struct tn_entry *entry, void *user)
{
    struct listing *listing = user;

    listing->no_memory = tn_entries_add(&listing->all, entry, NULL) != TN_OK;
    return !listing->no_memory;
}

static void note_broken(const char *path, const struct tn_error *why, void *user)
{
    struct listing *listing = user;

    listing->broken++;
    if (!listing->call->quiet)
        (void)fprintf(stderr, "tenon cache: %s: %s\n", path, why->text);
}

static int newest_first(const void *a, const void *b)
{
    const struct tn_record *x = &((const struct tn_entry *)a)->record;
    const struct tn_record *y = &((const struct tn_entry *)b)->record;

    return (x->sequence < y->sequence) - (x->sequence > y->sequence);
}

/* `chosen`: of its recipe's engines the one that is handed out, by mark, level, newest. */
static json_t *entry_json(const struct tn_entry *entry, bool chosen)
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

static void print_row(const struct tn_entry *entry)
{
    tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&entry->record.digest, hex);
    tn_text_add_bytes(&size, entry->record.plan_bytes);
    (void)printf("%.12s  %10s  %-7s %s\n", hex, tn_buf_text(&size), tn_level_name(entry->level),
                 entry->record.name);
}

static int by_recipe(const void *a, const void *b)
{
    const struct tn_entry *x = *(struct tn_entry *const *)a, *y = *(struct tn_entry *const *)b;
    int order = memcmp(x->record.key.sha256, y->record.key.sha256, sizeof(x->record.key.sha256));

    return order ? order : tn_entry_compare(x, y);
}

/* Which engines have none of the same recipe before them: one flag per engine (free it). */
static bool *find_chosen(const struct tn_entries *all)
{
    bool *chosen = calloc(all->count + 1, sizeof(*chosen));
    struct tn_entry **order = malloc((all->count + 1) * sizeof(*order));
    const struct tn_entry *best = NULL;

    for (size_t i = 0; order && i < all->count; i++)
        order[i] = &all->item[i];
    if (order)
        qsort(order, all->count, sizeof(struct tn_entry *), by_recipe);
    for (size_t i = 0; chosen && order && i < all->count; i++) {
        if (!best || !tn_digest_equal(&best->record.key, &order[i]->record.key))
            best = order[i];
        chosen[order[i] - all->item] = tn_entry_compare(best, order[i]) == 0;
    }
    if (!order) {
        free(chosen);
        return NULL;
    }
    free(order);
    return chosen;
}

static int print_listing_json(const struct tn_entries *all, struct tn_error *err)
{
    bool *chosen = find_chosen(all);
    int rc = chosen ? TN_OK : tn_fail(err, TN_E_NOMEM, "list the store");

    for (size_t i = 0; rc == TN_OK && i < all->count; i++) {
        tn_auto(tn_json_done) json_t *json = entry_json(&all->item[i], chosen[i]);

        rc = tn_json_line(stdout, json, err);
    }
    free(chosen);
    return rc;
}

int tn_cache_ls(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    struct listing listing = { .call = call };
    int rc = tn_objects_each(store, keep, note_broken, &listing, err);

    if (rc == TN_OK && listing.no_memory)
        rc = tn_fail(err, TN_E_NOMEM, "list the store");
    if (listing.all.count > 1)
        qsort(listing.all.item, listing.all.count, sizeof(*listing.all.item), newest_first);
    if (rc == TN_OK && call->json)
        rc = print_listing_json(&listing.all, err);
    for (size_t i = 0; rc == TN_OK && !call->json && i < listing.all.count; i++)
        print_row(&listing.all.item[i]);
    if (listing.all.count == 0 && !call->json && !call->quiet)
        (void)fprintf(stderr, "no engines in '%s'%s\n", tn_store_root(store, 0),
                      tn_store_present(store, 0) ? "" : ", which does not exist");
    tn_entries_done(&listing.all);
    return rc;
}

int tn_cache_show(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    for (size_t i = 1; i < call->arg_count; i++) {
        tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
        tn_auto(tn_entries_done) struct tn_entries same = { 0 };
        tn_auto(tn_json_done) json_t *json = NULL;
        int rc = tn_objects_by_name(store, call->args[i], &entry, err);

        if (rc == TN_OK)
            rc = tn_objects_find(store, &entry.record.key, NULL, NULL, &same, err);
        if (rc < 0)
            return rc;
        json = entry_json(&entry, same.count == 0 || tn_digest_equal(&same.item[0].record.digest,
                                                                     &entry.record.digest));
        tn_json_set(json, "record", tn_record_to_json(&entry.record));
        if (call->json)
            rc = tn_json_line(stdout, json, err);
        else if (json_dumpf(json, stdout,
                            JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) == 0)
            (void)putchar('\n');
        if (rc < 0)
            return rc;
    }
    return TN_OK;
}

struct check {
    const struct tn_invocation *call;
    const struct tn_store *store;
    size_t whole, broken;
    struct tn_digest last; /* one object may have several records, which come one after another */
};

static void print_check(const struct check *check, const char *path, const struct tn_error *why)
{
    tn_auto(tn_json_done) json_t *json = NULL;

    if (!check->call->json) {
        (void)printf("%s  %s%s%s\n", why ? "BROKEN" : "ok    ", path, why ? ": " : "",
                     why ? why->text : "");
        return;
    }
    json = json_object();
    tn_json_set_str(json, "path", path);
    tn_json_set(json, "whole", json_boolean(!why));
    tn_json_set_str(json, "reason", why ? why->text : NULL);
    (void)tn_json_line(stdout, json, NULL);
}

static bool verify_one(struct tn_entry *entry, void *user)
{
    struct check *check = user;
    struct tn_error why = { 0 };
    int rc;

    if (tn_digest_equal(&check->last, &entry->record.digest))
        return true;
    check->last = entry->record.digest;
    rc = tn_object_verify(check->store, entry, true, &why);

    print_check(check, entry->path, rc < 0 ? &why : NULL);
    if (rc == TN_OK) {
        check->whole++;
        return true;
    }
    check->broken++;
    if (rc == TN_E_CORRUPT && tn_object_set_aside(check->store, entry, why.text, NULL) == TN_OK &&
        !check->call->quiet)
        (void)fprintf(stderr, "tenon cache: set aside, not deleted: it lies in '%s/aside'\n",
                      tn_store_root(check->store, 0));
    return true;
}

static void broken_record(const char *path, const struct tn_error *why, void *user)
{
    struct check *check = user;

    check->broken++;
    print_check(check, path, why);
}

int tn_cache_verify(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    struct check check = { .call = call, .store = store };
    int rc = TN_OK;

    if (call->arg_count == 1)
        rc = tn_objects_each(store, verify_one, broken_record, &check, err);
    for (size_t i = 1; rc == TN_OK && i < call->arg_count; i++) {
        tn_auto(tn_entry_done) struct tn_entry entry = { 0 };

        rc = tn_objects_by_name(store, call->args[i], &entry, err);
        if (rc == TN_OK)
            (void)verify_one(&entry, &check);
    }
    if (!call->json && !call->quiet)
        (void)fprintf(stderr, "%zu whole, %zu broken\n", check.whole, check.broken);
    return rc < 0 ? rc : check.broken > 0;
}
