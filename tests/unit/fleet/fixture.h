/*
 * A fleet in a folder of its own, with engines made of a few bytes: the plan of a board and a
 * release of TensorRT (make_plan.h), its record, and devices that have such boards.
 */
#ifndef TN_TEST_FLEET_FIXTURE_H
#define TN_TEST_FLEET_FIXTURE_H

#include "tn_test.h"

#include "../plan/make_plan.h"
#include "base/file.h"
#include "base/json.h"
#include "fleet/fleet.h"
#include "recipe/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW = 1000000 /* wall time of the tests in ms, where nothing depends on it */ };

struct place {
    char data[64], path[96];
    struct tn_db *db;
    struct tn_blobs *blobs;
    struct tn_fleet *fleet;
    struct tn_fleet_options options;
    int64_t engines; /* made so far: no two have the same bytes */
};

#define WELL(call)                                                                                 \
    do {                                                                                           \
        struct tn_error err = { 0 };                                                               \
        if ((call) != TN_OK)                                                                       \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static inline void place_open(struct place *place)
{
    WELL(tn_db_open(place->path, &place->db, &err));
    WELL(tn_blobs_open(place->data, &place->blobs, &err));
    WELL(tn_fleet_open(place->db, place->blobs, &place->options, &place->fleet, &err));
}

static inline void place_close(struct place *place)
{
    tn_fleet_close(place->fleet);
    tn_blobs_close(place->blobs);
    tn_db_close(place->db);
}

/* Memory-backed where that is possible: every commit is an fsync. */
static inline struct place place_new(void)
{
    struct place place = { .data = "" };

    (void)snprintf(place.data, sizeof(place.data), "%s/tenon-fleet-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(place.data));
    (void)snprintf(place.path, sizeof(place.path), "%s/tenond.db", place.data);
    place_open(&place);
    return place;
}

static inline void place_commit(struct place *place)
{
    WELL(tn_fleet_commit(place->fleet, &err));
}

/* What a restart of the server does. */
static inline void place_restart(struct place *place)
{
    place_commit(place);
    place_close(place);
    place_open(place);
}

static inline void place_done(struct place *place)
{
    place_close(place);
    assert_int_equal(tn_dir_remove(place->data, NULL), TN_OK);
}

/* ---- blobs ---- */

static inline struct tn_digest put_blob(struct place *place, const void *data, size_t size)
{
    struct tn_upload *upload = NULL;
    struct tn_digest digest;

    WELL(tn_digest_of(data, size, &digest, &err));
    if (tn_blobs_has(place->blobs, &digest, NULL))
        return digest;
    WELL(tn_upload_open(place->blobs, &digest, 0, (int64_t)size, &upload, &err));
    WELL(tn_upload_write(upload, data, size, &err));
    WELL(tn_upload_commit(upload, &err));
    tn_upload_close(upload);
    return digest;
}

/* ---- boards ---- */

struct board {
    const char *product;
    uint32_t cc_major, cc_minor, sms, bus;
    uint64_t l2, memory;
    bool jetson;
};

static const struct board ada = { "ada", 8, 9, 128, 384, 75497472, UINT64_C(25393692672), false };
static const struct board small_ada = { "small-ada",           8,    9, 46, 192, 50331648,
                                        UINT64_C(12878086144), false };
static const struct board ampere = {
    "ampere", 8, 6, 82, 384, 6291456, UINT64_C(25438126080), false
};
static const struct board orin = { "orin", 8, 7, 16, 256, 4194304, UINT64_C(32211324928), true };

/** A runtime as the fixture knows it, with the generation of plans that it builds. */
enum which { TRT_10_6, TRT_10_9, RTX_1_7 };
static const struct {
    const char *attribute, *version, *flavor;
    size_t kind; /* in made_kinds */
} runtimes[] = {
    { "runtime.trt", "10.6.0.26", "tensorrt", 11 },
    { "runtime.trt", "10.9.0.34", "tensorrt", 12 },
    { "runtime.rtx", "1.7.1.116", "tensorrt-rtx", 14 },
};

/* ---- releases and engines ---- */

static inline void add_release(struct place *place, const char *model, const char *version)
{
    struct tn_digest digest = put_blob(place, "an onnx file", 12);
    char hex[TN_DIGEST_HEX];
    json_t *manifest;

    tn_digest_hex(&digest, hex);
    manifest =
        json_pack("{s:s,s:s,s:[{s:s,s:s,s:i,s:s}]}", "model", model, "version", version, "variants",
                  "precision", "fp32", "digest", hex, "bytes", 12, "name", "model.onnx");
    assert_non_null(manifest);
    WELL(tn_fleet_release_add(place->fleet, manifest, "test", NOW, &err));
    json_decref(manifest);
}

struct engine_options {
    const char *precision; /* NULL = fp16 */
    bool portable;         /* hardware compatibility ampere+ */
    uint64_t mask;         /* RTX; 0 = the default of the release */
};

static inline void made_engine(struct place *place, const struct board *board, enum which which,
                               const struct engine_options *options, struct made *ret_plan)
{
    struct made_facts facts = made_facts_of(&made_kinds[runtimes[which].kind]);

    facts.cc_major = board->cc_major;
    facts.cc_minor = board->cc_minor;
    facts.sms = board->sms;
    facts.bus = board->bus;
    facts.l2 = board->l2;
    facts.memory = board->memory;
    facts.integrated = board->jetson;
    facts.level = options->portable;
    if (options->mask)
        facts.mask = options->mask;
    if (board->jetson && which != RTX_1_7)
        facts.platform = "utrt";
    /* a few bytes more make every plan another one */
    facts.weights = 96 + 8 * (size_t)++place->engines;
    make_plan(ret_plan, &facts);
}

static inline json_t *record_for(const struct made *plan, enum which which, const char *precision)
{
    struct tn_record record = { .model_name = "m", .plan_bytes = (int64_t)plan->size };
    json_t *json;

    WELL(tn_digest_of(plan->data, plan->size, &record.digest, &err));
    for (int i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup(i == TN_RECIPE_FLAVOR        ? runtimes[which].flavor
                                        : i == TN_RECIPE_TRT_VERSION ? runtimes[which].version
                                        : i == TN_RECIPE_PRECISION   ? precision
                                                                     : "-");
    WELL(tn_recipe_key(&record.recipe, &record.key, &err));
    (void)snprintf(record.name, sizeof(record.name), "m_1x3_trt_%s_%s.engine",
                   runtimes[which].version, precision);
    json = tn_record_to_json(&record);
    assert_non_null(json);
    tn_record_done(&record);
    return json;
}

/* Uploads a plan and adds it to m@VERSION. @return its digest, as text in static storage */
static inline const char *add_engine_with(struct place *place, const char *version,
                                          const struct board *board, enum which which,
                                          const struct engine_options *options)
{
    static char hex[32][TN_DIGEST_HEX];
    static unsigned next;
    char *mine = hex[next++ % 32];
    struct made plan;
    struct tn_digest digest;
    json_t *record;

    made_engine(place, board, which, options, &plan);
    digest = put_blob(place, plan.data, plan.size);
    record = record_for(&plan, which, options->precision ? options->precision : "fp16");
    WELL(tn_fleet_engine_add(place->fleet, "m", version, record, "test", NOW, &err));
    json_decref(record);
    tn_digest_hex(&digest, mine);
    return mine;
}

static inline const char *add_engine(struct place *place, const char *version,
                                     const struct board *board, enum which which)
{
    return add_engine_with(place, version, board, which, &(struct engine_options) { 0 });
}

/* ---- devices ---- */

static inline json_t *attributes_of(const struct board *board, enum which which)
{
    char cc[16];

    (void)snprintf(cc, sizeof(cc), "%u.%u", board->cc_major, board->cc_minor);
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s}", "platform",
                     board->jetson ? "linux-aarch64-tegra" : "linux-x86_64", "cuda", "13.0",
                     "gpu.product", board->product, "gpu.compute_capability", cc, "gpu.sm_count",
                     (json_int_t)board->sms, "gpu.bus_bits", (json_int_t)board->bus, "gpu.l2_bytes",
                     (json_int_t)board->l2, "gpu.memory_bytes", (json_int_t)board->memory,
                     "gpu.integrated", board->jetson ? "true" : "false", runtimes[which].attribute,
                     runtimes[which].version);
}

static inline struct tn_fleet_device *device(struct place *place, const char *id)
{
    struct tn_fleet_device *device = tn_fleet_device(place->fleet, id);

    assert_non_null(device);
    return device;
}

static inline void give_attributes(struct place *place, const char *id, const struct board *board,
                                   enum which which)
{
    json_t *attributes = attributes_of(board, which);

    WELL(tn_fleet_attributes(place->fleet, device(place, id), TN_ATTRIBUTES_REPLACE, attributes,
                             NOW, &err));
    json_decref(attributes);
}

static inline struct tn_fleet_device *enroll(struct place *place, const char *id)
{
    struct tn_fleet_device *made = NULL;

    WELL(tn_fleet_enroll(place->fleet, id, NULL, "gateway", NOW, &made, &err));
    return made;
}

static inline struct tn_fleet_device *add_device(struct place *place, const char *id,
                                                 const struct board *board, enum which which)
{
    struct tn_fleet_device *made = enroll(place, id);

    give_attributes(place, id, board, which);
    return made;
}

static inline void label(struct place *place, const char *id, const char *name, const char *value)
{
    WELL(tn_fleet_label(place->fleet, device(place, id), name, value, "test", NOW, &err));
}

/* ---- deployments and actions ---- */

static inline int64_t deploy_with(struct place *place, struct tn_deploy deploy)
{
    int64_t id = 0;

    deploy.model = "m";
    WELL(tn_fleet_deploy(place->fleet, &deploy, "test", NOW, &id, &err));
    return id;
}

static inline int64_t deploy(struct place *place, const char *version)
{
    return deploy_with(place, (struct tn_deploy) { .version = version });
}

/* The engine that the device is offered now; "" = none. */
static inline const char *offered(struct place *place, const char *id)
{
    struct tn_fleet_action action;

    return tn_fleet_action(place->fleet, device(place, id), &action) ? action.digest : "";
}

static inline int64_t action_id(struct place *place, const char *id)
{
    struct tn_fleet_action action;

    assert_true(tn_fleet_action(place->fleet, device(place, id), &action));
    return action.id;
}

static inline int say(struct place *place, const char *id, int64_t action,
                      struct tn_feedback feedback)
{
    struct tn_error err = { 0 };

    feedback.code = INT64_MIN;
    return tn_fleet_feedback(place->fleet, device(place, id), action, &feedback, NOW, &err);
}

/* The device does what it was offered, and says how that went. */
static inline void finish(struct place *place, const char *id, bool well)
{
    assert_int_equal(say(place, id, action_id(place, id),
                         (struct tn_feedback) { .execution = "closed",
                                                .finished = well ? "success" : "failure" }),
                     TN_OK);
}

/* The same with the word of Tenon's own agent about the engine. */
static inline void finish_saying(struct place *place, const char *id, const char *result,
                                 const char *reason, bool lasting)
{
    json_t *word = json_pack("{s:s,s:s,s:b,s:f,s:s}", "result", result, "reason", reason, "lasting",
                             (int)lasting, "seconds", 0.75, "by", "application");

    assert_int_equal(
        say(place, id, action_id(place, id),
            (struct tn_feedback) { .execution = "closed",
                                   .finished = strcmp(result, "ok") == 0 ? "success" : "failure",
                                   .engine = word }),
        TN_OK);
    json_decref(word);
}

static inline const char *installed(struct place *place, const char *id)
{
    struct tn_fleet_action action;

    return tn_fleet_installed(place->fleet, device(place, id), &action) ? action.digest : "";
}

/* ---- rows of no fleet ---- */

/* It names what is not there: a fleet refuses to open over it. */
static inline struct tn_row_action stray_action(void)
{
    return (struct tn_row_action) { .id = 1,
                                    .device = "nobody",
                                    .deployment = 1,
                                    .model = "m",
                                    .version = "1",
                                    .digest = "00",
                                    .state = "pending" };
}

/* ---- figures ---- */

struct wanted {
    const char *metric, *part;
    double value;
    int found;
};

static inline void look(const char *metric, const char *labels, double value, void *user)
{
    struct wanted *wanted = user;

    if (strcmp(metric, wanted->metric) != 0 || !strstr(labels, wanted->part))
        return;
    wanted->found++;
    wanted->value = value;
}

static inline double figure(struct place *place, const char *metric, const char *part)
{
    struct wanted wanted = { .metric = metric, .part = part };

    tn_fleet_figures(place->fleet, NOW, look, &wanted);
    if (wanted.found != 1)
        fail_msg("%d figures %s{%s}", wanted.found, metric, part);
    return wanted.value;
}

static inline void assert_figure(struct place *place, const char *metric, const char *part,
                                 double value)
{
    double found = figure(place, metric, part);

    if (found < value || found > value)
        fail_msg("%s{%s} is %g, not %g", metric, part, found, value);
}

#endif
