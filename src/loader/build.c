/* Building a rung's engine: one process at a time per key, verified before it is published. */
#include "loader/job.h"

#include "base/json.h"
#include "base/text.h"
#include "plan/plan_json.h"
#include "recipe/name.h"
#include "store/collect.h"
#include "store/derived.h"
#include "store/lock.h"
#include "toolchain/toolchain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- progress ---- */

struct watch {
    const struct tn_job *job;
    const struct tn_rung *rung;
    const char *doing;
};

static bool on_progress(const struct tn_progress *progress, void *user)
{
    const struct watch *watch = user;

    return tn_job_event(watch->job, watch->rung->precision, watch->doing, progress->phase, 0,
                        progress->elapsed);
}

static bool on_wait(long holder, tn_nsec waited, void *user)
{
    const struct watch *watch = user;

    return tn_job_event(watch->job, watch->rung->precision, "waiting", "", holder, waited);
}

/* ---- can it be built here? ---- */

/* @return 1, or 0 with the reason */
static int buildable(struct tn_job *job, struct tn_rung *rung)
{
    const struct tn_target *target = &job->target;
    const struct tn_preflight *stop = tn_model_stopper(rung->model);

    if (job->build_forbidden) {
        tn_rung_because(rung->report, "not in the store, and building is forbidden (%s)",
                        job->options->no_build ? "--no-build" : "policy build: forbidden");
        return 0;
    }
    if (!target->toolchain) {
        tn_rung_because(rung->report, "not in the store; %s", target->no_toolchain);
        return 0;
    }
    if (target->flavor == TN_FLAVOR_TENSORRT && (!target->here || !target->gpu_here)) {
        tn_rung_because(
            rung->report,
            "not in the store, and TensorRT builds only on a GPU of the class it builds for");
        return 0;
    }
    if (stop) {
        rung->report->result = "failed";
        tn_rung_because(rung->report, "%s: %s; %s", stop->code, stop->detail, stop->remedy);
        return 0;
    }
    return 1;
}

/* ---- the child ---- */

static struct tn_child_limits limits_of(const struct tn_job *job)
{
    return (struct tn_child_limits) { .time = job->options->build_time_limit,
                                      .memory_bytes = job->options->build_memory_bytes };
}

/* Writes why a child gave nothing into the report. */
static void report_failure(struct tn_rung *rung, const struct tn_build_result *built,
                           const char *log)
{
    rung->report->result = "failed";
    tn_rung_because(rung->report, "%s: %s: %s", built->stage, built->reason,
                    built->first_line[0] ? built->first_line : "the child gave no reason");
    if (built->cure[0])
        tn_rung_because(rung->report, "cure: %s", built->cure);
    if (log)
        tn_rung_because(rung->report, "log: %s", log);
}

static void built_done(struct tn_build_result *built)
{
    tn_build_result_done(built);
}

/* The ONNX file of a derived rung, made when it is not there yet.
 * @return 1, 0 with the reason, or an error */
static int derived_file(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                        char **ret_path, struct tn_error *err)
{
    tn_auto(built_done) struct tn_build_result made = { 0 };
    tn_auto(tn_path_free) char *temporary = NULL;
    struct watch watch = { .job = job, .rung = rung, .doing = "deriving the model" };
    struct tn_child_limits limits = limits_of(job);
    int rc;

    if (tn_derived_find(job->store, &rung->model->digest, rung->derived_by, ret_path, NULL) ==
        TN_OK)
        return 1;
    temporary = tn_path_join(put->folder, "derived.onnx");
    if (!temporary)
        return tn_fail(err, TN_E_NOMEM, "derive the model");
    rc = tn_toolchain_convert(job->target.toolchain, rung->precision, rung->model->path, temporary,
                              &limits, on_progress, &watch, &made, err);
    if (rc < 0)
        return rc;
    if (made.outcome != TN_BUILD_DONE) {
        report_failure(rung, &made, NULL);
        return 0;
    }
    rc = tn_derived_take(job->store, &rung->model->digest, rung->derived_by, temporary, ret_path,
                         err);
    return rc < 0 ? rc : 1;
}

/* ---- the record ---- */

static void record_environment(json_t *built)
{
    static const char *const names[] = { "TRT_VERSION", "CUDA_VERSION", "NVIDIA_VISIBLE_DEVICES",
                                         "CUDA_VISIBLE_DEVICES" };
    json_t *environment = json_object();

    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (getenv(names[i]))
            tn_json_set_str(environment, names[i], getenv(names[i]));
    tn_json_set(built, "environment", environment);
}

static json_t *built_json(const struct tn_job *job, const struct tn_build_result *built)
{
    const struct tn_toolchain *toolchain = job->target.toolchain;
    json_t *json = json_object();
    char when[TN_RFC3339_BYTES];
    struct utsname host;

    tn_clock_rfc3339(tn_clock_wall(), when);
    (void)uname(&host);
    tn_json_set(json, "toolchain",
                json_pack("{ss ss ss}", "id", toolchain->id, "kind", toolchain->kind, "path",
                          toolchain->path));
    tn_json_set_str(json, "driver", job->machine->driver_text);
    tn_json_set_int(json, "cuda", job->machine->cuda);
    tn_json_set_str(json, "host", host.nodename);
    tn_json_set_str(json, "time", when);
    tn_json_set(json, "build_ms", json_integer((json_int_t)(built->total_seconds * 1e3)));
    tn_json_set_int(json, "peak_rss_bytes", built->peak_rss_bytes);
    tn_json_set(json, "io", built->io ? json_incref(built->io) : json_null());
    tn_json_set(json, "warnings", built->warnings ? json_incref(built->warnings) : json_array());
    record_environment(json);
    return json;
}

static int record_name(const struct tn_job *job, const struct tn_rung *rung,
                       const struct tn_plan *plan, struct tn_record *record, struct tn_error *err)
{
    struct tn_engine_name parts = { .runtime = job->target.runtime, .precision = rung->precision };
    int rc = tn_engine_name_shapes(rung->model, &rung->shapes, parts.shapes, err);

    if (rc < 0)
        return rc;
    (void)tn_text_copy(parts.model, sizeof(parts.model), job->spec.name);
    parts.runtime.kind = job->target.flavor == TN_FLAVOR_RTX ? TN_RUNTIME_RTX : TN_RUNTIME_TRT;
    tn_engine_name_arch(&job->target.gpu, job->target.flavor == TN_FLAVOR_RTX ? &plan->ccs : NULL,
                        parts.arch);
    return tn_engine_name_make(&parts, record->name, err);
}

static int fill_record(const struct tn_job *job, struct tn_rung *rung, const struct tn_plan *plan,
                       const struct tn_build_result *built, struct tn_record *record,
                       struct tn_error *err)
{
    int rc = record_name(job, rung, plan, record, err);

    if (rc < 0)
        return rc;
    (void)tn_text_copy(record->model_name, sizeof(record->model_name), job->spec.name);
    record->key = rung->key;
    record->facts = tn_plan_to_json(plan, NULL);
    record->built = built_json(job, built);
    record->recipe = rung->recipe; /* handed over; the rung has no more need of it */
    rung->recipe = (struct tn_recipe) { { NULL } };
    return TN_OK;
}

/* ---- the plan that came out ---- */

/* Compute capabilities that were asked for and are not in the plan. */
static bool names_all(const struct tn_cc_set *ccs, const struct tn_build_options *options)
{
    for (int i = 0; i < options->cc_count; i++) {
        bool named = false;

        for (int k = 0; k < ccs->count; k++)
            named |= ccs->cc[k] == options->cc[i];
        if (!named)
            return false;
    }
    return true;
}

/* What the toolchain promised must be what the bytes say. @return 1, 0 with the reason, or an error
 */
static int as_promised(const struct tn_job *job, struct tn_rung *rung,
                       const struct tn_build_options *options, const char *path,
                       struct tn_plan *ret_plan, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    char version[TN_VERSION_TEXT], wanted[TN_VERSION_TEXT];
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, ret_plan, err);
    if (rc < 0)
        return rc;
    tn_version_print(&ret_plan->version, version);
    tn_version_print(&job->target.runtime.version, wanted);
    rung->report->result = "failed";
    if (ret_plan->kind != TN_FILE_ENGINE || ret_plan->complete == 0) {
        tn_rung_because(rung->report, "the toolchain's file is no whole engine (%s)",
                        tn_file_kind_name(ret_plan->kind));
        return 0;
    }
    if (ret_plan->flavor != job->target.flavor ||
        !tn_version_same(&ret_plan->version, &job->target.runtime.version)) {
        tn_rung_because(rung->report, "the toolchain promised %s %s and its plan says %s %s",
                        tn_flavor_name(job->target.flavor), wanted,
                        ret_plan->flavor ? tn_flavor_name(ret_plan->flavor) : "unknown", version);
        return 0;
    }
    if (job->target.flavor == TN_FLAVOR_RTX && !names_all(&ret_plan->ccs, options)) {
        tn_rung_because(rung->report,
                        "the plan does not name every compute capability that was asked for");
        return 0;
    }
    rung->report->result = "missing";
    return 1;
}

static void record_done(struct tn_record *record)
{
    tn_record_done(record);
}

/* Publishes what was built. @return 1, 0 with the reason, or an error */
static int publish(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                   const struct tn_build_result *built, const struct tn_build_options *options,
                   struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(record_done) struct tn_record record = { .model_name = "" };
    struct tn_plan plan;
    int rc = as_promised(job, rung, options, put->plan_path, &plan, err);

    if (rc <= 0)
        return rc;
    rc = fill_record(job, rung, &plan, built, &record, err);
    if (rc == TN_OK)
        rc = tn_put_commit(put, &record, ret_entry, err);
    if (rc < 0)
        return rc;
    job->result->build_seconds = built->total_seconds;
    return 1;
}

static void keep_log_path(const struct tn_job *job, const struct tn_rung *rung, char **ret_path)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    tn_auto(tn_path_free) char *folder = NULL;

    tn_digest_hex(&rung->key, hex);
    (void)snprintf(name, sizeof(name), "%s.log", hex);
    if (tn_store_folder(job->store, "logs", &folder, NULL) == TN_OK)
        *ret_path = tn_path_join(folder, name);
}

static int build_now(struct tn_job *job, struct tn_rung *rung, struct tn_entry *ret_entry,
                     struct tn_error *err)
{
    tn_auto(tn_put_done) struct tn_put put = { .lock_fd = -1 };
    tn_auto(built_done) struct tn_build_result built = { 0 };
    tn_auto(tn_path_free) char *derived = NULL;
    tn_auto(tn_path_free) char *log = NULL;
    struct tn_build_options options = job->spec.options;
    struct watch watch = { .job = job, .rung = rung, .doing = "building" };
    struct tn_build_request request = { .toolchain = job->target.toolchain,
                                        .model_path = rung->model->path,
                                        .precision = rung->precision,
                                        .shapes = &rung->shapes,
                                        .options = &options,
                                        .device_index = -1,
                                        .limits = limits_of(job),
                                        .progress = on_progress,
                                        .user = &watch };
    int rc = tn_put_begin(job->store, &put, err);

    if (rc == TN_OK)
        rc = tn_target_ccs(&job->target, &options, err);
    if (rc < 0)
        return rc;
    if (rung->derived_by[0]) {
        rc = derived_file(job, rung, &put, &derived, err);
        if (rc <= 0)
            return rc;
        request.model_path = derived;
    }
    keep_log_path(job, rung, &log);
    request.log_path = log;
    if (log)
        (void)tn_text_copy(job->result->log, sizeof(job->result->log), log);
    request.output_path = put.plan_path;
    if (job->target.here && job->target.has_gpu && job->target.gpu_here) {
        request.device_index = 0; /* the only one that the child is shown */
        request.gpu_uuid = job->target.gpu.uuid;
    }
    rc = tn_toolchain_build(&request, &built, err);
    if (rc < 0)
        return rc;
    if (built.outcome != TN_BUILD_DONE) {
        report_failure(rung, &built, log);
        return 0;
    }
    return publish(job, rung, &put, &built, &options, ret_entry, err);
}

int tn_rung_build(struct tn_job *job, struct tn_rung *rung, struct tn_entry *ret_entry,
                  const char **ret_source, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    struct watch watch = { .job = job, .rung = rung, .doing = "waiting" };
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    bool waited = false;
    int rc;

    if (!buildable(job, rung))
        return 0;
    tn_digest_hex(&rung->key, hex);
    (void)snprintf(name, sizeof(name), "build-%s", hex);
    rc = tn_lock_take(job->store, name, on_wait, &watch, &lock, &waited, err);
    if (rc < 0)
        return rc == TN_E_AGAIN ? tn_fail(err, TN_E_CANCELLED,
                                          "stopped while waiting for another process's build")
                                : rc;
    if (waited && !job->options->force) {
        rc = tn_rung_find(job, rung, false, ret_entry, err);
        *ret_source = "waited";
        if (rc != 0)
            return rc;
    }
    *ret_source = "built";
    rc = build_now(job, rung, ret_entry, err);
    (void)tn_collect(job->store,
                     NULL); /* a store that stays too large costs space, not the engine */
    return rc;
}
