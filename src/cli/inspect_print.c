/* The forms of `tenon inspect` for people. */
#include "base/text.h"
#include "cli/inspect.h"

#include <string.h>

enum { TEXT_MAX = 4096 };

static void add_cc(struct tn_buf *text, int cc)
{
    tn_buf_addf(text, "%d.%d", cc / 10, cc % 10);
}

static void add_guesses(struct tn_buf *text, const struct tn_inspected *found, const char *between)
{
    for (size_t i = 0; i < found->guess_count; i++)
        tn_buf_addf(text, "%s%s", i ? between : "", found->guess[i]);
}

static void add_version(struct tn_buf *text, const struct tn_version *version)
{
    char number[TN_VERSION_TEXT];

    tn_version_print(version, number);
    tn_buf_adds(text, number[0] ? number : "?");
}

static const char *flavor_title(const struct tn_plan *plan)
{
    return plan->flavor == TN_FLAVOR_RTX ? "TensorRT-RTX" : "TensorRT";
}

/* ---- one line ---- */

static void add_line_what(struct tn_buf *text, const struct tn_inspected *found)
{
    const struct tn_plan *plan = &found->plan;

    if (plan->kind != TN_FILE_ENGINE) {
        tn_buf_adds(text, tn_file_kind_name(plan->kind));
        return;
    }
    tn_buf_adds(text, plan->flavor == TN_FLAVOR_RTX ? "rtx" : "trt");
    add_version(text, &plan->version);
}

static void add_line_gpu(struct tn_buf *text, const struct tn_inspected *found)
{
    const struct tn_plan *plan = &found->plan;
    char cc[TN_CC_TEXT];

    if (found->has_model) {
        tn_buf_addf(text, "%s, opset %lld", tn_precision_name(found->model.precision),
                    (long long)found->model.opset);
    } else if (plan->has_gpu) {
        tn_gpu_cc_print(&plan->gpu, cc);
        tn_buf_addf(text, "%s ", cc);
        if (found->guess_count > 2)
            tn_buf_addf(text, "%s/… (%zu)", found->guess[0], found->guess_count);
        else
            add_guesses(text, found, "/");
    } else if (plan->ccs.count > 0) {
        add_cc(text, plan->ccs.cc[0]);
        for (int i = 1; i < plan->ccs.count; i++) {
            tn_buf_adds(text, ",");
            add_cc(text, plan->ccs.cc[i]);
        }
        tn_buf_adds(text, plan->ccs.later ? "+" : "");
    } else {
        tn_buf_adds(text, "-");
    }
}

static void add_model_state(struct tn_buf *text, const struct tn_model *model)
{
    const struct tn_preflight *stopper = tn_model_stopper(model);

    if (stopper)
        tn_buf_addf(text, "stops: %s", stopper->code);
    else
        tn_buf_adds(text, "ok");
}

static void add_line_state(struct tn_buf *text, const struct tn_inspected *found)
{
    const struct tn_plan *plan = &found->plan;

    if (found->has_model)
        add_model_state(text, &found->model);
    else if (plan->complete == 0)
        tn_buf_adds(text, plan->expected_size >= 0 && plan->expected_size < plan->size
                              ? "APPENDED TO"
                              : "TRUNCATED");
    else if (plan->integrity == TN_INTEGRITY_CRC_BAD)
        tn_buf_adds(text, "CRC WRONG");
    else if (plan->stripped == 1)
        tn_buf_adds(text, "STRIPPED");
    else if (plan->kind != TN_FILE_ENGINE)
        tn_buf_adds(text, "no engine");
    else if (plan->complete < 0)
        tn_buf_adds(text, "?");
    else if (plan->version_outer.parts && !tn_version_same(&plan->version, &plan->version_outer))
        tn_buf_adds(text, "versions differ");
    else
        tn_buf_adds(text, plan->wrapper[0] ? "whole, wrapped" : "whole");
}

void tn_inspected_heading(FILE *out)
{
    (void)fprintf(out, "%-17s %-26s %10s  %-15s %s\n", "BUILT BY", "FOR", "SIZE", "STATE", "FILE");
}

/* Pads by characters, not bytes: "…" is three bytes wide for printf. */
static void pad_to(struct tn_buf *text, size_t from, size_t columns)
{
    size_t width = 0;

    for (size_t i = from; i < text->size; i++)
        width += ((unsigned char)text->data[i] & 0xc0) != 0x80;
    tn_buf_addf(text, "%*s", width < columns ? (int)(columns - width) : 0, "");
    tn_buf_adds(text, " ");
}

void tn_inspected_line(FILE *out, const struct tn_inspected *found)
{
    char digest[TN_DIGEST_HEX] = "";
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);
    tn_auto(tn_buf_done) struct tn_buf size = TN_BUF(64);
    size_t from;

    add_line_what(&text, found);
    pad_to(&text, 0, 17);
    from = text.size;
    add_line_gpu(&text, found);
    pad_to(&text, from, 26);
    tn_text_add_bytes(&size, found->plan.size);
    tn_buf_addf(&text, "%10s  ", tn_buf_text(&size));
    from = text.size;
    add_line_state(&text, found);
    pad_to(&text, from, 15);
    tn_text_add_safe(&text, found->path, strlen(found->path));
    if (found->has_digest)
        tn_digest_hex(&found->digest, digest);
    (void)fprintf(out, "%s%s%s\n", tn_buf_text(&text), digest[0] ? "  sha256:" : "", digest);
}

/* ---- a block ---- */

static void row(FILE *out, const char *label, const char *text)
{
    (void)fprintf(out, "  %-14s %s\n", label, text);
}

static void row_buf(FILE *out, const char *label, struct tn_buf *text)
{
    if (text->size > 0)
        row(out, label, tn_buf_text(text));
    tn_buf_clear(text);
}

static void block_whole(struct tn_buf *text, const struct tn_plan *plan)
{
    if (plan->complete == 1) {
        tn_buf_adds(text, ", whole");
    } else if (plan->complete < 0) {
        tn_buf_adds(text, ", not known whether whole");
    } else if (plan->expected_size > plan->size) {
        tn_buf_adds(text, ", TRUNCATED: should be ");
        tn_text_add_bytes(text, plan->expected_size);
        tn_buf_addf(text, " (%lld of %lld bytes)", (long long)plan->size,
                    (long long)plan->expected_size);
    } else if (plan->expected_size >= 0 && plan->expected_size < plan->size) {
        tn_buf_addf(text, ", NOT LOADABLE: %lld bytes follow its end",
                    (long long)(plan->size - plan->expected_size));
    } else {
        tn_buf_adds(text, ", TRUNCATED or overwritten: its end is missing");
    }
}

static void block_built(struct tn_buf *text, const struct tn_plan *plan)
{
    tn_buf_addf(text, "%s ", flavor_title(plan));
    if (plan->version.parts)
        add_version(text, &plan->version);
    else
        tn_buf_adds(text, "of unknown version");
    if (plan->platform[0]) {
        tn_buf_adds(text, ", ");
        tn_text_add_safe(text, plan->platform, strlen(plan->platform));
    }
    if (plan->serialization_number >= 0)
        tn_buf_addf(text, ", serialization number %lld", (long long)plan->serialization_number);
}

static void block_gpu(struct tn_buf *text, const struct tn_inspected *found)
{
    const struct tn_gpu *gpu = &found->plan.gpu;
    char cc[TN_CC_TEXT];

    tn_gpu_cc_print(gpu, cc);
    tn_buf_addf(text, "compute capability %s, %lld SM%s, %lld bit", cc, (long long)gpu->sm_count,
                gpu->sm_count == 1 ? "" : "s", (long long)gpu->bus_bits);
    if (gpu->memory_bytes >= 0) {
        tn_buf_adds(text, ", ");
        tn_text_add_bytes(text, gpu->memory_bytes);
    }
    if (gpu->integrated >= 0)
        tn_buf_adds(text, gpu->integrated ? ", integrated" : ", discrete");
}

static void block_ccs(struct tn_buf *text, const struct tn_cc_set *ccs)
{
    tn_buf_adds(text, ccs->count || ccs->later ? "" : "no compute capability");
    for (int i = 0; i < ccs->count; i++) {
        tn_buf_adds(text, i ? ", " : "compute capability ");
        add_cc(text, ccs->cc[i]);
    }
    tn_buf_adds(text, ccs->later ? " and later" : "");
}

static void add_flag(struct tn_buf *text, const char *name, int value)
{
    if (value > 0)
        tn_buf_addf(text, "%s%s", text->size ? ", " : "", name);
}

static void block_flags(struct tn_buf *text, const struct tn_plan *plan)
{
    const char *refit = tn_refit_name(plan->refit);
    const char *compatible = tn_hw_compat_name(plan->hw_compat);

    if (plan->hw_compat > 0)
        tn_buf_addf(text, "hardware compatibility %s", compatible);
    add_flag(text, "lean runtime inside (needs host code allowed)", plan->lean_runtime_inside);
    add_flag(text, refit, plan->refit > 0);
    add_flag(text, "weight streaming", plan->weight_streaming);
    if (text->size == 0 && plan->refit == 0)
        tn_buf_adds(text, "none");
}

static void block_sections(struct tn_buf *text, const struct tn_plan *plan)
{
    for (int i = 0; i < plan->section_count; i++) {
        tn_buf_adds(text, i ? ", " : "");
        tn_text_add_safe(text, plan->section[i].tag, strlen(plan->section[i].tag));
        tn_buf_adds(text, " ");
        tn_text_add_bytes(text, plan->section[i].length);
    }
}

static void block_tensor(FILE *out, const struct tn_io *io)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);

    tn_text_add_safe(&text, io->name, strlen(io->name));
    tn_buf_addf(&text, "  %s  ", tn_dtype_name(io->dtype) ? tn_dtype_name(io->dtype) : "?");
    tn_dims_add(&text, &io->dims);
    row(out, io->output ? "output" : "input", tn_buf_text(&text));
}

static void block_warnings(FILE *out, const struct tn_plan *plan)
{
    char outer[TN_VERSION_TEXT];

    tn_version_print(&plan->version_outer, outer);
    if (plan->stripped == 1)
        (void)fputs("  STRIPPED: its weights were taken out. It loads without a message and "
                    "returns zeros until it is refitted.\n",
                    out);
    if (plan->integrity == TN_INTEGRITY_CRC_BAD)
        (void)fputs("  DAMAGED: the CRC that TensorRT wrote does not match the content.\n", out);
    if (plan->version.parts && outer[0] && !tn_version_same(&plan->version, &plan->version_outer))
        (void)fprintf(
            out, "  VERSIONS DIFFER: the header says %s; TensorRT goes by the version inside.\n",
            outer);
    if (plan->version.parts == 0 && outer[0])
        (void)fprintf(out, "  The header says version %s; the one that counts is not in reach.\n",
                      outer);
    if (plan->wrapper[0])
        (void)fprintf(out,
                      "  WRAPPED: %lld bytes of %s metadata come first; TensorRT itself reads only "
                      "what follows.\n",
                      (long long)plan->wrapper_bytes, plan->wrapper);
}

static void block_engine(FILE *out, const struct tn_inspected *found)
{
    const struct tn_plan *plan = &found->plan;
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);

    tn_text_add_bytes(&text, plan->size);
    block_whole(&text, plan);
    row_buf(out, "engine", &text);
    block_built(&text, plan);
    row_buf(out, "built by", &text);
    if (plan->has_gpu) {
        block_gpu(&text, found);
        row_buf(out, "built on", &text);
        if (plan->gpu.name[0])
            tn_text_add_safe(&text, plan->gpu.name, strlen(plan->gpu.name));
        else
            add_guesses(&text, found, " or ");
        row_buf(out, plan->gpu.name[0] ? "named" : "likely", &text);
    } else if (plan->flavor == TN_FLAVOR_RTX) {
        block_ccs(&text, &plan->ccs);
        row_buf(out, "built for", &text);
    }
    for (size_t i = 0; i < found->io.count; i++)
        block_tensor(out, &found->io.io[i]);
    if (found->weight_precision[0])
        row(out, "weights", found->weight_precision);
    block_flags(&text, plan);
    row_buf(out, "flags", &text);
    block_sections(&text, plan);
    row_buf(out, "sections", &text);
}

static void block_model_tensor(FILE *out, const struct tn_model_io *tensor, bool output)
{
    const struct tn_dims *dims = &tensor->io.dims;
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);

    tn_text_add_safe(&text, tensor->io.name, strlen(tensor->io.name));
    tn_buf_addf(&text, "  %s  ",
                tn_dtype_name(tensor->io.dtype) ? tn_dtype_name(tensor->io.dtype) : "?");
    tn_buf_adds(&text, dims->count < 0 ? "of unknown rank" : "[");
    for (int i = 0; i < dims->count; i++) {
        tn_buf_adds(&text, i ? ", " : "");
        if (dims->dim[i] >= 0)
            tn_buf_addf(&text, "%lld", (long long)dims->dim[i]);
        else if (tensor->axis[i][0])
            tn_text_add_safe(&text, tensor->axis[i], strlen(tensor->axis[i]));
        else
            tn_buf_adds(&text, "?");
    }
    tn_buf_adds(&text, dims->count < 0 ? "" : "]");
    row(out, output ? "output" : "input", tn_buf_text(&text));
}

static void block_model(FILE *out, const struct tn_model *model)
{
    static const char *const severity[] = { [TN_SEVERITY_NOTE] = "note",
                                            [TN_SEVERITY_WARNING] = "warning",
                                            [TN_SEVERITY_STOPS] = "STOPS A BUILD" };
    const char *precision = tn_precision_name(model->precision);
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);
    char hex[TN_DIGEST_HEX];

    tn_text_add_bytes(&text, model->size_bytes);
    tn_buf_addf(&text, ", opset %lld, %s, %lld nodes", (long long)model->opset,
                precision ? precision : "precision unknown", (long long)model->node_count);
    row_buf(out, "ONNX model", &text);
    for (size_t i = 0; i < model->io_count; i++)
        block_model_tensor(out, &model->io[i], i >= model->input_count);
    for (size_t i = 0; i < model->external_count; i++) {
        tn_text_add_safe(&text, model->external[i].location,
                         strnlen(model->external[i].location, sizeof(model->external[i].location)));
        row_buf(out, "external data", &text);
    }
    tn_digest_hex(&model->digest, hex);
    tn_buf_addf(&text, "sha256:%s", hex);
    row_buf(out, "digest", &text);
    for (size_t i = 0; i < model->preflight_count; i++) {
        const struct tn_preflight *trap = &model->preflight[i];

        tn_text_add_safe(&text, trap->detail, strlen(trap->detail));
        row_buf(out, severity[trap->severity], &text);
        tn_text_add_safe(&text, trap->remedy, strlen(trap->remedy));
        row_buf(out, "", &text);
    }
}

static void block_other(FILE *out, const struct tn_plan *plan)
{
    static const char *const says[] = {
        [TN_FILE_UNKNOWN] = "not a file that this program knows",
        [TN_FILE_ENGINE] = "",
        [TN_FILE_TIMING_CACHE] = "a TensorRT timing cache, not an engine",
        [TN_FILE_GIT_LFS_POINTER] = "a Git LFS pointer, not an engine: run 'git lfs pull'",
        [TN_FILE_ONNX] = "an ONNX model",
        [TN_FILE_EMPTY] = "empty",
    };
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TEXT_MAX);

    tn_buf_adds(&text, says[plan->kind]);
    if (plan->kind == TN_FILE_TIMING_CACHE && plan->serialization_number >= 0)
        tn_buf_addf(&text, "; serialization number %lld", (long long)plan->serialization_number);
    if (plan->kind == TN_FILE_TIMING_CACHE && plan->complete == 0)
        tn_buf_adds(&text, "; TRUNCATED");
    row(out, tn_file_kind_name(plan->kind), tn_buf_text(&text));
}

void tn_inspected_block(FILE *out, const struct tn_inspected *found)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(TEXT_MAX);
    char hex[TN_DIGEST_HEX];

    tn_text_add_safe(&path, found->path, strlen(found->path));
    (void)fprintf(out, "%s\n", tn_buf_text(&path));
    if (found->has_model)
        block_model(out, &found->model);
    else if (found->plan.kind == TN_FILE_ENGINE)
        block_engine(out, found);
    else
        block_other(out, &found->plan);
    if (found->has_digest) {
        tn_digest_hex(&found->digest, hex);
        (void)fprintf(out, "  %-14s sha256:%s%s\n", "digest", hex,
                      found->plan.integrity == TN_INTEGRITY_CRC_OK ? ", CRC right" : "");
    }
    if (found->plan.kind == TN_FILE_ENGINE)
        block_warnings(out, &found->plan);
}
