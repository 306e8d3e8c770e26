/* What a rung remembers of its failures: refusals and back-off, and when they count. */
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
