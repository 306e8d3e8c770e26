/*
 * pip environments: TensorRT libraries and bindings of a Python's site-packages, versions from the
 * dist-info records beside them.
 */
#include "base/file.h"
#include "base/text.h"
#include "device/note.h"
#include "device/scan.h"
#include "device/toolchains.h"

#include <string.h>

/* What a wheel belongs to. The order is that of the rows below. */
static const struct {
    const char *name;      /* of the distribution, without _cuNN and its role */
    const char *libraries; /* folder that the libraries lie in */
    const char *bindings;  /* folder of the bindings */
    const char *module;    /* folder of the meta package; old wheels have all in it */
    enum tn_runtime_kind kind;
} families[] = {
    { "tensorrt", "tensorrt_libs", "tensorrt_bindings", "tensorrt", TN_RUNTIME_TRT },
    { "tensorrt_lean", "tensorrt_lean_libs", "tensorrt_lean_bindings", "tensorrt_lean",
      TN_RUNTIME_LEAN },
    { "tensorrt_dispatch", "tensorrt_dispatch_libs", "tensorrt_dispatch_bindings",
      "tensorrt_dispatch", TN_RUNTIME_DISPATCH },
    { "tensorrt_rtx", "tensorrt_rtx_libs", "tensorrt_rtx_bindings", "tensorrt_rtx",
      TN_RUNTIME_RTX },
};

enum role { ROLE_META, ROLE_BINDINGS, ROLE_LIBRARIES, ROLES };

/* What one site-packages holds. */
struct site {
    const struct tn_probe_setup *setup;
    const char *path;
    bool has_libraries[TN_COUNT(families)];
    bool has_module[TN_COUNT(families)];
    struct tn_version version[TN_COUNT(families)][ROLES];
};

static bool cut_suffix(char *text, const char *suffix)
{
    if (!tn_text_ends(text, suffix))
        return false;
    text[strlen(text) - strlen(suffix)] = '\0';
    return true;
}

/* "tensorrt_rtx_cu13_libs" -> family tensorrt_rtx, role libraries; -1 for other packages */
static int family_of(char *name, enum role *ret_role)
{
    char *cuda;

    *ret_role = cut_suffix(name, "_libs")       ? ROLE_LIBRARIES
                : cut_suffix(name, "_bindings") ? ROLE_BINDINGS
                                                : ROLE_META;
    cuda = strstr(name, "_cu");
    if (cuda && cuda[3] && cuda[3 + strspn(cuda + 3, "0123456789")] == '\0')
        *cuda = '\0';
    if (strcmp(name, "nvidia_tensorrt") == 0) /* the wheels of 8.0 to 8.4 */
        return 0;
    for (size_t i = 0; i < TN_COUNT(families); i++)
        if (strcmp(name, families[i].name) == 0)
            return (int)i;
    return -1;
}

/* METADATA is the record; the folder's name is made from it and serves where it cannot be read. */
static struct tn_version metadata_version(const struct site *site, const char *folder,
                                          const char *otherwise)
{
    static const char key[] = "\nVersion: ";
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(256 << 10);
    char path[TN_SCAN_PATH];
    const char *at;

    tn_buf_adds(&text, "\n");
    if (!tn_format_path(path, "%s/%s/METADATA", site->path, folder) ||
        !tn_setup_read(site->setup, path, &text))
        return tn_version_lead(otherwise);
    at = strstr(tn_buf_text(&text), key);
    return tn_version_lead(at ? at + strlen(key) : otherwise);
}

static void take_record(struct site *site, const char *folder)
{
    char name[96];
    char *dash;
    enum role role;
    int family;

    if (!tn_text_copy(name, sizeof(name), folder) || !cut_suffix(name, ".dist-info"))
        return;
    dash = strrchr(name, '-');
    if (!dash)
        return;
    *dash = '\0';
    family = family_of(name, &role);
    if (family >= 0)
        site->version[family][role] = metadata_version(site, folder, dash + 1);
}

static void take_name(const char *name, void *user)
{
    struct site *site = user;

    if (!strstr(name, "tensorrt"))
        return;
    take_record(site, name);
    for (size_t i = 0; i < TN_COUNT(families); i++) {
        if (strcmp(name, families[i].libraries) == 0)
            site->has_libraries[i] = true;
        if (strcmp(name, families[i].bindings) == 0 || strcmp(name, families[i].module) == 0)
            site->has_module[i] = true;
    }
}

/* The best known version among the roles, libraries first: they are what loads. */
static struct tn_version version_of(const struct site *site, size_t family)
{
    static const enum role order[] = { ROLE_LIBRARIES, ROLE_BINDINGS, ROLE_META };
    struct tn_version best = { .parts = 0 };

    for (size_t i = 0; i < TN_COUNT(order); i++)
        if (site->version[family][order[i]].parts > best.parts)
            best = site->version[family][order[i]];
    return best;
}

struct library_folder {
    struct tn_scan *scan;
    const char *path;
    struct tn_version version;
};

static void take_library(const char *name, void *user)
{
    const struct library_folder *folder = user;
    char path[TN_SCAN_PATH];

    if (strstr(name, ".so.") && tn_format_path(path, "%s/%s", folder->path, name))
        tn_scan_add_library(folder->scan, path, false, "pip", &folder->version);
}

static void add_libraries(struct tn_scan *scan, const struct site *site, size_t family,
                          char ret_folder[TN_SCAN_PATH])
{
    struct library_folder folder = { .scan = scan,
                                     .path = ret_folder,
                                     .version = version_of(site, family) };

    ret_folder[0] = '\0';
    if (!tn_format_path(ret_folder, "%s/%s", site->path,
                        site->has_libraries[family] ? families[family].libraries
                                                    : families[family].module))
        return;
    tn_setup_names(scan->setup, ret_folder, take_library, &folder);
    if (!site->has_libraries[family])
        ret_folder[0] = '\0'; /* its own business: the system's libraries, or beside the module */
}

/* Bindings of Debian packages have no exact version of their own; the system library has. */
static struct tn_version completed(const struct tn_device *device, enum tn_runtime_kind kind,
                                   struct tn_version version)
{
    for (int i = 0; version.parts < 4 && i < device->runtime_count; i++) {
        const struct tn_runtime *runtime = &device->runtime[i];

        if (runtime->id.kind == kind && tn_text_starts(runtime->found_by, "dynamic-loader") &&
            runtime->id.version.parts > version.parts &&
            tn_version_compare(&runtime->id.version, &version) == 0)
            version = runtime->id.version;
    }
    return version;
}

static void scan_one(struct tn_scan *scan, const struct tn_python *python, const char *path)
{
    struct site site = { .setup = scan->setup, .path = path };

    tn_setup_names(scan->setup, path, take_name, &site);
    for (size_t i = 0; i < TN_COUNT(families); i++) {
        struct tn_toolchain toolchain = { .kind = "python" };
        char folder[TN_SCAN_PATH];

        if (site.has_libraries[i] || site.has_module[i])
            add_libraries(scan, &site, i, folder);
        if (!site.has_module[i] ||
            (families[i].kind != TN_RUNTIME_TRT && families[i].kind != TN_RUNTIME_RTX))
            continue; /* lean and dispatch load plans; they build none */
        toolchain.builds.kind = families[i].kind;
        toolchain.builds.version = completed(scan->device, families[i].kind, version_of(&site, i));
        (void)tn_text_copy(toolchain.path, sizeof(toolchain.path), python->program);
        (void)tn_text_copy(toolchain.library_folder, sizeof(toolchain.library_folder), folder);
        tn_toolchain_add(scan, &toolchain, python->id, path);
    }
}

void tn_scan_site(struct tn_scan *scan, const struct tn_python *python)
{
    for (int i = 0; i < python->site_count; i++)
        scan_one(scan, python, python->site[i]);
}
