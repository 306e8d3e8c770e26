#include "device/toolchains.h"

#include "base/file.h"
#include "base/text.h"
#include "device/note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct tn_yaml_row tn_toolchain_rows[] = {
    { "toolchains", TN_YAML_LIST, NULL, "", "Installations that can build plans, best first." },
    { "toolchains[]", TN_YAML_MAP, NULL, "", "One installation." },
    { "toolchains[].id", TN_YAML_STRING, NULL, "",
      "Its name in answers and records; default: what "
      "it builds, as rtx1.7.1.116." },
    { "toolchains[].kind", TN_YAML_CHOICE, "python|trtexec", NULL,
      "`python`: the TensorRT module of a Python; `trtexec`: the program of TensorRT 8.2 to 11, "
      "which builds and makes trial loads, but derives no model of another precision." },
    { "toolchains[].python", TN_YAML_STRING, NULL, "",
      "Path of the interpreter, as /opt/rtx/bin/python (kind python)." },
    { "toolchains[].trtexec", TN_YAML_STRING, NULL, "", "Path of the program (kind trtexec)." },
    { "toolchains[].library", TN_YAML_STRING, NULL, "",
      "Folder of its libraries, which count as runtimes of this machine; default: where package "
      "records say, or the loader's." },
    { NULL, TN_YAML_STRING, NULL, NULL, NULL },
};

/* --- the list --------------------------------------------------------------------------------- */

static size_t folder_length(const char *path)
{
    return (size_t)(tn_path_base(path) - path);
}

/* python and python3 of one environment are one toolchain. */
static bool same_place(const struct tn_toolchain *a, const struct tn_toolchain *b)
{
    size_t length = folder_length(a->path);

    if (a->builds.kind != b->builds.kind || strcmp(a->kind, b->kind) != 0)
        return false;
    if (strcmp(a->kind, "python") != 0)
        return strcmp(a->path, b->path) == 0;
    return length == folder_length(b->path) && strncmp(a->path, b->path, length) == 0;
}

static bool id_taken(const struct tn_device *device, const char *id)
{
    for (int i = 0; i < device->toolchain_count; i++)
        if (strcmp(device->toolchain[i].id, id) == 0)
            return true;
    return false;
}

static void give_id(const struct tn_device *device, struct tn_toolchain *toolchain,
                    const char *wanted)
{
    char base[48], made[TN_RUNTIME_TEXT];

    tn_runtime_id_print(&toolchain->builds, made);
    (void)tn_text_copy(base, sizeof(base), wanted && *wanted ? wanted : made);
    (void)tn_text_copy(toolchain->id, sizeof(toolchain->id), base);
    for (int n = 2; id_taken(device, toolchain->id); n++)
        (void)snprintf(toolchain->id, sizeof(toolchain->id), "%s-%d", base, n);
}

/* --- trust ------------------------------------------------------------------------------------ */

static bool trusted(struct tn_scan *scan, const char *path)
{
    char full[TN_SCAN_PATH];
    struct tn_error err = { 0 };
    struct stat st;

    if (!path || !*path)
        return true;
    if (!tn_setup_path(scan->setup, path, full) || stat(full, &st) < 0) {
        tn_device_note(scan->device, "toolchain '%.120s' cannot be read: %s", path,
                       strerror(errno));
        return false;
    }
    if (tn_file_trusted(&st, path, &err) == TN_OK)
        return true;
    tn_device_note(scan->device, "toolchain not used: %s", err.text);
    return false;
}

static bool all_trusted(struct tn_scan *scan, const struct tn_toolchain *toolchain,
                        const char *site)
{
    char folder[TN_SCAN_PATH];
    size_t length = folder_length(toolchain->path);

    if (!trusted(scan, toolchain->path) || !trusted(scan, toolchain->library_folder) ||
        !trusted(scan, site))
        return false;
    return tn_text_copy_n(folder, sizeof(folder), toolchain->path, length > 1 ? length - 1 : 1) &&
           trusted(scan, folder);
}

void tn_toolchain_add(struct tn_scan *scan, const struct tn_toolchain *toolchain, const char *id,
                      const char *site)
{
    struct tn_device *device = scan->device;
    struct tn_toolchain *added;

    for (int i = 0; i < device->toolchain_count; i++)
        if (same_place(toolchain, &device->toolchain[i]))
            return;
    if (!all_trusted(scan, toolchain, site))
        return;
    if (device->toolchain_count == TN_DEVICE_TOOLCHAINS_MAX) {
        tn_device_note(device, "more than %d toolchains; the others are not listed",
                       TN_DEVICE_TOOLCHAINS_MAX);
        return;
    }
    added = &device->toolchain[device->toolchain_count];
    *added = *toolchain;
    give_id(device, added, id);
    device->toolchain_count++;
}

/* --- trtexec ---------------------------------------------------------------------------------- */

static void take_library(const char *name, void *user)
{
    static const char stem[] = "libnvinfer.so.";
    struct tn_version *longest = user, version;

    if (tn_text_starts(name, stem) &&
        tn_version_parse(name + sizeof(stem) - 1, &version, NULL) == TN_OK &&
        version.parts > longest->parts)
        *longest = version;
}

/* Of a folder that nothing else names: what its library is called, and where the archive was
 * unpacked ("/data/TensorRT-8.6.1.6/lib") its fourth part. */
static struct tn_version folder_version(const struct tn_scan *scan, const char *folder)
{
    static const char archive[] = "/TensorRT-";
    const char *at = strstr(folder, archive);
    struct tn_version unpacked = tn_version_lead(at ? at + sizeof(archive) - 1 : "");
    struct tn_version version = { .parts = 0 };

    tn_setup_names(scan->setup, folder, take_library, &version);
    if (version.parts > 0 && unpacked.parts > version.parts &&
        tn_version_compare(&unpacked, &version) == 0)
        return unpacked;
    return version;
}

/* trtexec opens what the dynamic loader opens; Debian's own comes with a package version. */
static struct tn_version trtexec_version(const struct tn_scan *scan, const char *path,
                                         const char *library_folder)
{
    const char *package =
        tn_text_starts(path, "/usr/src/tensorrt/") ? tn_scan_package(scan, "libnvinfer-bin") : NULL;
    struct tn_version version = { .parts = 0 };

    if (package)
        return tn_version_lead(package);
    for (int i = 0; i < scan->device->runtime_count; i++) {
        const struct tn_runtime *runtime = &scan->device->runtime[i];
        bool there = library_folder[0]
                         ? strncmp(runtime->path, library_folder, strlen(library_folder)) == 0
                         : tn_text_starts(runtime->found_by, "dynamic-loader");

        if (runtime->id.kind != TN_RUNTIME_TRT || !there)
            continue;
        if (version.parts > 0) /* two majors: which one it is linked to is not known */
            return (struct tn_version) { .parts = 0 };
        version = runtime->id.version;
    }
    if (version.parts < 4 && library_folder[0]) {
        struct tn_version further = folder_version(scan, library_folder);

        if (further.parts > version.parts)
            return further;
    }
    return version;
}

struct library_folder {
    struct tn_scan *scan;
    const char *path;
    const struct tn_version *version;
};

static void add_library(const char *name, void *user)
{
    const struct library_folder *folder = user;
    char path[TN_SCAN_PATH];

    if (tn_format_path(path, "%s/%s", folder->path, name))
        tn_scan_add_library(folder->scan, path, false, "toolchains.yaml", folder->version);
}

static void add_trtexec(struct tn_scan *scan, const char *path, const char *id,
                        const char *library_folder)
{
    struct tn_toolchain toolchain = { .kind = "trtexec", .builds.kind = TN_RUNTIME_TRT };

    (void)tn_text_copy(toolchain.path, sizeof(toolchain.path), path);
    (void)tn_text_copy(toolchain.library_folder, sizeof(toolchain.library_folder), library_folder);
    toolchain.builds.version = trtexec_version(scan, path, library_folder);
    tn_toolchain_add(scan, &toolchain, id, NULL);
    if (library_folder[0]) /* what it builds with also loads: a runtime of this machine */
        tn_setup_names(
            scan->setup, library_folder, add_library,
            &(struct library_folder) { scan, library_folder, &toolchain.builds.version });
}

static void take_program_folder(const char *folder, void *user)
{
    struct tn_scan *scan = user;
    char path[TN_SCAN_PATH];
    struct stat st;

    if (folder[0] == '/' && tn_format_path(path, "%s/trtexec", folder) &&
        tn_setup_stat(scan->setup, path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111))
        add_trtexec(scan, path, NULL, "");
}

/* --- toolchains.yaml -------------------------------------------------------------------------- */

struct files {
    struct tn_scan *scan;
    struct tn_error *err;
    int rc;
};

static void add_python(struct tn_scan *scan, const char *program, const char *id)
{
    struct tn_python python;
    int before = scan->device->toolchain_count;

    if (!tn_python_at(scan->setup, program, &python)) {
        tn_device_note(scan->device, "toolchains.yaml: '%.150s' is no Python", program);
        return;
    }
    python.id = id;
    tn_scan_site(scan, &python);
    if (scan->device->toolchain_count == before)
        tn_device_note(scan->device,
                       "toolchains.yaml: '%.120s' has no usable TensorRT module that is not listed",
                       program);
}

static int add_entry(struct tn_scan *scan, const struct tn_yaml *yaml,
                     const struct tn_yaml_node *entry, struct tn_error *err)
{
    const char *kind = tn_yaml_text(tn_yaml_child(entry, "kind"), "");
    const char *path = tn_yaml_text(tn_yaml_child(entry, kind), "");
    const char *id = tn_yaml_text(tn_yaml_child(entry, "id"), NULL);
    const char *library = tn_yaml_text(tn_yaml_child(entry, "library"), "");
    int before = scan->device->toolchain_count;

    if (path[0] != '/' || strlen(path) >= TN_SCAN_PATH)
        return tn_yaml_fail(yaml, entry, TN_E_INVALID, err,
                            "kind %s needs '%s: /…', an absolute path", kind, kind);
    if (library[0] && (library[0] != '/' || strlen(library) >= TN_SCAN_PATH))
        return tn_yaml_fail(yaml, entry, TN_E_INVALID, err, "library must be an absolute path");
    if (strcmp(kind, "trtexec") == 0) {
        add_trtexec(scan, path, id, library);
        return TN_OK;
    }
    add_python(scan, path, id);
    for (int i = before; library[0] && i < scan->device->toolchain_count; i++)
        (void)tn_text_copy(scan->device->toolchain[i].library_folder,
                           sizeof(scan->device->toolchain[i].library_folder), library);
    return TN_OK;
}

static void free_yaml(struct tn_yaml **yaml)
{
    tn_yaml_free(*yaml);
}

static int read_file(struct tn_scan *scan, const char *path, struct tn_error *err)
{
    tn_auto(free_yaml) struct tn_yaml *yaml = NULL;
    char full[TN_SCAN_PATH];
    const struct tn_yaml_node *list;
    int rc;

    if (!tn_setup_path(scan->setup, path, full))
        return tn_fail(err, TN_E_INVALID, "'%.200s' is too long a path", path);
    rc = tn_yaml_read(full, tn_toolchain_rows, &yaml, err);
    if (rc < 0)
        return rc;
    list = tn_yaml_find(yaml, "toolchains");
    for (size_t i = 0; rc == TN_OK && list && i < list->count; i++)
        rc = add_entry(scan, yaml, list->item[i], err);
    return rc;
}

static void take_file(const char *path, bool asked, void *user)
{
    struct files *files = user;
    struct tn_error untrusted = { 0 };
    struct stat st;

    if (files->rc < 0)
        return;
    if (!tn_setup_stat(files->scan->setup, path, &st)) {
        if (asked)
            files->rc =
                tn_fail(files->err, TN_E_INVALID, "toolchains '%s': %s", path, strerror(errno));
        return;
    }
    if (tn_file_trusted(&st, path, &untrusted) < 0)
        tn_device_note(files->scan->device, "not read: %s", untrusted.text);
    else
        files->rc = read_file(files->scan, path, files->err);
}

void tn_toolchain_files(const struct tn_probe_setup *setup, const char *further_file,
                        void (*take)(const char *path, bool asked, void *user), void *user)
{
    const char *named = tn_setup_env(setup, "TENON_TOOLCHAINS");
    char path[TN_SCAN_PATH], self[TN_SCAN_PATH];
    const char *folder = setup->exe_folder;

    if (further_file)
        take(further_file, true, user);
    if (named)
        take(named, true, user);
    if (!folder) {
        ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

        self[length > 0 ? length : 0] = '\0';
        if (strrchr(self, '/'))
            *strrchr(self, '/') = '\0';
        folder = self;
    }
    if (folder[0] && tn_format_path(path, "%s/toolchains.yaml", folder))
        take(path, false, user);
    take("/etc/tenon/toolchains.yaml", false, user);
}

static void take_python(const struct tn_python *python, void *user)
{
    tn_scan_site(user, python);
}

int tn_scan_toolchains(struct tn_scan *scan, const char *further_file, struct tn_error *err)
{
    struct files files = { .scan = scan, .err = err };

    tn_toolchain_files(scan->setup, further_file, take_file, &files);
    if (files.rc < 0)
        return files.rc == TN_E_NOMEM ? files.rc : TN_E_INVALID;
    tn_python_each(scan->setup, take_python, scan);
    tn_split_path(tn_setup_env(scan->setup, "PATH"), take_program_folder, scan);
    take_program_folder("/usr/src/tensorrt/bin", scan);
    return TN_OK;
}
