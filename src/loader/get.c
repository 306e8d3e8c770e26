/* tn_get(): the order of things. design.md §4 tells it in words. */
#include "loader/job.h"

#include "base/json.h"
#include "base/text.h"
#include "loader/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tn_job_warn(struct tn_job *job, const char *format, ...)
{
    struct tn_get_result *result = job->result;
    char text[sizeof(result->warning[0])];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < result->warning_count; i++)
        if (strcmp(result->warning[i], text) == 0)
            return;
    if (result->warning_count < TN_GET_WARNINGS_MAX)
        memcpy(result->warning[result->warning_count++], text, sizeof(text));
}

void tn_rung_because(struct tn_rung_report *report, const char *format, ...)
{
    size_t used = strlen(report->reason);
    va_list args;

    if (used > 0 && used + 3 < sizeof(report->reason))
        used += (size_t)snprintf(report->reason + used, sizeof(report->reason) - used, "; ");
    va_start(args, format);
    (void)vsnprintf(report->reason + used, sizeof(report->reason) - used, format, args);
    va_end(args);
}

bool tn_job_event(const struct tn_job *job, enum tn_precision rung, const char *doing,
                  const char *phase, long holder, tn_nsec elapsed)
{
    struct tn_get_event event = { rung, doing, phase ? phase : "", holder, elapsed };

    return !job->options->event || job->options->event(&event, job->options->user);
}

void tn_get_result_done(struct tn_get_result *result)
{
    tn_entry_done(&result->entry);
}

/* ---- what both ways share ---- */

int tn_job_prove(struct tn_job *job, const struct tn_rung *rung, struct tn_refusal *ret_why,
                 struct tn_error *err)
{
    struct tn_entry *entry = &job->result->entry;
    int rc = tn_job_try(job, rung, entry, ret_why, err);

    if (rc == TN_PROOF_GOOD)
        rc = tn_job_load(job, rung->precision, entry, ret_why, err);
    if (rc == TN_PROOF_GOOD)
        return rc;
    tn_entry_done(entry);
    *entry = (struct tn_entry) { 0 };
    return rc;
}

static int no_engine(const struct tn_job *job, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(8192);

    for (size_t i = 0; i < job->result->rung_count; i++)
        tn_buf_addf(&text, "%s%s: %s", i ? "; " : "",
                    tn_precision_name(job->result->rung[i].precision), job->result->rung[i].reason);
    return tn_fail(err, tn_job_none(job), "no rung gave an engine: %s", tn_buf_text(&text));
}

/* ---- MODEL: a file or a name ---- */

static bool is_file(const char *model)
{
    return strchr(model, '/') || tn_text_ends(model, ".onnx") || tn_text_ends(model, ".yaml") ||
           tn_text_ends(model, ".yml") || access(model, F_OK) == 0;
}

struct named_search {
    struct tn_job *job;
    struct tn_ladder ladder; /* count 0 = any */
    struct tn_entries found;
    struct tn_buf passed;
    int seen;
    struct tn_error *err;
    int rc;
};

static bool wanted_precision(const struct named_search *search, const struct tn_entry *entry)
{
    const char *name = entry->record.recipe.value[TN_RECIPE_PRECISION];

    for (size_t i = 0; i < search->ladder.count; i++)
        if (name && strcmp(name, tn_precision_name(search->ladder.rung[i])) == 0)
            return true;
    return search->ladder.count == 0;
}

static bool keep(struct named_search *search, struct tn_entry *entry)
{
    struct tn_entry *grown =
        realloc(search->found.item, (search->found.count + 1) * sizeof(*grown));

    if (!grown) {
        search->rc = tn_fail(search->err, TN_E_NOMEM, "look for the model in the store");
        return false;
    }
    search->found.item = grown;
    search->found.item[search->found.count++] = *entry;
    *entry = (struct tn_entry) { 0 };
    return true;
}

static bool consider_named(struct tn_entry *entry, void *user)
{
    struct named_search *search = user;
    struct tn_job *job = search->job;
    struct tn_answer answer;
    struct tn_error why = { 0 };
    struct tn_refusal fell;
    bool good;

    if (strcmp(entry->record.model_name, job->options->model) != 0 &&
        strcmp(entry->record.name, job->options->model) != 0)
        return true;
    search->seen++;
    if (!wanted_precision(search, entry) || tn_job_has_failed(job, entry))
        return true;
    if (tn_job_passes_over(job, entry, &fell)) {
        tn_buf_addf(&search->passed, "; %s: it did not load at %s", entry->record.name, fell.time);
        return true;
    }
    if (tn_job_verdict(job, entry, &answer, &why) != TN_OK) {
        tn_buf_addf(&search->passed, "; %s", why.text);
        return true;
    }
    /* without a GPU to ask about, an engine of this runtime's version is what can be had */
    good = answer.verdict == TN_VERDICT_LOADS ||
           (!job->target.has_gpu && answer.verdict != TN_VERDICT_WONT_LOAD) ||
           (job->accept_may_load && answer.verdict == TN_VERDICT_MAY_LOAD);
    if (!good) {
        tn_buf_addf(&search->passed, "; %s: %s, %s", entry->record.name,
                    tn_verdict_name(answer.verdict),
                    answer.reason_count ? answer.reason[0].detail : "");
        return true;
    }
    if (!job->options->no_verify && tn_object_verify(job->store, entry, false, &why) != TN_OK) {
        tn_buf_addf(&search->passed, "; %s", why.text);
        return true;
    }
    if (tn_job_trusts(job, entry, &why) < 0) {
        tn_buf_addf(&search->passed, "; %s", why.text);
        return true;
    }
    return keep(search, entry);
}

static int rank_of(const struct named_search *search, const struct tn_entry *entry)
{
    const char *name = entry->record.recipe.value[TN_RECIPE_PRECISION];

    for (size_t i = 0; i < search->ladder.count; i++)
        if (name && strcmp(name, tn_precision_name(search->ladder.rung[i])) == 0)
            return (int)i;
    return 0;
}

/* The best engine of a name: first rung that has one; among equals of one recipe the newest. */
static int pick_named(struct named_search *search, struct tn_entry *ret_entry, struct tn_error *err)
{
    struct tn_entry *best = NULL;

    for (size_t i = 0; i < search->found.count; i++) {
        struct tn_entry *one = &search->found.item[i];

        if (!best || rank_of(search, one) < rank_of(search, best)) {
            best = one;
            continue;
        }
        if (rank_of(search, one) > rank_of(search, best))
            continue;
        if (!tn_digest_equal(&one->record.key, &best->record.key))
            return tn_fail(err, TN_E_USAGE,
                           "the store holds several engines of '%s' that load here (%s, %s): name "
                           "one of them, or give "
                           "--precision",
                           search->job->options->model, best->record.name, one->record.name);
        if (one->record.sequence > best->record.sequence)
            best = one;
    }
    *ret_entry = *best;
    *best = (struct tn_entry) { 0 };
    return TN_OK;
}

/* One engine of the name, proved. @return an enum tn_proof, or an error */
static int try_named(struct tn_job *job, struct named_search *search, struct tn_error *err)
{
    struct tn_get_result *result = job->result;
    struct tn_rung rung = { .report = &result->rung[result->rung_count] };
    struct tn_refusal why;
    const char *precision;
    int rc = pick_named(search, &result->entry, err);

    if (rc < 0)
        return rc;
    result->rung_count++;
    precision = result->entry.record.recipe.value[TN_RECIPE_PRECISION];
    rung.precision =
        precision ? tn_precision_parse(precision, strlen(precision)) : TN_PRECISION_UNKNOWN;
    rung.report->precision = rung.precision;
    rung.report->result = "hit";
    result->precision = rung.precision;
    (void)tn_text_copy(result->model, sizeof(result->model), result->entry.record.model_name);
    job->source = "store";
    rc = tn_job_prove(job, &rung, &why, err);
    if (rc == TN_PROOF_GOOD) {
        result->source = "store";
    } else if (rc >= 0) {
        rung.report->result = "failed";
        tn_rung_failed(rung.report, &why);
    }
    return rc;
}

static int nothing_named(const struct tn_job *job, const struct named_search *search,
                         struct tn_error *err)
{
    const char *model = job->options->model;

    if (search->seen == 0)
        return tn_fail(err, TN_E_NOTFOUND, "'%s' is neither a file nor a model in the store '%s'",
                       model, tn_store_root(job->store, 0));
    return tn_fail(err, tn_job_none(job),
                   "the store holds %d engine%s of '%s', none for this device%s", search->seen,
                   search->seen == 1 ? "" : "s", model, tn_buf_text(&search->passed));
}

/* @return an enum tn_proof, or an error */
static int round_of_name(struct tn_job *job, struct tn_error *err)
{
    struct named_search search = { .job = job, .passed = TN_BUF(300), .err = err };
    int rc = job->options->precision ? tn_ladder_parse(job->options->precision, &search.ladder, err)
                                     : TN_OK;

    if (rc == TN_OK)
        rc = tn_objects_each(job->store, consider_named, NULL, &search, err);
    if (rc == TN_OK)
        rc = search.rc;
    if (rc == TN_OK && search.found.count > 0)
        rc = try_named(job, &search, err);
    else if (rc == TN_OK && job->result->rung_count > 0)
        rc = no_engine(job, err); /* all that there were have failed in this call */
    else if (rc == TN_OK)
        rc = nothing_named(job, &search, err);
    tn_entries_done(&search.found);
    tn_buf_done(&search.passed);
    return rc;
}

static int get_named(struct tn_job *job, struct tn_error *err)
{
    while (job->result->rung_count < TN_LADDER_MAX) {
        int rc = round_of_name(job, err);

        if (rc < 0 || rc == TN_PROOF_GOOD)
            return rc < 0 ? rc : TN_OK;
    }
    return no_engine(job, err);
}

/* ---- a file: rung by rung ---- */

static int merge_shapes(struct tn_job *job, struct tn_error *err)
{
    int rc = TN_OK;

    if (job->options->shapes)
        rc = tn_shapes_parse(job->options->shapes, &job->shapes, err);
    if (rc < 0)
        return err ? (err->code = TN_E_USAGE) : TN_E_USAGE;
    for (size_t i = 0; rc == TN_OK && i < job->spec.shapes.count; i++)
        if (!tn_shapes_find(&job->shapes, job->spec.shapes.range[i].input))
            rc = tn_shapes_add(&job->shapes, &job->spec.shapes.range[i], err);
    return rc;
}

int tn_job_ladder(struct tn_job *job, struct tn_ladder *ret_ladder, struct tn_error *err)
{
    const struct tn_model *model;
    int rc;

    if (job->options->precision) {
        rc = tn_ladder_parse(job->options->precision, ret_ladder, err);
        return rc < 0 ? (err ? (err->code = TN_E_USAGE) : TN_E_USAGE) : rc;
    }
    if (job->spec.policy.ladder.count > 0) {
        *ret_ladder = job->spec.policy.ladder;
        return TN_OK;
    }
    if (!job->spec.plain && job->spec.variant_count > 1)
        return tn_fail(err, TN_E_USAGE,
                       "the spec has several variants and no ladder: add `policy: precision:` or "
                       "give --precision");
    rc = tn_job_model(job, 0, &model, err);
    if (rc < 0)
        return rc;
    if (job->spec.variant[0].precision == TN_PRECISION_UNKNOWN)
        job->spec.variant[0].precision = model->precision;
    ret_ladder->rung[0] = job->spec.variant[0].precision;
    ret_ladder->count = 1;
    return TN_OK;
}

static void take(struct tn_job *job, const struct tn_rung *rung, const char *source)
{
    struct tn_get_result *result = job->result;

    result->source = source;
    result->precision = rung->precision;
    rung->report->result = strcmp(source, "store") == 0 ? "hit" : source;
    rung->report->reason[0] = '\0';
}

/* After a build the rules are asked once more: a plan may be whole and still not be for this GPU.
 */
static bool loads_after_build(struct tn_job *job, struct tn_rung *rung, struct tn_entry *entry)
{
    struct tn_answer answer;

    if (!job->target.has_gpu || tn_job_verdict(job, entry, &answer, NULL) != TN_OK ||
        answer.verdict != TN_VERDICT_WONT_LOAD)
        return true;
    rung->report->result = "failed";
    tn_rung_because(rung->report, "built, but it will not load on this GPU: %s; %s",
                    answer.reason[0].detail, answer.reason[0].remedy);
    tn_entry_done(entry);
    return false;
}

/* Proves the rung's engine; a failure is remembered for later calls, unless it says nothing of this
 * recipe: the bytes were changed, or it was an engine for another class of devices. Then what else
 * there is for the rung is as good as before. @return an enum tn_proof, or an error */
static int prove(struct tn_job *job, struct tn_rung *rung, const char *source, struct tn_error *err)
{
    bool own = tn_digest_equal(&job->result->entry.record.key, &rung->key);
    struct tn_refusal why;
    int rc;

    job->source = source;
    rc = tn_job_prove(job, rung, &why, err);
    if (rc == TN_PROOF_GOOD) {
        if (strcmp(source, "store") != 0)
            tn_rung_forget(job, rung); /* not before: a back-off grows while it builds and fails */
        take(job, rung, source);
    } else if (rc == TN_PROOF_REFUSED && own) {
        tn_rung_remember(job, rung, &why);
    } else if (rc >= 0) {
        rung->report->result = "failed";
        tn_rung_failed(rung->report, &why);
        rc = TN_PROOF_CHANGED;
    }
    return rc;
}

/* @return an enum tn_proof, or an error */
static int build_rung(struct tn_job *job, struct tn_rung *rung, struct tn_error *err)
{
    struct tn_entry *entry = &job->result->entry;
    const char *source = NULL;
    int rc;

    if (tn_rung_is_revoked(job, rung)) {
        rung->report->result = "skipped";
        return 0;
    }
    rc = tn_rung_build(job, rung, entry, &source, err);
    if (rc > 0) {
        if (!loads_after_build(job, rung, entry)) {
            *entry = (struct tn_entry) { 0 };
            return TN_PROOF_REFUSED;
        }
        return prove(job, rung, source, err);
    }
    if (rc == 0 && job->accept_may_load && rung->recipe.value[0]) {
        rc = tn_rung_find(job, rung, true, entry, err);
        if (rc > 0)
            return prove(job, rung, "store", err);
    }
    return rc;
}

/* The rung's engine from the stores, else from a build. @return an enum tn_proof, or an error */
static int round_of_rung(struct tn_job *job, struct tn_rung *rung, struct tn_error *err)
{
    int rc = job->options->force ? 0 : tn_rung_find(job, rung, false, &job->result->entry, err);

    if (rc > 0)
        return prove(job, rung, "store", err);
    if (rc != 0 || strcmp(rung->report->result, "failed") == 0)
        return rc;
    rc = job->options->force ? 0 : tn_rung_fetch(job, rung, err);
    if (rc > 0)
        rc = tn_rung_find(job, rung, false, &job->result->entry, err);
    if (rc != 0)
        return rc < 0 ? rc : prove(job, rung, "remote", err);
    return build_rung(job, rung, err);
}

enum { ROUNDS_MAX = 4 }; /* of one rung: engines in the stores whose bytes something changed */

/* @return 1 got one, 0 next rung, or an error */
static int try_rung(struct tn_job *job, enum tn_precision precision, struct tn_error *err)
{
    struct tn_rung_report *report = &job->result->rung[job->result->rung_count++];
    tn_auto(tn_rung_done) struct tn_rung rung = { .precision = precision };
    int rc = tn_rung_prepare(job, precision, report, &rung, err);

    if (rc <= 0)
        return rc;
    (void)tn_text_copy(job->result->derived_by, sizeof(job->result->derived_by), rung.derived_by);
    if (job->options->retry)
        tn_rung_forget(job, &rung);
    rc = TN_PROOF_CHANGED;
    for (int i = 0; rc == TN_PROOF_CHANGED && i < ROUNDS_MAX && rung.recipe.value[0]; i++) {
        report->result = "missing";
        rc = round_of_rung(job, &rung, err);
    }
    return rc == TN_PROOF_CHANGED ? 0 : rc;
}

static int get_from_file(struct tn_job *job, struct tn_error *err)
{
    struct tn_ladder ladder = { .count = 0 };
    int rc = tn_job_ladder(job, &ladder, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ladder.count; i++) {
        rc = try_rung(job, ladder.rung[i], err);
        if (rc != 0)
            return rc < 0 ? rc : TN_OK;
    }
    return no_engine(job, err);
}

/* ---- around it ---- */

static void say_which_gpu(struct tn_job *job)
{
    const struct tn_device *device = job->named ? job->named : job->machine;

    if (!job->options->gpu && tn_device_boards_differ(device))
        tn_job_warn(job, "%s has different GPUs; the engine is for %s (--gpu chooses another)",
                    device->label, job->result->gpu);
}

static int learn_machine(struct tn_job *job, struct tn_error *err)
{
    int rc;

    job->machine = malloc(sizeof(*job->machine));
    job->named = job->options->for_device ? malloc(sizeof(*job->named)) : NULL;
    if (!job->machine || (job->options->for_device && !job->named))
        return tn_fail(err, TN_E_NOMEM, "fingerprint");
    rc = tn_facts_device(job->store, job->options->python, job->machine, err);
    if (rc == TN_OK && job->named)
        rc = tn_device_get(job->options->for_device, job->named, err);
    if (rc == TN_OK)
        rc = tn_target_decide(job->options, job->machine, job->named, &job->target, err);
    if (rc == TN_E_AGAIN)
        return tn_job_no_device(job, err);
    if (rc < 0)
        return rc;
    tn_runtime_id_print(&job->target.runtime, job->result->runtime);
    if (job->target.has_gpu)
        (void)tn_text_copy(job->result->gpu, sizeof(job->result->gpu),
                           job->target.gpu.name[0] ? job->target.gpu.name
                                                   : job->target.gpu.product);
    say_which_gpu(job);
    return TN_OK;
}

int tn_job_begin(struct tn_job *job, struct tn_error *err)
{
    const char *model = job->options->model;
    int rc = tn_store_open(job->options->store, &job->store, err);

    job->from_file = is_file(model);
    if (rc == TN_OK && job->from_file)
        rc = tn_spec_read_with(model, tn_facts_digest, job->store, &job->spec, err);
    if (rc == TN_OK)
        rc = tn_job_trust_begin(job, err);
    if (rc < 0)
        return rc;
    (void)tn_text_copy(job->result->model, sizeof(job->result->model), job->spec.name);
    job->accept_may_load = job->options->accept_may_load || job->spec.policy.accept_may_load;
    job->build_forbidden = job->options->no_build || job->spec.policy.build_forbidden;
    rc = learn_machine(job, err);
    return rc == TN_OK && job->from_file ? merge_shapes(job, err) : rc;
}

/* A release of which no engine fits goes on as the file that was fetched. */
static int get(struct tn_job *job, struct tn_error *err)
{
    int rc;

    if (!job->from_file && !strchr(job->options->model, '@'))
        return get_named(job, err);
    if (!job->from_file) {
        rc = tn_job_get_release(job, err);
        if (rc == 0)
            rc = merge_shapes(job, err);
        if (rc != 0)
            return rc < 0 ? rc : TN_OK;
    }
    return get_from_file(job, err);
}

static int work(struct tn_job *job, struct tn_error *err)
{
    int rc = tn_job_begin(job, err);

    if (rc == TN_OK && !job->from_file && (job->options->exact || job->options->force))
        rc = tn_fail(err, TN_E_USAGE, "'%s' is no model file: a build needs one",
                     job->options->model);
    if (rc == TN_OK)
        rc = get(job, err);
    if (rc < 0)
        return rc;
    tn_object_used(job->store, &job->result->entry);
    return tn_job_settle_level(job, err);
}

void tn_job_done(struct tn_job *job)
{
    for (size_t i = 0; i < TN_LADDER_MAX; i++)
        if (job->model_read[i])
            tn_model_done(&job->model[i]);
    tn_shapes_done(&job->shapes);
    tn_spec_done(&job->spec);
    tn_keyring_done(&job->trusted);
    json_decref(job->revoked);
    tn_fd_done(&job->fetched_fd);
    free(job->machine);
    free(job->named);
    tn_store_close(job->store);
}

int tn_get(const struct tn_get_options *options, struct tn_get_result *ret_result,
           struct tn_error *err)
{
    struct tn_job job = { .options = options, .result = ret_result, .fetched_fd = -1 };
    tn_nsec start = tn_clock_monotonic();
    int rc;

    *ret_result = (struct tn_get_result) { 0 };
    rc = work(&job, err);
    tn_job_done(&job);
    ret_result->seconds = (double)(tn_clock_monotonic() - start) / 1e9;
    if (rc == TN_OK && ret_result->build_seconds <= 0)
        ret_result->build_seconds =
            (double)tn_json_int(ret_result->entry.record.built, "build_ms", 0) / 1e3;
    return rc;
}
