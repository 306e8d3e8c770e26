/*
 * A fingerprint as flat attributes, for filters and for the fleet.
 */
#include "base/json.h"
#include "base/text.h"
#include "device/boards.h"
#include "device/filter.h"

#include <stdio.h>
#include <string.h>

static void add_text(json_t *flat, const char *name, const char *text)
{
    if (text[0] && !json_object_get(flat, name))
        tn_json_set_str(flat, name, text);
}

static void add_version(json_t *flat, const char *prefix, const struct tn_runtime_id *id)
{
    char name[32], text[TN_VERSION_TEXT];

    if (id->kind == TN_RUNTIME_UNKNOWN)
        return;
    (void)snprintf(name, sizeof(name), "%s.%s", prefix, tn_runtime_kind_name(id->kind));
    tn_version_print(&id->version, text);
    add_text(flat, name, text);
}

static void add_gpu(json_t *flat, const struct tn_gpu *gpu, int at)
{
    tn_auto(tn_json_done) json_t *json = tn_gpu_to_json(gpu);
    const char *key;
    json_t *value;

    json_object_foreach(json, key, value)
    {
        char name[64];

        if (at == 0)
            (void)snprintf(name, sizeof(name), "gpu.%s", key);
        else
            (void)snprintf(name, sizeof(name), "gpu%d.%s", at, key);
        if (json_is_boolean(value))
            add_text(flat, name, json_is_true(value) ? "true" : "false");
        else if (!json_is_null(value))
            (void)json_object_set(flat, name, value);
    }
}

static bool by_loader(const struct tn_runtime *runtime)
{
    return tn_text_starts(runtime->found_by, "dynamic-loader");
}

/* Of two libraries of a kind, the one that an application opens has the attribute. */
static void add_runtimes(json_t *flat, const struct tn_device *device)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < device->runtime_count; i++)
            if (by_loader(&device->runtime[i]) == (pass == 0))
                add_version(flat, "runtime", &device->runtime[i].id);
}

json_t *tn_device_attributes(const struct tn_device *device)
{
    json_t *flat = json_object();
    char cuda[32] = "";

    if (device->cuda >= 0)
        (void)snprintf(cuda, sizeof(cuda), "%lld.%lld", (long long)device->cuda / 1000,
                       (long long)device->cuda % 1000 / 10);
    add_text(flat, "os", device->os);
    add_text(flat, "arch", device->arch);
    add_text(flat, "platform", device->platform);
    add_text(flat, "driver", device->driver_text);
    add_text(flat, "cuda", cuda);
    add_text(flat, "jetson.l4t", device->l4t);
    add_text(flat, "jetson.jetpack", device->jetpack);
    add_text(flat, "jetson.module", device->jetson_module);
    if (device->gpu_asked)
        tn_json_set_int(flat, "gpus", device->gpu_count);
    for (int i = 0; i < device->gpu_count; i++)
        add_gpu(flat, &device->gpu[i], i);
    add_runtimes(flat, device);
    for (int i = 0; i < device->toolchain_count; i++)
        add_version(flat, "toolchain", &device->toolchain[i].builds);
    return flat;
}

const char *tn_flat_attribute(const char *name, void *user)
{
    struct tn_flat_attributes *flat = user;
    const json_t *value = json_object_get(flat->json, name);

    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value))
        (void)snprintf(flat->number, sizeof(flat->number), "%lld",
                       (long long)json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(flat->number, sizeof(flat->number), "%.17g", json_real_value(value));
    else
        return NULL;
    return flat->number;
}

/* ---- and back ---- */

static void read_text(tn_attribute_fn attribute, void *user, const char *name, char *ret_text,
                      size_t size)
{
    const char *text = attribute(name, user);

    if (text)
        (void)tn_text_copy(ret_text, size, text);
}

static void read_number(tn_attribute_fn attribute, void *user, const char *name, int64_t *ret_value)
{
    const char *text = attribute(name, user);
    int64_t value;

    if (text && tn_text_i64(text, &value) && value >= 0)
        *ret_value = value;
}

static void read_tri(tn_attribute_fn attribute, void *user, const char *name, int64_t *ret_value)
{
    const char *text = attribute(name, user);

    if (text && strcmp(text, "true") == 0)
        *ret_value = 1;
    if (text && strcmp(text, "false") == 0)
        *ret_value = 0;
}

/* Two parts: "8.9", "13.0". */
static bool read_pair(tn_attribute_fn attribute, void *user, const char *name,
                      struct tn_version *ret_version)
{
    const char *text = attribute(name, user);

    return text && tn_version_parse(text, ret_version, NULL) == TN_OK && ret_version->parts == 2;
}

static void read_gpu(tn_attribute_fn attribute, void *user, struct tn_gpu *gpu)
{
    struct tn_version cc;

    if (read_pair(attribute, user, "gpu.compute_capability", &cc) &&
        cc.part[0] <= TN_CC_PART_MOST && cc.part[1] <= TN_CC_PART_MOST) {
        gpu->cc_major = cc.part[0];
        gpu->cc_minor = cc.part[1];
    }
    read_text(attribute, user, "gpu.uuid", gpu->uuid, sizeof(gpu->uuid));
    read_text(attribute, user, "gpu.name", gpu->name, sizeof(gpu->name));
    read_text(attribute, user, "gpu.product", gpu->product, sizeof(gpu->product));
    read_text(attribute, user, "gpu.mig", gpu->mig, sizeof(gpu->mig));
    read_number(attribute, user, "gpu.index", &gpu->index);
    read_number(attribute, user, "gpu.sm_count", &gpu->sm_count);
    read_number(attribute, user, "gpu.memory_bytes", &gpu->memory_bytes);
    read_number(attribute, user, "gpu.l2_bytes", &gpu->l2_bytes);
    read_number(attribute, user, "gpu.bus_bits", &gpu->bus_bits);
    read_number(attribute, user, "gpu.core_khz", &gpu->core_khz);
    read_number(attribute, user, "gpu.memory_khz", &gpu->memory_khz);
    read_tri(attribute, user, "gpu.integrated", &gpu->integrated);
    read_tri(attribute, user, "gpu.ecc", &gpu->ecc);
}

static void read_runtimes(tn_attribute_fn attribute, void *user, struct tn_device_facts *facts)
{
    static const enum tn_runtime_kind kinds[TN_DEVICE_FACTS_RUNTIMES] = {
        TN_RUNTIME_TRT, TN_RUNTIME_RTX, TN_RUNTIME_LEAN, TN_RUNTIME_DISPATCH
    };

    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        struct tn_runtime_id id = { .kind = kinds[i] };
        char name[32];
        const char *text;

        (void)snprintf(name, sizeof(name), "runtime.%s", tn_runtime_kind_name(kinds[i]));
        text = attribute(name, user);
        if (text && tn_version_parse(text, &id.version, NULL) == TN_OK)
            facts->runtime[facts->runtime_count++] = id;
    }
}

/* A client that knows only the board's name. */
static void take_board(tn_attribute_fn attribute, void *user, struct tn_device_facts *facts)
{
    const char *product = attribute("gpu.product", user);
    const struct tn_board *board = product && !attribute("gpu.compute_capability", user)
                                       ? tn_board_find(product, strlen(product))
                                       : NULL;

    if (!board)
        return;
    facts->gpu = board->gpu;
    (void)tn_text_copy(facts->platform, sizeof(facts->platform), board->platform);
}

void tn_device_facts(tn_attribute_fn attribute, void *user, struct tn_device_facts *ret_facts)
{
    struct tn_device_facts facts = { .cuda = TN_UNKNOWN, .gpu = tn_gpu_unknown() };
    struct tn_version cuda;

    take_board(attribute, user, &facts);
    read_gpu(attribute, user, &facts.gpu);
    read_text(attribute, user, "platform", facts.platform, sizeof(facts.platform));
    if (read_pair(attribute, user, "cuda", &cuda) && cuda.part[0] < 1000 && cuda.part[1] < 100)
        facts.cuda = (int64_t)cuda.part[0] * 1000 + cuda.part[1] * 10;
    read_runtimes(attribute, user, &facts);
    *ret_facts = facts;
}
