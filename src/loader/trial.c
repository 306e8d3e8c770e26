/* Proving an engine on this machine's GPU before it is handed out. */
#include "loader/job.h"

#include "base/text.h"
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

static void keep_proof(struct tn_job *job, struct tn_entry *entry, const char *under,
                       const struct tn_trial_result *result)
{
    entry->level = TN_LEVEL_LOADED;
    tn_object_proved(job->store, entry, under);
    if (result->suspect[0])
        tn_job_warn(job, "suspect-output: all zero or not a number in a run on seeded input: %s",
                    result->suspect);
}

static void set_aside(struct tn_job *job, const struct tn_entry *entry,
                      const struct tn_trial_result *result, struct tn_refusal *ret_why)
{
    char reason[600];
    struct tn_error err = { 0 };

    *ret_why = (struct tn_refusal) { .kind = TN_REFUSAL_LASTING, .stage = "trial" };
    (void)tn_text_copy(ret_why->name, sizeof(ret_why->name), result->reason);
    (void)tn_text_copy(ret_why->first_line, sizeof(ret_why->first_line), result->first_line);
    (void)tn_text_copy(ret_why->cure, sizeof(ret_why->cure), result->cure);
    (void)snprintf(reason, sizeof(reason), "trial: %s: %s", result->reason, result->first_line);
    if (tn_object_set_aside(job->store, entry, reason, &err) == TN_OK)
        tn_job_warn(job, "'%s' did not load and was set aside", entry->record.name);
    else
        tn_job_warn(job, "'%s' did not load, and stays where it is: %s", entry->record.name,
                    err.text);
}

int tn_job_try(struct tn_job *job, const struct tn_rung *rung, struct tn_entry *entry,
               struct tn_refusal *ret_why, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf under = TN_BUF(512);
    struct watch watch = { .job = job, .rung = rung->precision };
    struct tn_trial_request request = { .toolchain = job->target.toolchain,
                                        .plan_path = entry->path,
                                        .gpu_uuid = job->target.gpu.uuid,
                                        .shapes = rung->shapes.count > 0 ? &rung->shapes : NULL,
                                        .allow_host_code = job->options->allow_host_code ||
                                                           job->spec.policy.allow_host_code,
                                        .progress = on_progress,
                                        .user = &watch };
    struct tn_trial_result result;
    struct tn_error why = { 0 };
    struct tn_digest key;
    int rc;

    rc = proof_holds_for(job, &under, err);
    if (rc < 0)
        return rc;
    entry->level = job->target.here && job->target.has_gpu
                       ? tn_object_level_under(entry, tn_buf_text(&under))
                       : TN_LEVEL_HEADER;
    if (entry->level >= TN_LEVEL_LOADED || tn_job_wanted_level(job) < TN_LEVEL_LOADED ||
        not_possible(job))
        return 1;
    rc = tn_trial_key(entry, tn_buf_text(&under), &key, err);
    if (rc < 0)
        return rc;
    if (tn_trial_skip(job, &key))
        return 1;
    rc = tn_trial_run(&request, &result, &why);
    if (rc == TN_E_CANCELLED)
        return tn_fail(err, rc, "%s", why.text);
    if (rc < 0 || result.outcome == TN_BUILD_TROUBLE) {
        tn_job_warn(job, "no trial load could be made: %s", rc < 0 ? why.text : result.first_line);
        if (rc == TN_OK)
            tn_trial_remember(job, &key, &result);
        return 1;
    }
    tn_refusal_forget(job->store, &key);
    if (result.outcome == TN_BUILD_DONE) {
        keep_proof(job, entry, tn_buf_text(&under), &result);
        return 1;
    }
    set_aside(job, entry, &result, ret_why);
    return 0;
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
