/* The store behind the public interface. */
#include "api/loader.h"
#include "store/listing.h"
#include "store/mark.h"

#include <stdlib.h>
#include <string.h>

static int open_store(const struct tn_loader *loader, struct tn_store **ret_store,
                      struct tn_error *err)
{
    return tn_store_look(loader ? loader->store : NULL, ret_store, err);
}

int tn_store_list(struct tn_loader *loader, char **ret_json, struct tn_error *err)
{
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    tn_auto(tn_entries_done) struct tn_entries all = { 0 };
    tn_auto(tn_json_done) json_t *list = NULL;
    bool *chosen = NULL;
    int rc;

    if (!ret_json)
        return tn_fail(err, TN_E_USAGE, "tn_store_list: ret_json is needed");
    rc = open_store(loader, &store, err);
    if (rc == TN_OK)
        rc = tn_listing_read(store, NULL, NULL, &all, err);
    if (rc == TN_OK)
        rc = tn_listing_chosen(&all, &chosen, err);
    if (rc < 0)
        return rc;
    list = json_array();
    for (size_t i = 0; rc == TN_OK && i < all.count; i++)
        if (json_array_append_new(list, tn_entry_to_json(&all.item[i], chosen[i])))
            rc = tn_fail(err, TN_E_NOMEM, "list the store");
    free(chosen);
    return rc == TN_OK ? tn_api_text(list, ret_json, err) : rc;
}

/* ---- marks ---- */

static int pin(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    return tn_mark_pin(store, entry, true, err);
}

static int unpin(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    return tn_mark_pin(store, entry, false, err);
}

/* As `tenon cache verify`: what was changed is never handed out again, and not deleted. */
static int verify(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    struct tn_error why = { 0 };
    int rc = tn_object_verify(store, entry, true, &why);

    if (rc == TN_E_CORRUPT)
        (void)tn_object_set_aside(store, entry, why.text, NULL);
    return rc < 0 ? tn_fail(err, rc, "%s", why.text) : TN_OK;
}

static const struct {
    const char *what;
    int (*mark)(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err);
} marks[] = {
    { "pin", pin },
    { "unpin", unpin },
    { "bless", tn_mark_bless },
    { "verify", verify },
};

int tn_store_mark(struct tn_loader *loader, const char *engine, const char *what,
                  struct tn_error *err)
{
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    size_t at = 0;
    int rc;

    if (!engine || !what)
        return tn_fail(err, TN_E_USAGE, "tn_store_mark: engine and what are needed");
    while (at < TN_COUNT(marks) && strcmp(marks[at].what, what) != 0)
        at++;
    if (at == TN_COUNT(marks))
        return tn_fail(err, TN_E_USAGE, "what is pin, unpin, bless or verify, not '%.40s'", what);
    rc = open_store(loader, &store, err);
    if (rc == TN_OK)
        rc = tn_objects_by_name(store, engine, &entry, err);
    return rc == TN_OK ? marks[at].mark(store, &entry, err) : rc;
}

/* ---- collection ---- */

int tn_store_collect(struct tn_loader *loader, int64_t bound_bytes, bool dry_run, char **ret_json,
                     struct tn_error *err)
{
    const struct tn_collect_options options = { .has_max_bytes = bound_bytes > 0,
                                                .max_bytes = bound_bytes };
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    tn_auto(tn_collection_done) struct tn_collection all = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc;

    if (bound_bytes < 0)
        return tn_fail(err, TN_E_USAGE, "tn_store_collect: bound_bytes is negative");
    rc = open_store(loader, &store, err);
    if (rc == TN_OK)
        rc = tn_collect_plan(store, &options, &all, err);
    if (rc == TN_OK && !dry_run)
        rc = tn_collect_run(store, &all, err);
    if (rc < 0 || !ret_json)
        return rc;
    json = tn_collection_sum_to_json(&all, dry_run);
    return tn_api_text(json, ret_json, err);
}
