/* tenon cache gc: what leaves the store so that it stays within its bound. */
#include "base/text.h"
#include "cli/cache.h"
#include "store/listing.h"

#include <string.h>

/* @return 0, or TN_E_USAGE */
static int read_options(const struct tn_invocation *call, struct tn_collect_options *ret_options,
                        struct tn_error *err)
{
    const char *size = tn_given(call, "max-bytes");
    const char *age = tn_given(call, "older-than");

    *ret_options = (struct tn_collect_options) { .has_max_bytes = size != NULL };
    if (size && !tn_text_size(size, &ret_options->max_bytes))
        return tn_fail(err, TN_E_USAGE, "--max-bytes takes a size such as 8GiB, not '%s'", size);
    if (age && (!tn_text_duration(age, &ret_options->older_than) || ret_options->older_than == 0))
        return tn_fail(err, TN_E_USAGE, "--older-than takes a time such as 30d, not '%s'", age);
    return TN_OK;
}

static int item_json(const struct tn_collect_item *item, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    char hex[TN_DIGEST_HEX], when[TN_RFC3339_BYTES];

    tn_digest_hex(&item->digest, hex);
    tn_clock_rfc3339(item->used < 0 ? 0 : item->used, when);
    tn_json_set_str(json, "kind", tn_collect_kind_name(item->kind));
    tn_json_set_str(json, "path", item->path);
    tn_json_set_str(json, "digest", item->kind == TN_COLLECT_ENGINE ? hex : NULL);
    tn_json_set_str(json, "name", item->name);
    tn_json_set_int(json, "size_bytes", item->bytes);
    tn_json_set_str(json, "last_used", when);
    tn_json_set(json, "goes", json_boolean(item->goes));
    tn_json_set_str(json, "reason", item->why);
    return tn_json_line(stdout, json, err);
}

static void item_text(const struct tn_collect_item *item)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);

    tn_text_add_bytes(&text, item->bytes);
    (void)printf("%-5s %-7s %10s  ", item->goes ? "goes" : "stays",
                 tn_collect_kind_name(item->kind), tn_buf_text(&text));
    tn_buf_clear(&text);
    tn_text_add_safe(&text, item->name, strlen(item->name));
    (void)printf("%s: %s\n", tn_buf_text(&text), item->why);
}

static int print_items(const struct tn_invocation *call, const struct tn_collection *all,
                       bool dry_run, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < all->count; i++) {
        const struct tn_collect_item *item = &all->item[i];

        if (item->twin)
            continue; /* one engine, one line */
        if (call->json)
            rc = item_json(item, err);
        else if (dry_run || item->goes || call->verbose)
            item_text(item);
    }
    return rc;
}

static int sum_json(const struct tn_collection *all, bool dry_run, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = tn_collection_sum_to_json(all, dry_run);

    return tn_json_line(stdout, json, err);
}

static void sum_text(const struct tn_collection *all, bool dry_run)
{
    const struct tn_collect_sum gone = tn_collection_sum(all);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(512);

    tn_buf_addf(&text, "%s %zu, ", dry_run ? "would remove" : "removed", gone.count);
    tn_text_add_bytes(&text, gone.bytes);
    tn_buf_adds(&text, "; the store holds ");
    tn_text_add_bytes(&text, all->total_bytes - (dry_run ? 0 : gone.bytes));
    tn_buf_adds(&text, " of ");
    tn_text_add_bytes(&text, all->bounds.max_bytes);
    (void)fprintf(stderr, "%s\n", tn_buf_text(&text));
}

int tn_cache_gc(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    tn_auto(tn_collection_done) struct tn_collection all = { 0 };
    struct tn_collect_options options;
    bool dry_run = tn_given(call, "dry-run") != NULL;
    int rc = read_options(call, &options, err);

    if (rc == TN_OK)
        rc = tn_collect_plan(store, &options, &all, err);
    if (rc == TN_OK && !dry_run)
        rc = tn_collect_run(store, &all, err);
    if (rc == TN_OK)
        rc = print_items(call, &all, dry_run, err);
    if (rc < 0)
        return rc;
    if (call->json)
        return sum_json(&all, dry_run, err);
    if (!call->quiet)
        sum_text(&all, dry_run);
    return TN_OK;
}
