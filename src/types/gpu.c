#include "types/gpu.h"

#include "base/json.h"
#include "base/text.h"
#include "types/version.h"

#include <stdio.h>
#include <string.h>

struct tn_gpu tn_gpu_unknown(void)
{
    return (struct tn_gpu) { .index = TN_UNKNOWN,
                             .cc_major = TN_UNKNOWN,
                             .cc_minor = TN_UNKNOWN,
                             .sm_count = TN_UNKNOWN,
                             .memory_bytes = TN_UNKNOWN,
                             .l2_bytes = TN_UNKNOWN,
                             .bus_bits = TN_UNKNOWN,
                             .core_khz = TN_UNKNOWN,
                             .memory_khz = TN_UNKNOWN,
                             .integrated = TN_UNKNOWN,
                             .ecc = TN_UNKNOWN };
}

void tn_gpu_cc_print(const struct tn_gpu *gpu, char ret_text[TN_CC_TEXT])
{
    ret_text[0] = '\0';
    if (gpu->cc_major >= 0 && gpu->cc_minor >= 0)
        (void)snprintf(ret_text, TN_CC_TEXT, "%d.%d", (int)gpu->cc_major, (int)gpu->cc_minor);
}

json_t *tn_gpu_to_json(const struct tn_gpu *gpu)
{
    json_t *json = json_object();
    char cc[TN_CC_TEXT];

    tn_gpu_cc_print(gpu, cc);
    tn_json_set_int(json, "index", gpu->index);
    tn_json_set_str(json, "uuid", gpu->uuid);
    tn_json_set_str(json, "name", gpu->name);
    tn_json_set_str(json, "product", gpu->product);
    tn_json_set_str(json, "compute_capability", cc);
    tn_json_set_int(json, "sm_count", gpu->sm_count);
    tn_json_set_int(json, "memory_bytes", gpu->memory_bytes);
    tn_json_set_int(json, "l2_bytes", gpu->l2_bytes);
    tn_json_set_int(json, "bus_bits", gpu->bus_bits);
    tn_json_set_int(json, "core_khz", gpu->core_khz);
    tn_json_set_int(json, "memory_khz", gpu->memory_khz);
    tn_json_set_tri(json, "integrated", (int)gpu->integrated);
    tn_json_set_tri(json, "ecc", (int)gpu->ecc);
    tn_json_set_str(json, "mig", gpu->mig);
    return json;
}

static int64_t tri(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    return json_is_boolean(value) ? json_is_true(value) : TN_UNKNOWN;
}

static int64_t count_or_unknown(const json_t *json, const char *key)
{
    int64_t value = tn_json_int(json, key, TN_UNKNOWN);

    return value < 0 ? TN_UNKNOWN : value;
}

int tn_gpu_from_json(const json_t *json, struct tn_gpu *ret_gpu, struct tn_error *err)
{
    struct tn_gpu gpu = tn_gpu_unknown();
    const char *cc = tn_json_str(json, "compute_capability", NULL);
    struct tn_version version = { .parts = 0 };

    if (!json_is_object(json))
        return tn_fail(err, TN_E_INVALID, "a GPU must be a JSON object");
    if (cc && (tn_version_parse(cc, &version, NULL) != TN_OK || version.parts != 2 ||
               version.part[0] > TN_CC_PART_MOST || version.part[1] > TN_CC_PART_MOST))
        return tn_fail(err, TN_E_INVALID,
                       "compute_capability '%.40s' is not a number pair such as 8.9", cc);
    if (cc) {
        gpu.cc_major = version.part[0];
        gpu.cc_minor = version.part[1];
    }
    gpu.index = count_or_unknown(json, "index");
    (void)tn_text_copy(gpu.uuid, sizeof(gpu.uuid), tn_json_str(json, "uuid", ""));
    (void)tn_text_copy(gpu.name, sizeof(gpu.name), tn_json_str(json, "name", ""));
    (void)tn_text_copy(gpu.product, sizeof(gpu.product), tn_json_str(json, "product", ""));
    (void)tn_text_copy(gpu.mig, sizeof(gpu.mig), tn_json_str(json, "mig", ""));
    gpu.sm_count = count_or_unknown(json, "sm_count");
    gpu.memory_bytes = count_or_unknown(json, "memory_bytes");
    gpu.l2_bytes = count_or_unknown(json, "l2_bytes");
    gpu.bus_bits = count_or_unknown(json, "bus_bits");
    gpu.core_khz = count_or_unknown(json, "core_khz");
    gpu.memory_khz = count_or_unknown(json, "memory_khz");
    gpu.integrated = tri(json, "integrated");
    gpu.ecc = tri(json, "ecc");
    *ret_gpu = gpu;
    return TN_OK;
}

static bool add_part(struct tn_buf *text, const char *before, int64_t value, const char *after)
{
    if (value < 0)
        tn_buf_addf(text, "%s?%s", before, after);
    else
        tn_buf_addf(text, "%s%lld%s", before, (long long)value, after);
    return value >= 0;
}

bool tn_gpu_class_add(struct tn_buf *text, const struct tn_gpu *gpu)
{
    static const int64_t gib = INT64_C(1) << 30;
    int64_t cc =
        gpu->cc_major < 0 || gpu->cc_minor < 0 ? TN_UNKNOWN : gpu->cc_major * 10 + gpu->cc_minor;
    int64_t memory_gib = gpu->memory_bytes < 0
                             ? TN_UNKNOWN
                             : gpu->memory_bytes / gib + (gpu->memory_bytes % gib != 0);
    bool known = add_part(text, "sm", cc, "");

    known &= add_part(text, "-", gpu->sm_count, "sm");
    known &= add_part(text, "-", gpu->bus_bits, "bit");
    known &= add_part(text, "-l2.", gpu->l2_bytes, "");
    known &= add_part(text, "-", memory_gib, "GiB");
    tn_buf_adds(text, gpu->integrated < 0 ? "-?" : gpu->integrated ? "-integrated" : "-discrete");
    if (gpu->mig[0])
        tn_buf_addf(text, "-mig.%s", gpu->mig);
    return known && gpu->integrated >= 0;
}
