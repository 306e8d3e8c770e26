/* Handing out engines: tn_get() behind the public interface. */
#include "api/loader.h"
#include "base/json.h"
#include "loader/get_json.h"

#include <stdlib.h>
#include <string.h>

/* ---- a loader ---- */

int tn_loader_open(const struct tn_loader_options *options, struct tn_loader **ret_loader,
                   struct tn_error *err)
{
    struct tn_loader_options mine;
    struct tn_loader *loader;
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    int rc = tn_api_options(&mine, sizeof(mine), options, options ? options->size : 0, err);

    if (rc == TN_OK && !ret_loader)
        rc = tn_fail(err, TN_E_USAGE, "tn_loader_open: ret_loader is needed");
    if (rc == TN_OK)
        rc = tn_store_open(mine.store, &store, err);
    if (rc < 0)
        return rc;
    loader = calloc(1, sizeof(*loader));
    if (!loader)
        return tn_fail(err, TN_E_NOMEM, "open a loader");
    loader->store = mine.store ? strdup(mine.store) : NULL;
    loader->python = mine.python ? strdup(mine.python) : NULL;
    if ((mine.store && !loader->store) || (mine.python && !loader->python))
        rc = tn_fail(err, TN_E_NOMEM, "open a loader");
    if (rc == TN_OK)
        rc = tn_memo_new(NULL, &loader->memo, err);
    if (rc < 0) {
        tn_loader_close(loader);
        return rc;
    }
    *ret_loader = loader;
    return TN_OK;
}

void tn_loader_close(struct tn_loader *loader)
{
    if (!loader)
        return;
    tn_memo_free(loader->memo);
    free(loader->store);
    free(loader->python);
    free(loader);
}

/* ---- options ---- */

struct watch {
    const struct tn_engine_options *options;
};

static bool show_event(const struct tn_get_event *event, void *user)
{
    const struct watch *watch = user;
    struct tn_engine_event out = { .size = sizeof(out),
                                   .rung = tn_precision_name(event->rung),
                                   .doing = event->doing,
                                   .phase = event->phase,
                                   .holder = event->holder,
                                   .elapsed_ms = event->elapsed / TN_NSEC_PER_MS };

    return watch->options->event(&out, watch->options->user);
}

static int level_of(const char *text, enum tn_level *ret_level, struct tn_error *err)
{
    *ret_level = TN_LEVEL_NONE;
    if (!text)
        return TN_OK;
    if (strcmp(text, "header") == 0)
        *ret_level = TN_LEVEL_HEADER;
    else if (strcmp(text, "loaded") == 0)
        *ret_level = TN_LEVEL_LOADED;
    else
        return tn_fail(err, TN_E_USAGE, "level is header or loaded, not '%.40s'", text);
    return TN_OK;
}

static int get_options_of(const struct tn_engine_options *options, struct watch *watch,
                          struct tn_get_options *ret_get, struct tn_error *err)
{
    const char *accept = options->accept ? options->accept : "loads";

    *ret_get =
        (struct tn_get_options) { .precision = options->precision,
                                  .shapes = options->shapes,
                                  .runtime = options->runtime,
                                  .gpu = options->gpu,
                                  .for_device = options->for_device,
                                  .accept_may_load = strcmp(accept, "may-load") == 0,
                                  .no_build = options->no_build,
                                  .retry = options->retry,
                                  .allow_host_code = options->allow_host_code,
                                  .no_verify = options->no_verify,
                                  .build_time_limit = options->build_time_limit_ms * TN_NSEC_PER_MS,
                                  .build_memory_bytes = options->build_memory_bytes,
                                  .event = options->event ? show_event : NULL,
                                  .user = watch };
    if (!ret_get->accept_may_load && strcmp(accept, "loads") != 0)
        return tn_fail(err, TN_E_USAGE, "accept is loads or may-load, not '%.40s'", accept);
    if (options->build_time_limit_ms < 0 || options->build_memory_bytes < 0)
        return tn_fail(err, TN_E_USAGE, "a limit of a build is negative");
    return level_of(options->level, &ret_get->level, err);
}

/* ---- an engine ---- */

/* Both ways to an engine; `load` is NULL when it is only to be got. */
static int hand_out(struct tn_loader *loader, const char *model,
                    const struct tn_engine_options *options, struct tn_load *load,
                    struct tn_engine **ret_engine, struct tn_error *err)
{
    struct watch watch = { options };
    struct tn_get_options get;
    struct tn_engine *engine;
    int rc = get_options_of(options, &watch, &get, err);

    if (rc < 0)
        return rc;
    engine = calloc(1, sizeof(*engine));
    if (!engine)
        return tn_fail(err, TN_E_NOMEM, "get an engine of '%s'", model);
    get.model = model;
    get.store = loader ? loader->store : NULL;
    get.python = loader ? loader->python : NULL;
    get.load = load;
    rc = tn_memo_get(loader ? loader->memo : NULL, &get, &engine->got, NULL, err);
    if (rc == TN_OK && !load)
        rc = tn_mapping_open(&engine->got.entry, &engine->plan, err);
    if (rc < 0) {
        tn_engine_close(engine);
        return rc;
    }
    if (load) {
        engine->plan = load->plan;
        engine->object = load->object;
    }
    *ret_engine = engine;
    return TN_OK;
}

int tn_engine_get(struct tn_loader *loader, const char *model,
                  const struct tn_engine_options *options, struct tn_engine **ret_engine,
                  struct tn_error *err)
{
    struct tn_engine_options mine;
    int rc = tn_api_options(&mine, sizeof(mine), options, options ? options->size : 0, err);

    if (rc == TN_OK && (!model || !ret_engine))
        rc = tn_fail(err, TN_E_USAGE, "tn_engine_get: model and ret_engine are needed");
    return rc < 0 ? rc : hand_out(loader, model, &mine, NULL, ret_engine, err);
}

int tn_engine_load(struct tn_loader *loader, const char *model,
                   const struct tn_engine_options *options, struct tn_engine **ret_engine,
                   struct tn_error *err)
{
    struct tn_engine_options mine;
    struct tn_load load;
    int rc = tn_api_options(&mine, sizeof(mine), options, options ? options->size : 0, err);

    if (rc == TN_OK && (!model || !ret_engine || !mine.deserialize))
        rc = tn_fail(err, TN_E_USAGE,
                     "tn_engine_load: model, options.deserialize and ret_engine are needed");
    if (rc < 0)
        return rc;
    load = (struct tn_load) { .deserialize = mine.deserialize, .user = mine.user };
    return hand_out(loader, model, &mine, &load, ret_engine, err);
}

void tn_engine_close(struct tn_engine *engine)
{
    if (!engine)
        return;
    tn_mapping_done(&engine->plan);
    tn_get_result_done(&engine->got);
    free(engine);
}

const char *tn_engine_path(const struct tn_engine *engine)
{
    return engine ? engine->got.entry.path : NULL;
}

const void *tn_engine_bytes(const struct tn_engine *engine, size_t *ret_bytes)
{
    if (ret_bytes)
        *ret_bytes = engine ? engine->plan.size : 0;
    return engine ? engine->plan.bytes : NULL;
}

void *tn_engine_object(const struct tn_engine *engine)
{
    return engine ? engine->object : NULL;
}

int tn_engine_report(const struct tn_engine *engine, char **ret_json, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;

    if (!engine || !ret_json)
        return tn_fail(err, TN_E_USAGE, "tn_engine_report: engine and ret_json are needed");
    json = tn_get_result_to_json(&engine->got);
    if (json)
        tn_json_set(json, "record", tn_record_to_json(&engine->got.entry.record));
    *ret_json = json ? tn_json_text(json) : NULL;
    return *ret_json ? TN_OK : tn_fail(err, TN_E_NOMEM, "report of an engine");
}
