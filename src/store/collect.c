#include "store/collect.h"

#include "base/json.h"
#include "base/text.h"
#include "store/aside.h"
#include "store/derived.h"
#include "store/host.h"
#include "store/lock.h"
#include "store/mark.h"
#include "store/refusal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char why_pinned[] = "pinned";
static const char why_unread[] = "its mark cannot be read";
static const char why_locked[] = "a process works on it";
static const char why_young[] = "used within the last day";
static const char why_newest[] = "built last";
static const char why_fits[] = "within the bound";
static const char why_old[] = "not used for longer than asked";
static const char why_over[] = "the store is over its bound";
static const char why_full[] = "the file system has too little free space";
static const char why_aside[] = "more is set aside than a tenth of the bound";
static const char why_logs[] = "logs are over their bound";
static const char why_needed[] = "an engine that stays was made from it";
static const char why_over_note[] = "it has nothing to say any more";
static const char why_old_note[] = "remembered for longer than 90 days of use";
static const char why_renewed[] = "written again meanwhile";
static const char why_unneeded[] = "no engine that stays was made from it";

const char *tn_collect_kind_name(enum tn_collect_kind kind)
{
    static const char *const names[] = { "engine", "aside", "log", "derived", "note" };

    return names[kind];
}

/* ---- the decision ---- */

struct decision {
    struct tn_collect_item *items;
    size_t count;
    const struct tn_collect_bounds *bounds;
    tn_nsec newest;      /* use in the store */
    int64_t last_built;  /* sequence */
    int64_t left, freed; /* bytes */
    size_t *oldest_first;
};

static void let_go(struct decision *d, struct tn_collect_item *item, const char *why)
{
    item->goes = true;
    item->why = why;
    d->left -= item->bytes;
    d->freed += item->bytes;
}

static const char *protection(const struct decision *d, const struct tn_collect_item *item)
{
    if (item->pinned)
        return why_pinned;
    if (item->locked)
        return why_locked;
    if (item->kind == TN_COLLECT_ENGINE && item->sequence == d->last_built)
        return why_newest;
    if (item->kind == TN_COLLECT_ENGINE && d->newest - item->used < TN_COLLECT_YOUNG)
        return why_young;
    return NULL;
}

static void measure(struct decision *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct tn_collect_item *item = &d->items[i];

        item->goes = false;
        d->left += item->bytes;
        if (item->kind != TN_COLLECT_ENGINE)
            continue;
        d->newest = item->used > d->newest ? item->used : d->newest;
        d->last_built = item->sequence > d->last_built ? item->sequence : d->last_built;
    }
    for (size_t i = 0; i < d->count; i++)
        d->items[i].why = protection(d, &d->items[i]);
}

static int by_use(const void *a, const void *b, void *items)
{
    const struct tn_collect_item *x = (struct tn_collect_item *)items + *(const size_t *)a;
    const struct tn_collect_item *y = (struct tn_collect_item *)items + *(const size_t *)b;

    if (x->used != y->used)
        return x->used < y->used ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* Files of one kind beyond their own limit: oldest first. */
static void trim(struct decision *d, enum tn_collect_kind kind, int64_t limit, const char *why)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < d->count; i++)
        bytes += d->items[i].kind == kind ? d->items[i].bytes : 0;
    for (size_t i = 0; i < d->count && bytes > limit; i++) {
        struct tn_collect_item *item = &d->items[d->oldest_first[i]];

        if (item->kind != kind || item->why)
            continue;
        bytes -= item->bytes;
        let_go(d, item, why);
    }
}

static void drop_old(struct decision *d)
{
    for (size_t i = 0; d->bounds->older_than > 0 && i < d->count; i++) {
        struct tn_collect_item *item = &d->items[i];

        if (!item->why && !item->twin && item->kind != TN_COLLECT_DERIVED &&
            d->newest - item->used > d->bounds->older_than)
            let_go(d, item, why_old);
    }
}

static const char *pressure(const struct decision *d)
{
    if (d->left > d->bounds->max_bytes)
        return why_over;
    return d->bounds->free_bytes + d->freed < d->bounds->keep_free_bytes ? why_full : NULL;
}

static void drop_engines(struct decision *d)
{
    for (size_t i = 0; i < d->count && pressure(d); i++) {
        struct tn_collect_item *item = &d->items[d->oldest_first[i]];

        if (item->kind == TN_COLLECT_ENGINE && !item->twin && !item->why)
            let_go(d, item, pressure(d));
    }
    for (size_t i = 1; i < d->count; i++)
        if (d->items[i].twin) {
            d->items[i].goes = d->items[i - 1].goes;
            d->items[i].why = d->items[i - 1].why;
        }
}

/* @return 1 an engine that stays needs it, 0 only engines that go, -1 no engine was made from it */
static int need_of(const struct decision *d, const struct tn_collect_item *derived)
{
    int need = -1;

    for (size_t i = 0; i < d->count && need < 1; i++)
        if (d->items[i].kind == TN_COLLECT_ENGINE &&
            tn_digest_equal(&d->items[i].group, &derived->group))
            need = !d->items[i].goes;
    return need;
}

/* A model that no engine was made from may be one whose build is under way: it stays while young.
 */
static void drop_derived(struct decision *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct tn_collect_item *item = &d->items[i];
        int need;

        if (item->kind != TN_COLLECT_DERIVED || item->why)
            continue;
        need = need_of(d, item);
        if (need == 1)
            item->why = why_needed;
        else if (need == 0 || (pressure(d) && d->newest - item->used > TN_COLLECT_YOUNG))
            let_go(d, item, why_unneeded);
    }
}

static void drop_notes(struct decision *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct tn_collect_item *item = &d->items[i];

        if (item->kind != TN_COLLECT_NOTE || item->why)
            continue;
        if (item->over)
            let_go(d, item, why_over_note);
        else if (d->newest - item->used > TN_COLLECT_NOTE_AGE)
            let_go(d, item, why_old_note);
    }
}

void tn_collect_decide(struct tn_collect_item *items, size_t count,
                       const struct tn_collect_bounds *bounds)
{
    struct decision d = { .items = items,
                          .count = count,
                          .bounds = bounds,
                          .newest = TN_UNKNOWN,
                          .last_built = TN_UNKNOWN };

    measure(&d);
    d.oldest_first = malloc((count + 1) * sizeof(*d.oldest_first));
    for (size_t i = 0; d.oldest_first && i < count; i++)
        d.oldest_first[i] = i;
    if (d.oldest_first) { /* without memory nothing goes */
        qsort_r(d.oldest_first, count, sizeof(*d.oldest_first), by_use, items);
        drop_old(&d);
        drop_notes(&d);
        trim(&d, TN_COLLECT_ASIDE, bounds->aside_bytes, why_aside);
        trim(&d, TN_COLLECT_LOG, bounds->log_bytes, why_logs);
        drop_engines(&d);
        drop_derived(&d);
    }
    for (size_t i = 0; i < count; i++)
        if (!items[i].why)
            items[i].why = why_fits;
    free(d.oldest_first);
}

/* ---- the list ---- */

struct gathering {
    const struct tn_store *store;
    struct tn_collection *into;
    size_t room; /* of its array */
    bool no_memory;
};

static struct tn_collect_item *add(struct gathering *g, enum tn_collect_kind kind, char *path_take)
{
    struct tn_collection *into = g->into;
    struct tn_collect_item *grown = into->item;

    if (path_take && into->count == g->room) {
        g->room = g->room ? g->room * 2 : 64;
        grown = realloc(into->item, g->room * sizeof(*grown));
    }
    if (!path_take || !grown) {
        g->no_memory = true;
        free(path_take);
        return NULL;
    }
    into->item = grown;
    grown += into->count++;
    *grown = (struct tn_collect_item) { .kind = kind, .path = path_take };
    (void)tn_text_copy(grown->name, sizeof(grown->name), tn_path_base(path_take));
    return grown;
}

static bool is_building(const struct tn_store *store, const struct tn_digest *key)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];

    tn_digest_hex(key, hex);
    (void)snprintf(name, sizeof(name), "build-%s", hex);
    return tn_lock_held(store, name);
}

static void group_of(const struct tn_recipe *recipe, struct tn_digest *ret_group)
{
    const char *converter = recipe->value[TN_RECIPE_DERIVED_BY];
    struct tn_digest source;

    if (converter && strcmp(converter, "-") != 0 &&
        tn_digest_parse(recipe->value[TN_RECIPE_MODEL_DIGEST], &source, NULL) == TN_OK)
        (void)tn_derived_id(&source, converter, ret_group, NULL);
}

/* The last use that is known here, else the time when the engine came into the store. */
static tn_nsec use_of(const struct tn_entry *entry)
{
    struct stat st;

    if (entry->last_used >= 0)
        return entry->last_used;
    return stat(entry->path, &st) == 0 ? tn_stamp_of(&st).mtime : 0;
}

static bool add_entry(struct gathering *g, const struct tn_entry *entry)
{
    struct tn_collect_item *item, *first;

    if (entry->store != 0)
        return false;
    item = add(g, TN_COLLECT_ENGINE, strdup(entry->path));
    if (!item)
        return false;
    item->digest = entry->record.digest;
    item->key = entry->record.key;
    item->sequence = entry->record.sequence;
    item->pinned = entry->pinned;
    item->locked = is_building(g->store, &entry->record.key);
    item->used = use_of(entry);
    (void)tn_text_copy(item->name, sizeof(item->name), entry->record.name);
    group_of(&entry->record.recipe, &item->group);
    item->twin = g->into->count > 1 && tn_digest_equal(&item[-1].digest, &item->digest);
    item->bytes = item->twin ? 0 : entry->record.plan_bytes;
    for (first = item; first->twin;)
        first--;
    first->locked |= item->locked;
    return true;
}

static bool add_walked(struct tn_entry *entry, void *user)
{
    return add_entry(user, entry);
}

static int add_engines(struct gathering *g, const struct tn_entries *known, struct tn_error *err)
{
    if (!known)
        return tn_objects_each(g->store, add_walked, NULL, g, err);
    for (size_t i = 0; i < known->count && add_entry(g, &known->item[i]); i++)
        ;
    return TN_OK;
}

static int add_asides(struct gathering *g, struct tn_error *err)
{
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };
    int rc = tn_aside_list(g->store, &all, err);

    for (size_t i = 0; i < all.count; i++) {
        struct tn_collect_item *item =
            add(g, TN_COLLECT_ASIDE, tn_store_path(g->store, 0, "aside/%s", all.item[i].folder));

        if (item) {
            item->used = all.item[i].when;
            item->bytes = all.item[i].bytes < 0 ? 0 : all.item[i].bytes;
        }
    }
    return rc;
}

/* Files of one folder whose names end so. */
static void add_files(struct gathering *g, enum tn_collect_kind kind, const char *below,
                      const char *suffix)
{
    tn_auto(tn_str_free) char *folder = tn_store_path(g->store, 0, "%s", below);
    DIR *dir = folder ? opendir(folder) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        char *path =
            tn_text_ends(entry->d_name, suffix) ? tn_path_join(folder, entry->d_name) : NULL;
        struct tn_collect_item *item;
        struct stat st;

        if (!path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
            free(path);
            continue;
        }
        item = add(g, kind, path);
        if (!item)
            break;
        item->bytes = st.st_size;
        item->used = tn_stamp_of(&st).mtime;
    }
    if (dir)
        (void)closedir(dir);
}

/* logs/<key>.log of a build under way stays. */
static void settle_logs(struct gathering *g)
{
    for (size_t i = 0; i < g->into->count; i++) {
        struct tn_collect_item *item = &g->into->item[i];
        char hex[TN_DIGEST_HEX];
        struct tn_digest key;

        (void)tn_text_copy(hex, sizeof(hex), item->name);
        if (item->kind == TN_COLLECT_LOG && tn_digest_parse(hex, &key, NULL) == TN_OK)
            item->locked = is_building(g->store, &key);
    }
}

/* derived/<content>.onnx belongs to the index files that name it; those name source and converter.
 */
static void settle_derived(struct gathering *g)
{
    for (size_t i = 0; i < g->into->count; i++) {
        struct tn_collect_item *item = &g->into->item[i];
        tn_auto(tn_json_done) json_t *index = NULL;
        char hex[TN_DIGEST_HEX];

        if (item->kind != TN_COLLECT_DERIVED)
            continue;
        (void)tn_text_copy(hex, sizeof(hex), item->name); /* "<id>.json" */
        (void)tn_digest_parse(hex, &item->group, NULL);
        if (tn_json_read(item->path, 65536, &index, NULL) == TN_OK) {
            tn_auto(tn_str_free) char *model = tn_store_path(g->store, 0, "derived/%.64s.onnx",
                                                             tn_json_str(index, "digest", "none"));
            struct stat st;

            if (model && lstat(model, &st) == 0)
                item->bytes += st.st_size;
        }
    }
}

/* Failures that this host remembers; another host's are its own matter. */
static void add_notes(struct gathering *g, enum tn_refusal_kind kind)
{
    size_t first = g->into->count;
    char below[256];
    struct tn_moment now;

    tn_clock_moment(&now);
    (void)snprintf(below, sizeof(below), "hosts/%s/%s", tn_store_host(g->store),
                   tn_refusal_folder(kind));
    add_files(g, TN_COLLECT_NOTE, below, ".json");
    for (size_t i = first; i < g->into->count; i++) {
        struct tn_collect_item *item = &g->into->item[i];
        tn_auto(tn_json_done) json_t *note = NULL;

        (void)tn_json_read(item->path, TN_HOST_NOTE_BYTES_MAX, &note, NULL);
        item->over = tn_refusal_over(note, kind, &now);
    }
}

/* ---- bounds ---- */

static int find_bounds(const struct tn_store *store, const struct tn_collect_options *options,
                       struct tn_collect_bounds *ret_bounds, struct tn_error *err)
{
    struct statvfs fs;
    int64_t size, fifth;

    if (statvfs(tn_store_root(store, 0), &fs) < 0)
        return tn_fail_os(err, TN_E_IO, "file system of '%s'", tn_store_root(store, 0));
    size = (int64_t)(fs.f_blocks * fs.f_frsize);
    fifth = size / 5;
    *ret_bounds = (struct tn_collect_bounds) {
        .max_bytes = options->has_max_bytes     ? options->max_bytes
                     : fifth < TN_COLLECT_BYTES ? fifth
                                                : TN_COLLECT_BYTES,
        .log_bytes = TN_COLLECT_LOGS_BYTES,
        .free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize),
        .keep_free_bytes = size / 20,
        .older_than = options->older_than,
    };
    ret_bounds->aside_bytes = ret_bounds->max_bytes / 10;
    return TN_OK;
}

void tn_collection_done(struct tn_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++)
        free(collection->item[i].path);
    free(collection->item);
    *collection = (struct tn_collection) { 0 };
}

int tn_collect_plan(const struct tn_store *store, const struct tn_collect_options *options,
                    struct tn_collection *ret_collection, struct tn_error *err)
{
    tn_auto(tn_collection_done) struct tn_collection all = { 0 };
    struct gathering g = { .store = store, .into = &all };
    int rc;

    if (!tn_store_present(store, 0)) {
        *ret_collection = all;
        return TN_OK;
    }
    rc = find_bounds(store, options, &all.bounds, err);
    if (rc == TN_OK)
        rc = add_engines(&g, options->engines, err);
    if (rc == TN_OK)
        rc = add_asides(&g, err);
    if (rc < 0)
        return rc;
    add_files(&g, TN_COLLECT_LOG, "logs", ".log");
    add_files(&g, TN_COLLECT_DERIVED, "derived", ".json");
    add_notes(&g, TN_REFUSAL_LASTING);
    add_notes(&g, TN_REFUSAL_BACKOFF);
    settle_logs(&g);
    settle_derived(&g);
    if (g.no_memory)
        return tn_fail(err, TN_E_NOMEM, "list what could be collected");
    for (size_t i = 0; i < all.count; i++)
        all.total_bytes += all.item[i].bytes;
    tn_collect_decide(all.item, all.count, &all.bounds);
    *ret_collection = all;
    all = (struct tn_collection) { 0 };
    return TN_OK;
}

/* ---- removal ---- */

/* What changed since the plan. @return why it stays now, or NULL */
static const char *stays_now(const struct tn_store *store, const struct tn_collect_item *item)
{
    tn_nsec used = tn_object_last_used(store, &item->digest);
    struct tn_mark mark = { 0 };

    if (tn_mark_look(store, &item->digest, &mark, NULL) < 0)
        return why_unread; /* it may be pinned */
    if (mark.pinned)
        return why_pinned;
    return used > item->used ? why_young : NULL;
}

static void keep(struct tn_collect_item *item, const char *why)
{
    item->goes = false;
    item->why = why;
}

static int remove_engine(const struct tn_store *store, struct tn_collect_item *item,
                         struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    const char *why;
    int rc;

    tn_digest_hex(&item->key, hex);
    (void)snprintf(name, sizeof(name), "build-%s", hex);
    rc = tn_lock_take(store, name, NULL, NULL, &lock, NULL, err);
    if (rc == TN_E_AGAIN) {
        keep(item, why_locked);
        return TN_OK;
    }
    why = rc == TN_OK ? stays_now(store, item) : NULL;
    if (why) {
        keep(item, why);
        return TN_OK;
    }
    return rc < 0 ? rc : tn_object_remove(store, &item->digest, err);
}

/* The model first: an index entry without it is no harm, a model without one would be for ever. */
static int remove_derived(const struct tn_store *store, const struct tn_collect_item *item,
                          struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *index = NULL;
    tn_auto(tn_str_free) char *model = NULL;

    if (tn_json_read(item->path, 65536, &index, NULL) == TN_OK)
        model = tn_store_path(store, 0, "derived/%.64s.onnx", tn_json_str(index, "digest", "none"));
    if (model && unlink(model) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", model);
    if (unlink(item->path) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", item->path);
    return TN_OK;
}

static int remove_aside(const struct tn_store *store, const struct tn_collect_item *item,
                        struct tn_error *err)
{
    tn_auto(tn_str_free) char *gone = NULL;
    int rc = tn_object_gone_path(store, item->name, &gone, err);

    if (rc < 0)
        return rc;
    if (rename(item->path, gone) < 0)
        return errno == ENOENT ? TN_OK : tn_fail_os(err, TN_E_IO, "remove '%s'", item->path);
    return tn_dir_remove(gone, err);
}

static int remove_file(const char *path, struct tn_error *err)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return tn_fail_os(err, TN_E_IO, "remove '%s'", path);
    return TN_OK;
}

/* A failure that was remembered since the plan is news. */
static int remove_note(struct tn_collect_item *item, struct tn_error *err)
{
    struct stat st;

    if (lstat(item->path, &st) == 0 && tn_stamp_of(&st).mtime != item->used) {
        keep(item, why_renewed);
        return TN_OK;
    }
    return remove_file(item->path, err);
}

static int remove_item(const struct tn_store *store, struct tn_collect_item *item,
                       struct tn_error *err)
{
    switch (item->kind) {
    case TN_COLLECT_ENGINE:
        return item->twin ? TN_OK : remove_engine(store, item, err);
    case TN_COLLECT_ASIDE:
        return remove_aside(store, item, err);
    case TN_COLLECT_DERIVED:
        return remove_derived(store, item, err);
    case TN_COLLECT_NOTE:
        return remove_note(item, err);
    case TN_COLLECT_LOG:
        break;
    }
    return remove_file(item->path, err);
}

static bool anything_goes(const struct tn_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++)
        if (collection->item[i].goes)
            return true;
    return false;
}

int tn_collect_run(const struct tn_store *store, struct tn_collection *collection,
                   struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    int rc = anything_goes(collection) ? tn_store_writable(store, err) : TN_OK;

    if (rc < 0 || !anything_goes(collection))
        return rc;
    rc = tn_lock_take(store, "collect", NULL, NULL, &lock, NULL, err);
    if (rc == TN_OK)
        tn_object_sweep_gone(store);
    for (size_t i = 0; rc == TN_OK && i < collection->count; i++)
        if (collection->item[i].goes)
            rc = remove_item(store, &collection->item[i], err);
    return rc;
}

int tn_collect(const struct tn_store *store, struct tn_error *err)
{
    static const struct tn_collect_options usual;
    tn_auto(tn_collection_done) struct tn_collection all = { 0 };
    int rc = tn_collect_plan(store, &usual, &all, err);

    return rc < 0 ? rc : tn_collect_run(store, &all, err);
}
