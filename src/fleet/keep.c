/*
 * Which files something refers to. While the server runs they only become more, by each change
 * that refers to one; before a collection tn_fleet_keep_anew() finds out which are left.
 */
#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int keep_blob(struct tn_fleet *fleet, const struct tn_digest *digest, struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];
    char *copy;
    int rc;

    tn_digest_hex(digest, hex);
    if (tn_map_get(&fleet->kept_blobs, hex))
        return TN_OK;
    rc = copy_text(hex, &copy, err);
    if (rc == TN_OK && (rc = tn_map_put(&fleet->kept_blobs, copy, copy, err)) < 0)
        free(copy);
    return rc;
}

bool tn_fleet_keeps_blob(const struct tn_digest *digest, void *fleet)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    return tn_map_get(&((struct tn_fleet *)fleet)->kept_blobs, hex) != NULL;
}

/* ---- what refers to files ---- */

static int keep_releases(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->release_list.count; i++)
        rc = release_keep(fleet, fleet->release_list.item[i], err);
    return rc;
}

/* What it is to do, and what it runs of each model: the engine, and the file that it comes in. */
static int keep_device(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                       struct tn_error *err)
{
    int rc = TN_OK;

    for (const struct action *action = device->actions; rc == TN_OK && action;
         action = action->older) {
        struct tn_fleet_action filled;

        if (action != device->active &&
            action_installed(device, action->engine->release->model) != action)
            continue;
        action_fill(fleet, action, &filled);
        rc = keep_blob(fleet, &action->engine->digest, err);
        if (rc == TN_OK)
            rc = keep_blob(fleet, &filled.file, err);
    }
    return rc;
}

static int keep_devices(struct tn_fleet *fleet, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; rc == TN_OK && i < fleet->device_list.count; i++)
        rc = keep_device(fleet, fleet->device_list.item[i], err);
    return rc;
}

static int keep_pins(struct tn_fleet *fleet, struct tn_error *err)
{
    const struct pin *pin;
    size_t at = 0;
    int rc = TN_OK;

    while (rc == TN_OK && (pin = tn_map_next(&fleet->pins, &at)) != NULL) {
        struct tn_digest digest;

        rc = tn_digest_parse(pin->hex, &digest, err);
        if (rc == TN_OK)
            rc = keep_blob(fleet, &digest, err);
    }
    return rc;
}

/* Containers of engines that are kept. */
static int keep_attachments(struct tn_fleet *fleet, struct tn_error *err)
{
    const struct attachment *attachment;
    size_t at = 0;
    int rc = TN_OK;

    while (rc == TN_OK && (attachment = tn_map_next(&fleet->attachments, &at)) != NULL) {
        char hex[TN_DIGEST_HEX];

        (void)tn_text_copy(hex, sizeof(hex), attachment->key); /* "digest kind" */
        if (tn_map_get(&fleet->kept_blobs, hex))
            rc = keep_blob(fleet, &attachment->file, err);
    }
    return rc;
}

static void free_kept(struct tn_map *kept)
{
    char *hex;
    size_t at = 0;

    while ((hex = tn_map_next(kept, &at)) != NULL)
        free(hex);
    tn_map_done(kept);
}

int tn_fleet_keep_anew(struct tn_fleet *fleet, struct tn_error *err)
{
    struct tn_map before = fleet->kept_blobs;
    int rc;

    /* a fleet that could not be read again names few files, and needs all */
    if (fleet->damaged)
        return tn_fail(err, fleet->damaged, "which files are needed is not known now");
    fleet->kept_blobs = (struct tn_map) { .slot = NULL };
    rc = keep_releases(fleet, err);
    if (rc == TN_OK)
        rc = keep_devices(fleet, err);
    if (rc == TN_OK)
        rc = keep_pins(fleet, err);
    if (rc == TN_OK)
        rc = keep_attachments(fleet, err);
    if (rc < 0) {
        free_kept(&fleet->kept_blobs);
        fleet->kept_blobs = before;
        return rc;
    }
    free_kept(&before);
    return TN_OK;
}

/* ---- removing a release ---- */

static int check_unmeant(const struct tn_fleet *fleet, const struct release *release,
                         struct tn_error *err)
{
    const struct channel *channel;
    size_t at = 0;

    while ((channel = tn_map_next(&fleet->channels, &at)) != NULL)
        if (strcmp(channel->model, release->model) == 0 &&
            strcmp(channel->version, release->version) == 0)
            return tn_fail(err, TN_E_USAGE,
                           "channel %.80s@%.80s points to %.80s: move the channel first",
                           release->model, channel->name, release->version);
    for (size_t i = 0; i < fleet->deployments.count; i++) {
        const struct deployment *deployment = fleet->deployments.item[i];

        if (deployment->release == release && deployment->state != DEPLOYMENT_STOPPED)
            return tn_fail(err, TN_E_USAGE, "deployment %lld is of %.80s@%.80s: stop it first",
                           (long long)deployment->id, release->model, release->version);
    }
    return TN_OK;
}

static void list_remove(struct list *list, const void *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->item[i] == item) {
            list_remove_at(list, i);
            return;
        }
}

int tn_fleet_release_remove(struct tn_fleet *fleet, const char *model, const char *version,
                            const char *who, int64_t now_ms, struct tn_error *err)
{
    struct release *release = release_find(fleet, model, version);
    int rc;

    if (!release)
        return tn_fail(err, TN_E_NOTFOUND, "no release %.80s@%.80s", model, version);
    if (release->removed_ms)
        return TN_OK;
    rc = check_unmeant(fleet, release, err);
    if (rc < 0)
        return rc;
    release->removed_ms = now_ms > 0 ? now_ms : 1;
    list_remove(&fleet->release_list, release);
    rc = release_put(fleet, release, err);
    if (rc == TN_OK)
        rc = fleet_audit(
            fleet, who, "release-remove", now_ms,
            json_pack("{s:s,s:s}", "model", release->model, "version", release->version), err);
    return rc < 0 ? rc : fleet_hurt(fleet, deployments_settle(fleet, err));
}

/* ---- pins ---- */

void pin_free(struct pin *pin)
{
    if (!pin)
        return;
    free(pin->by);
    free(pin);
}

static int pin_add(struct tn_fleet *fleet, const struct tn_row_pin *row, struct tn_error *err)
{
    struct pin *pin = calloc(1, sizeof(*pin));
    int rc = pin ? copy_text(row->by, &pin->by, err) : tn_fail(err, TN_E_NOMEM, "a pin");

    if (rc == TN_OK && !tn_text_copy(pin->hex, sizeof(pin->hex), row->digest))
        rc = tn_fail(err, TN_E_CORRUPT, "'%.80s' is no digest", row->digest);
    if (rc == TN_OK)
        rc = tn_map_put(&fleet->pins, pin->hex, pin, err);
    if (rc < 0) {
        pin_free(pin);
        return rc;
    }
    pin->time_ms = row->time_ms;
    return TN_OK;
}

bool pin_load_row(const void *row, void *fleet)
{
    return fleet_hurt(fleet, pin_add(fleet, row, NULL)) == TN_OK;
}

static int pin_change(struct tn_fleet *fleet, const struct tn_row_pin *row, bool pinned,
                      struct tn_error *err)
{
    int rc;

    if (!pinned) {
        rc = fleet_delete(fleet, TN_TABLE_PIN, row, err);
        pin_free(tn_map_remove(&fleet->pins, row->digest));
        return rc;
    }
    rc = fleet_hurt(fleet, pin_add(fleet, row, err));
    return rc < 0 ? rc : fleet_put(fleet, TN_TABLE_PIN, row, err);
}

int tn_fleet_engine_pin(struct tn_fleet *fleet, const char *digest, bool pinned, const char *who,
                        int64_t now_ms, struct tn_error *err)
{
    struct engine *engine;
    struct tn_row_pin row = { .by = who, .time_ms = now_ms };
    int rc = engine_by_prefix(fleet, digest, &engine, err);

    if (rc < 0)
        return rc;
    row.digest = engine->hex;
    if (pinned == (tn_map_get(&fleet->pins, engine->hex) != NULL))
        return TN_OK;
    rc = pin_change(fleet, &row, pinned, err);
    return rc < 0 ? rc
                  : fleet_audit(fleet, who, pinned ? "engine-pin" : "engine-unpin", now_ms,
                                json_pack("{s:s}", "digest", engine->hex), err);
}
