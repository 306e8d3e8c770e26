/* Whatever happened to a fleet, a restart shows it as it was; and a commit that fails leaves what
 * the one before it left. Random operations, the same ones in each run. */
#include "fixture.h"

#include "fleet/fleet_priv.h"
#include "store/outcome.h"

enum { RUNS = 24, STEPS = 160, DEVICES = 6, PLANS = 24, SAME_EVERY = 20 };

static const char *const versions[] = { "1", "10", "2", "9" };
static const char *const channels[] = { "stable", "next" };
static const struct board *const boards[] = { &ada, &small_ada, &ampere, &orin };

struct model {
    struct place place;
    uint64_t random;
    int64_t now;
    char last[64]; /* what was done last */
    struct {
        char hex[TN_DIGEST_HEX];
        json_t *record;
    } plan[PLANS];
    size_t plans;
    char token[8][17]; /* ids */
    size_t tokens;
    int64_t position;
};

/* ---- chance ---- */

static uint64_t below(struct model *model, uint64_t count)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % count;
}

static bool chance(struct model *model, uint64_t in)
{
    return below(model, in) == 0;
}

#define ONE_OF(model, list) (list)[below(model, TN_COUNT(list))]

static struct tn_fleet_device *some_device(struct model *model)
{
    char id[8];

    (void)snprintf(id, sizeof(id), "d%d", (int)below(model, DEVICES));
    return tn_fleet_device(model->place.fleet, id);
}

static const char *some_plan(struct model *model)
{
    return model->plans ? model->plan[below(model, model->plans)].hex : "000000000000";
}

static int64_t some_deployment(struct model *model)
{
    return 1 + (int64_t)below(model, (uint64_t)model->place.fleet->next_deployment);
}

/* ---- what may happen ---- */

typedef int (*step_fn)(struct model *model, struct tn_error *err);

static int step_enroll(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device;
    char id[8];

    (void)snprintf(id, sizeof(id), "d%d", (int)below(model, DEVICES));
    return tn_fleet_enroll(model->place.fleet, id, chance(model, 4) ? "secret" : NULL, "gateway",
                           model->now, &device, err);
}

static int step_attributes(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);
    json_t *attributes = chance(model, 8)
                             ? json_object()
                             : attributes_of(ONE_OF(model, boards), (enum which)below(model, 3));
    int rc = device ? tn_fleet_attributes(model->place.fleet, device, TN_ATTRIBUTES_REPLACE,
                                          attributes, model->now, err)
                    : TN_OK;

    json_decref(attributes);
    return rc;
}

static int step_label(struct model *model, struct tn_error *err)
{
    static const char *const values[] = { "north", "south", NULL };
    struct tn_fleet_device *device = some_device(model);
    bool delivery = chance(model, 4);

    if (!device)
        return TN_OK;
    return tn_fleet_label(model->place.fleet, device, delivery ? "delivery" : "site",
                          delivery ? (chance(model, 2) ? "swupdate" : NULL) : ONE_OF(model, values),
                          "test", model->now, err);
}

static int step_remove(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = chance(model, 3) ? some_device(model) : NULL;

    return device ? tn_fleet_device_remove(model->place.fleet, device, "test", model->now, err)
                  : TN_OK;
}

static int step_device_token(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);
    char token[65];

    return device ? tn_fleet_token_new(model->place.fleet, device, chance(model, 2) ? token : NULL,
                                       "test", model->now, err)
                  : TN_OK;
}

static int step_poll(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);

    if (chance(model, 3))
        return tn_fleet_poll_set(model->place.fleet, device, (int64_t)below(model, 4) * 60, "test",
                                 model->now, err);
    if (device)
        tn_fleet_seen(model->place.fleet, device, model->now);
    return TN_OK;
}

static int step_release(struct model *model, struct tn_error *err)
{
    const char *version = ONE_OF(model, versions);

    if (release_find(model->place.fleet, "m", version))
        return TN_OK;
    (void)err;
    add_release(&model->place, "m", version);
    return TN_OK;
}

static int step_release_remove(struct model *model, struct tn_error *err)
{
    return chance(model, 4)
               ? tn_fleet_release_remove(model->place.fleet, "m", ONE_OF(model, versions), "test",
                                         model->now, err)
               : TN_OK;
}

static void make_plan_of(struct model *model)
{
    static const char *const precisions[] = { "int8", "fp16", "fp32" };
    const struct engine_options options = { .portable = chance(model, 4) };
    enum which which = (enum which)below(model, 3);
    struct made plan;
    struct tn_digest digest;

    made_engine(&model->place, ONE_OF(model, boards), which, &options, &plan);
    digest = put_blob(&model->place, plan.data, plan.size);
    tn_digest_hex(&digest, model->plan[model->plans].hex);
    model->plan[model->plans++].record = record_for(&plan, which, ONE_OF(model, precisions));
}

/* A new one, or one that another release has already. */
static int step_engine(struct model *model, struct tn_error *err)
{
    if (model->plans < PLANS && (model->plans == 0 || !chance(model, 3)))
        make_plan_of(model);
    return tn_fleet_engine_add(model->place.fleet, "m", ONE_OF(model, versions),
                               model->plan[below(model, model->plans)].record, "test", model->now,
                               err);
}

static int step_revoke(struct model *model, struct tn_error *err)
{
    return chance(model, 4) ? tn_fleet_engine_revoke(model->place.fleet, some_plan(model), "bad",
                                                     "test", model->now, err)
                            : TN_OK;
}

static int step_pin(struct model *model, struct tn_error *err)
{
    return tn_fleet_engine_pin(model->place.fleet, some_plan(model), chance(model, 2), "test",
                               model->now, err);
}

static int step_attach(struct model *model, struct tn_error *err)
{
    char text[16];
    struct tn_digest file;

    (void)snprintf(text, sizeof(text), "swu %d", (int)below(model, 4));
    file = put_blob(&model->place, text, strlen(text));
    return tn_fleet_attach(model->place.fleet, some_plan(model), "swupdate", "a.swu", &file, "test",
                           model->now, err);
}

static int step_channel(struct model *model, struct tn_error *err)
{
    return tn_fleet_channel_set(model->place.fleet, "m", ONE_OF(model, channels),
                                ONE_OF(model, versions), "test", model->now, err);
}

static int step_deploy(struct model *model, struct tn_error *err)
{
    static const char *const filters[] = { NULL, "site=north", "site!=north", "cc=8.9", "trt" };
    static const char *const types[] = { NULL, "soft", "download-only" };
    bool fixed = chance(model, 2);
    const struct tn_deploy deploy = { .model = "m",
                                      .version = fixed ? ONE_OF(model, versions) : NULL,
                                      .channel = fixed ? NULL : ONE_OF(model, channels),
                                      .filter = ONE_OF(model, filters),
                                      .first = chance(model, 3) ? 1 + (int64_t)below(model, 3) : 0,
                                      .accept_may_load = chance(model, 3),
                                      .type = ONE_OF(model, types) };
    int64_t id;

    return tn_fleet_deploy(model->place.fleet, &deploy, "test", model->now, &id, err);
}

static int step_deployment(struct model *model, struct tn_error *err)
{
    static const char *const states[] = { "running", "paused", "running", "paused", "stopped" };

    if (chance(model, 6))
        return tn_fleet_deployment_force(model->place.fleet, some_deployment(model), "test",
                                         model->now, err);
    return tn_fleet_deployment_set(model->place.fleet, some_deployment(model),
                                   ONE_OF(model, states), "why", "test", model->now, err);
}

static int step_retrieve(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);
    struct tn_fleet_action action;

    return device && tn_fleet_action(model->place.fleet, device, &action)
               ? tn_fleet_retrieved(model->place.fleet, device, action.id, model->now, err)
               : TN_OK;
}

/* What the device says of its action, or of what it is to cancel. */
static int step_feedback(struct model *model, struct tn_error *err)
{
    static const char *const executions[] = { "closed",     "closed",   "closed",   "closed",
                                              "proceeding", "canceled", "rejected", "downloaded" };
    static const char *const reasons[] = { "run-failed", "driver-old" };
    struct tn_fleet_device *device = some_device(model);
    struct tn_fleet_action action;
    bool well = !chance(model, 3);
    json_t *word = json_pack("{s:s,s:s,s:b,s:f,s:s}", "result", well ? "ok" : "failed", "reason",
                             ONE_OF(model, reasons), "lasting", 1, "seconds", 0.75, "by", "trial");
    const struct tn_feedback feedback = { .execution = ONE_OF(model, executions),
                                          .finished = well ? "success" : "failure",
                                          .code = INT64_MIN,
                                          .engine = chance(model, 2) ? word : NULL };
    int rc = TN_OK;

    if (device && tn_fleet_action(model->place.fleet, device, &action))
        rc = (action.canceling && chance(model, 2) ? tn_fleet_cancel_feedback : tn_fleet_feedback)(
            model->place.fleet, device, action.id, &feedback, model->now, err);
    json_decref(word);
    return rc;
}

static int step_cancel(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);
    struct tn_fleet_action action;

    return device && tn_fleet_action(model->place.fleet, device, &action)
               ? tn_fleet_cancel(model->place.fleet, action.id, "test", model->now, err)
               : TN_OK;
}

static int step_outcome(struct model *model, struct tn_error *err)
{
    static const char *const spools[] = { "one", "two" };
    static const char *const names[] = { "trt10.6.0.26", "trt10.9.0.34", "" };
    struct tn_outcome outcome = { .by = TN_OUTCOME_APPLICATION,
                                  .result = chance(model, 2) ? TN_OUTCOME_OK : TN_OUTCOME_FAILED,
                                  .lasting = true,
                                  .class_name = "run-failed",
                                  .seconds = 0.5 };
    struct tn_fleet_device *device = some_device(model);
    struct tn_outcomes answer;
    json_t *body, *line;
    int rc;

    if (!device || tn_digest_parse(some_plan(model), &outcome.digest, NULL) < 0)
        return TN_OK;
    (void)snprintf(outcome.runtime, sizeof(outcome.runtime), "%s", ONE_OF(model, names));
    line = tn_outcome_to_json(&outcome);
    tn_json_set_int(line, "position", ++model->position);
    body = json_pack("{s:s,s:[o]}", "spool", ONE_OF(model, spools), "outcomes", line);
    rc = tn_fleet_outcomes(model->place.fleet, device, body, model->now, &answer, err);
    json_decref(body);
    return rc;
}

static int step_override(struct model *model, struct tn_error *err)
{
    const struct tn_fleet_device *device = some_device(model);

    return device && device->class ? tn_fleet_override(model->place.fleet, some_plan(model),
                                                       device->class->proof_key[0],
                                                       chance(model, 2) ? "allow" : "stop", "test",
                                                       model->now, err)
                                   : TN_OK;
}

static int step_declare(struct model *model, struct tn_error *err)
{
    struct tn_fleet_device *device = some_device(model);
    bool changed;

    return device ? tn_fleet_declare(model->place.fleet, device, "m", ONE_OF(model, versions),
                                     chance(model, 2) ? some_plan(model) : NULL, model->now,
                                     &changed, err)
                  : TN_OK;
}

static int step_role(struct model *model, struct tn_error *err)
{
    char token[65];

    if (model->tokens == TN_COUNT(model->token))
        return tn_fleet_role_token_revoke(model->place.fleet, model->token[below(model, 8)], "test",
                                          model->now, err);
    return tn_fleet_role_token_new(model->place.fleet, TN_ROLE_VIEWER, NULL, token,
                                   model->token[model->tokens++], "test", model->now, err);
}

static int step_keep(struct model *model, struct tn_error *err)
{
    int rc = tn_fleet_forget_actions(model->place.fleet, model->now, 3, err);

    return rc < 0 ? rc : tn_fleet_keep_anew(model->place.fleet, err);
}

/* Also back. */
static int step_time(struct model *model, struct tn_error *err)
{
    (void)err;
    model->now += (int64_t)below(model, 1000) * 1000;
    if (chance(model, 20))
        model->now += INT64_C(91) * 24 * 3600 * 1000;
    if (chance(model, 10))
        model->now -= model->now / 3;
    return TN_OK;
}

static const struct {
    const char *name;
    step_fn step;
    unsigned weight;
} steps[] = {
    { "enroll", step_enroll, 6 },
    { "attributes", step_attributes, 10 },
    { "label", step_label, 6 },
    { "device rm", step_remove, 3 },
    { "device token", step_device_token, 1 },
    { "poll", step_poll, 3 },
    { "release", step_release, 4 },
    { "release rm", step_release_remove, 2 },
    { "engine", step_engine, 12 },
    { "revoke", step_revoke, 2 },
    { "pin", step_pin, 1 },
    { "attach", step_attach, 3 },
    { "channel", step_channel, 4 },
    { "deploy", step_deploy, 6 },
    { "deployment", step_deployment, 6 },
    { "retrieve", step_retrieve, 8 },
    { "feedback", step_feedback, 24 },
    { "cancel", step_cancel, 2 },
    { "outcome", step_outcome, 8 },
    { "override", step_override, 2 },
    { "declare", step_declare, 3 },
    { "role", step_role, 1 },
    { "keep", step_keep, 2 },
    { "time", step_time, 6 },
};

/* What is refused changes nothing and hurts nothing. */
static void step(struct model *model)
{
    struct tn_error err = { 0 };
    unsigned all = 0;
    uint64_t at;
    size_t i = 0;

    for (size_t k = 0; k < TN_COUNT(steps); k++)
        all += steps[k].weight;
    for (at = below(model, all); at >= steps[i].weight; i++)
        at -= steps[i].weight;
    (void)snprintf(model->last, sizeof(model->last), "%s", steps[i].name);
    (void)steps[i].step(model, &err);
    if (model->place.fleet->damaged)
        fail_msg("%s: %s", model->last, err.text);
}

/* ---- all that can be seen ---- */

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Lists whose order says nothing. */
static json_t *sorted(json_t *list_steal)
{
    size_t count = json_array_size(list_steal);
    char **line = calloc(count + 1, sizeof(*line));
    json_t *list = json_array();

    assert_non_null(line);
    for (size_t i = 0; i < count; i++)
        line[i] = json_dumps(json_array_get(list_steal, i), JSON_SORT_KEYS | JSON_ENCODE_ANY);
    qsort(line, count, sizeof(*line), by_text);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, json_string(line[i]));
        free(line[i]);
    }
    free(line);
    json_decref(list_steal);
    return list;
}

static void see_device(struct model *model, struct tn_fleet_device *device, json_t *all)
{
    struct tn_fleet *fleet = model->place.fleet;
    json_t *json = tn_fleet_device_json(fleet, device);
    struct tn_fleet_action action;
    json_t *files = json_array();

    tn_json_set(json, "wants", json_boolean(tn_fleet_wants_attributes(device)));
    if (tn_fleet_action(fleet, device, &action))
        tn_json_set(json, "offer",
                    json_pack("{s:I,s:s,s:s,s:i,s:s}", "id", (json_int_t)action.id, "state",
                              action.state, "digest", action.digest, "how", (int)action.assignment,
                              "file", action.file_name));
    if (tn_fleet_installed(fleet, device, &action))
        tn_json_set_int(json, "runs", action.id);
    for (size_t i = 0; i < PLANS; i++) {
        struct tn_digest digest = { { 0 } };

        (void)tn_digest_parse(model->plan[i].hex, &digest, NULL);
        (void)json_array_append_new(files,
                                    json_boolean(tn_fleet_may_download(fleet, device, &digest)));
    }
    tn_json_set(json, "files", files);
    tn_json_set(all, device->id, json);
}

static json_t *see_devices(struct model *model)
{
    json_t *all = json_object();

    for (size_t i = 0; i < model->place.fleet->device_list.count; i++)
        see_device(model, model->place.fleet->device_list.item[i], all);
    return all;
}

static json_t *see_releases(struct model *model)
{
    struct tn_fleet *fleet = model->place.fleet;
    json_t *all = json_object();

    for (size_t i = 0; i < TN_COUNT(versions); i++) {
        json_t *json = tn_fleet_release_json(fleet, "m", versions[i]);

        if (!json)
            continue;
        tn_json_set(json, "engines", sorted(json_incref(json_object_get(json, "engines"))));
        tn_json_set(json, "channels", sorted(json_incref(json_object_get(json, "channels"))));
        tn_json_set(all, versions[i], json);
    }
    for (size_t i = 0; i < model->plans; i++) {
        json_t *json = tn_fleet_engine_json(fleet, model->plan[i].hex);

        if (json)
            tn_json_set(all, model->plan[i].hex, json);
    }
    return all;
}

static json_t *see_map(struct model *model)
{
    json_t *all = json_object();

    for (size_t i = 0; i < TN_COUNT(versions); i++) {
        json_t *rows = release_there(model->place.fleet, "m", versions[i])
                           ? tn_fleet_map_json(model->place.fleet, "m", versions[i], true, NULL)
                           : json_array();
        json_t *row;
        size_t at;

        json_array_foreach(rows, at, row)
        {
            /* of whichever device of the class comes first */
            (void)json_object_del(row, "gpu");
            tn_json_set(row, "why", sorted(json_incref(json_object_get(row, "why"))));
        }
        tn_json_set(all, versions[i], sorted(rows));
    }
    return all;
}

static json_t *see_deployments(struct model *model)
{
    json_t *all = json_array();

    for (int64_t id = 1; id < model->place.fleet->next_deployment; id++)
        (void)json_array_append_new(all, tn_fleet_deployment_json(model->place.fleet, id));
    return all;
}

static json_t *see_actions(struct model *model)
{
    json_t *all = json_array();

    for (int64_t id = 1; id < model->place.fleet->next_action; id++) {
        json_t *json = tn_fleet_action_json(model->place.fleet, id);

        if (json)
            (void)json_array_append_new(all, json);
    }
    return all;
}

static json_t *see_kept(struct model *model)
{
    json_t *all = json_array();

    WELL(tn_fleet_keep_anew(model->place.fleet, &err));
    for (size_t i = 0; i < PLANS; i++) {
        struct tn_digest digest = { { 0 } };

        (void)tn_digest_parse(model->plan[i].hex, &digest, NULL);
        (void)json_array_append_new(all,
                                    json_boolean(tn_fleet_keeps_blob(&digest, model->place.fleet)));
    }
    return all;
}

/* Counters of this start, and series that nobody has counted in, are not kept. */
static void see_figure(const char *metric, const char *labels, double value, void *user)
{
    static const char *const of_start[] = { "matches_total", "match_seconds_bucket",
                                            "match_seconds_sum", "match_seconds_count",
                                            "assignments_total" };
    char text[1200];

    for (size_t i = 0; i < TN_COUNT(of_start); i++)
        if (strcmp(metric, of_start[i]) == 0)
            return;
    if (strcmp(metric, "engine_loads_total") == 0 && value < 1)
        return;
    (void)snprintf(text, sizeof(text), "%s{%s} %g", metric, labels, value);
    (void)json_array_append_new(user, json_string(text));
}

static json_t *see_figures(struct model *model)
{
    json_t *all = json_array();

    tn_fleet_figures(model->place.fleet, model->now, see_figure, all);
    return sorted(all);
}

static json_t *see(struct model *model)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I}", "devices", see_devices(model),
                     "releases", see_releases(model), "map", see_map(model), "deployments",
                     see_deployments(model), "actions", see_actions(model), "kept", see_kept(model),
                     "figures", see_figures(model), "tokens",
                     sorted(tn_fleet_tokens_json(model->place.fleet)), "next_action",
                     (json_int_t)model->place.fleet->next_action);
}

/* Says where two views differ. */
static void assert_same(const struct model *model, const char *when, const char *path,
                        const json_t *before, const json_t *after)
{
    const char *key;
    json_t *one;
    size_t at;

    if (json_equal(before, after))
        return;
    if (json_is_object(before) && json_object_size(before) == json_object_size(after)) {
        json_object_foreach((json_t *)(uintptr_t)before, key, one)
        {
            char below_it[200];

            (void)snprintf(below_it, sizeof(below_it), "%s.%s", path, key);
            assert_same(model, when, below_it, one, json_object_get(after, key));
        }
    }
    if (json_is_array(before) && json_array_size(before) == json_array_size(after)) {
        json_array_foreach(before, at, one)
        {
            char below_it[200];

            (void)snprintf(below_it, sizeof(below_it), "%s[%zu]", path, at);
            assert_same(model, when, below_it, one, json_array_get(after, at));
        }
    }
    fail_msg("%s, after '%s', %s was %s and is %s", when, model->last, path,
             json_dumps(before, JSON_ENCODE_ANY | JSON_SORT_KEYS),
             json_dumps(after, JSON_ENCODE_ANY | JSON_SORT_KEYS));
}

/* ---- the runs ---- */

static struct model model_new(uint64_t run)
{
    struct model model = { .place = place_new(),
                           .random = run * UINT64_C(0x9e3779b97f4a7c15) + 1,
                           .now = INT64_C(1795400000000) };

    model.place.options.pause_devices = 3;
    place_restart(&model.place);
    return model;
}

static void model_done(struct model *model)
{
    place_done(&model->place);
    for (size_t i = 0; i < model->plans; i++)
        json_decref(model->plan[i].record);
}

static void flush(struct model *model)
{
    WELL(tn_fleet_flush_seen(model->place.fleet, model->now, 0, &err));
}

/* Many runs of random steps; every so many of them `compare` says whether all is as it was. */
static void often(void (*compare)(struct model *model, const char *when))
{
    for (uint64_t run = 1; run <= RUNS; run++) {
        struct model model = model_new(run);

        for (int i = 1; i <= STEPS; i++) {
            char when[48];

            step(&model);
            if (i % SAME_EVERY != 0)
                continue;
            (void)snprintf(when, sizeof(when), "run %d, step %d", (int)run, i);
            compare(&model, when);
        }
        model_done(&model);
    }
}

static void compare_restarted(struct model *model, const char *when)
{
    tn_auto(tn_json_done) json_t *before = NULL;
    tn_auto(tn_json_done) json_t *after = NULL;

    flush(model);
    place_commit(&model->place);
    before = see(model);
    place_restart(&model->place);
    after = see(model);
    assert_same(model, when, "", before, after);
}

TEST(fleet__is_after_a_restart_what_it_was_before)
{
    often(compare_restarted);
}

/* A poll that was heard in between stays heard, which is right: here it is not looked at. */
static json_t *see_without_polls(struct model *model)
{
    json_t *all = see(model), *device;
    const char *id;

    json_object_foreach(json_object_get(all, "devices"), id, device)
    {
        (void)json_object_del(device, "seen");
        (void)json_object_del(device, "seen_ms");
    }
    (void)json_object_del(all, "figures");
    return all;
}

static void compare_failed(struct model *model, const char *when)
{
    tn_auto(tn_json_done) json_t *before = NULL;
    tn_auto(tn_json_done) json_t *after = NULL;

    place_commit(&model->place);
    before = see_without_polls(model);
    for (int k = 0; k < SAME_EVERY / 2; k++)
        step(model);
    (void)fleet_hurt(model->place.fleet, TN_E_NOMEM);
    assert_int_equal(tn_fleet_commit(model->place.fleet, NULL), TN_E_AGAIN);
    after = see_without_polls(model);
    assert_same(model, when, "", before, after);
}

TEST(fleet__is_after_a_commit_that_failed_what_the_last_one_left)
{
    often(compare_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fleet__is_after_a_restart_what_it_was_before),
        cmocka_unit_test(fleet__is_after_a_commit_that_failed_what_the_last_one_left),
    };

    return cmocka_run_group_tests_name("fleet/model", tests, NULL, NULL);
}
