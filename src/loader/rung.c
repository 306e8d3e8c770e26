/* One rung of the ladder: where its ONNX file comes from, which shapes, which recipe. */
#include "loader/job.h"

#include "base/text.h"
#include "loader/facts.h"
#include "toolchain/toolchain.h"

#include <stdio.h>
#include <string.h>

/* Rank of a precision by the bits of its weights: a file cannot be made wider than it is. */
static int bits(enum tn_precision precision)
{
    switch (precision) {
    case TN_PRECISION_FP32:
        return 32;
    case TN_PRECISION_FP16:
    case TN_PRECISION_BF16:
        return 16;
    case TN_PRECISION_FP8:
    case TN_PRECISION_INT8:
        return 8;
    case TN_PRECISION_FP4:
    case TN_PRECISION_INT4:
        return 4;
    case TN_PRECISION_UNKNOWN:
        break;
    }
    return 0;
}

static int find_variant(const struct tn_spec *spec, enum tn_precision precision)
{
    for (int i = 0; i < spec->variant_count; i++)
        if (spec->variant[i].precision == precision)
            return i;
    return -1;
}

/* A plain file has no declared precision: its content decides. */
static int settle_plain_precision(struct tn_job *job, struct tn_error *err)
{
    const struct tn_model *model;
    int rc;

    if (!job->spec.plain || job->spec.variant[0].precision != TN_PRECISION_UNKNOWN)
        return TN_OK;
    rc = tn_job_model(job, 0, &model, err);
    if (rc == TN_OK)
        job->spec.variant[0].precision = model->precision;
    return rc;
}

static bool precision_by_flag(const struct tn_target *target)
{
    if (target->toolchain)
        return tn_toolchain_precision_by_flag(target->toolchain);
    return target->flavor == TN_FLAVOR_TENSORRT && target->runtime.version.part[0] <= 10;
}

static const char *widest_name(const struct tn_spec *spec)
{
    enum tn_precision widest = TN_PRECISION_UNKNOWN;

    for (int i = 0; i < spec->variant_count; i++)
        if (bits(spec->variant[i].precision) > bits(widest))
            widest = spec->variant[i].precision;
    return widest ? tn_precision_name(widest) : "unknown precision";
}

/* Derives from the fp32 variant by a converter of the toolchain's environment.
 * @return 1, or 0 with the reason */
static int derive(struct tn_job *job, struct tn_rung *rung)
{
    struct tn_error why = { 0 };

    if (!job->target.toolchain) {
        rung->derived_by_any = true;
        return 1;
    }
    if (tn_toolchain_converter(job->target.toolchain, rung->precision, rung->derived_by, &why) ==
        TN_OK)
        return 1;
    rung->report->result = "skipped";
    tn_rung_because(rung->report, "the model has no %s variant, and none can be derived: %s",
                    tn_precision_name(rung->precision), why.text);
    return 0;
}

/* @return the variant's number, -1 with the reason in the report, or an error below -1 */
static int choose_source(struct tn_job *job, struct tn_rung *rung)
{
    const char *name = tn_precision_name(rung->precision);
    int own = find_variant(&job->spec, rung->precision);
    int fp32 = find_variant(&job->spec, TN_PRECISION_FP32);

    if (own >= 0)
        return own;
    rung->report->result = "skipped";
    if (fp32 < 0) {
        tn_rung_because(rung->report,
                        "the model has no %s variant and no fp32 one to make it from (its widest "
                        "is %s): give one "
                        "under `variants:` in a model.yaml",
                        name, widest_name(&job->spec));
        return -1;
    }
    if (precision_by_flag(&job->target)) {
        if (rung->precision == TN_PRECISION_INT8 && !job->spec.options.calibration[0]) {
            tn_rung_because(rung->report, "int8 needs a Q/DQ variant, or a calibration cache "
                                          "(`options: calibration:`) for this TensorRT");
            return -1;
        }
        return fp32;
    }
    if (derive(job, rung) == 0)
        return -1;
    return fp32;
}

int tn_job_model(struct tn_job *job, int at, const struct tn_model **ret_model,
                 struct tn_error *err)
{
    if (!job->model_read[at]) {
        int rc = tn_facts_model(job->store, job->spec.variant[at].path, &job->model[at], err);

        if (rc < 0)
            return rc;
        job->model_read[at] = true;
    }
    *ret_model = &job->model[at];
    return TN_OK;
}

static int make_recipe(struct tn_job *job, struct tn_rung *rung, struct tn_error *err)
{
    struct tn_build_options options = job->spec.options;
    struct tn_want want = { .model = rung->model,
                            .derived_by = rung->derived_by[0] ? rung->derived_by : NULL,
                            .model_precision = rung->model_precision,
                            .precision = rung->precision,
                            .flavor = job->target.flavor,
                            .version = job->target.runtime.version,
                            .platform = job->target.platform,
                            .gpu =
                                job->target.flavor == TN_FLAVOR_TENSORRT ? &job->target.gpu : NULL,
                            .shapes = &rung->shapes,
                            .options = &options };
    int rc = tn_target_ccs(&job->target, &options, err);

    if (rc == TN_OK)
        rc = tn_recipe_make(&want, &rung->recipe, err);
    return rc == TN_OK ? tn_recipe_key(&rung->recipe, &rung->key, err) : rc;
}

int tn_rung_prepare(struct tn_job *job, enum tn_precision precision, struct tn_rung_report *report,
                    struct tn_rung *ret_rung, struct tn_error *err)
{
    tn_auto(tn_rung_done) struct tn_rung rung = { .precision = precision, .report = report };
    tn_auto(tn_buf_done) struct tn_buf note = TN_BUF(1024);
    int source, rc;

    report->precision = precision;
    report->result = "missing";
    rc = settle_plain_precision(job, err);
    if (rc < 0)
        return rc;
    source = choose_source(job, &rung);
    if (source < 0)
        return 0;
    report->result = "missing";
    rc = tn_job_model(job, source, &rung.model, err);
    if (rc < 0)
        return rc;
    rung.model_precision = job->spec.variant[source].precision;
    rc = tn_recipe_complete_shapes(rung.model, &job->shapes, &rung.shapes, &note, err);
    if (rc == TN_OK)
        rc = make_recipe(job, &rung, err);
    if (rc < 0)
        return rc;
    if (note.size > 0)
        tn_job_warn(job, "%s", tn_buf_text(&note));
    report->key = rung.key;
    *ret_rung = rung;
    rung = (struct tn_rung) { 0 };
    return 1;
}

void tn_rung_done(struct tn_rung *rung)
{
    tn_shapes_done(&rung->shapes);
    tn_recipe_done(&rung->recipe);
}
