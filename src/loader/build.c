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
    struct tn_lock *lock; /* held: what is done is said there */
};

static bool on_progress(const struct tn_progress *progress, void *user)
{
    const struct watch *watch = user;

    tn_lock_say(watch->lock, progress->phase[0] ? progress->phase : watch->doing);
    return tn_job_event(watch->job, watch->rung->precision, watch->doing, progress->phase, 0,
                        progress->elapsed);
}

/* ---- can it be built here? ---- */

static void remember_stopper(struct tn_job *job, struct tn_rung *rung,
                             const struct tn_preflight *stop)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_LASTING, .stage = TN_STAGE_PREFLIGHT };

    (void)tn_text_copy(why.name, sizeof(why.name), stop->code);
    (void)tn_text_copy(why.first_line, sizeof(why.first_line), stop->detail);
    (void)tn_text_copy(why.cure, sizeof(why.cure), stop->remedy);
    tn_rung_remember(job, rung, &why);
}

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
    if (tn_rung_skip(job, rung))
        return 0;
    if (stop) {
        remember_stopper(job, rung, stop);
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

/* A child gave nothing: said, and remembered as the outcome asks for. */
static void remember_failure(struct tn_job *job, struct tn_rung *rung,
                             const struct tn_build_result *built, const char *log)
{
    struct tn_refusal why = { .kind = built->outcome == TN_BUILD_REFUSED ? TN_REFUSAL_LASTING
                                                                         : TN_REFUSAL_BACKOFF };

    (void)tn_text_copy(why.name, sizeof(why.name), built->reason);
    (void)tn_text_copy(why.stage, sizeof(why.stage), built->stage);
    (void)tn_text_copy(why.first_line, sizeof(why.first_line), built->first_line);
    (void)tn_text_copy(why.cure, sizeof(why.cure), built->cure);
    (void)tn_text_copy(why.log, sizeof(why.log), log ? log : "");
    tn_rung_remember(job, rung, &why);
}

/* The key was made of the facts that were read; what the child read later must be the same file. */
static int still_the_model(const struct tn_rung *rung, struct tn_error *err)
{
    if (tn_model_unchanged(rung->model))
        return TN_OK;
    return tn_fail(err, TN_E_AGAIN, "'%s' was changed while it was being built: nothing was kept",
                   rung->model->path);
}

/* The ONNX file of a derived rung, made when it is not there yet.
 * @return 1, 0 with the reason, or an error */
static int derived_file(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                        struct tn_lock *lock, char **ret_path, struct tn_error *err)
{
    tn_auto(tn_build_result_done) struct tn_build_result made = { 0 };
    tn_auto(tn_str_free) char *temporary = NULL;
    struct watch watch = { .job = job, .rung = rung, .doing = "deriving the model", .lock = lock };
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
        remember_failure(job, rung, &made, NULL);
        return 0;
    }
    rc = still_the_model(rung, err);
    if (rc < 0)
        return rc;
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

/* What the toolchain promised must be what the bytes say. @return whether it is; else `ret_why` */
static bool as_promised(const struct tn_job *job, const struct tn_build_options *options,
                        const struct tn_plan *plan, char *ret_why, size_t size)
{
    char version[TN_VERSION_TEXT], wanted[TN_VERSION_TEXT];

    tn_version_print(&plan->version, version);
    tn_version_print(&job->target.runtime.version, wanted);
    if (plan->kind != TN_FILE_ENGINE || plan->complete == 0)
        (void)snprintf(ret_why, size, "the toolchain's file is no whole engine (%s)",
                       tn_file_kind_name(plan->kind));
    else if (plan->flavor != job->target.flavor ||
             !tn_version_same(&plan->version, &job->target.runtime.version))
        (void)snprintf(ret_why, size, "the toolchain promised %s %s and its plan says %s %s",
                       tn_flavor_name(job->target.flavor), wanted,
                       plan->flavor ? tn_flavor_name(plan->flavor) : "unknown", version);
    else if (job->target.flavor == TN_FLAVOR_RTX && !names_all(&plan->ccs, options))
        (void)snprintf(ret_why, size,
                       "the plan does not name every compute capability that was asked for");
    else
        return true;
    return false;
}

/* A plan that is something else than was ordered: kept for who wants to look, never handed out, and
 * not made again from the same recipe. */
static void refuse_plan(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                        const char *reason)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_LASTING,
                              .name = "not-as-promised",
                              .stage = "verify",
                              .cure = "look at the toolchain: tenon device" };
    struct tn_error err = { 0 };

    (void)tn_text_copy(why.first_line, sizeof(why.first_line), reason);
    if (tn_put_set_aside(put, &rung->key, reason, &err) < 0)
        tn_job_warn(job, "the plan could not be set aside: %s", err.text);
    tn_rung_remember(job, rung, &why);
}

/* Reads the plan that was made and holds it against the order. @return 1, 0 refused, or an error */
static int verify_plan(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                       const struct tn_build_options *options, struct tn_plan *ret_plan,
                       struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    char reason[320];
    struct stat st;
    int rc = tn_file_open(put->plan_path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, ret_plan, err);
    if (rc < 0)
        return rc;
    if (as_promised(job, options, ret_plan, reason, sizeof(reason)))
        return 1;
    refuse_plan(job, rung, put, reason);
    return 0;
}

/* Publishes what was built. @return 1, 0 with the reason, or an error */
static int publish(struct tn_job *job, struct tn_rung *rung, struct tn_put *put,
                   const struct tn_build_result *built, const struct tn_build_options *options,
                   struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(tn_record_done) struct tn_record record = { .model_name = "" };
    struct tn_plan plan;
    int rc = verify_plan(job, rung, put, options, &plan, err);

    if (rc <= 0)
        return rc;
    rc = fill_record(job, rung, &plan, built, &record, err);
    if (rc == TN_OK)
        rc = tn_put_commit(put, &record, ret_entry, err);
    if (rc < 0)
        return rc;
    tn_object_built_here(job->store, ret_entry);
    job->result->build_seconds = built->total_seconds;
    return 1;
}

static void keep_log_path(const struct tn_job *job, const struct tn_rung *rung, char **ret_path)
{
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    tn_auto(tn_str_free) char *folder = NULL;

    tn_digest_hex(&rung->key, hex);
    (void)snprintf(name, sizeof(name), "%s.log", hex);
    if (tn_store_folder(job->store, "logs", &folder, NULL) == TN_OK)
        *ret_path = tn_path_join(folder, name);
}

static int build_now(struct tn_job *job, struct tn_rung *rung, struct tn_lock *lock,
                     struct tn_entry *ret_entry, struct tn_error *err)
{
    tn_auto(tn_put_done) struct tn_put put = { .lock_fd = -1 };
    tn_auto(tn_build_result_done) struct tn_build_result built = { 0 };
    tn_auto(tn_str_free) char *derived = NULL;
    tn_auto(tn_str_free) char *log = NULL;
    struct tn_build_options options = job->spec.options;
    struct watch watch = { .job = job, .rung = rung, .doing = "building", .lock = lock };
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
        rc = derived_file(job, rung, &put, lock, &derived, err);
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
        remember_failure(job, rung, &built, log);
        return 0;
    }
    rc = still_the_model(rung, err);
    if (rc < 0)
        return rc;
    return publish(job, rung, &put, &built, &options, ret_entry, err);
}

/* ---- one at a time ---- */

/* Waiting for another process that builds the same: for its lock, or for the engine in the index,
 * which comes a moment before and needs no turn. */
struct waiting {
    const struct tn_job *job;
    const struct tn_rung *rung;
    struct tn_stamp index; /* zeroed = no entry */
    bool published;
};

static struct tn_stamp index_stamp(const struct tn_job *job, const struct tn_rung *rung)
{
    struct tn_stamp stamp = { 0 };

    (void)tn_objects_stamp(job->store, &rung->key, &stamp);
    return stamp;
}

static bool on_wait(const struct tn_lock_holder *holder, tn_nsec waited, void *user)
{
    struct waiting *waiting = user;
    struct tn_stamp now = index_stamp(waiting->job, waiting->rung);

    waiting->published = !tn_stamp_equal(&now, &waiting->index);
    waiting->index = now;
    return !waiting->published && tn_job_event(waiting->job, waiting->rung->precision, "waiting",
                                               holder->doing, holder->pid, waited);
}

/* What is there after another process was at work: its engine, or its refusal.
 * @return whether the rung is settled; then `ret_rc` is 1 (an engine), 0 (none) or an error */
static bool settled_by_another(struct tn_job *job, struct tn_rung *rung, struct tn_entry *ret_entry,
                               int *ret_rc, struct tn_error *err)
{
    struct tn_rung_report before = *rung->report;

    *ret_rc = tn_rung_find(job, rung, false, ret_entry, err);
    if (*ret_rc != 0 || strcmp(rung->report->result, "failed") == 0)
        return true;
    *rung->report = before; /* what was passed over is in it already */
    return tn_rung_skip(job, rung);
}

/* @return 0 the lock is held; 1 another process has published meanwhile; or an error */
static int take_turn(struct tn_job *job, struct tn_rung *rung, struct tn_lock *ret_lock,
                     struct tn_error *err)
{
    struct waiting waiting = { .job = job, .rung = rung, .index = index_stamp(job, rung) };
    char hex[TN_DIGEST_HEX], name[TN_DIGEST_HEX + 8];
    struct tn_error why = { 0 };
    int rc;

    tn_digest_hex(&rung->key, hex);
    (void)snprintf(name, sizeof(name), "build-%s", hex);
    rc = tn_lock_take(job->store, name, on_wait, &waiting, ret_lock, NULL, &why);
    if (rc == TN_E_AGAIN && waiting.published)
        return 1; /* no failure of this call: nothing of it in `err` */
    if (rc == TN_E_AGAIN)
        return tn_fail(err, TN_E_CANCELLED, "stopped while waiting for another process's build");
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* A store that stays too large costs space, not the engine; who asks for more hears of it. */
static void collect(struct tn_job *job)
{
    struct tn_error why = { 0 };

    if (tn_collect(job->store, &why) < 0)
        (void)snprintf(job->result->note, sizeof(job->result->note),
                       "the store was not collected: %.280s, ignoring", why.text);
}

int tn_rung_build(struct tn_job *job, struct tn_rung *rung, struct tn_entry *ret_entry,
                  const char **ret_source, struct tn_error *err)
{
    tn_auto(tn_lock_done) struct tn_lock lock = TN_LOCK_NONE;
    int turn, rc;

    if (!buildable(job, rung))
        return 0;
    do {
        turn = take_turn(job, rung, &lock, err);
        if (turn < 0)
            return turn;
        *ret_source = "waited";
        if (!job->options->force && settled_by_another(job, rung, ret_entry, &rc, err))
            return rc;
    } while (turn != 0);
    *ret_source = "built";
    rc = build_now(job, rung, &lock, ret_entry, err);
    collect(job);
    return rc;
}
