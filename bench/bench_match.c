/*
 * The inside of the server without HTTP: matching, deploying, starting.
 *
 *   bench_match FOLDER     a new folder on the file system to be measured; one line of JSON per
 * figure
 *
 * 100 models with 100 engines each, of 100 different boards; devices of those boards.
 */
#include "../tests/unit/plan/make_plan.h"
#include "base/clock.h"
#include "fleet/fleet_priv.h"
#include "recipe/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MODELS = 100, BOARDS = 100, RUNS = 101, DEVICES = 100000, TRT_10_6 = 11 };

struct bench {
    const char *folder;
    struct tn_db *db;
    struct tn_blobs *blobs;
    struct tn_fleet *fleet;
};

static void need(int rc, const struct tn_error *err)
{
    if (rc == TN_OK)
        return;
    (void)fprintf(stderr, "bench_match: %s\n", err->text);
    exit(1);
}

static void report(const char *what, double value, const char *unit)
{
    (void)printf("{\"what\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n", what, value, unit);
    (void)fflush(stdout);
}

static void start(struct bench *bench)
{
    char path[512];
    struct tn_error err;

    (void)snprintf(path, sizeof(path), "%s/tenond.db", bench->folder);
    need(tn_db_open(path, &bench->db, &err), &err);
    need(tn_blobs_open(bench->folder, &bench->blobs, &err), &err);
    need(tn_fleet_open(bench->db, bench->blobs, NULL, &bench->fleet, &err), &err);
}

static void stop(struct bench *bench)
{
    tn_fleet_close(bench->fleet);
    tn_blobs_close(bench->blobs);
    tn_db_close(bench->db);
}

/* ---- engines ---- */

/* Two boards differ in their SMs, and every second also in the compute capability. */
static struct made_facts board(int number)
{
    struct made_facts facts = made_facts_of(&made_kinds[TRT_10_6]);

    facts.cc_minor = number % 2 ? 9 : 6;
    facts.sms = 20 + (uint32_t)number;
    return facts;
}

static void put_blob(struct bench *bench, const void *data, size_t size,
                     struct tn_digest *ret_digest)
{
    struct tn_upload *upload = NULL;
    struct tn_error err;

    need(tn_digest_of(data, size, ret_digest, &err), &err);
    need(tn_upload_open(bench->blobs, ret_digest, 0, (int64_t)size, &upload, &err), &err);
    need(tn_upload_write(upload, data, size, &err), &err);
    need(tn_upload_commit(upload, &err), &err);
    tn_upload_close(upload);
}

static json_t *record_of(const struct made *plan, const struct tn_digest *digest)
{
    struct tn_record record = {
        .digest = *digest, .plan_bytes = (int64_t)plan->size, .model_name = "m", .name = "m.engine"
    };
    struct tn_error err;
    json_t *json;

    for (int i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup(i == TN_RECIPE_FLAVOR        ? "tensorrt"
                                        : i == TN_RECIPE_TRT_VERSION ? "10.6.0.26"
                                        : i == TN_RECIPE_PRECISION   ? "fp16"
                                                                     : "-");
    need(tn_recipe_key(&record.recipe, &record.key, &err), &err);
    json = tn_record_to_json(&record);
    tn_record_done(&record);
    return json;
}

static void add_engine(struct bench *bench, const char *model, int number)
{
    struct made_facts facts = board(number);
    struct tn_digest digest;
    struct tn_error err;
    struct made plan;
    json_t *record;

    make_plan(&plan, &facts);
    memcpy(plan.data + plan.size - 64, model, 4); /* among the weights: every plan is another one */
    put_blob(bench, plan.data, plan.size, &digest);
    record = record_of(&plan, &digest);
    need(tn_fleet_engine_add(bench->fleet, model, "1", record, "bench", 1, &err), &err);
    json_decref(record);
}

static void publish(struct bench *bench)
{
    struct tn_error err;

    for (int i = 0; i < MODELS; i++) {
        char model[16];
        json_t *manifest;

        (void)snprintf(model, sizeof(model), "m%03d", i);
        manifest = json_pack("{s:s,s:s,s:[]}", "model", model, "version", "1", "variants");
        need(tn_fleet_release_add(bench->fleet, manifest, "bench", 1, &err), &err);
        json_decref(manifest);
        for (int k = 0; k < BOARDS; k++)
            add_engine(bench, model, k);
    }
    need(tn_fleet_commit(bench->fleet, &err), &err);
}

/* ---- devices ---- */

static json_t *attributes_of(int number, const char *cuda)
{
    struct made_facts facts = board(number % BOARDS);
    char cc[16];

    (void)snprintf(cc, sizeof(cc), "%u.%u", facts.cc_major, facts.cc_minor);
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s}", "platform", "linux-x86_64",
                     "cuda", cuda, "gpu.product", "board", "gpu.compute_capability", cc,
                     "gpu.sm_count", (json_int_t)facts.sms, "gpu.bus_bits", (json_int_t)facts.bus,
                     "gpu.l2_bytes", (json_int_t)facts.l2, "gpu.memory_bytes",
                     (json_int_t)facts.memory, "gpu.integrated", "false", "runtime.trt",
                     "10.6.0.26");
}

static void enroll_one(struct bench *bench, int number, const char *cuda)
{
    struct tn_fleet_device *device;
    json_t *attributes = attributes_of(number, cuda);
    struct tn_error err;
    char id[24];

    (void)snprintf(id, sizeof(id), "device-%07d", number);
    need(tn_fleet_enroll(bench->fleet, id, NULL, "gateway", 1, &device, &err), &err);
    need(tn_fleet_attributes(bench->fleet, device, TN_ATTRIBUTES_REPLACE, attributes, 1, &err),
         &err);
    json_decref(attributes);
}

static void enroll(struct bench *bench, int from, int to)
{
    struct tn_error err;

    for (int i = from; i < to; i++) {
        enroll_one(bench, i, "13.0");
        if (i % 1000 == 999)
            need(tn_fleet_commit(bench->fleet, &err), &err);
    }
    need(tn_fleet_commit(bench->fleet, &err), &err);
}

/* ---- figures ---- */

/* CPU time of this process: what others do on the machine does not count. */
static tn_nsec cpu_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (tn_nsec)now.tv_sec * TN_NSEC_PER_S + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

enum how { KNOWN, STALE, NEW };

/* A device of a known class; the same after every release has changed; one of a class that nobody
 * had before. */
static struct tn_fleet_device *device_for(struct bench *bench, enum how how, int run)
{
    for (size_t i = 0; how == STALE && i < bench->fleet->release_list.count; i++)
        ((struct release *)bench->fleet->release_list.item[i])->generation++;
    return bench->fleet->device_list.item[how == NEW ? DEVICES + run : run];
}

/* No two of them have the same CUDA. */
static void enroll_new_classes(struct bench *bench)
{
    for (int r = 0; r < RUNS; r++) {
        char cuda[24];

        (void)snprintf(cuda, sizeof(cuda), "13.%d", r + 1);
        enroll_one(bench, DEVICES + r, cuda);
    }
}

/* Microseconds to find the engines of all models for one device, median of many. */
static double match_us(struct bench *bench, enum how how)
{
    double run[RUNS];

    for (int r = 0; r < RUNS; r++) {
        struct tn_fleet_device *device = device_for(bench, how, r);
        int64_t made = bench->fleet->match_count;
        tn_nsec begun = cpu_now();
        size_t found = 0;

        for (size_t i = 0; i < bench->fleet->running.count; i++)
            found += deploy_pick(bench->fleet, device, bench->fleet->running.item[i]) != NULL;
        run[r] = (double)(cpu_now() - begun) / 1000;
        if (found != MODELS)
            need(TN_E_INVALID, &(struct tn_error) { .text = "a model without an engine" });
        if (how != KNOWN && bench->fleet->match_count - made != MODELS)
            need(TN_E_INVALID, &(struct tn_error) { .text = "a match that was known before" });
    }
    qsort(run, RUNS, sizeof(run[0]), by_value);
    return run[RUNS / 2];
}

/* CPU seconds of the deployment before. */
static double deploy_cpu_s;

/* Seconds to assign an engine to every device, durable. */
static double deploy_s(struct bench *bench, const char *model, int64_t devices, const char *to)
{
    struct tn_deploy deploy = { .model = model, .version = "1", .filter = to };
    struct tn_error err;
    tn_nsec begun = tn_clock_monotonic();
    tn_nsec cpu_begun = cpu_now();
    double seconds;
    json_t *json;
    int64_t id;

    need(tn_fleet_deploy(bench->fleet, &deploy, "bench", 1, &id, &err), &err);
    need(tn_fleet_commit(bench->fleet, &err), &err);
    seconds = (double)(tn_clock_monotonic() - begun) / (double)TN_NSEC_PER_S;
    deploy_cpu_s = (double)(cpu_now() - cpu_begun) / (double)TN_NSEC_PER_S;
    json = tn_fleet_deployment_json(bench->fleet, id);
    if (tn_json_int(json, "assigned", 0) != devices)
        need(TN_E_INVALID, &(struct tn_error) { .text = "not every device got its engine" });
    json_decref(json);
    need(tn_fleet_deployment_set(bench->fleet, id, "stopped", NULL, "bench", 1, &err), &err);
    need(tn_fleet_commit(bench->fleet, &err), &err);
    return seconds;
}

static double start_s(struct bench *bench)
{
    tn_nsec begun;

    stop(bench);
    begun = cpu_now();
    start(bench);
    return (double)(cpu_now() - begun) / (double)TN_NSEC_PER_S;
}

static void deploy_every_model(struct bench *bench)
{
    struct tn_error err;

    for (int i = 0; i < MODELS; i++) {
        char model[16];
        struct tn_deploy deploy = { .model = model, .version = "1", .filter = "id = nobody" };
        int64_t id;

        (void)snprintf(model, sizeof(model), "m%03d", i);
        need(tn_fleet_deploy(bench->fleet, &deploy, "bench", 1, &id, &err), &err);
    }
    need(tn_fleet_commit(bench->fleet, &err), &err);
}

int main(int argc, char **argv)
{
    static const char all[] = "platform=linux-x86_64";
    double of_10000;
    struct bench bench = { .folder = argc == 2 ? argv[1] : "" };
    struct tn_error err = { 0 };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: bench_match FOLDER\n");
        return 2;
    }
    need(tn_dir_make(bench.folder, 0700, &err), &err);
    start(&bench);
    enroll(&bench, 0, 10000);
    report("start with 10,000 devices", start_s(&bench), "CPU s");
    publish(&bench);
    report("start with 10,000 devices and 10,000 engines", start_s(&bench), "CPU s");
    report("deploy to 1,000 devices, durable",
           deploy_s(&bench, "m000", 1000, "id < device-0001000"), "s");
    report("deploy to 10,000 devices, durable", deploy_s(&bench, "m001", 10000, all), "s");
    of_10000 = deploy_cpu_s;
    enroll(&bench, 10000, DEVICES);
    report("start with 100,000 devices and 10,000 engines", start_s(&bench), "CPU s");
    report("deploy to 100,000 devices, durable", deploy_s(&bench, "m002", 100000, all), "s");
    report("deploy to 100,000 devices against 10,000", deploy_cpu_s / of_10000, "x CPU");
    deploy_every_model(&bench);
    (void)match_us(&bench, KNOWN);
    report("match a device of a known class, 10,000 engines of 100 models", match_us(&bench, KNOWN),
           "CPU us");
    report("match a device after every release changed", match_us(&bench, STALE), "CPU us");
    enroll_new_classes(&bench);
    report("match the first device of a new class", match_us(&bench, NEW), "CPU us");
    stop(&bench);
    return 0;
}
