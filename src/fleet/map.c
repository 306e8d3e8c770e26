/* The four-way map: model × platform × TensorRT version × GPU class -> an engine, or a hole. */
#include "fleet/fleet_priv.h"

#include <stdlib.h>
#include <string.h>

/* Running deployments of the release: what they accept, and whom they want. */
static bool accepts_may_load(const struct tn_fleet *fleet, const struct release *release)
{
    for (size_t i = 0; i < fleet->running.count; i++) {
        const struct deployment *deployment = fleet->running.item[i];

        if (deployment->release == release && deployment->accept_may_load)
            return true;
    }
    return false;
}

const struct candidate *map_pick(struct tn_fleet *fleet, struct class *class,
                                 const struct release *release)
{
    bool accept = accepts_may_load(fleet, release);
    const struct match *match = match_get(fleet, class, release, accept);

    for (size_t i = 0; match && i < match->count; i++) {
        const struct candidate *candidate = &match->candidate[i];

        if (!candidate->stopped &&
            (candidate->verdict == TN_VERDICT_LOADS || candidate->proven || accept))
            return candidate;
    }
    return NULL;
}

static bool waits(struct tn_fleet *fleet, struct tn_fleet_device *device,
                  const struct release *release)
{
    for (size_t i = 0; i < fleet->running.count; i++) {
        const struct deployment *deployment = fleet->running.item[i];

        if (deployment->release == release && deployment_waits(fleet, deployment, device))
            return true;
    }
    return false;
}

int64_t map_waiting(struct tn_fleet *fleet, const struct class *class,
                    const struct release *release)
{
    int64_t waiting = 0;

    for (size_t i = 0; i < class->devices.count; i++)
        waiting += waits(fleet, class->devices.item[i], release);
    return waiting;
}

static void set_engine(json_t *json, const struct candidate *pick)
{
    json_t *engine = json_object();

    tn_json_set_str(engine, "digest", pick->engine->hex);
    tn_json_set_str(engine, "name", pick->engine->name);
    tn_json_set_str(engine, "precision", tn_precision_name(pick->engine->precision));
    tn_json_set(engine, "proven", json_boolean(pick->proven));
    tn_json_set(engine, "exact", json_boolean(pick->exact));
    tn_json_set(json, "engine", engine);
    tn_json_set_str(json, "name", pick->engine->name);
    tn_json_set_str(json, "verdict", tn_verdict_name(pick->verdict));
}

/* How many devices of the class run an engine of this release. */
static int64_t running_it(const struct class *class, const struct release *release)
{
    int64_t count = 0;

    for (size_t i = 0; i < class->devices.count; i++) {
        const struct action *installed = action_installed(class->devices.item[i], release->model);

        count += installed && installed->engine->release == release;
    }
    return count;
}

static json_t *row_json(struct tn_fleet *fleet, struct class *class, const struct release *release,
                        bool why)
{
    const struct candidate *pick = map_pick(fleet, class, release);
    const struct tn_fleet_device *one = class->devices.item[0];
    int runtime = pick ? pick->runtime : 0;
    json_t *json = json_object();
    char text[TN_RUNTIME_TEXT];

    class_runtime_text(class, runtime, text);
    tn_json_set_str(json, "model", release->model);
    tn_json_set_str(json, "version", release->version);
    tn_json_set_str(json, "platform", class->facts.platform);
    tn_json_set_str(json, "runtime", text);
    tn_json_set_str(json, "class", class->gpu_class);
    tn_json_set_str(json, "class_key", class->proof_key[runtime]);
    tn_json_set_str(json, "gpu", tn_pairs_get(&one->attributes, "gpu.product"));
    tn_json_set_int(json, "cuda", class->facts.cuda);
    tn_json_set_str(json, "delivery", class->delivery);
    tn_json_set_int(json, "devices", (int64_t) class->devices.count);
    tn_json_set_int(json, "running", running_it(class, release));
    tn_json_set_int(json, "waiting", map_waiting(fleet, class, release));
    tn_json_set_str(json, "state", pick ? "engine" : "hole");
    if (pick) {
        set_engine(json, pick);
    } else {
        tn_json_set(json, "engine", json_null());
        tn_json_set(json, "name", json_null());
        tn_json_set(json, "verdict", json_null());
    }
    if (why)
        tn_json_set(json, "why", match_why(fleet, class, release));
    return json;
}

static int by_class(const void *a, const void *b)
{
    const struct class *const *x = a;
    const struct class *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

static void add_rows(struct tn_fleet *fleet, const struct list *classes,
                     const struct release *release, bool why, json_t *array)
{
    for (size_t i = 0; i < classes->count; i++)
        (void)json_array_append_new(array, row_json(fleet, classes->item[i], release, why));
}

/* Without a version: what runs of it now, else what `stable` means, else the newest. */
static bool is_meant(const struct tn_fleet *fleet, const struct release *release)
{
    const struct channel *stable = channel_find(fleet, release->model, "stable");
    bool newest = true;
    bool deployed = false;

    for (size_t i = 0; i < fleet->running.count; i++) {
        const struct deployment *deployment = fleet->running.item[i];

        if (deployment->release == release)
            return true;
        deployed =
            deployed || (deployment->release && strcmp(deployment->model, release->model) == 0);
    }
    if (deployed)
        return false;
    if (stable)
        return strcmp(stable->version, release->version) == 0;
    for (size_t i = 0; i < fleet->release_list.count; i++) {
        const struct release *other = fleet->release_list.item[i];

        if (other != release && strcmp(other->model, release->model) == 0 &&
            (other->created_ms > release->created_ms ||
             (other->created_ms == release->created_ms &&
              strcmp(other->version, release->version) > 0)))
            newest = false;
    }
    return newest;
}

static int sorted_classes(const struct tn_fleet *fleet, struct list *ret_classes,
                          struct tn_error *err)
{
    struct class *class;
    size_t at = 0;
    int rc = TN_OK;

    while (rc == TN_OK && (class = tn_map_next(&fleet->classes, &at)) != NULL)
        rc = list_add(ret_classes, class, err);
    if (ret_classes->count > 1)
        qsort(ret_classes->item, ret_classes->count, sizeof(void *), by_class);
    return rc;
}

json_t *tn_fleet_map_json(struct tn_fleet *fleet, const char *model, const char *version, bool why,
                          struct tn_error *err)
{
    tn_auto(list_done) struct list classes = { .item = NULL };
    tn_auto(tn_json_done) json_t *array = json_array();
    const char *meant = model && version ? tn_fleet_channel(fleet, model, version) : NULL;
    bool found = false;
    int rc = array ? sorted_classes(fleet, &classes, err) : tn_fail(err, TN_E_NOMEM, "the map");

    for (size_t i = 0; rc == TN_OK && i < fleet->release_list.count; i++) {
        const struct release *release = fleet->release_list.item[i];

        if ((model && strcmp(release->model, model) != 0) ||
            (version ? strcmp(release->version, meant ? meant : version) != 0
                     : !is_meant(fleet, release)))
            continue;
        found = true;
        add_rows(fleet, &classes, release, why, array);
    }
    if (rc == TN_OK && !found && model)
        rc = tn_fail(err, TN_E_NOTFOUND, "no release%s %.80s%s%.80s",
                     version ? " or channel" : " of model", model, version ? "@" : "",
                     version ? version : "");
    return rc < 0 ? NULL : json_incref(array);
}
