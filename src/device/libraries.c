/*
 * TensorRT libraries: found by name in bounded places, versions from package records and names.
 * Nothing is opened to ask it.
 */
#include "base/file.h"
#include "base/text.h"
#include "device/ldcache.h"
#include "device/note.h"
#include "device/scan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *stem;
    const char *package; /* dpkg's name is this and the major number */
    enum tn_runtime_kind kind;
} libraries[] = {
    { "libnvinfer.so.", "libnvinfer", TN_RUNTIME_TRT },
    { "libnvinfer_lean.so.", "libnvinfer-lean", TN_RUNTIME_LEAN },
    { "libnvinfer_dispatch.so.", "libnvinfer-dispatch", TN_RUNTIME_DISPATCH },
    { "libtensorrt_rtx.so.", "libtensorrt-rtx", TN_RUNTIME_RTX },
};

static const char loader_mark[] = "dynamic-loader";

/* Row of a file name "libnvinfer.so.10.6.0" and the numbers in it, or -1. */
static int library_row(const char *name, struct tn_version *ret_version)
{
    for (size_t i = 0; i < TN_COUNT(libraries); i++)
        if (tn_text_starts(name, libraries[i].stem) &&
            tn_version_parse(name + strlen(libraries[i].stem), ret_version, NULL) == TN_OK)
            return (int)i;
    return -1;
}

/* --- versions --------------------------------------------------------------------------------- */

/* A record may complete what the file's name says, never contradict it. */
static bool completes(const struct tn_version *record, const struct tn_version *name)
{
    return record->parts > name->parts && tn_version_compare(record, name) == 0;
}

static bool of_system(const char *path)
{
    return (tn_text_starts(path, "/usr/lib") || tn_text_starts(path, "/lib")) &&
           !strstr(path, "/python3");
}

static struct tn_version package_version(struct tn_scan *scan, int row, const char *path,
                                         const struct tn_version *name)
{
    char package[64];
    struct tn_version version = { .parts = 0 };
    const char *text;

    (void)snprintf(package, sizeof(package), "%s%u", libraries[row].package, name->part[0]);
    text = of_system(path) ? tn_scan_package(scan, package) : NULL;
    if (!text)
        return version;
    version = tn_version_lead(text);
    if (tn_version_compare(&version, name) != 0) {
        tn_device_note(scan->device, "package %s is %s, but its library is %s", package, text,
                       tn_path_base(path));
        version.parts = 0;
    }
    return version;
}

/* @return where the version comes from */
static const char *find_version(struct tn_scan *scan, int row, const char *path,
                                struct tn_version *version)
{
    const char *container = tn_setup_env(scan->setup, "TRT_VERSION");
    const struct {
        const char *source;
        struct tn_version version;
    } records[] = {
        { "dpkg", package_version(scan, row, path, version) },
        { "env TRT_VERSION", tn_version_lead(container ? container : "") },
        { "jetpack", of_system(path) ? tn_jetpack_tensorrt(scan->device->l4t)
                                     : (struct tn_version) { .parts = 0 } },
    };

    for (size_t i = 0; i < TN_COUNT(records); i++) {
        if (libraries[row].kind == TN_RUNTIME_RTX && i > 0)
            break; /* the other two speak of TensorRT */
        if (completes(&records[i].version, version)) {
            *version = records[i].version;
            return records[i].source;
        }
    }
    return "file name";
}

/* --- the list --------------------------------------------------------------------------------- */

static bool by_loader(const struct tn_runtime *runtime)
{
    return tn_text_starts(runtime->found_by, loader_mark);
}

/* The dynamic loader opens the first library of a name only. */
static bool shadowed(const struct tn_device *device, enum tn_runtime_kind kind, uint32_t major)
{
    for (int i = 0; i < device->runtime_count; i++)
        if (by_loader(&device->runtime[i]) && device->runtime[i].id.kind == kind &&
            device->runtime[i].id.version.part[0] == major)
            return true;
    return false;
}

static struct tn_runtime *listed(struct tn_device *device, const char *path)
{
    for (int i = 0; i < device->runtime_count; i++)
        if (strcmp(device->runtime[i].path, path) == 0)
            return &device->runtime[i];
    return NULL;
}

static void mark(struct tn_runtime *runtime, bool loader, const char *found_by)
{
    (void)snprintf(runtime->found_by, sizeof(runtime->found_by), "%s%s%s",
                   loader ? loader_mark : "", loader ? ", " : "", found_by);
}

/* A package record for a library that is listed already: LD_LIBRARY_PATH named a wheel's folder. */
static void complete_listed(struct tn_runtime *runtime, const char *found_by,
                            const struct tn_version *version)
{
    if (!completes(version, &runtime->id.version))
        return;
    runtime->id.version = *version;
    mark(runtime, by_loader(runtime), found_by);
}

void tn_scan_add_library(struct tn_scan *scan, const char *path, bool loader, const char *found_by,
                         const struct tn_version *version)
{
    struct tn_device *device = scan->device;
    struct tn_version name, soname;
    struct tn_runtime *runtime;
    char real[TN_SCAN_PATH];
    int row = library_row(tn_path_base(path), &soname);

    if (row < 0 || !tn_setup_real(scan->setup, path, real))
        return;
    runtime = listed(device, real);
    if (runtime) {
        complete_listed(runtime, found_by, version);
        return;
    }
    if (device->runtime_count == TN_DEVICE_RUNTIMES_MAX) {
        tn_device_note(device, "more than %d TensorRT libraries; the others are not listed",
                       TN_DEVICE_RUNTIMES_MAX);
        return;
    }
    if (library_row(tn_path_base(real), &name) != row || name.parts < soname.parts)
        name = soname;
    loader = loader && soname.parts == 1 && !shadowed(device, libraries[row].kind, soname.part[0]);
    runtime = &device->runtime[device->runtime_count++];
    runtime->id = (struct tn_runtime_id) { .kind = libraries[row].kind, .version = name };
    (void)tn_text_copy(runtime->path, sizeof(runtime->path), real);
    if (completes(version, &name)) {
        runtime->id.version = *version;
        mark(runtime, loader, found_by);
    } else {
        mark(runtime, loader, find_version(scan, row, real, &runtime->id.version));
    }
}

/* --- the places ------------------------------------------------------------------------------- */

enum { NAMES_MAX = 48 };

struct folder {
    struct tn_scan *scan;
    bool loader;
    char name[NAMES_MAX][64];
    int count;
};

static void take_name(const char *name, void *user)
{
    struct folder *folder = user;
    struct tn_version version;

    if (folder->count < NAMES_MAX && library_row(name, &version) >= 0 &&
        tn_text_copy(folder->name[folder->count], sizeof(folder->name[0]), name))
        folder->count++;
}

/* Names that the loader asks for ("libnvinfer.so.10") come first: the longer ones are mostly the
 * files behind them. */
static void add_folder(struct tn_scan *scan, const char *path, bool loader)
{
    static const struct tn_version none = { .parts = 0 };
    struct folder folder = { .scan = scan };

    tn_setup_names(scan->setup, path, take_name, &folder);
    for (int wants_soname = 1; wants_soname >= 0; wants_soname--)
        for (int i = 0; i < folder.count; i++) {
            char full[TN_SCAN_PATH];
            struct tn_version version;

            (void)library_row(folder.name[i], &version);
            if ((version.parts == 1) == (wants_soname == 1) &&
                tn_format_path(full, "%s/%s", path, folder.name[i]))
                tn_scan_add_library(scan, full, loader, "file name", &none);
        }
}

static void take_loader_folder(const char *path, void *user)
{
    add_folder(user, path, true);
}

static void take_cached(const char *name, const char *path, void *user)
{
    static const struct tn_version none = { .parts = 0 };
    struct tn_version version;

    if (library_row(name, &version) >= 0 && path[0] == '/')
        tn_scan_add_library(user, path, true, "file name", &none);
}

static void add_cache(struct tn_scan *scan)
{
    tn_auto(tn_buf_done) struct tn_buf cache = TN_BUF(16 << 20);

    if (tn_setup_read(scan->setup, "/etc/ld.so.cache", &cache))
        tn_ldcache_each(cache.data, cache.size, take_cached, scan);
}

struct unpacked {
    struct tn_scan *scan;
    const char *folder;
};

/* "TensorRT-10.6.0.26" as the archive unpacks. */
static void take_unpacked(const char *name, void *user)
{
    const struct unpacked *unpacked = user;
    char path[TN_SCAN_PATH];

    if (strncasecmp(name, "tensorrt", 8) == 0 &&
        tn_format_path(path, "%s/%s/lib", unpacked->folder, name))
        add_folder(unpacked->scan, path, false);
}

void tn_scan_runtimes(struct tn_scan *scan)
{
    static const char *const loader_folders[] = {
        "/lib/%s-linux-gnu", "/usr/lib/%s-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"
    };
    static const char *const other_folders[] = { "/usr/local/lib", "/usr/local/cuda/lib64",
                                                 "/usr/src/tensorrt/lib" };
    static const char *const parents[] = { "/usr/local", "/opt" };
    char path[TN_SCAN_PATH];

    tn_split_path(tn_setup_env(scan->setup, "LD_LIBRARY_PATH"), take_loader_folder, scan);
    add_cache(scan);
    for (size_t i = 0; i < TN_COUNT(loader_folders); i++) {
        const char *percent = strchr(loader_folders[i], '%');

        if (!percent)
            add_folder(scan, loader_folders[i], true);
        else if (scan->device->arch[0] &&
                 tn_format_path(path, "%.*s%s%s", (int)(percent - loader_folders[i]),
                                loader_folders[i], scan->device->arch, percent + 2))
            add_folder(scan, path, true);
    }
    for (size_t i = 0; i < TN_COUNT(other_folders); i++)
        add_folder(scan, other_folders[i], false);
    for (size_t i = 0; i < TN_COUNT(parents); i++)
        tn_setup_names(scan->setup, parents[i], take_unpacked,
                       &(struct unpacked) { scan, parents[i] });
}

/* --- what does not fit together --------------------------------------------------------------- */

static void compare_container(struct tn_scan *scan)
{
    const char *text = tn_setup_env(scan->setup, "TRT_VERSION");
    struct tn_version container = tn_version_lead(text ? text : "");
    const struct tn_runtime *full = NULL;
    char id[TN_RUNTIME_TEXT];

    if (container.parts == 0)
        return;
    for (int i = 0; i < scan->device->runtime_count; i++)
        if (scan->device->runtime[i].id.kind == TN_RUNTIME_TRT &&
            (!full || (by_loader(&scan->device->runtime[i]) && !by_loader(full))))
            full = &scan->device->runtime[i];
    if (!full) {
        tn_device_note(scan->device, "TRT_VERSION says %.60s, but no libnvinfer was found", text);
        return;
    }
    if (tn_version_compare(&full->id.version, &container) == 0)
        return;
    tn_runtime_id_print(&full->id, id);
    tn_device_note(scan->device, "TRT_VERSION says %.60s, but the library is %s", text, id);
}

void tn_scan_compare(struct tn_scan *scan)
{
    struct tn_device *device = scan->device;

    for (int i = 0; i < device->runtime_count; i++)
        for (int j = i + 1; j < device->runtime_count; j++) {
            const struct tn_runtime *a = &device->runtime[i], *b = &device->runtime[j];
            char first[TN_RUNTIME_TEXT], second[TN_RUNTIME_TEXT];

            if (a->id.kind != b->id.kind || tn_version_compare(&a->id.version, &b->id.version) == 0)
                continue;
            tn_runtime_id_print(&a->id, first);
            tn_runtime_id_print(&b->id, second);
            tn_device_note(device,
                           "two TensorRTs disagree: %s (%s) and %s (%s); make sure that builder "
                           "and application use the same",
                           first, a->found_by, second, b->found_by);
        }
    compare_container(scan);
}
