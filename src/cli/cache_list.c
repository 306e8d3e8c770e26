/* tenon cache ls, show, verify: what is in the store, and whether it is whole. */
#include "base/text.h"
#include "cli/cache.h"
#include "store/listing.h"

#include <stdlib.h>

static void note_broken(const char *path, const struct tn_error *why, void *user)
{
    const bool *quiet = user;

    if (!*quiet)
        (void)fprintf(stderr, "tenon cache: %s: %s\n", path, why->text);
}

static void print_row(const struct tn_entry *entry)
{
    tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&entry->record.digest, hex);
    tn_text_add_bytes(&size, entry->record.plan_bytes);
    (void)printf("%.12s  %10s  %-7s %s%s\n", hex, tn_buf_text(&size), tn_level_name(entry->level),
                 entry->record.name, entry->revoked.in_force ? " (revoked)" : "");
}

static int print_json(const struct tn_entries *all, struct tn_error *err)
{
    bool *chosen = NULL;
    int rc = tn_listing_chosen(all, &chosen, err);

    for (size_t i = 0; rc == TN_OK && i < all->count; i++) {
        tn_auto(tn_json_done) json_t *json = tn_entry_to_json(&all->item[i], chosen[i]);

        rc = tn_json_line(stdout, json, err);
    }
    free(chosen);
    return rc;
}

int tn_cache_ls(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    tn_auto(tn_entries_done) struct tn_entries all = { 0 };
    bool quiet = call->quiet;
    int rc = tn_listing_read(store, note_broken, &quiet, &all, err);

    if (rc == TN_OK && call->json)
        return print_json(&all, err);
    for (size_t i = 0; rc == TN_OK && i < all.count; i++)
        print_row(&all.item[i]);
    if (rc == TN_OK && all.count == 0 && !call->quiet)
        (void)fprintf(stderr, "no engines in '%s'%s\n", tn_store_root(store, 0),
                      tn_store_present(store, 0) ? "" : ", which does not exist");
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
        json =
            tn_entry_to_json(&entry, same.count == 0 || tn_digest_equal(&same.item[0].record.digest,
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
