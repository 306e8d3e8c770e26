/* tenon cache aside: what was set aside, and why. */
#include "base/text.h"
#include "cli/cache.h"
#include "store/aside.h"
#include "store/listing.h"

#include <string.h>

static int print_json(const struct tn_store *store, const struct tn_aside *aside,
                      struct tn_error *err)
{
    tn_auto(tn_str_free) char *path = tn_store_path(store, 0, "aside/%s", aside->folder);
    tn_auto(tn_json_done) json_t *json = json_object();

    tn_json_set_str(json, "path", path);
    tn_json_set_str(json, "digest", aside->digest);
    tn_json_set_str(json, "name", aside->name);
    tn_json_set_str(json, "model", aside->model);
    tn_json_set_str(json, "reason", aside->reason);
    tn_json_set_str(json, "time", aside->time);
    tn_json_set_int(json, "size_bytes", aside->bytes);
    return tn_json_line(stdout, json, err);
}

static void print_text(const struct tn_aside *aside)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(16384);

    tn_text_add_bytes(&text, aside->bytes < 0 ? 0 : aside->bytes);
    (void)printf("%.12s  %10s  ", aside->digest[0] ? aside->digest : aside->folder,
                 tn_buf_text(&text));
    tn_buf_clear(&text);
    tn_text_add_safe(&text, aside->time, strlen(aside->time));
    tn_buf_adds(&text, "  ");
    if (aside->name[0])
        tn_text_add_safe(&text, aside->name, strlen(aside->name));
    else
        tn_buf_adds(&text, "(no record)");
    tn_buf_adds(&text, "\n    ");
    if (aside->reason[0])
        tn_text_add_safe(&text, aside->reason, strlen(aside->reason));
    else
        tn_buf_adds(&text, "no reason was kept");
    (void)printf("%s\n", tn_buf_text(&text));
}

static int print_entry(const struct tn_store *store, const struct tn_entry *entry,
                       struct tn_error *err)
{
    tn_auto(tn_entries_done) struct tn_entries same = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc = tn_objects_find(store, &entry->record.key, NULL, NULL, &same, err);

    if (rc < 0)
        return rc;
    json = tn_entry_to_json(entry, same.count == 0 || tn_digest_equal(&same.item[0].record.digest,
                                                                      &entry->record.digest));
    return tn_json_line(stdout, json, err);
}

static int restore(const struct tn_invocation *call, struct tn_store *store,
                   const struct tn_asides *all, const char *name, struct tn_error *err)
{
    tn_auto(tn_entry_done) struct tn_entry entry = { 0 };
    const struct tn_aside *aside;
    int rc = tn_aside_find(all, name, &aside, err);

    if (rc == TN_OK)
        rc = tn_object_restore(store, aside->folder, &entry, err);
    if (rc < 0)
        return rc;
    if (call->json)
        return print_entry(store, &entry, err);
    (void)printf("%s\n", entry.path);
    return TN_OK;
}

int tn_cache_aside(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };
    const char *name = tn_given(call, "restore");
    int rc = tn_aside_list(store, &all, err);

    if (rc == TN_OK && name)
        return restore(call, store, &all, name, err);
    for (size_t i = 0; rc == TN_OK && i < all.count; i++) {
        if (call->json)
            rc = print_json(store, &all.item[i], err);
        else
            print_text(&all.item[i]);
    }
    if (rc == TN_OK && all.count == 0 && !call->json && !call->quiet)
        (void)fprintf(stderr, "nothing was set aside in '%s'\n", tn_store_root(store, 0));
    return rc;
}
