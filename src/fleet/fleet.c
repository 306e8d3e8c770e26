#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t KEEP_ACTIONS_MS = INT64_C(90) * 24 * 3600 * 1000;

/* ---- small things that every part uses ---- */

int list_add(struct list *list, void *item, struct tn_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        void **bigger = realloc(list->item, capacity * sizeof(*bigger));

        if (!bigger)
            return tn_fail(err, TN_E_NOMEM, "a list of %zu", capacity);
        list->item = bigger;
        list->capacity = capacity;
    }
    list->item[list->count++] = item;
    return TN_OK;
}

void list_remove_at(struct list *list, size_t at)
{
    list->count--;
    memmove(list->item + at, list->item + at + 1, (list->count - at) * sizeof(*list->item));
}

void list_done(struct list *list)
{
    free(list->item);
    *list = (struct list) { .item = NULL };
}

int copy_text(const char *text, char **ret_text, struct tn_error *err)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return tn_fail(err, TN_E_NOMEM, "'%.40s'", text);
    *ret_text = copy;
    return TN_OK;
}

char *pair_key(const char *a, const char *b)
{
    size_t first = strlen(a);
    size_t second = strlen(b);
    char *key = malloc(first + second + 2);

    if (!key)
        return NULL;
    memcpy(key, a, first);
    key[first] = '\n';
    memcpy(key + first + 1, b, second + 1);
    return key;
}

int fleet_hurt(struct tn_fleet *fleet, int rc)
{
    if (rc < 0 && !fleet->damaged)
        fleet->damaged = rc;
    return rc;
}

int fleet_put(struct tn_fleet *fleet, enum tn_table table, const void *row, struct tn_error *err)
{
    return fleet_hurt(fleet, tn_db_put(fleet->db, table, row, err));
}

int fleet_delete(struct tn_fleet *fleet, enum tn_table table, const void *row, struct tn_error *err)
{
    return fleet_hurt(fleet, tn_db_delete(fleet->db, table, row, err));
}

/* ---- settings ---- */

static const struct {
    const char *name;
    size_t offset; /* of an int64_t of the fleet */
} settings[SETTINGS] = {
    [SETTING_POLL_SECONDS] = { "poll-seconds", offsetof(struct tn_fleet, poll_seconds) },
    [SETTING_NEXT_ACTION] = { "next-action", offsetof(struct tn_fleet, next_action) },
};

static int64_t *setting_of(struct tn_fleet *fleet, size_t setting)
{
    return (int64_t *)(void *)((char *)fleet + settings[setting].offset);
}

int setting_put(struct tn_fleet *fleet, enum setting setting, struct tn_error *err)
{
    struct tn_row_setting row = { .name = settings[setting].name };
    int64_t value = *setting_of(fleet, setting);
    char text[24];

    if (value == 0)
        return fleet_delete(fleet, TN_TABLE_SETTING, &row, err);
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    row.value = text;
    return fleet_put(fleet, TN_TABLE_SETTING, &row, err);
}

static bool setting_load_row(const void *row_, void *user)
{
    const struct tn_row_setting *row = row_;
    struct tn_fleet *fleet = user;
    bool good = true;

    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(row->name, settings[i].name) == 0 && row->value)
            good = tn_text_i64(row->value, setting_of(fleet, i));
    return fleet_hurt(fleet, good ? TN_OK : TN_E_CORRUPT) == TN_OK;
}

/* ---- loading ---- */

/* In this order: a row may name rows of the tables before it. */
static const struct {
    enum tn_table table;
    bool (*load)(const void *row, void *fleet);
} loads[] = {
    { TN_TABLE_RELEASE, release_load_row },   { TN_TABLE_ATTACHMENT, attachment_load_row },
    { TN_TABLE_ENGINE, engine_load_row },     { TN_TABLE_CHANNEL, channel_load_row },
    { TN_TABLE_LOAD, load_load_row },         { TN_TABLE_DEVICE, device_load_row },
    { TN_TABLE_SPOOL, spool_load_row },       { TN_TABLE_EVIDENCE, evidence_load_row },
    { TN_TABLE_OVERRIDE, override_load_row }, { TN_TABLE_DEPLOYMENT, deployment_load_row },
    { TN_TABLE_TOKEN, token_load_row },       { TN_TABLE_SETTING, setting_load_row },
    { TN_TABLE_PIN, pin_load_row },
};

static bool next_after(const void *row_, void *user)
{
    const struct tn_row_action *row = row_;
    struct tn_fleet *fleet = user;

    if (row->id >= fleet->next_action)
        fleet->next_action = row->id + 1;
    return false;
}

/* Their number is bounded by devices and models, however many have ended. */
static int load_actions(struct tn_fleet *fleet, struct tn_error *err)
{
    const struct tn_question question = { .query = TN_QUERY_ACTIONS_UNSETTLED };
    int rc = tn_db_find(fleet->db, &question, action_load_row, fleet, err);

    if (rc == TN_OK && fleet->damaged)
        return tn_fail(err, TN_E_CORRUPT,
                       "the database: an action names what is not there, or memory has run out");
    if (rc == TN_OK)
        rc = tn_db_newest(fleet->db, TN_TABLE_ACTION, 0, next_after, fleet, err);
    return rc < 0 ? rc : deployments_settle(fleet, err);
}

static int load_all(struct tn_fleet *fleet, struct tn_error *err)
{
    fleet->next_action = 1;
    fleet->forgotten = 0;
    fleet->next_deployment = 1;
    fleet->poll_seconds = 0;
    fleet->damaged = TN_OK;
    fleet->devices_sorted = true; /* rows come by key */
    for (size_t i = 0; i < TN_COUNT(loads); i++) {
        int rc = tn_db_each(fleet->db, loads[i].table, loads[i].load, fleet, err);

        if (rc < 0)
            return rc;
        if (fleet->damaged)
            return tn_fail(err, TN_E_CORRUPT,
                           "the database: a row of table %zu names what is not there, or memory "
                           "has run out",
                           i);
    }
    return load_actions(fleet, err);
}

/* Frees every value of a table with its own function. */
#define FREE_MAP(map, type, free_one)                                                              \
    do {                                                                                           \
        size_t at_ = 0;                                                                            \
        struct type *value_;                                                                       \
        while ((value_ = tn_map_next(map, &at_)) != NULL)                                          \
            free_one(value_);                                                                      \
        tn_map_done(map);                                                                          \
    } while (0)

#define FREE_LIST(list, free_one)                                                                  \
    do {                                                                                           \
        for (size_t at_ = 0; at_ < (list)->count; at_++)                                           \
            free_one((list)->item[at_]);                                                           \
        list_done(list);                                                                           \
    } while (0)

static void free_actions(struct tn_fleet *fleet)
{
    for (size_t i = 0; i < fleet->device_list.count; i++) {
        struct tn_fleet_device *device = fleet->device_list.item[i];

        while (device->actions) {
            struct action *action = device->actions;

            device->actions = action->older;
            action_free(action);
        }
    }
}

static void unload(struct tn_fleet *fleet)
{
    free_actions(fleet);
    list_done(&fleet->recounted);
    FREE_LIST(&fleet->deployments, deployment_free);
    FREE_MAP(&fleet->devices, tn_fleet_device, device_free);
    FREE_MAP(&fleet->classes, class, class_free);
    FREE_MAP(&fleet->releases, release, release_free);
    FREE_MAP(&fleet->kinds, kind, kind_free);
    FREE_MAP(&fleet->channels, channel, channel_free);
    FREE_MAP(&fleet->attachments, attachment, attachment_free);
    FREE_MAP(&fleet->evidence, evidence, evidence_free);
    FREE_MAP(&fleet->tallies, tally, tally_free);
    FREE_MAP(&fleet->overrides, override, override_free);
    FREE_MAP(&fleet->loads, load_series, load_series_free);
    FREE_LIST(&fleet->tokens, token_free);
    FREE_MAP(&fleet->pins, pin, pin_free);
    FREE_MAP(&fleet->kept_blobs, kept_text, free);
    list_done(&fleet->running);
    tn_map_done(&fleet->tokens_by_hash);
    tn_map_done(&fleet->engines);
    tn_map_done(&fleet->kind_index);
    tn_map_done(&fleet->kind_exact);
    list_done(&fleet->loose_kinds);
    list_done(&fleet->device_list);
    list_done(&fleet->release_list);
    fleet->seen = fleet->seen_last = NULL;
    fleet->changed_loads = NULL;
}

static void set_default(int64_t *value, int64_t otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static struct tn_fleet_options with_defaults(const struct tn_fleet_options *options)
{
    struct tn_fleet_options full = options ? *options : (struct tn_fleet_options) { 0 };

    set_default(&full.poll_seconds, 300);
    set_default(&full.evidence_devices, 2);
    set_default(&full.evidence_ratio, 10);
    set_default(&full.pause_devices, 5);
    set_default(&full.pause_percent, 20);
    set_default(&full.history_most, 100);
    if (full.history_most < 2) /* how it began, and how it ended */
        full.history_most = 2;
    set_default(&full.keep_actions_ms, KEEP_ACTIONS_MS);
    set_default(&full.attributes_most, 200);
    set_default(&full.devices_most, 2000000);
    return full;
}

/* What an older program left unsettled: written once. On a full disk it is written another time. */
static int settle_older(struct tn_fleet *fleet, struct tn_error *err)
{
    if (ended_settle_all(fleet, err) == TN_OK && !tn_fleet_dirty(fleet))
        return TN_OK;
    return tn_fleet_commit(fleet, err) < 0 && fleet->damaged ? TN_E_IO : TN_OK;
}

int tn_fleet_open(struct tn_db *db, struct tn_blobs *blobs, const struct tn_fleet_options *options,
                  struct tn_fleet **ret_fleet, struct tn_error *err)
{
    struct tn_fleet *fleet = calloc(1, sizeof(*fleet));
    int rc;

    if (!fleet)
        return tn_fail(err, TN_E_NOMEM, "the fleet");
    fleet->db = db;
    fleet->blobs = blobs;
    fleet->options = with_defaults(options);
    tn_fleet_trust(fleet, NULL, false);
    rc = load_all(fleet, err);
    if (rc == TN_OK)
        rc = settle_older(fleet, err);
    if (rc < 0) {
        tn_fleet_close(fleet);
        return rc;
    }
    *ret_fleet = fleet;
    return TN_OK;
}

void tn_fleet_close(struct tn_fleet *fleet)
{
    if (!fleet)
        return;
    unload(fleet);
    free(fleet);
}

/* ---- committing ---- */

/* When each device was heard, which is in memory alone between two flushes. */
struct heard {
    char *id;
    int64_t seen_ms;
};

static void heard_free(struct heard *heard, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(heard[i].id);
    free(heard);
}

/* @return NULL without memory: then the times of the last flush count */
static struct heard *heard_take(const struct tn_fleet *fleet, size_t *ret_count)
{
    size_t count = fleet->device_list.count;
    struct heard *heard = calloc(count ? count : 1, sizeof(*heard));

    *ret_count = heard ? count : 0;
    for (size_t i = 0; i < *ret_count; i++) {
        const struct tn_fleet_device *device = fleet->device_list.item[i];

        heard[i] = (struct heard) { strdup(device->id), device->seen_ms };
    }
    return heard;
}

static void heard_give(struct tn_fleet *fleet, const struct heard *heard, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tn_fleet_device *device = heard[i].id ? tn_fleet_device(fleet, heard[i].id) : NULL;

        if (device && device->seen_ms != heard[i].seen_ms)
            tn_fleet_seen(fleet, device, heard[i].seen_ms);
    }
}

/* A commit that failed says nothing against the polls that were heard. */
static int load_anew(struct tn_fleet *fleet, struct tn_error *err)
{
    size_t count;
    struct heard *heard = heard_take(fleet, &count);
    int rc;

    unload(fleet);
    rc = load_all(fleet, err);
    if (rc == TN_OK)
        heard_give(fleet, heard, count);
    heard_free(heard, count);
    /* a fleet that could not be read again serves nothing; the next commit tries once more */
    return rc < 0 ? fleet_hurt(fleet, rc) : rc;
}

bool tn_fleet_dirty(const struct tn_fleet *fleet)
{
    return fleet->damaged || tn_db_dirty(fleet->db);
}

int tn_fleet_commit(struct tn_fleet *fleet, struct tn_error *err)
{
    struct tn_error why = { 0 };
    int rc;

    if (!fleet->damaged)
        (void)loads_put(fleet, &why); /* a failure shows as damage */
    if (fleet->damaged) {
        tn_db_rollback(fleet->db);
        rc = tn_fail(err, fleet->damaged == TN_E_NOSPACE ? TN_E_NOSPACE : TN_E_AGAIN,
                     "a change could not be made whole; nothing of it was kept");
    } else {
        rc = fleet_hurt(fleet, deploy_put_counts(fleet, err));
        if (rc == TN_OK)
            rc = tn_db_commit(fleet->db, err);
    }
    if (rc < 0 && load_anew(fleet, &why) < 0)
        return tn_fail(err, TN_E_IO, "%s; and the fleet could not be read again: %s",
                       err ? "the change failed" : "", why.text);
    return rc;
}
