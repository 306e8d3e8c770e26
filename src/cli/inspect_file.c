/* Facts of one file for `tenon inspect`. */
#include "base/json.h"
#include "base/text.h"
#include "cli/inspect.h"
#include "compat/compat.h"
#include "plan/plan_json.h"

#include <string.h>

/* Without --verify the compiler's text is looked for in engines up to this size only. */
static const int64_t text_bytes_max = INT64_C(64) << 20;

static int read_details(int fd, const struct tn_inspect_options *options,
                        struct tn_inspected *found, struct tn_error *err)
{
    const struct tn_plan *plan = &found->plan;
    int64_t engine_bytes = 0;
    int rc = tn_plan_read_io(fd, plan, &found->io, err);

    for (int i = 0; i < plan->section_count; i++)
        if (strcmp(plan->section[i].tag, "ENGN") == 0)
            engine_bytes = plan->section[i].length;
    if (rc == TN_OK && (options->verify || engine_bytes <= text_bytes_max))
        rc = tn_plan_weight_precision(fd, plan, found->weight_precision, err);
    return rc;
}

/* What looks like a model, by its first bytes or its name, is asked. Bytes that are no model after
 * all stay what they were: unknown. */
static int read_model(const char *readable, struct tn_inspected *found, struct tn_error *err)
{
    bool named = tn_text_ends(found->path, ".onnx");
    int rc = tn_model_read(readable, &found->model, err);

    found->has_model = rc == TN_OK;
    if (rc == TN_OK) {
        found->plan.kind = TN_FILE_ONNX;
    } else if (rc == TN_E_INVALID && !named) {
        found->plan.kind = TN_FILE_UNKNOWN;
        rc = TN_OK;
    }
    return rc;
}

int tn_inspect_file(int fd, int64_t size, const char *path, const char *readable,
                    const struct tn_inspect_options *options, struct tn_inspected *ret_found,
                    struct tn_error *err)
{
    struct tn_inspected *found = ret_found;
    const struct tn_plan *plan = &found->plan;
    int rc;

    found->path = path;
    rc = tn_plan_read(fd, size, &found->plan, err);
    if (rc < 0)
        return rc;
    if (plan->kind == TN_FILE_ONNX ||
        (plan->kind == TN_FILE_UNKNOWN && tn_text_ends(path, ".onnx"))) {
        rc = read_model(readable, found, err);
        if (rc < 0 || plan->kind == TN_FILE_ONNX)
            return rc;
    }
    if (plan->has_gpu)
        found->guess_count = tn_compat_guess_boards(&plan->gpu, found->guess, TN_INSPECT_GUESSES);
    if (options->details && plan->flavor == TN_FLAVOR_RTX)
        rc = read_details(fd, options, found, err);
    if (rc == TN_OK && options->verify) {
        rc = tn_plan_verify(fd, &found->plan, &found->digest, err);
        found->has_digest = rc == TN_OK;
    }
    return rc;
}

void tn_inspected_done(struct tn_inspected *found)
{
    tn_plan_io_done(&found->io);
    if (found->has_model)
        tn_model_done(&found->model);
}

bool tn_inspected_good(const struct tn_inspected *found)
{
    if (found->has_model)
        return tn_model_stopper(&found->model) == NULL;
    return found->plan.kind == TN_FILE_ENGINE && found->plan.complete == 1 &&
           found->plan.integrity != TN_INTEGRITY_CRC_BAD;
}

static void set_digest(json_t *json, const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    tn_json_set_str(json, "digest", hex);
}

static json_t *plan_json(const struct tn_inspected *found)
{
    json_t *json = tn_plan_to_json(&found->plan, &found->io);
    json_t *gpu = json_object_get(json, "gpu");

    if (json_is_object(gpu)) {
        json_t *guess = json_array();

        for (size_t i = 0; i < found->guess_count; i++)
            tn_json_append_str(guess, found->guess[i]);
        tn_json_set(gpu, "guess", guess);
    }
    if (found->plan.flavor == TN_FLAVOR_RTX)
        tn_json_set_str(json, "weight_precision", found->weight_precision);
    if (found->has_digest)
        set_digest(json, &found->digest);
    return json;
}

/* An axis is its size, its name, or null. */
static json_t *shape_json(const struct tn_model_io *tensor)
{
    const struct tn_dims *dims = &tensor->io.dims;
    json_t *shape;

    if (dims->count < 0)
        return json_null();
    shape = json_array();
    for (int i = 0; i < dims->count; i++) {
        if (dims->dim[i] >= 0)
            (void)json_array_append_new(shape, json_integer(dims->dim[i]));
        else if (tensor->axis[i][0])
            tn_json_append_str(shape, tensor->axis[i]);
        else
            (void)json_array_append_new(shape, json_null());
    }
    return shape;
}

static json_t *model_tensors_json(const struct tn_model *model, size_t from, size_t to)
{
    json_t *list = json_array();

    for (size_t i = from; i < to; i++) {
        json_t *tensor = json_object();

        tn_json_set_str(tensor, "name", model->io[i].io.name);
        tn_json_set_str(tensor, "dtype", tn_dtype_name(model->io[i].io.dtype));
        tn_json_set(tensor, "shape", shape_json(&model->io[i]));
        (void)json_array_append_new(list, tensor);
    }
    return list;
}

static json_t *external_json(const struct tn_model *model)
{
    json_t *list = json_array();

    for (size_t i = 0; i < model->external_count; i++) {
        const struct tn_model_external *external = &model->external[i];
        json_t *file = json_object();

        tn_json_set_str(file, "location", external->location);
        tn_json_set_int(file, "size_bytes", external->stamp.size);
        tn_json_set_int(file, "needed_bytes", external->needed_bytes);
        (void)json_array_append_new(list, file);
    }
    return list;
}

static json_t *preflight_json(const struct tn_model *model)
{
    static const char *const severity[] = { [TN_SEVERITY_NOTE] = "note",
                                            [TN_SEVERITY_WARNING] = "warning",
                                            [TN_SEVERITY_STOPS] = "stops" };
    json_t *list = json_array();

    for (size_t i = 0; i < model->preflight_count; i++) {
        json_t *trap = json_object();

        tn_json_set_str(trap, "severity", severity[model->preflight[i].severity]);
        tn_json_set_str(trap, "code", model->preflight[i].code);
        tn_json_set_str(trap, "detail", model->preflight[i].detail);
        tn_json_set_str(trap, "remedy", model->preflight[i].remedy);
        (void)json_array_append_new(list, trap);
    }
    return list;
}

static json_t *model_json(const struct tn_inspected *found)
{
    const struct tn_model *model = &found->model;
    json_t *json = json_object();

    tn_json_set_int(json, "size", found->plan.size);
    tn_json_set_str(json, "kind", tn_file_kind_name(TN_FILE_ONNX));
    tn_json_set(json, "inputs", model_tensors_json(model, 0, model->input_count));
    tn_json_set(json, "outputs", model_tensors_json(model, model->input_count, model->io_count));
    tn_json_set_int(json, "opset", model->opset);
    tn_json_set_int(json, "ir_version", model->ir_version);
    tn_json_set_str(json, "producer", model->producer);
    tn_json_set_str(json, "precision", tn_precision_name(model->precision));
    tn_json_set(json, "external_data", external_json(model));
    set_digest(json, &model->digest);
    tn_json_set(json, "preflight", preflight_json(model));
    return json;
}

json_t *tn_inspected_json(const struct tn_inspected *found)
{
    json_t *json = found->has_model ? model_json(found) : plan_json(found);

    tn_json_set_str(json, "path", found->path);
    return json;
}
