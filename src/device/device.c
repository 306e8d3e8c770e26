#include "device/device.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "device/boards.h"
#include "device/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FINGERPRINT_BYTES_MAX = 1 << 20 };

static const char this_machine[] = "this machine";

void tn_device_init(struct tn_device *device)
{
    memset(device, 0, sizeof(*device));
    device->cuda = TN_UNKNOWN;
    for (size_t i = 0; i < TN_DEVICE_GPUS_MAX; i++)
        device->gpu[i] = tn_gpu_unknown();
}

void tn_device_note(struct tn_device *device, const char *format, ...)
{
    char text[sizeof(device->note[0])];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (int i = 0; i < device->note_count; i++)
        if (strcmp(device->note[i], text) == 0)
            return;
    if (device->note_count < TN_DEVICE_NOTES_MAX)
        (void)tn_text_copy(device->note[device->note_count++], sizeof(text), text);
}

static int unknown_board(const char *text, size_t length, struct tn_error *err)
{
    char name[64];
    const char *nearest;

    (void)tn_text_copy_n(name, sizeof(name), text, length);
    nearest = tn_text_nearest(name, tn_device_board_names());
    if (nearest)
        return tn_fail(err, TN_E_NOTFOUND,
                       "no board is called '%s'; did you mean '%s'? ('tenon device --boards' lists "
                       "them; a fingerprint file needs a '/' or .json in its name)",
                       name, nearest);
    return tn_fail(err, TN_E_NOTFOUND,
                   "no board is called '%s' ('tenon device --boards' lists them; a fingerprint "
                   "file needs a '/' or .json in its name)",
                   name);
}

static int add_given_runtime(struct tn_device *device, const char *text, size_t length,
                             struct tn_error *err)
{
    struct tn_runtime *runtime = &device->runtime[device->runtime_count];
    char word[TN_RUNTIME_TEXT];
    int rc;

    if (device->runtime_count == TN_DEVICE_RUNTIMES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d runtimes", TN_DEVICE_RUNTIMES_MAX);
    (void)tn_text_copy_n(word, sizeof(word), text, length);
    for (char *at = word; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    rc = tn_runtime_id_parse(word, &runtime->id, err);
    if (rc < 0)
        return tn_while(err, TN_E_USAGE, "device"); /* somebody's word, not a file's */
    (void)tn_text_copy(runtime->found_by, sizeof(runtime->found_by), "given");
    device->runtime_count++;
    return TN_OK;
}

int tn_device_named(const char *text, struct tn_device *ret_device, struct tn_error *err)
{
    size_t length = strcspn(text, "+");
    const struct tn_board *board = tn_board_find(text, length);
    struct tn_device device;

    if (!board)
        return unknown_board(text, length, err);
    tn_device_init(&device);
    for (const char *at = text + length; *at; at += length) {
        int rc;

        at++;
        length = strcspn(at, "+");
        rc = add_given_runtime(&device, at, length, err);
        if (rc < 0)
            return tn_while(err, rc, "device '%.100s'", text);
    }
    (void)tn_text_copy(device.label, sizeof(device.label), board->gpu.product);
    (void)tn_text_copy(device.platform, sizeof(device.platform), board->platform);
    (void)tn_text_copy(device.arch, sizeof(device.arch), board->module[0] ? "aarch64" : "x86_64");
    (void)tn_text_copy(device.jetson_module, sizeof(device.jetson_module), board->module);
    device.gpu[0] = board->gpu;
    device.gpu_count = 1;
    device.gpu_asked = true;
    *ret_device = device;
    return TN_OK;
}

int tn_device_get(const char *text, struct tn_device *ret_device, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_device device;
    int rc;

    if (!strchr(text, '/') && !tn_text_ends(text, ".json"))
        return tn_device_named(text, ret_device, err);
    rc = tn_json_read(text, FINGERPRINT_BYTES_MAX, &json, err);
    if (rc < 0)
        return rc;
    rc = tn_device_from_json(json, &device, err);
    if (rc < 0)
        return tn_while(err, rc, "fingerprint '%s'", text);
    /* a file is never "this machine": the environment here says nothing about it */
    (void)tn_text_copy(device.label, sizeof(device.label), tn_path_base(text));
    *ret_device = device;
    return TN_OK;
}

static bool is_this_machine(const struct tn_device *device)
{
    return strcmp(device->label, this_machine) == 0;
}

/* --- which runtime ---------------------------------------------------------------------------- */

/* "rtx", "trt10.6" or "trt10.6.0.26": a version compares by the parts that are given. */
static int parse_wanted(const char *text, struct tn_runtime_id *ret_id, struct tn_error *err)
{
    struct tn_runtime_id id = { .kind = tn_runtime_kind_parse(text, strlen(text)) };
    struct tn_error why = { 0 };

    if (id.kind == TN_RUNTIME_UNKNOWN && tn_runtime_id_parse(text, &id, &why) < 0)
        return tn_fail(err, TN_E_USAGE, "%s", why.text); /* somebody's word, not a file's */
    *ret_id = id;
    return TN_OK;
}

static bool fits(const struct tn_runtime *runtime, const struct tn_runtime_id *wanted)
{
    if (wanted->kind == TN_RUNTIME_UNKNOWN)
        return true;
    if (runtime->id.kind != wanted->kind)
        return false;
    return wanted->version.parts == 0 ||
           (runtime->id.version.parts > 0 &&
            tn_version_compare(&runtime->id.version, &wanted->version) == 0);
}

static bool by_loader(const struct tn_runtime *runtime)
{
    return tn_text_starts(runtime->found_by, "dynamic-loader");
}

/* One installation: full, lean and dispatch library of one release do not disagree. */
static bool agree(const struct tn_runtime *a, const struct tn_runtime *b)
{
    return tn_runtime_flavor(a->id.kind) == tn_runtime_flavor(b->id.kind) &&
           tn_version_compare(&a->id.version, &b->id.version) == 0;
}

/* The fuller library first, then the better known version. */
static bool better(const struct tn_runtime *a, const struct tn_runtime *b)
{
    if (a->id.kind != b->id.kind)
        return a->id.kind < b->id.kind;
    return a->id.version.parts > b->id.version.parts;
}

static void list_runtimes(const struct tn_device *device, const struct tn_runtime_id *wanted,
                          struct tn_buf *text)
{
    for (int i = 0; i < device->runtime_count; i++) {
        const struct tn_runtime *runtime = &device->runtime[i];
        char id[TN_RUNTIME_TEXT];

        if (!fits(runtime, wanted))
            continue;
        tn_runtime_id_print(&runtime->id, id);
        tn_buf_addf(text, "%s%s", text->size ? ", " : "", id);
        if (runtime->path[0])
            tn_buf_addf(text, " (%s)", runtime->path);
    }
}

static int none_found(const struct tn_device *device, const char *wanted, struct tn_error *err)
{
    static const struct tn_runtime_id any = { .kind = TN_RUNTIME_UNKNOWN };
    tn_auto(tn_buf_done) struct tn_buf found = TN_BUF(400);

    list_runtimes(device, &any, &found);
    if (!wanted)
        return tn_fail(err, TN_E_NOTFOUND,
                       "no TensorRT runtime on %s; name one with --runtime, as in "
                       "--runtime trt10.6.0.26",
                       device->label[0] ? device->label : "this device");
    return tn_fail(err, TN_E_NOTFOUND, "no runtime fits '%.60s'; found: %s", wanted,
                   found.size ? tn_buf_text(&found) : "none");
}

static int choose_runtime(const struct tn_device *device, const struct tn_runtime_id *wanted,
                          const struct tn_runtime **ret_runtime, struct tn_error *err)
{
    const struct tn_runtime *best = NULL;
    bool loader = false;
    bool disagree = false;

    for (int i = 0; i < device->runtime_count; i++)
        loader |= fits(&device->runtime[i], wanted) && by_loader(&device->runtime[i]);
    for (int i = 0; i < device->runtime_count; i++) {
        const struct tn_runtime *runtime = &device->runtime[i];

        if (!fits(runtime, wanted) || (loader && !by_loader(runtime)))
            continue;
        disagree |= best && !agree(runtime, best);
        if (!best || better(runtime, best))
            best = runtime;
    }
    if (disagree) {
        tn_auto(tn_buf_done) struct tn_buf found = TN_BUF(400);

        list_runtimes(device, wanted, &found);
        return tn_fail(err, TN_E_USAGE,
                       "several TensorRT runtimes: choose with --runtime or TENON_RUNTIME: %s",
                       tn_buf_text(&found));
    }
    *ret_runtime = best;
    return best ? TN_OK : TN_E_NOTFOUND;
}

int tn_device_runtime(const struct tn_device *device, const char *wanted,
                      const struct tn_runtime **ret_runtime, struct tn_error *err)
{
    struct tn_runtime_id id = { .kind = TN_RUNTIME_UNKNOWN };
    const char *environment = getenv("TENON_RUNTIME");
    bool from_environment = !wanted && is_this_machine(device) && environment && *environment;
    int rc;

    if (from_environment)
        wanted = environment;
    rc = wanted ? parse_wanted(wanted, &id, err) : TN_OK;
    if (rc == TN_OK)
        rc = choose_runtime(device, &id, ret_runtime, err);
    if (rc == TN_E_NOTFOUND)
        rc = none_found(device, wanted, err);
    if (rc < 0 && from_environment)
        return tn_while(err, rc, "TENON_RUNTIME");
    return rc;
}

/* --- which GPU -------------------------------------------------------------------------------- */

static bool is_gpu(const struct tn_gpu *gpu, const char *wanted)
{
    uint64_t index;

    if (tn_text_u64(wanted, strlen(wanted), &index))
        return gpu->index >= 0 && (uint64_t)gpu->index == index;
    /* like CUDA_VISIBLE_DEVICES, a UUID may be cut short */
    if (strncasecmp(wanted, "GPU-", 4) == 0 || strncasecmp(wanted, "MIG-", 4) == 0)
        return strncasecmp(gpu->uuid, wanted, strlen(wanted)) == 0;
    return strcasecmp(gpu->name, wanted) == 0 || strcasecmp(gpu->product, wanted) == 0;
}

/* CUDA lists devices in the order of CUDA_VISIBLE_DEVICES, so the first listed is the first of
 * either. */
int tn_device_gpu(const struct tn_device *device, const char *wanted, const struct tn_gpu **ret_gpu,
                  struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf found = TN_BUF(400);

    for (int i = 0; i < device->gpu_count; i++) {
        if (!wanted || is_gpu(&device->gpu[i], wanted)) {
            *ret_gpu = &device->gpu[i];
            return TN_OK;
        }
        tn_buf_addf(&found, "%s%lld %s", i ? ", " : "", (long long)device->gpu[i].index,
                    device->gpu[i].name);
    }
    if (device->gpu_count == 0)
        return tn_fail(err, TN_E_NOTFOUND, "%s has no GPU%s",
                       device->label[0] ? device->label : "this device",
                       device->gpu_asked ? "" : " that could be asked (no working driver)");
    return tn_fail(err, TN_E_NOTFOUND, "no GPU is '%.60s'; there are: %s", wanted,
                   tn_buf_text(&found));
}

bool tn_device_boards_differ(const struct tn_device *device)
{
    for (int i = 1; i < device->gpu_count; i++)
        if (strcmp(device->gpu[i].name, device->gpu[0].name) != 0)
            return true;
    return false;
}
