/*
 * The last resort for an exact version: package records, file names and JetPack gave fewer than
 * four parts, so the library itself is asked, in a child (tenon-probe), and only where nobody else
 * could have put it.
 */
#include "base/libexec.h"
#include "base/proc.h"
#include "base/text.h"
#include "device/note.h"
#include "device/scan.h"

#include <stdio.h>
#include <string.h>

static const tn_nsec time_limit = 20 * TN_NSEC_PER_S;

static bool take_version(enum tn_stream stream, const char *line, size_t length, void *user)
{
    char text[TN_VERSION_TEXT];

    if (stream == TN_STREAM_OUT && line && tn_text_copy_n(text, sizeof(text), line, length))
        (void)tn_version_parse(text, user, NULL);
    return true;
}

/* What the library at `path` says of itself; false when it does not tell or may not be asked. */
static bool ask(const char *path, struct tn_version *ret_version)
{
    char probe[PATH_MAX], folder[TN_SCAN_PATH + 32];
    const char *argv[] = { probe, path, NULL };
    const char *environment[] = { "PATH=/usr/bin:/bin", "CUDA_VISIBLE_DEVICES=", folder, NULL };
    struct tn_proc_options options = { .argv = argv,
                                       .environment = environment,
                                       .input = "",
                                       .time_limit = time_limit,
                                       .output_bytes = 65536,
                                       .background = true };
    struct tn_proc_result end;
    struct tn_version version = { .parts = 0 };

    (void)snprintf(folder, sizeof(folder), "LD_LIBRARY_PATH=%.*s", (int)(tn_path_base(path) - path),
                   path);
    if (tn_libexec_trust(path, NULL) != TN_OK ||
        tn_libexec_find("tenon-probe", probe, NULL) != TN_OK ||
        tn_proc_run(&options, take_version, &version, &end, NULL) != TN_OK)
        return false;
    if (end.exit_status != 0 || version.parts != 4)
        return false;
    *ret_version = version;
    return true;
}

/* 8.x has no build number in code; an unknown major is asked too. */
static bool may_tell(const struct tn_runtime_id *id)
{
    return id->version.parts < 4 &&
           (id->version.parts == 0 || id->version.part[0] >= 10 || id->kind == TN_RUNTIME_RTX);
}

/* The library of a folder that only toolchains.yaml names is no runtime of the list. */
static void ask_its_library(struct tn_toolchain *toolchain)
{
    char path[TN_SCAN_PATH];
    struct tn_version version;

    if (strcmp(toolchain->kind, "trtexec") == 0 && toolchain->library_folder[0] &&
        toolchain->builds.version.parts > 0 && may_tell(&toolchain->builds) &&
        tn_format_path(path, "%s/libnvinfer.so.%u", toolchain->library_folder,
                       toolchain->builds.version.part[0]) &&
        ask(path, &version) && tn_version_compare(&version, &toolchain->builds.version) == 0)
        toolchain->builds.version = version;
}

/* A toolchain whose release is not known exactly builds with the library that it was found to use.
 */
static void complete_toolchain(const struct tn_device *device, struct tn_toolchain *toolchain)
{
    char name[TN_RUNTIME_TEXT];
    bool named_so;

    tn_runtime_id_print(&toolchain->builds, name);
    named_so = strcmp(toolchain->id, name) == 0;
    for (int i = 0; i < device->runtime_count && toolchain->builds.version.parts < 4; i++) {
        const struct tn_runtime *runtime = &device->runtime[i];
        size_t length = strlen(toolchain->library_folder);
        bool its_own = length > 0 ? strncmp(runtime->path, toolchain->library_folder, length) == 0
                                  : tn_text_starts(runtime->found_by, "dynamic-loader");

        if (its_own && runtime->id.kind == toolchain->builds.kind &&
            runtime->id.version.parts == 4 &&
            tn_version_compare(&runtime->id.version, &toolchain->builds.version) == 0)
            toolchain->builds.version = runtime->id.version;
    }
    ask_its_library(toolchain);
    tn_runtime_id_print(&toolchain->builds, name);
    if (named_so)
        (void)tn_text_copy(toolchain->id, sizeof(toolchain->id), name);
}

void tn_scan_ask(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;

    if (scan->setup->root)
        return; /* a recorded tree: nothing in it can be run */
    for (int i = 0; i < device->runtime_count; i++) {
        struct tn_runtime *runtime = &device->runtime[i];
        struct tn_version version;

        if (!may_tell(&runtime->id) || !runtime->path[0] || !ask(runtime->path, &version))
            continue;
        if (tn_version_compare(&version, &runtime->id.version) != 0)
            tn_device_note(device, "'%.120s' is named or recorded otherwise than the library says",
                           runtime->path);
        runtime->id.version = version;
        (void)strncat(runtime->found_by, ", asked",
                      sizeof(runtime->found_by) - strlen(runtime->found_by) - 1);
    }
    for (int i = 0; i < device->toolchain_count; i++)
        complete_toolchain(device, &device->toolchain[i]);
}
