/*
 * What a device says it runs already (DDI: PUT installedBase). It names a release; which of its
 * engines that is follows from the device's class where only one can be meant.
 */
#include "fleet/fleet_priv.h"

#include <stdlib.h>
#include <string.h>

bool declared_forget(struct tn_fleet_device *device, const char *model)
{
    if (!device->declared_model || strcmp(device->declared_model, model) != 0)
        return false;
    free(device->declared_model);
    free(device->declared_version);
    device->declared_model = device->declared_version = NULL;
    return true;
}

/* The only engine of the release that the device's class can load; of those that may load only
 * where none is sure to. NULL = none, or several. */
static struct engine *only_candidate(struct tn_fleet *fleet, const struct tn_fleet_device *device,
                                     const struct release *release)
{
    for (int may_load = 0; device->class && may_load <= 1; may_load++) {
        const struct match *match = match_get(fleet, device->class, release, may_load);

        if (match && match->count > 0)
            return match->count == 1 ? match->candidate[0].engine : NULL;
    }
    return NULL;
}

/* Model and version alone. */
static int keep_words(struct tn_fleet *fleet, struct tn_fleet_device *device,
                      const struct release *release, bool *ret_changed, struct tn_error *err)
{
    char *model = NULL;
    char *version = NULL;
    int rc;

    if (device->declared_model && strcmp(device->declared_model, release->model) == 0 &&
        strcmp(device->declared_version, release->version) == 0)
        return TN_OK;
    rc = copy_text(release->model, &model, err);
    if (rc == TN_OK)
        rc = copy_text(release->version, &version, err);
    if (rc < 0) {
        free(model);
        return rc;
    }
    free(device->declared_model);
    free(device->declared_version);
    device->declared_model = model;
    device->declared_version = version;
    *ret_changed = true;
    return device_put(fleet, device, err);
}

/* What it was to install of the model, and has not fetched, is decided anew. */
static int drop_pending(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *model,
                        int64_t now_ms, struct tn_error *err)
{
    struct action *active = device->active;

    if (!active || !action_unfetched(active) || strcmp(active->engine->release->model, model) != 0)
        return TN_OK;
    return action_withdraw(fleet, active, "the device says what it runs", now_ms, err);
}

static int keep_engine(struct tn_fleet *fleet, struct tn_fleet_device *device,
                       struct engine *engine, int64_t now_ms, bool *ret_changed,
                       struct tn_error *err)
{
    const struct action *installed = action_installed(device, engine->release->model);
    int rc;

    if (installed && installed->engine == engine)
        return TN_OK;
    rc = drop_pending(fleet, device, engine->release->model, now_ms, err);
    if (rc == TN_OK)
        rc = action_declare(fleet, device, engine, now_ms, err);
    if (rc < 0)
        return rc;
    *ret_changed = true;
    return declared_forget(device, engine->release->model) ? device_put(fleet, device, err) : TN_OK;
}

int tn_fleet_declare(struct tn_fleet *fleet, struct tn_fleet_device *device, const char *model,
                     const char *version, const char *digest, int64_t now_ms, bool *ret_changed,
                     struct tn_error *err)
{
    const struct release *release = release_there(fleet, model, version);
    struct engine *engine;
    bool changed = false;
    int rc;

    if (!release)
        return tn_fail(err, TN_E_NOTFOUND, "no release %.80s@%.80s", model, version);
    engine = digest ? engine_of_release(release, digest) : only_candidate(fleet, device, release);
    if (digest && !engine)
        return tn_fail(err, TN_E_NOTFOUND, "%.80s@%.80s has no engine %.64s", model, version,
                       digest);
    rc = engine ? keep_engine(fleet, device, engine, now_ms, &changed, err)
                : keep_words(fleet, device, release, &changed, err);
    if (rc == TN_OK && changed)
        rc = deploy_device(fleet, device, now_ms, err);
    if (rc == TN_OK)
        *ret_changed = changed;
    return rc;
}
