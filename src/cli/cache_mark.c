/* tenon cache pin, unpin, bless: an operator's will about engines. */
#include "cli/cache.h"
#include "store/mark.h"
#include "store/object.h"

static int print_mark(const struct tn_invocation *call, const struct tn_store *store,
                      const struct tn_entry *entry, struct tn_error *err)
{
    struct tn_mark mark = tn_mark_read(store, 0, &entry->record.digest);
    tn_auto(tn_json_done) json_t *json = NULL;
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&entry->record.digest, hex);
    if (!call->json) {
        if (!call->quiet)
            (void)printf("%.12s  %-8s %-7s %s\n", hex, mark.pinned ? "pinned" : "unpinned",
                         mark.blessed ? "blessed" : "", entry->record.name);
        return TN_OK;
    }
    json = json_object();
    tn_json_set_str(json, "digest", hex);
    tn_json_set_str(json, "name", entry->record.name);
    tn_json_set(json, "pinned", json_boolean(mark.pinned));
    tn_json_set(json, "blessed", json_boolean(mark.blessed));
    return tn_json_line(stdout, json, err);
}

typedef int (*mark_fn)(const struct tn_store *store, const struct tn_entry *entry,
                       struct tn_error *err);

static int pin(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    return tn_mark_pin(store, entry, true, err);
}

static int unpin(const struct tn_store *store, const struct tn_entry *entry, struct tn_error *err)
{
    return tn_mark_pin(store, entry, false, err);
}

static int each(const struct tn_invocation *call, const struct tn_store *store, mark_fn mark,
                struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 1; rc == TN_OK && i < call->arg_count; i++) {
        tn_auto(tn_entry_done) struct tn_entry entry = { 0 };

        rc = tn_objects_by_name(store, call->args[i], &entry, err);
        if (rc == TN_OK)
            rc = mark(store, &entry, err);
        if (rc == TN_OK)
            rc = print_mark(call, store, &entry, err);
    }
    return rc;
}

int tn_cache_pin(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    return each(call, store, pin, err);
}

int tn_cache_unpin(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    return each(call, store, unpin, err);
}

int tn_cache_bless(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    return each(call, store, tn_mark_bless, err);
}
