/*
 * The fingerprint as JSON, both ways. Files come from other machines: every member is checked.
 */
#include "base/json.h"
#include "base/text.h"
#include "device/device.h"

#include <string.h>

static const char schema[] = "tenon-fingerprint/1";

static void set_version(json_t *json, const char *key, const struct tn_version *version)
{
    char text[TN_VERSION_TEXT];

    tn_version_print(version, text);
    tn_json_set_str(json, key, text);
}

static json_t *runtime_json(const struct tn_runtime *runtime)
{
    json_t *json = json_object();

    tn_json_set_str(json, "kind", tn_runtime_kind_name(runtime->id.kind));
    set_version(json, "version", &runtime->id.version);
    tn_json_set_str(json, "path", runtime->path);
    tn_json_set_str(json, "found_by", runtime->found_by);
    return json;
}

static json_t *toolchain_json(const struct tn_toolchain *toolchain)
{
    json_t *json = json_object();

    tn_json_set_str(json, "id", toolchain->id);
    tn_json_set_str(json, "kind", toolchain->kind);
    tn_json_set_str(json, "builds", tn_runtime_kind_name(toolchain->builds.kind));
    set_version(json, "version", &toolchain->builds.version);
    tn_json_set_str(json, "path", toolchain->path);
    tn_json_set_str(json, "library_folder", toolchain->library_folder);
    return json;
}

static json_t *jetson_json(const struct tn_device *device)
{
    json_t *json;

    if (!device->l4t[0] && !device->jetpack[0] && !device->jetson_module[0])
        return json_null();
    json = json_object();
    tn_json_set_str(json, "l4t", device->l4t);
    tn_json_set_str(json, "jetpack", device->jetpack);
    tn_json_set_str(json, "module", device->jetson_module);
    return json;
}

static void set_cuda(json_t *json, int64_t cuda)
{
    char text[32] = "";

    if (cuda >= 0)
        (void)snprintf(text, sizeof(text), "%lld.%lld", (long long)cuda / 1000,
                       (long long)cuda % 1000 / 10);
    tn_json_set_str(json, "cuda", text);
}

static json_t *lists_json(json_t *json, const struct tn_device *device)
{
    json_t *gpus = json_array(), *runtimes = json_array(), *toolchains = json_array();
    json_t *notes = json_array();

    for (int i = 0; i < device->gpu_count; i++)
        (void)json_array_append_new(gpus, tn_gpu_to_json(&device->gpu[i]));
    for (int i = 0; i < device->runtime_count; i++)
        (void)json_array_append_new(runtimes, runtime_json(&device->runtime[i]));
    for (int i = 0; i < device->toolchain_count; i++)
        (void)json_array_append_new(toolchains, toolchain_json(&device->toolchain[i]));
    for (int i = 0; i < device->note_count; i++)
        tn_json_append_str(notes, device->note[i]);
    tn_json_set(json, "gpus", gpus);
    tn_json_set(json, "runtimes", runtimes);
    tn_json_set(json, "toolchains", toolchains);
    tn_json_set(json, "notes", notes);
    return json;
}

json_t *tn_device_to_json(const struct tn_device *device)
{
    json_t *json = json_object();

    tn_json_set_str(json, "schema", schema);
    tn_json_set_str(json, "label", device->label);
    tn_json_set_str(json, "os", device->os);
    tn_json_set_str(json, "arch", device->arch);
    tn_json_set_str(json, "platform", device->platform);
    tn_json_set_str(json, "driver", device->driver_text);
    set_cuda(json, device->cuda);
    tn_json_set_tri(json, "gpu_asked", device->gpu_asked);
    tn_json_set(json, "jetson", jetson_json(device));
    return lists_json(json, device);
}

/* Text that does not fit was not written by Tenon: refused, so that nothing is cut in silence. */
static int take_text(const json_t *json, const char *key, char *ret_text, size_t size,
                     struct tn_error *err)
{
    if (!tn_text_copy(ret_text, size, tn_json_str(json, key, "")))
        return tn_fail(err, TN_E_TOOBIG, "%s is longer than %zu bytes", key, size - 1);
    return TN_OK;
}

static int take_version(const json_t *json, const char *key, struct tn_version *ret_version,
                        struct tn_error *err)
{
    const char *text = tn_json_str(json, key, "");
    int rc = text[0] ? tn_version_parse(text, ret_version, err) : TN_OK;

    return rc < 0 ? tn_while(err, rc, "%s", key) : TN_OK;
}

static int take_gpu(const json_t *json, struct tn_device *device, int at, struct tn_error *err)
{
    return tn_gpu_from_json(json, &device->gpu[at], err);
}

static int take_runtime(const json_t *json, struct tn_device *device, int at, struct tn_error *err)
{
    struct tn_runtime *runtime = &device->runtime[at];
    const char *kind = tn_json_str(json, "kind", "");
    int rc;

    runtime->id.kind = tn_runtime_kind_parse(kind, strlen(kind));
    if (runtime->id.kind == TN_RUNTIME_UNKNOWN)
        return tn_fail(err, TN_E_INVALID, "kind '%.40s' is not trt, lean, dispatch or rtx", kind);
    rc = take_version(json, "version", &runtime->id.version, err);
    if (rc == TN_OK)
        rc = take_text(json, "path", runtime->path, sizeof(runtime->path), err);
    if (rc == TN_OK)
        rc = take_text(json, "found_by", runtime->found_by, sizeof(runtime->found_by), err);
    return rc;
}

static int take_toolchain(const json_t *json, struct tn_device *device, int at,
                          struct tn_error *err)
{
    struct tn_toolchain *toolchain = &device->toolchain[at];
    const char *builds = tn_json_str(json, "builds", "");
    int rc;

    toolchain->builds.kind = tn_runtime_kind_parse(builds, strlen(builds));
    rc = take_version(json, "version", &toolchain->builds.version, err);
    if (rc == TN_OK)
        rc = take_text(json, "id", toolchain->id, sizeof(toolchain->id), err);
    if (rc == TN_OK)
        rc = take_text(json, "kind", toolchain->kind, sizeof(toolchain->kind), err);
    if (rc == TN_OK)
        rc = take_text(json, "path", toolchain->path, sizeof(toolchain->path), err);
    if (rc == TN_OK)
        rc = take_text(json, "library_folder", toolchain->library_folder,
                       sizeof(toolchain->library_folder), err);
    return rc;
}

static int take_note(const json_t *json, struct tn_device *device, int at, struct tn_error *err)
{
    const char *text = json_string_value(json);

    if (!text)
        return tn_fail(err, TN_E_INVALID, "not a string");
    (void)tn_text_copy(device->note[at], sizeof(device->note[at]), text);
    return TN_OK;
}

typedef int (*take_fn)(const json_t *json, struct tn_device *device, int at, struct tn_error *err);

static int take_list(const json_t *json, const char *key, int most, take_fn take,
                     struct tn_device *device, int *ret_count, struct tn_error *err)
{
    const json_t *list = json_object_get(json, key);
    size_t count = json_array_size(list);

    if (list && !json_is_null(list) && !json_is_array(list))
        return tn_fail(err, TN_E_INVALID, "%s is not a list", key);
    if (count > (size_t)most)
        return tn_fail(err, TN_E_TOOBIG, "%zu %s, more than %d", count, key, most);
    for (int i = 0; i < (int)count; i++) {
        int rc = take(json_array_get(list, (size_t)i), device, i, err);

        if (rc < 0)
            return tn_while(err, rc, "%s[%d]", key, i);
    }
    *ret_count = (int)count;
    return TN_OK;
}

static int take_lists(const json_t *json, struct tn_device *device, struct tn_error *err)
{
    int rc = take_list(json, "gpus", TN_DEVICE_GPUS_MAX, take_gpu, device, &device->gpu_count, err);

    if (rc == TN_OK)
        rc = take_list(json, "runtimes", TN_DEVICE_RUNTIMES_MAX, take_runtime, device,
                       &device->runtime_count, err);
    if (rc == TN_OK)
        rc = take_list(json, "toolchains", TN_DEVICE_TOOLCHAINS_MAX, take_toolchain, device,
                       &device->toolchain_count, err);
    if (rc == TN_OK)
        rc = take_list(json, "notes", TN_DEVICE_NOTES_MAX, take_note, device, &device->note_count,
                       err);
    return rc;
}

static int take_cuda(const json_t *json, int64_t *ret_cuda, struct tn_error *err)
{
    struct tn_version version = { .parts = 0 };
    int rc = take_version(json, "cuda", &version, err);

    if (rc < 0)
        return rc;
    if (version.parts == 0)
        return TN_OK;
    if (version.part[0] > 1000 || version.part[1] > 99)
        return tn_fail(err, TN_E_INVALID, "cuda is not a version such as 13.0");
    *ret_cuda = (int64_t)version.part[0] * 1000 + (version.parts > 1 ? version.part[1] * 10 : 0);
    return TN_OK;
}

static int take_texts(const json_t *json, struct tn_device *device, struct tn_error *err)
{
    const json_t *jetson = json_object_get(json, "jetson");
    const struct {
        const json_t *from;
        const char *key;
        char *to;
        size_t size;
    } rows[] = {
        { json, "label", device->label, sizeof(device->label) },
        { json, "os", device->os, sizeof(device->os) },
        { json, "arch", device->arch, sizeof(device->arch) },
        { json, "platform", device->platform, sizeof(device->platform) },
        { json, "driver", device->driver_text, sizeof(device->driver_text) },
        { jetson, "l4t", device->l4t, sizeof(device->l4t) },
        { jetson, "jetpack", device->jetpack, sizeof(device->jetpack) },
        { jetson, "module", device->jetson_module, sizeof(device->jetson_module) },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int rc = take_text(rows[i].from, rows[i].key, rows[i].to, rows[i].size, err);

        if (rc < 0)
            return rc;
    }
    return TN_OK;
}

int tn_device_from_json(const json_t *json, struct tn_device *ret_device, struct tn_error *err)
{
    struct tn_device device;
    int rc;

    if (!json_is_object(json))
        return tn_fail(err, TN_E_INVALID, "a fingerprint must be a JSON object");
    if (strcmp(tn_json_str(json, "schema", ""), schema) != 0)
        return tn_fail(err, TN_E_INVALID,
                       "schema is '%.40s', not %s: make a fingerprint with 'tenon device --json'",
                       tn_json_str(json, "schema", "missing"), schema);
    tn_device_init(&device);
    rc = take_texts(json, &device, err);
    if (rc == TN_OK)
        rc = take_cuda(json, &device.cuda, err);
    if (rc == TN_OK)
        rc = take_lists(json, &device, err);
    if (rc < 0)
        return rc;
    /* a driver's text that is no version stays text: rules then do not know it */
    (void)tn_version_parse(device.driver_text, &device.driver, NULL);
    device.gpu_asked = tn_json_bool(json, "gpu_asked", device.gpu_count > 0);
    *ret_device = device;
    return TN_OK;
}
