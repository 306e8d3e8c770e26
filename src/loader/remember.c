/* What a rung, and a trial, remembers of its failures: refusals and back-off, and when they count.
 */
#include "loader/job.h"

#include "base/text.h"
#include "store/refusal.h"

#include <stdio.h>
#include <string.h>

/* "4 min", "59 s": rounded up, so that it never says 0. */
static void print_left(tn_nsec left, char *ret_text, size_t size)
{
    tn_nsec seconds = (left + TN_NSEC_PER_S - 1) / TN_NSEC_PER_S;

    if (seconds > 120)
        (void)snprintf(ret_text, size, "%lld min", (long long)(seconds + 59) / 60);
    else
        (void)snprintf(ret_text, size, "%lld s", (long long)seconds);
}

static void report_remembered(struct tn_rung_report *report, const struct tn_refusal *refusal)
{
    char left[32];

    if (refusal->kind == TN_REFUSAL_LASTING) {
        report->result = "refused";
        tn_rung_because(report, "failed for a lasting reason at %s, --retry tries it again",
                        refusal->time);
    } else {
        report->result = "backoff";
        report->retry_in = refusal->left;
        print_left(refusal->left, left, sizeof(left));
        tn_rung_because(report, "had trouble at %s, next try in %s or with --retry", refusal->time,
                        left);
    }
    tn_rung_failed(report, refusal);
}

void tn_rung_failed(struct tn_rung_report *report, const struct tn_refusal *why)
{
    (void)tn_text_copy(report->class_name, sizeof(report->class_name), why->name);
    tn_rung_because(report, "%s: %s: %s", why->stage, why->name,
                    why->first_line[0] ? why->first_line : "the child gave no reason");
    if (why->cure[0])
        tn_rung_because(report, "cure: %s", why->cure);
    if (why->log[0])
        tn_rung_because(report, "log: %s", why->log);
}

bool tn_rung_skip(const struct tn_job *job, struct tn_rung *rung)
{
    struct tn_moment now;
    struct tn_refusal refusal;

    tn_clock_moment(&now);
    if (tn_refusal_find(job->store, &rung->key, &now, &refusal) == TN_REFUSAL_NONE)
        return false;
    /* what looking at the model said is asked of the model each time: it costs nothing */
    if (strcmp(refusal.stage, TN_STAGE_PREFLIGHT) == 0 && !tn_model_stopper(rung->model))
        return false;
    report_remembered(rung->report, &refusal);
    return true;
}

void tn_rung_remember(struct tn_job *job, struct tn_rung *rung, const struct tn_refusal *why)
{
    struct tn_error err = { 0 };
    struct tn_moment now;

    rung->report->result = "failed";
    tn_rung_failed(rung->report, why);
    tn_clock_moment(&now);
    if (tn_refusal_keep(job->store, &rung->key, &now, why, &err) < 0)
        tn_job_warn(job, "the failure of %s cannot be remembered: %s",
                    tn_precision_name(rung->precision), err.text);
}

void tn_rung_forget(struct tn_job *job, const struct tn_rung *rung)
{
    tn_refusal_forget(job->store, &rung->key);
}

/* ---- engines that cannot be set aside ---- */

void tn_job_pass_over(struct tn_job *job, const struct tn_entry *entry,
                      const struct tn_refusal *why)
{
    struct tn_moment now;

    if (why->kind == TN_REFUSAL_NONE)
        return;
    tn_clock_moment(&now);
    (void)tn_refusal_keep(job->store, &entry->record.key, &now, why, NULL); /* tried once more */
}

bool tn_job_passes_over(const struct tn_job *job, const struct tn_entry *entry,
                        struct tn_refusal *ret_why)
{
    struct tn_moment now;

    if (entry->store == 0 || job->options->retry)
        return false;
    tn_clock_moment(&now);
    return tn_refusal_find(job->store, &entry->record.key, &now, ret_why) != TN_REFUSAL_NONE &&
           (strcmp(ret_why->stage, "trial") == 0 || strcmp(ret_why->stage, "load") == 0);
}

/* ---- trials ---- */

int tn_trial_key(const struct tn_entry *entry, const char *conditions, struct tn_digest *ret_key,
                 struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(2048);
    char hex[TN_DIGEST_HEX];
    int rc;

    tn_digest_hex(&entry->record.digest, hex);
    tn_buf_addf(&text, "tenon-trial/1\n%s\n%s\n", hex, conditions);
    rc = tn_buf_check(&text, "trial", err);
    return rc < 0 ? rc : tn_digest_of(tn_buf_text(&text), text.size, ret_key, err);
}

bool tn_trial_skip(struct tn_job *job, const struct tn_digest *key, struct tn_refusal *ret_before)
{
    struct tn_moment now;
    char left[32];

    tn_clock_moment(&now);
    if (job->options->retry ||
        tn_refusal_find(job->store, key, &now, ret_before) == TN_REFUSAL_NONE)
        return false;
    print_left(ret_before->left, left, sizeof(left));
    tn_job_warn(job,
                "no trial load was made: one had trouble at %s (%s: %s), next try in %s or with "
                "--retry",
                ret_before->time, ret_before->name, ret_before->first_line, left);
    return true;
}

void tn_trial_remember(struct tn_job *job, const struct tn_digest *key,
                       const struct tn_trial_result *result)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_BACKOFF };
    struct tn_moment now;

    if (strcmp(result->stage, "driver") == 0 || strcmp(result->stage, "context") == 0)
        return;
    (void)tn_text_copy(why.name, sizeof(why.name), result->reason);
    (void)tn_text_copy(why.stage, sizeof(why.stage), result->stage);
    (void)tn_text_copy(why.first_line, sizeof(why.first_line), result->first_line);
    (void)tn_text_copy(why.cure, sizeof(why.cure), result->cure);
    tn_clock_moment(&now);
    (void)tn_refusal_keep(job->store, key, &now, &why, NULL); /* only another try is lost */
}
