/* Proving an engine on this machine's GPU before it is handed out. */
#include "loader/job.h"

#include "base/pagecache.h"
#include "base/text.h"
#include "store/loading.h"
#include "toolchain/trial.h"

#include <stdio.h>
#include <string.h>

enum tn_level tn_job_wanted_level(const struct tn_job *job)
{
    if (job->options->level)
        return job->options->level;
    if (job->spec.policy.level)
        return job->spec.policy.level;
    return job->target.here && job->target.has_gpu ? TN_LEVEL_LOADED : TN_LEVEL_HEADER;
}

/* What a proof holds for: another driver, CUDA, GPU or runtime asks for another one. */
static int proof_holds_for(const struct tn_job *job, struct tn_buf *text, struct tn_error *err)
{
    char runtime[TN_RUNTIME_TEXT];

    tn_runtime_id_print(&job->target.runtime, runtime);
    tn_buf_addf(text, "%s driver %s cuda %lld gpu %s", runtime, job->machine->driver_text,
                (long long)job->machine->cuda, job->target.gpu.uuid);
    return tn_buf_check(text, "proof", err);
}

/* @return why no trial can be made here, or NULL */
static const char *not_possible(const struct tn_job *job)
{
    if (!job->target.here)
        return "it is for another device";
    if (!job->target.has_gpu)
        return "there is no GPU here to try it on";
    if (!job->target.toolchain || !tn_trial_possible(job->target.toolchain) ||
        job->target.toolchain->builds.kind != job->target.runtime.kind)
        return "no toolchain here has this runtime to try it with";
    return NULL;
}

struct watch {
    const struct tn_job *job;
    enum tn_precision rung;
};

static bool on_progress(const struct tn_progress *progress, void *user)
{
    const struct watch *watch = user;

    return tn_job_event(watch->job, watch->rung, "trying it on the GPU", progress->phase, 0,
                        progress->elapsed);
}

void tn_job_proved(struct tn_job *job, struct tn_entry *entry)
{
    tn_auto(tn_buf_done) struct tn_buf under = TN_BUF(512);

    entry->level = TN_LEVEL_LOADED;
    if (job->target.here && proof_holds_for(job, &under, NULL) == TN_OK)
        tn_object_proved(job->store, entry, tn_buf_text(&under));
}

/* ---- what a failed proof does ---- */

void tn_job_set_aside(struct tn_job *job, const struct tn_entry *entry,
                      const struct tn_refusal *why)
{
    char reason[600];
    struct tn_error err = { 0 };

    (void)snprintf(reason, sizeof(reason), "%s: %s: %s", why->stage, why->name, why->first_line);
    if (tn_object_set_aside(job->store, entry, reason, &err) == TN_OK) {
        tn_job_warn(job, "'%s' did not load and was set aside", entry->record.name);
    } else {
        tn_job_warn(job, "'%s' did not load, and stays where it is: %s", entry->record.name,
                    err.text);
        tn_job_pass_over(job, entry, why);
    }
    tn_loading_forget(job->store, &entry->record.digest);
    tn_job_pass_over_now(job, &entry->record.digest);
}

void tn_job_pass_over_now(struct tn_job *job, const struct tn_digest *digest)
{
    if (job->failed_count < TN_COUNT(job->failed))
        job->failed[job->failed_count++] = *digest;
}

bool tn_job_has_failed(const struct tn_job *job, const struct tn_entry *entry)
{
    for (size_t i = 0; i < job->failed_count; i++)
        if (tn_digest_equal(&job->failed[i], &entry->record.digest))
            return true;
    return false;
}

bool tn_job_changed(struct tn_job *job, const struct tn_entry *entry, struct tn_refusal *ret_why)
{
    struct tn_error err = { 0 };

    if (tn_object_verify(job->store, entry, true, &err) != TN_E_CORRUPT)
        return false;
    *ret_why = (struct tn_refusal) { .kind = TN_REFUSAL_NONE,
                                     .name = "corrupt",
                                     .stage = "verify",
                                     .cure = "look at the disk: something changed the file" };
    (void)tn_text_copy(ret_why->first_line, sizeof(ret_why->first_line), err.text);
    tn_job_set_aside(job, entry, ret_why);
    return true;
}

/* ---- the trial ---- */

static void keep_proof(struct tn_job *job, struct tn_entry *entry,
                       const struct tn_trial_result *result)
{
    job->tried = true;
    tn_job_proved(job, entry);
    if (result->suspect[0])
        tn_job_warn(job, "suspect-output: all zero or not a number in a run on seeded input: %s",
                    result->suspect);
}

static void fill_why(const struct tn_trial_result *result, struct tn_refusal *ret_why)
{
    *ret_why = (struct tn_refusal) { .kind = TN_REFUSAL_LASTING, .stage = "trial" };
    (void)tn_text_copy(ret_why->name, sizeof(ret_why->name), result->reason);
    (void)tn_text_copy(ret_why->first_line, sizeof(ret_why->first_line), result->first_line);
    (void)tn_text_copy(ret_why->cure, sizeof(ret_why->cure), result->cure);
}

/* Ends of a trial that an application's own load must not be risked after: it would hang or crash
 * as the child did. */
static bool is_dangerous(const char *class_name)
{
    static const char *const classes[] = { "cuda-unavailable", "timeout", "signal", "stuck" };

    for (size_t i = 0; i < TN_COUNT(classes); i++)
        if (strcmp(class_name, classes[i]) == 0)
            return true;
    return false;
}

static int too_dangerous(const struct tn_entry *entry, const char *class_name, const char *line,
                         const char *cure, struct tn_error *err)
{
    return tn_fail(err, TN_E_AGAIN, "%s: %.160s; %s; the engine is kept: '%s'", class_name, line,
                   cure, entry->path);
}

static int trouble(struct tn_job *job, const struct tn_entry *entry,
                   const struct tn_trial_result *result, struct tn_refusal *ret_why,
                   struct tn_error *err)
{
    bool dangerous = is_dangerous(result->reason);

    if (dangerous && strcmp(result->reason, "cuda-unavailable") != 0 &&
        tn_job_changed(job, entry, ret_why))
        return TN_PROOF_CHANGED;
    if (dangerous && job->options->load)
        return too_dangerous(entry, result->reason, result->first_line, result->cure, err);
    tn_job_warn(job, "no trial load could be made: %s", result->first_line);
    return TN_PROOF_GOOD;
}

static double seconds_of(const struct tn_trial_result *result)
{
    for (int i = 0; i < result->phase_count; i++)
        if (strcmp(result->phase[i].name, "deserialize") == 0)
            return (double)result->phase[i].ms / 1e3;
    return -1;
}

static void note_outcome(const struct tn_job *job, const struct tn_entry *entry,
                         const struct tn_trial_result *result, int cold, bool lasting)
{
    static const enum tn_outcome_result results[] = {
        [TN_BUILD_DONE] = TN_OUTCOME_OK,
        [TN_BUILD_REFUSED] = TN_OUTCOME_FAILED,
        [TN_BUILD_TROUBLE] = TN_OUTCOME_TROUBLE,
    };
    struct tn_heard heard = { .by = TN_OUTCOME_TRIAL,
                              .result = results[result->outcome],
                              .seconds = seconds_of(result),
                              .cold = cold,
                              .lasting = lasting,
                              .class_name = result->reason,
                              .first_line = result->first_line };

    tn_job_outcome(job, entry, &heard);
}

static int judge(struct tn_job *job, struct tn_entry *entry, const struct tn_trial_result *result,
                 struct tn_refusal *ret_why, struct tn_error *err)
{
    if (result->outcome == TN_BUILD_TROUBLE)
        return trouble(job, entry, result, ret_why, err);
    if (result->outcome == TN_BUILD_DONE) {
        keep_proof(job, entry, result);
        return TN_PROOF_GOOD;
    }
    if (tn_job_changed(job, entry, ret_why))
        return TN_PROOF_CHANGED;
    fill_why(result, ret_why);
    tn_job_set_aside(job, entry, ret_why);
    return TN_PROOF_REFUSED;
}

/* Whether a trial is wanted, possible, and not made before under these conditions by a process
 * that lived on. Settles the entry's level, and names the trial. @return 1, 0, or an error */
static int needs_trial(struct tn_job *job, struct tn_entry *entry, struct tn_digest *ret_key,
                       struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf under = TN_BUF(512);
    int rc = proof_holds_for(job, &under, err);

    if (rc < 0)
        return rc;
    entry->level =
        job->target.here ? tn_object_level_under(entry, tn_buf_text(&under)) : TN_LEVEL_HEADER;
    if (tn_job_wanted_level(job) < TN_LEVEL_LOADED || not_possible(job) ||
        (entry->level >= TN_LEVEL_LOADED && job->crashes == 0))
        return 0;
    rc = tn_trial_key(entry, tn_buf_text(&under), ret_key, err);
    return rc < 0 ? rc : 1;
}

/* Trouble of an earlier trial is still too fresh for another one. */
static int skipped(const struct tn_job *job, const struct tn_entry *entry,
                   const struct tn_refusal *before, struct tn_error *err)
{
    if (!job->options->load || !is_dangerous(before->name))
        return TN_PROOF_GOOD;
    return too_dangerous(entry, before->name, before->first_line, before->cure, err);
}

static int run_trial(const struct tn_job *job, const struct tn_rung *rung,
                     const struct tn_entry *entry, struct tn_trial_result *ret_result,
                     struct tn_error *err)
{
    struct watch watch = { .job = job, .rung = rung->precision };
    struct tn_trial_request request = { .toolchain = job->target.toolchain,
                                        .plan_path = entry->path,
                                        .gpu_uuid = job->target.gpu.uuid,
                                        .shapes = rung->shapes.count > 0 ? &rung->shapes : NULL,
                                        .allow_host_code = job->options->allow_host_code ||
                                                           job->spec.policy.allow_host_code,
                                        .progress = on_progress,
                                        .user = &watch };

    return tn_trial_run(&request, ret_result, err);
}

int tn_job_try(struct tn_job *job, const struct tn_rung *rung, struct tn_entry *entry,
               struct tn_refusal *ret_why, struct tn_error *err)
{
    struct tn_trial_result result;
    struct tn_error why = { 0 };
    struct tn_refusal before;
    struct tn_digest key;
    int cold, rc;

    job->tried = false;
    job->crashes = job->options->load ? tn_loading_crashes(job->store, &entry->record.digest) : 0;
    rc = needs_trial(job, entry, &key, err);
    if (rc <= 0)
        return rc < 0 ? rc : TN_PROOF_GOOD;
    if (tn_trial_skip(job, &key, &before))
        return skipped(job, entry, &before, err);
    cold = tn_pagecache_cold(entry->path);
    rc = run_trial(job, rung, entry, &result, &why);
    if (rc == TN_E_CANCELLED)
        return tn_fail(err, rc, "%s", why.text);
    if (rc < 0) {
        tn_job_warn(job, "no trial load could be made: %s", why.text);
        return TN_PROOF_GOOD;
    }
    if (result.outcome == TN_BUILD_TROUBLE)
        tn_trial_remember(job, &key, &result);
    else
        tn_refusal_forget(job->store, &key);
    rc = judge(job, entry, &result, ret_why, err);
    note_outcome(job, entry, &result, cold, rc == TN_PROOF_REFUSED);
    return rc;
}

int tn_job_settle_level(struct tn_job *job, struct tn_error *err)
{
    struct tn_get_result *result = job->result;
    const char *why = not_possible(job);

    result->level = result->entry.level;
    result->wanted_level = tn_job_wanted_level(job);
    if (result->level >= result->wanted_level)
        return TN_OK;
    if (why)
        tn_job_warn(job, "the engine was verified up to level %s: %s", tn_level_name(result->level),
                    why);
    if (!job->options->level)
        return TN_OK; /* a policy's wish: said, not failed */
    return tn_fail(err, TN_E_AGAIN,
                   "an engine was found, but level %s was not reached by a trial load: %s",
                   tn_level_name(result->wanted_level), why ? why : "the device had trouble");
}
