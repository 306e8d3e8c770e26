/*
 * A fingerprint as flat attributes, for filters and for the fleet.
 */
#include "base/json.h"
#include "base/text.h"
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
