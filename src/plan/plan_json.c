#include "plan/plan_json.h"

#include "base/json.h"

static void set_version(json_t *json, const char *key, const struct tn_version *version)
{
    char text[TN_VERSION_TEXT];

    tn_version_print(version, text);
    tn_json_set_str(json, key, text);
}

static json_t *gpu_json(const struct tn_plan *plan)
{
    const struct tn_gpu *gpu = &plan->gpu;
    json_t *json;
    char cc[TN_CC_TEXT];

    if (!plan->has_gpu)
        return json_null();
    json = json_object();
    tn_gpu_cc_print(gpu, cc);
    tn_json_set_str(json, "compute_capability", cc);
    tn_json_set_int(json, "sm_count", gpu->sm_count);
    tn_json_set_int(json, "memory_bytes", gpu->memory_bytes);
    tn_json_set_int(json, "l2_bytes", gpu->l2_bytes);
    tn_json_set_int(json, "bus_bits", gpu->bus_bits);
    tn_json_set_int(json, "core_khz", gpu->core_khz);
    tn_json_set_int(json, "memory_khz", gpu->memory_khz);
    tn_json_set_tri(json, "integrated", (int)gpu->integrated);
    if (gpu->name[0])
        tn_json_set_str(json, "name", gpu->name);
    return json;
}

/* RTX alone: the capabilities by name; whether later ones are meant too stands beside them. */
static void set_compute_capabilities(json_t *json, const struct tn_plan *plan)
{
    json_t *list;

    if (plan->flavor != TN_FLAVOR_RTX) {
        tn_json_set(json, "compute_capabilities", json_null());
        return;
    }
    list = json_array();
    for (int i = 0; i < plan->ccs.count; i++) {
        struct tn_gpu gpu = { .cc_major = plan->ccs.cc[i] / 10, .cc_minor = plan->ccs.cc[i] % 10 };
        char cc[TN_CC_TEXT];

        tn_gpu_cc_print(&gpu, cc);
        tn_json_append_str(list, cc);
    }
    tn_json_set(json, "compute_capabilities", list);
    tn_json_set(json, "later_compute_capabilities", json_boolean(plan->ccs.later));
    tn_json_set_int(json, "cuda_runtime", plan->cuda_runtime);
    tn_json_set_int(json, "cuda_driver", plan->cuda_driver);
}

static json_t *sections_json(const struct tn_plan *plan)
{
    json_t *list = json_array();

    for (int i = 0; i < plan->section_count; i++) {
        json_t *section = json_object();

        tn_json_set_str(section, "tag", plan->section[i].tag);
        tn_json_set_int(section, "offset_bytes", plan->section[i].offset);
        tn_json_set_int(section, "size_bytes", plan->section[i].length);
        (void)json_array_append_new(list, section);
    }
    return list;
}

static json_t *flags_json(const struct tn_plan *plan)
{
    json_t *flags = json_object();

    tn_json_set_str(flags, "hardware_compatibility", tn_hw_compat_name(plan->hw_compat));
    tn_json_set_tri(flags, "lean_runtime_inside", plan->lean_runtime_inside);
    tn_json_set_tri(flags, "stripped", plan->stripped);
    tn_json_set_str(flags, "refit", tn_refit_name(plan->refit));
    tn_json_set_tri(flags, "weight_streaming", plan->weight_streaming);
    tn_json_set_tri(flags, "version_compatible", plan->version_compatible);
    return flags;
}

static json_t *tensor_json(const struct tn_io *io)
{
    json_t *tensor = json_object();
    json_t *shape = io->dims.count < 0 ? json_null() : json_array();

    for (int i = 0; i < io->dims.count; i++)
        (void)json_array_append_new(shape, json_integer(io->dims.dim[i]));
    tn_json_set_str(tensor, "name", io->name);
    tn_json_set_str(tensor, "direction", io->output ? "output" : "input");
    tn_json_set_str(tensor, "dtype", tn_dtype_name(io->dtype));
    tn_json_set(tensor, "shape", shape);
    return tensor;
}

static json_t *tensors_json(const struct tn_plan_io *io)
{
    json_t *list;

    if (!io || !io->found)
        return json_null();
    list = json_array();
    for (size_t i = 0; i < io->count; i++)
        (void)json_array_append_new(list, tensor_json(&io->io[i]));
    return list;
}

json_t *tn_plan_to_json(const struct tn_plan *plan, const struct tn_plan_io *io)
{
    static const char *const integrity[] = { [TN_INTEGRITY_UNKNOWN] = NULL,
                                             [TN_INTEGRITY_CRC_OK] = "crc-ok",
                                             [TN_INTEGRITY_CRC_BAD] = "crc-bad" };
    json_t *json = json_object();

    tn_json_set_int(json, "size", plan->size);
    tn_json_set_str(json, "kind", tn_file_kind_name(plan->kind));
    tn_json_set_str(json, "flavor", tn_flavor_name(plan->flavor));
    set_version(json, "version", &plan->version);
    if (plan->version_outer.parts && !tn_version_same(&plan->version, &plan->version_outer))
        set_version(json, "version_outer", &plan->version_outer);
    tn_json_set_str(json, "platform", plan->platform);
    tn_json_set_tri(json, "complete", plan->complete);
    tn_json_set_str(json, "integrity", integrity[plan->integrity]);
    tn_json_set_str(json, "wrapper", plan->wrapper);
    tn_json_set(json, "gpu", gpu_json(plan));
    set_compute_capabilities(json, plan);
    tn_json_set_int(json, "serialization_number", plan->serialization_number);
    tn_json_set(json, "sections", sections_json(plan));
    tn_json_set(json, "flags", flags_json(plan));
    tn_json_set(json, "io", tensors_json(io));
    tn_json_set_int(json, "expected_size", plan->expected_size);
    tn_json_set_int(json, "weight_bytes", plan->weight_bytes);
    tn_json_set_int(json, "max_batch", plan->max_batch);
    return json;
}
