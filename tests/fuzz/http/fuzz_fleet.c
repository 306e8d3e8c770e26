/* Any JSON as the bodies of the REST interface and of devices, applied to a fleet one after the
 * other: a list of {"release"|"engine"|"channel"|"deploy"|"attributes"|"labels"|"feedback"|
 * "outcomes"|"confirm"|"auto-confirm": body}.
 * What is refused changes nothing, and what is taken is the same after a restart. */
#include "blob.h"

#include "base/file.h"
#include "base/json.h"
#include "fleet/fleet.h"
#include "tenond/ddi_json.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000, EVENTS_MOST = 20 };

static const char device_id[] = "d1";

struct scene {
    struct tn_db *db;
    struct tn_blobs *blobs;
    struct tn_fleet *fleet;
    int64_t now_ms;
};

/* ---- a fleet with one device and one file ---- */

static char folder[64];

static void remove_folder(void)
{
    (void)tn_dir_remove(folder, NULL);
}

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "%s/tenon-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
}

static void open_scene(struct scene *scene)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/tenond.db", folder);
    must(tn_db_open(path, &scene->db, NULL));
    must(tn_blobs_open(folder, &scene->blobs, NULL));
    must(tn_fleet_open(scene->db, scene->blobs, NULL, &scene->fleet, NULL));
}

static void close_scene(struct scene *scene)
{
    tn_fleet_close(scene->fleet);
    tn_blobs_close(scene->blobs);
    tn_db_close(scene->db);
}

static void begin_scene(struct scene *scene)
{
    static const char *const files[] = { "", "-wal", "-shm" };
    struct tn_fleet_device *device;
    char path[96];

    for (size_t i = 0; i < TN_COUNT(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/tenond.db%s", folder, files[i]);
        (void)unlink(path);
    }
    open_scene(scene);
    if (tn_blobs_bytes(scene->blobs) == 0)
        put_blob(scene->blobs);
    must(tn_fleet_enroll(scene->fleet, device_id, "t", "operator", NOW, &device, NULL));
    must(tn_fleet_commit(scene->fleet, NULL));
}

/* ---- all that can be seen of it ---- */

static struct tn_fleet_device *the_device(struct scene *scene)
{
    return tn_fleet_device(scene->fleet, device_id);
}

static void add_page(json_t *view, json_t *items_steal)
{
    if (!items_steal || json_array_append_new(view, items_steal) < 0)
        abort();
}

static char *view_of(struct scene *scene)
{
    struct tn_page devices = { .limit = 1000 }, releases = { .limit = 1000 };
    struct tn_page deployments = { .limit = 1000 }, actions = { .limit = 1000 };
    tn_auto(tn_json_done) json_t *view = json_array();
    char *text;

    add_page(view, tn_fleet_devices_json(scene->fleet, NULL, &devices, NULL));
    add_page(view, tn_fleet_device_json(scene->fleet, the_device(scene)));
    add_page(view, tn_fleet_releases_json(scene->fleet, NULL, &releases));
    add_page(view, tn_fleet_deployments_json(scene->fleet, &deployments));
    add_page(view, tn_fleet_actions_json(scene->fleet, false, &actions));
    add_page(view, tn_fleet_map_json(scene->fleet, NULL, NULL, true, NULL));
    text = tn_json_text(view);
    if (!text)
        abort();
    return text;
}

static void check_same(struct scene *scene, const char *before)
{
    char *after = view_of(scene);

    if (strcmp(before, after) != 0) {
        (void)fprintf(stderr, "before: %s\nafter:  %s\n", before, after);
        abort();
    }
    free(after);
}

/* ---- events ---- */

static int do_release(struct scene *scene, const json_t *body)
{
    json_decref(tn_fleet_missing_blobs(scene->fleet, body));
    return tn_fleet_release_add(scene->fleet, body, "fuzz", scene->now_ms, NULL);
}

static int do_engine(struct scene *scene, const json_t *body)
{
    return tn_fleet_engine_add(scene->fleet, "m", "1", body, "fuzz", scene->now_ms, NULL);
}

static int do_channel(struct scene *scene, const json_t *body)
{
    return tn_fleet_channel_set(scene->fleet, tn_json_str(body, "model", "m"),
                                tn_json_str(body, "name", "stable"),
                                tn_json_str(body, "version", "1"), "fuzz", scene->now_ms, NULL);
}

static int do_deploy(struct scene *scene, const json_t *body)
{
    const struct tn_deploy deploy = {
        .model = tn_json_str(body, "model", "m"),
        .channel = tn_json_str(body, "channel", NULL),
        .filter = tn_json_str(body, "to", NULL),
        .first = tn_json_int(body, "first", 0) & INT32_MAX,
        .accept_may_load = tn_json_bool(body, "accept_may_load", false),
        .confirm = tn_json_bool(body, "confirm", false),
    };
    int64_t id = 0;

    return tn_fleet_deploy(scene->fleet, &deploy, "fuzz", scene->now_ms, &id, NULL);
}

static int do_attributes(struct scene *scene, const json_t *body)
{
    return tn_fleet_attributes(scene->fleet, the_device(scene), TN_ATTRIBUTES_MERGE, body,
                               scene->now_ms, NULL);
}

static int do_labels(struct scene *scene, const json_t *body)
{
    return tn_fleet_label(scene->fleet, the_device(scene), tn_json_str(body, "name", ""),
                          tn_json_str(body, "value", NULL), "fuzz", scene->now_ms, NULL);
}

static int do_feedback(struct scene *scene, const json_t *body)
{
    struct tn_ddi_feedback feedback;

    if (!tn_ddi_feedback_read(body, &feedback))
        return TN_E_INVALID;
    return tn_fleet_feedback(scene->fleet, the_device(scene), tn_json_int(body, "id", 1),
                             &feedback.feedback, scene->now_ms, NULL);
}

static int do_confirm(struct scene *scene, const json_t *body)
{
    struct tn_ddi_feedback said;
    const char *word = tn_ddi_confirmation_read(body, &said);

    return tn_fleet_confirm(scene->fleet, the_device(scene), tn_json_int(body, "id", 1), word,
                            &said.feedback, scene->now_ms, NULL);
}

static int do_auto_confirm(struct scene *scene, const json_t *body)
{
    return tn_fleet_auto_confirm(scene->fleet, the_device(scene),
                                 tn_json_bool(body, "active", true), scene->now_ms, NULL);
}

static int do_outcomes(struct scene *scene, const json_t *body)
{
    struct tn_outcomes answer;

    return tn_fleet_outcomes(scene->fleet, the_device(scene), body, scene->now_ms, &answer, NULL);
}

static const struct {
    const char *name;
    int (*run)(struct scene *scene, const json_t *body);
} events[] = {
    { "release", do_release },       { "engine", do_engine },
    { "channel", do_channel },       { "deploy", do_deploy },
    { "labels", do_labels },         { "feedback", do_feedback },
    { "attributes", do_attributes }, { "outcomes", do_outcomes },
    { "confirm", do_confirm },       { "auto-confirm", do_auto_confirm },
};

static void run_event(struct scene *scene, size_t which, const json_t *body)
{
    char *before = view_of(scene);
    int rc = events[which].run(scene, body);

    scene->now_ms++;
    if (rc == TN_OK) {
        must(tn_fleet_commit(scene->fleet, NULL));
    } else {
        if (tn_fleet_dirty(scene->fleet))
            abort();
        check_same(scene, before);
    }
    free(before);
}

static void run_events(struct scene *scene, const json_t *list)
{
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count && i < EVENTS_MOST; i++)
        for (size_t which = 0; which < TN_COUNT(events); which++) {
            const json_t *body = json_object_get(json_array_get(list, i), events[which].name);

            if (json_is_object(body)) /* as tn_rest_body() wants it */
                run_event(scene, which, body);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_auto(tn_json_done) json_t *list = NULL;
    struct scene scene = { .now_ms = NOW };
    char *before;

    if (tn_json_parse((const char *)data, size, "fuzz", &list, NULL) < 0 || !json_is_array(list))
        return 0;
    if (!folder[0])
        make_folder();
    begin_scene(&scene);
    run_events(&scene, list);
    before = view_of(&scene);
    close_scene(&scene);
    open_scene(&scene);
    check_same(&scene, before);
    free(before);
    close_scene(&scene);
    return 0;
}
