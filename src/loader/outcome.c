/* Writing down how a load went: for metrics and evidence. */
#include "loader/job.h"

#include "base/text.h"

static const char *field(const struct tn_entry *entry, enum tn_recipe_field at)
{
    const char *value = entry->record.recipe.value[at];

    return value ? value : "";
}

void tn_job_outcome(const struct tn_job *job, const struct tn_entry *entry,
                    const struct tn_heard *heard)
{
    tn_auto(tn_buf_done) struct tn_buf class = TN_BUF(160);
    struct tn_outcome outcome = { .by = heard->by,
                                  .result = heard->result,
                                  .digest = entry->record.digest,
                                  .key = entry->record.key,
                                  .bytes = entry->record.plan_bytes,
                                  .rung = (int)job->result->rung_count,
                                  .seconds = heard->seconds,
                                  .cold = heard->cold,
                                  .lasting = heard->lasting };

#define SET(member, text) (void)tn_text_copy(outcome.member, sizeof(outcome.member), text)
    SET(name, entry->record.name);
    SET(model, entry->record.model_name);
    SET(precision, field(entry, TN_RECIPE_PRECISION));
    SET(flavor, field(entry, TN_RECIPE_FLAVOR));
    SET(runtime, job->result->runtime);
    SET(source, job->source ? job->source : "");
    SET(gpu, job->result->gpu);
    if (job->target.has_gpu && tn_gpu_class_add(&class, &job->target.gpu))
        SET(gpu_class, tn_buf_text(&class));
    SET(driver, job->machine->driver_text);
    SET(class_name, heard->class_name);
    SET(first_line, heard->first_line);
#undef SET
    (void)tn_spool_add(job->store, &outcome,
                       NULL); /* a spool that is not written harms no engine */
}
