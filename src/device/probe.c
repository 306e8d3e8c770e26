/*
 * The probe: what this machine is, step by step; and the stamp that tells when it must be repeated.
 */
#include "base/file.h"
#include "base/text.h"
#include "device/note.h"
#include "device/scan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void probe_gpus(const struct tn_probe_setup *setup, struct tn_device *device)
{
    const char *visible;
    struct tn_cuda cuda;

    if (setup->cuda)
        cuda = *setup->cuda;
    else
        tn_cuda_open(&cuda);
    tn_cuda_probe(&cuda, device);
    visible = tn_setup_raw_env(setup, "CUDA_VISIBLE_DEVICES");
    if (visible && device->gpu_asked && device->gpu_count == 0)
        tn_device_note(device, "CUDA_VISIBLE_DEVICES='%.80s' hides every GPU", visible);
}

static void free_scan(struct tn_scan **scan)
{
    free(*scan);
}

static void free_device(struct tn_device **device)
{
    free(*device);
}

int tn_device_probe_with(const struct tn_probe_options *options, const struct tn_probe_setup *setup,
                         struct tn_device *ret_device, struct tn_error *err)
{
    tn_auto(free_scan) struct tn_scan *scan = calloc(1, sizeof(*scan));
    tn_auto(free_device) struct tn_device *device = calloc(1, sizeof(*device));
    int rc;

    if (!scan || !device)
        return tn_fail(err, TN_E_NOMEM, "probe this machine");
    tn_device_init(device);
    (void)tn_text_copy(device->label, sizeof(device->label), "this machine");
    scan->setup = setup;
    scan->device = device;
    tn_scan_system(scan);
    if (!options || !options->no_gpu)
        probe_gpus(setup, device);
    tn_scan_jetson(scan);
    tn_scan_runtimes(scan);
    rc = tn_scan_toolchains(scan, options ? options->toolchains_file : NULL, err);
    if (rc < 0)
        return rc;
    tn_scan_ask(scan);
    tn_scan_compare(scan);
    *ret_device = *device;
    return TN_OK;
}

int tn_device_learn(const struct tn_probe_options *options, struct tn_device *ret_device,
                    struct tn_error *err)
{
    const struct tn_probe_setup here = { .python = options ? options->python : NULL };

    return tn_device_probe_with(options, &here, ret_device, err);
}

/* --- the stamp -------------------------------------------------------------------------------- */

struct stamping {
    const struct tn_probe_setup *setup;
    struct tn_buf *text;
};

/* The path itself is part of the text: another place with the same file is another fact. */
static void add_stamp(struct tn_buf *text, const char *path, const struct tn_stamp *stamp)
{
    tn_buf_addf(text, "%s %llu:%llu %lld %lld %lld\n", path, (unsigned long long)stamp->device,
                (unsigned long long)stamp->inode, (long long)stamp->size, (long long)stamp->mtime,
                (long long)stamp->ctime);
}

static bool add_stat(const struct stamping *stamping, const char *path)
{
    struct tn_stamp stamp;
    struct stat st;

    if (!tn_setup_stat(stamping->setup, path, &st)) {
        tn_buf_addf(stamping->text, "%s -\n", path);
        return false;
    }
    stamp = tn_stamp_of(&st);
    add_stamp(stamping->text, path, &stamp);
    return true;
}

static void add_line(const struct stamping *stamping, const char *path)
{
    char line[256] = "-";

    (void)tn_setup_line(stamping->setup, path, line, sizeof(line));
    tn_buf_addf(stamping->text, "%s %s\n", path, line);
}

/* Files in /proc have no times of their own; a folder's link count follows its sub-folders, which
 * are the MIG slices. */
static void add_mig(const struct stamping *stamping)
{
    char path[TN_SCAN_PATH];
    struct stat st;

    for (int i = 0; i < TN_DEVICE_GPUS_MAX; i++) {
        if (!tn_format_path(path, "/proc/driver/nvidia/capabilities/gpu%d/mig", i) ||
            !tn_setup_stat(stamping->setup, path, &st))
            return;
        tn_buf_addf(stamping->text, "mig%d %lu\n", i, (unsigned long)st.st_nlink);
    }
}

static void add_folder(const char *path, void *user)
{
    (void)add_stat(user, path);
}

static void add_python(const struct tn_python *python, void *user)
{
    const struct stamping *stamping = user;

    for (int i = 0; i < python->site_count; i++)
        add_stamp(stamping->text, python->site[i], &python->site_stamp[i]);
}

/* The interpreters, programs and library folders that a toolchains.yaml names, found as words: its
 * meaning does not matter here, only what could change it. */
static void add_named_paths(const struct stamping *stamping, const char *yaml)
{
    struct tn_python python;
    char path[TN_SCAN_PATH];

    for (const char *at = yaml; (at = strchr(at, '/')) != NULL;) {
        size_t length = strcspn(at, " \t\r\n'\",}]#");
        bool fits = tn_text_copy_n(path, sizeof(path), at, length);

        if (fits && strstr(path, "/bin/python") && tn_python_at(stamping->setup, path, &python))
            add_python(&python, (void *)(uintptr_t)stamping);
        else if (fits)
            (void)add_stat(stamping, path);
        at += length > 0 ? length : 1;
    }
}

static void add_toolchain_file(const char *path, bool asked, void *user)
{
    const struct stamping *stamping = user;
    char yaml[16384];

    (void)asked;
    if (!add_stat(stamping, path))
        return;
    if (tn_setup_head(stamping->setup, path, yaml, sizeof(yaml)))
        add_named_paths(stamping, yaml);
}

static void add_environment(const struct stamping *stamping)
{
    static const char *const names[] = {
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "LD_LIBRARY_PATH",
        "PATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "HOME",
        "TRT_VERSION",
        "TENON_RUNTIME",
        "TENON_TOOLCHAINS",
    };
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        const char *value = tn_setup_raw_env(stamping->setup, names[i]);

        if (value) /* set and empty is not the same as not set: it may hide every GPU */
            tn_buf_addf(stamping->text, "%s=%s\n", names[i], value);
    }
}

void tn_device_stamp_with(const struct tn_probe_setup *setup, struct tn_buf *text)
{
    static const char *const watched[] = {
        "/etc/ld.so.cache", "/var/lib/dpkg/status", "/etc/nv_tegra_release", "/usr/local", "/opt",
        "/dev/nvidiactl",
    };
    struct stamping stamping = { .setup = setup, .text = text };

    tn_buf_addf(text, "tenon %s uid %u\n", TN_VERSION, (unsigned)geteuid());
    if (setup->python)
        tn_buf_addf(text, "python %s\n", setup->python);
    add_environment(&stamping);
    add_line(&stamping, "/proc/sys/kernel/random/boot_id");
    add_line(&stamping, "/sys/module/nvidia/version");
    add_mig(&stamping);
    for (size_t i = 0; i < TN_COUNT(watched); i++)
        (void)add_stat(&stamping, watched[i]);
    tn_split_path(tn_setup_env(setup, "LD_LIBRARY_PATH"), add_folder, &stamping);
    tn_toolchain_files(setup, NULL, add_toolchain_file, &stamping);
    tn_python_each(setup, add_python, &stamping);
}

void tn_device_stamp_for(const struct tn_probe_options *options, struct tn_buf *text)
{
    const struct tn_probe_setup here = { .python = options ? options->python : NULL };

    tn_device_stamp_with(&here, text);
}

void tn_device_stamp(struct tn_buf *text)
{
    tn_device_stamp_for(NULL, text);
}
