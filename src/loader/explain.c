#include "loader/explain.h"

#include "loader/job.h"

#include <stdlib.h>
#include <string.h>

static void rung_done(struct tn_explain_rung *rung)
{
    for (size_t i = 0; i < rung->engine_count; i++)
        tn_entry_done(&rung->engine[i].entry);
    free(rung->engine);
    tn_recipe_done(&rung->recipe);
}

void tn_explanation_done(struct tn_explanation *explanation)
{
    for (size_t i = 0; i < explanation->rung_count; i++)
        rung_done(&explanation->rung[i]);
    tn_get_result_done(&explanation->got);
    *explanation = (struct tn_explanation) { 0 };
}

struct comparing {
    struct tn_job *job;
    struct tn_explain_rung *rung;
    bool derived_by_any; /* by what the wanted one would be derived is not known here */
    bool no_memory;
};

static const char *value(const struct tn_recipe *recipe, size_t field)
{
    return recipe->value[field] ? recipe->value[field] : "";
}

static void compare(const struct comparing *comparing, struct tn_explain_engine *engine)
{
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        if (i == TN_RECIPE_DERIVED_BY && comparing->derived_by_any)
            continue;
        engine->differs[i] =
            strcmp(value(&comparing->rung->recipe, i), value(&engine->entry.record.recipe, i)) != 0;
        engine->count += engine->differs[i];
    }
}

static bool consider(struct tn_entry *entry, void *user)
{
    struct comparing *comparing = user;
    struct tn_explain_rung *rung = comparing->rung;
    struct tn_explain_engine *grown;

    if (strcmp(entry->record.model_name, comparing->job->spec.name) != 0 &&
        strcmp(value(&entry->record.recipe, TN_RECIPE_MODEL_DIGEST),
               value(&rung->recipe, TN_RECIPE_MODEL_DIGEST)) != 0)
        return true;
    grown = realloc(rung->engine, (rung->engine_count + 1) * sizeof(*grown));
    if (!grown) {
        comparing->no_memory = true;
        return false;
    }
    rung->engine = grown;
    grown += rung->engine_count++;
    *grown = (struct tn_explain_engine) { .entry = *entry };
    *entry = (struct tn_entry) { 0 };
    compare(comparing, grown);
    return true;
}

static int nearest_first(const void *a, const void *b)
{
    const struct tn_explain_engine *x = a, *y = b;

    if (x->count != y->count)
        return x->count - y->count;
    return (x->entry.record.sequence < y->entry.record.sequence) -
           (x->entry.record.sequence > y->entry.record.sequence);
}

static int explain_rung(struct tn_job *job, enum tn_precision precision,
                        struct tn_explain_rung *into, struct tn_error *err)
{
    tn_auto(tn_rung_done) struct tn_rung rung = { .precision = precision };
    struct comparing comparing = { .job = job, .rung = into };
    int rc = tn_rung_prepare(job, precision, &into->report, &rung, err);

    if (rc <= 0)
        return rc;
    into->exists = true;
    into->key = rung.key;
    into->recipe = rung.recipe;
    rung.recipe = (struct tn_recipe) { { NULL } };
    comparing.derived_by_any = rung.derived_by_any;
    rc = tn_objects_each(job->store, consider, NULL, &comparing, err);
    if (rc == TN_OK && comparing.no_memory)
        rc = tn_fail(err, TN_E_NOMEM, "compare engines");
    if (into->engine_count > 1)
        qsort(into->engine, into->engine_count, sizeof(*into->engine), nearest_first);
    return rc;
}

static int explain(struct tn_job *job, struct tn_explanation *into, struct tn_error *err)
{
    struct tn_ladder ladder = { .count = 0 };
    int rc = tn_job_begin(job, err);

    if (rc == TN_OK && !job->from_file)
        rc = tn_fail(err, TN_E_USAGE,
                     "'%s' is no model file: a name alone does not say what is wanted",
                     job->options->model);
    if (rc == TN_OK)
        rc = tn_job_ladder(job, &ladder, err);
    for (size_t i = 0; rc == TN_OK && i < ladder.count; i++)
        rc = explain_rung(job, ladder.rung[i], &into->rung[into->rung_count++], err);
    return rc;
}

int tn_explain(const struct tn_get_options *options, struct tn_explanation *ret_explanation,
               struct tn_error *err)
{
    struct tn_job job = { .options = options, .result = &ret_explanation->got, .fetched_fd = -1 };
    int rc;

    *ret_explanation = (struct tn_explanation) { 0 };
    rc = explain(&job, ret_explanation, err);
    tn_job_done(&job);
    return rc < 0 ? rc : TN_OK;
}
