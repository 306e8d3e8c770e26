/* tenon cache stats: the store in figures, for people, scripts and node-exporter. */
#include "base/file.h"
#include "base/text.h"
#include "cli/cache.h"
#include "cli/cache_loads.h"
#include "cli/prom.h"
#include "store/aside.h"
#include "store/collect.h"
#include "store/refusal.h"

#include <stdlib.h>
#include <string.h>

/* Metrics: name, type, help. Every one of them is in the text, and in docs/store.md; those of loads
 * are in cache_loads.c. */
#define METRICS(X)                                                                                 \
    X(engines, "gauge", "Engines in the store, by model, precision, version and level.")           \
    X(engine_bytes, "gauge", "Bytes of engines, by model, precision, version and level.")          \
    X(engine_info, "gauge", "One per engine; its labels tell what it is. Always 1.")               \
    X(engine_last_use_seconds, "gauge", "Last use that this host knows of, in s since 1970.")      \
    X(store_bytes, "gauge",                                                                        \
      "Bytes in the first store, by kind: engine, aside, log, derived, note.")                     \
    X(store_bound_bytes, "gauge", "Bound to which the first store is collected.")                  \
    X(store_free_bytes, "gauge", "Free bytes of the file system of the first store.")              \
    X(aside, "gauge", "Engines that were set aside.")                                              \
    X(refusals, "gauge", "Recipes that are not tried now: lasting, or in back-off.")               \
    X(broken, "gauge", "Objects that cannot be used: broken or untrusted records or plans.")

enum metric {
#define X(name, type, help) METRIC_##name,
    METRICS(X)
#undef X
};

static const struct tn_metric metrics[] = {
#define X(name, type, help) { "tenon_" #name, type, help },
    METRICS(X)
#undef X
};

/* Engines that agree in all four. Borrowed from the entries. */
struct group {
    const struct tn_entry *of;
    int64_t count, bytes;
};

struct stats {
    struct tn_entries all;
    struct tn_collection collection; /* sizes of the first store */
    struct group *group;
    size_t group_count;
    int64_t bytes, broken, asides;
    int64_t kind_bytes[TN_COLLECT_KINDS];
    int64_t refusals, backoffs;
    struct tn_loads loads;
    tn_nsec last_used;
    bool no_memory;
};

static void stats_done(struct stats *stats)
{
    tn_entries_done(&stats->all);
    tn_collection_done(&stats->collection);
    tn_loads_done(&stats->loads);
    free(stats->group);
}

/* ---- gathering ---- */

static bool keep(struct tn_entry *entry, void *user)
{
    struct stats *stats = user;

    /* a further record of the same bytes is the same engine */
    if (stats->all.count > 0 &&
        tn_digest_equal(&stats->all.item[stats->all.count - 1].record.digest,
                        &entry->record.digest))
        return true;
    stats->no_memory = tn_entries_add(&stats->all, entry, NULL) != TN_OK;
    return !stats->no_memory;
}

static void count_broken(const char *path, const struct tn_error *why, void *user)
{
    struct stats *stats = user;

    (void)path;
    (void)why;
    stats->broken++;
}

static const char *field(const struct tn_entry *entry, enum tn_recipe_field at)
{
    return entry->record.recipe.value[at] ? entry->record.recipe.value[at] : "-";
}

static int compare_groups(const void *a, const void *b)
{
    const struct tn_entry *x = ((const struct group *)a)->of, *y = ((const struct group *)b)->of;
    int order = strcmp(x->record.model_name, y->record.model_name);

    if (order == 0)
        order = strcmp(field(x, TN_RECIPE_PRECISION), field(y, TN_RECIPE_PRECISION));
    if (order == 0)
        order = strcmp(field(x, TN_RECIPE_FLAVOR), field(y, TN_RECIPE_FLAVOR));
    if (order == 0)
        order = strcmp(field(x, TN_RECIPE_TRT_VERSION), field(y, TN_RECIPE_TRT_VERSION));
    return order ? order : (int)x->level - (int)y->level;
}

/* Sorts the engines one by one, then folds equal neighbours. */
static int make_groups(struct stats *stats, struct tn_error *err)
{
    size_t kept = 0;

    stats->group = calloc(stats->all.count + 1, sizeof(*stats->group));
    if (!stats->group)
        return tn_fail(err, TN_E_NOMEM, "figures of the store");
    for (size_t i = 0; i < stats->all.count; i++) {
        const struct tn_entry *entry = &stats->all.item[i];

        stats->group[i] = (struct group) { entry, 1, entry->record.plan_bytes };
        stats->bytes += entry->record.plan_bytes;
        if (entry->last_used > stats->last_used)
            stats->last_used = entry->last_used;
    }
    qsort(stats->group, stats->all.count, sizeof(*stats->group), compare_groups);
    for (size_t i = 0; i < stats->all.count; i++) {
        if (kept > 0 && compare_groups(&stats->group[kept - 1], &stats->group[i]) == 0) {
            stats->group[kept - 1].count++;
            stats->group[kept - 1].bytes += stats->group[i].bytes;
        } else {
            stats->group[kept++] = stats->group[i];
        }
    }
    stats->group_count = kept;
    return TN_OK;
}

static int gather(const struct tn_store *store, struct stats *stats, struct tn_error *err)
{
    struct tn_collect_options usual = { .engines = &stats->all };
    struct tn_moment now;
    int rc = tn_objects_each(store, keep, count_broken, stats, err);

    if (rc == TN_OK && stats->no_memory)
        rc = tn_fail(err, TN_E_NOMEM, "figures of the store");
    if (rc == TN_OK)
        rc = make_groups(stats, err);
    if (rc == TN_OK)
        rc = tn_collect_plan(store, &usual, &stats->collection, err);
    for (size_t i = 0; rc == TN_OK && i < stats->collection.count; i++) {
        stats->kind_bytes[stats->collection.item[i].kind] += stats->collection.item[i].bytes;
        stats->asides += stats->collection.item[i].kind == TN_COLLECT_ASIDE;
    }
    tn_clock_moment(&now);
    tn_refusals_count(store, &now, &stats->refusals, &stats->backoffs);
    return rc == TN_OK ? tn_loads_gather(store, &stats->loads, err) : rc;
}

/* ---- the node-exporter text ---- */

static void add_head(struct tn_buf *text, enum metric metric)
{
    tn_prom_head(text, &metrics[metric]);
}

static void add_what(struct tn_buf *text, const struct tn_entry *entry)
{
    tn_prom_label(text, "{", "model", entry->record.model_name);
    tn_prom_label(text, ",", "precision", field(entry, TN_RECIPE_PRECISION));
    tn_prom_label(text, ",", "flavor", field(entry, TN_RECIPE_FLAVOR));
    tn_prom_label(text, ",", "version", field(entry, TN_RECIPE_TRT_VERSION));
    tn_prom_label(text, ",", "level", tn_level_name(entry->level));
}

static void add_groups(struct tn_buf *text, const struct stats *stats, enum metric metric)
{
    add_head(text, metric);
    for (size_t i = 0; i < stats->group_count; i++) {
        const struct group *group = &stats->group[i];

        tn_buf_adds(text, metrics[metric].name);
        add_what(text, group->of);
        tn_buf_addf(text, "} %lld\n",
                    (long long)(metric == METRIC_engines ? group->count : group->bytes));
    }
}

static void add_engine(struct tn_buf *text, const struct tn_entry *entry, enum metric metric)
{
    char hex[TN_DIGEST_HEX];

    if (metric == METRIC_engine_last_use_seconds && entry->last_used < 0)
        return;
    tn_digest_hex(&entry->record.digest, hex);
    tn_buf_adds(text, metrics[metric].name);
    if (metric == METRIC_engine_info) {
        add_what(text, entry);
        tn_prom_label(text, ",", "digest", hex);
        tn_buf_adds(text, "} 1\n");
    } else {
        tn_prom_label(text, "{", "digest", hex);
        tn_buf_addf(text, "} %lld\n", (long long)(entry->last_used / TN_NSEC_PER_S));
    }
}

static void add_engines(struct tn_buf *text, const struct stats *stats, enum metric metric)
{
    add_head(text, metric);
    for (size_t i = 0; i < stats->all.count; i++)
        add_engine(text, &stats->all.item[i], metric);
}

static void add_plain(struct tn_buf *text, enum metric metric, int64_t value)
{
    add_head(text, metric);
    tn_buf_addf(text, "%s %lld\n", metrics[metric].name, (long long)value);
}

static void add_text(struct tn_buf *text, const struct stats *stats)
{
    add_groups(text, stats, METRIC_engines);
    add_groups(text, stats, METRIC_engine_bytes);
    add_engines(text, stats, METRIC_engine_info);
    add_engines(text, stats, METRIC_engine_last_use_seconds);
    add_head(text, METRIC_store_bytes);
    for (int kind = 0; kind < TN_COLLECT_KINDS; kind++)
        tn_buf_addf(text, "tenon_store_bytes{kind=\"%s\"} %lld\n",
                    tn_collect_kind_name((enum tn_collect_kind)kind),
                    (long long)stats->kind_bytes[kind]);
    add_plain(text, METRIC_store_bound_bytes, stats->collection.bounds.max_bytes);
    add_plain(text, METRIC_store_free_bytes, stats->collection.bounds.free_bytes);
    add_plain(text, METRIC_aside, stats->asides);
    add_head(text, METRIC_refusals);
    tn_buf_addf(text, "tenon_refusals{kind=\"lasting\"} %lld\n", (long long)stats->refusals);
    tn_buf_addf(text, "tenon_refusals{kind=\"backoff\"} %lld\n", (long long)stats->backoffs);
    add_plain(text, METRIC_broken, stats->broken);
    tn_loads_add_prom(text, &stats->loads);
}

static int write_prom(const char *path, const struct stats *stats, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(64 << 20);
    tn_auto(tn_str_free) char *folder = NULL;
    const char *base = tn_path_base(path);
    int rc;

    add_text(&text, stats);
    rc = tn_buf_check(&text, "metrics", err);
    if (rc < 0)
        return rc;
    folder = base == path ? strdup(".") : strndup(path, (size_t)(base - path));
    if (!folder)
        return tn_fail(err, TN_E_NOMEM, "write '%s'", path);
    return tn_file_replace(folder, base, text.data, text.size, 0644, err);
}

/* ---- answers ---- */

static json_t *groups_json(const struct stats *stats)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stats->group_count; i++) {
        const struct group *group = &stats->group[i];
        json_t *json = json_object();

        tn_json_set_str(json, "model", group->of->record.model_name);
        tn_json_set_str(json, "precision", field(group->of, TN_RECIPE_PRECISION));
        tn_json_set_str(json, "flavor", field(group->of, TN_RECIPE_FLAVOR));
        tn_json_set_str(json, "version", field(group->of, TN_RECIPE_TRT_VERSION));
        tn_json_set_str(json, "level", tn_level_name(group->of->level));
        tn_json_set_int(json, "engines", group->count);
        tn_json_set_int(json, "size_bytes", group->bytes);
        (void)json_array_append_new(list, json);
    }
    return list;
}

static int print_json(const struct stats *stats, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = json_object();
    char when[TN_RFC3339_BYTES];

    tn_clock_rfc3339(stats->last_used < 0 ? 0 : stats->last_used, when);
    tn_json_set_int(json, "engines", (int64_t)stats->all.count);
    tn_json_set_int(json, "engines_bytes", stats->bytes);
    tn_json_set_int(json, "aside", stats->asides);
    tn_json_set_int(json, "aside_bytes", stats->kind_bytes[TN_COLLECT_ASIDE]);
    tn_json_set_int(json, "log_bytes", stats->kind_bytes[TN_COLLECT_LOG]);
    tn_json_set_int(json, "derived_bytes", stats->kind_bytes[TN_COLLECT_DERIVED]);
    tn_json_set_int(json, "bound_bytes", stats->collection.bounds.max_bytes);
    tn_json_set_int(json, "free_bytes", stats->collection.bounds.free_bytes);
    tn_json_set_int(json, "broken", stats->broken);
    tn_json_set_int(json, "refusals", stats->refusals);
    tn_json_set_int(json, "backoffs", stats->backoffs);
    tn_loads_add_json(json, &stats->loads);
    tn_json_set_str(json, "last_used", stats->last_used < 0 ? NULL : when);
    tn_json_set(json, "groups", groups_json(stats));
    return tn_json_line(stdout, json, err);
}

static void line(const char *what, int64_t count, int64_t bytes)
{
    tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);

    tn_text_add_bytes(&size, bytes);
    if (count >= 0)
        (void)printf("%-8s %8lld  %10s\n", what, (long long)count, tn_buf_text(&size));
    else
        (void)printf("%-8s %8s  %10s\n", what, "", tn_buf_text(&size));
}

static void print_text(const struct stats *stats)
{
    char when[TN_RFC3339_BYTES];

    line("engines", (int64_t)stats->all.count, stats->bytes);
    for (size_t i = 0; i < stats->group_count; i++) {
        const struct group *group = &stats->group[i];

        (void)printf("  %6lld  %s, %s, %s %s, %s\n", (long long)group->count,
                     group->of->record.model_name, field(group->of, TN_RECIPE_PRECISION),
                     field(group->of, TN_RECIPE_FLAVOR), field(group->of, TN_RECIPE_TRT_VERSION),
                     tn_level_name(group->of->level));
    }
    line("aside", stats->asides, stats->kind_bytes[TN_COLLECT_ASIDE]);
    line("logs", TN_UNKNOWN, stats->kind_bytes[TN_COLLECT_LOG]);
    line("derived", TN_UNKNOWN, stats->kind_bytes[TN_COLLECT_DERIVED]);
    line("bound", TN_UNKNOWN, stats->collection.bounds.max_bytes);
    if (stats->refusals > 0 || stats->backoffs > 0)
        (void)printf("refused  %8lld, %lld in back-off\n", (long long)stats->refusals,
                     (long long)stats->backoffs);
    if (stats->broken > 0)
        (void)printf("broken   %8lld\n", (long long)stats->broken);
    tn_clock_rfc3339(stats->last_used < 0 ? 0 : stats->last_used, when);
    (void)printf("last use %s\n", stats->last_used < 0 ? "unknown" : when);
    tn_loads_print(&stats->loads);
}

int tn_cache_stats(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err)
{
    tn_auto(stats_done) struct stats stats = { .last_used = TN_UNKNOWN };
    const char *prom = tn_given(call, "prom");
    int rc = gather(store, &stats, err);

    if (rc == TN_OK && prom)
        return write_prom(prom, &stats, err);
    if (rc == TN_OK && call->json)
        return print_json(&stats, err);
    if (rc == TN_OK)
        print_text(&stats);
    return rc;
}
