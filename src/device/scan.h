/*
 * A probe under way: where its paths and environment come from, and what was gathered so far.
 * Inside src/device only. Every path in it is one of the machine ("/etc/os-release"); the folder
 * that stands for '/' is put in front when a file is touched, so a test probes a recorded tree.
 */
#ifndef TN_DEVICE_SCAN_H
#define TN_DEVICE_SCAN_H

#include "base/file.h"
#include "device/cuda.h"
#include "device/device.h"

#include <sys/stat.h>

enum {
    TN_SCAN_PATH = 512,
    TN_SCAN_PYTHONS_MAX = 16,
    TN_SCAN_SITES_MAX = 8,
    TN_SCAN_PACKAGES_MAX = 32,
    TN_SCAN_ENTRIES_MAX = 50000 /* names read of one folder */
};

/** Zeroed = this machine. */
struct tn_probe_setup {
    const char *root;                                 /* folder that stands for '/'; NULL = '/' */
    const struct tn_cuda *cuda;                       /* NULL = open the real libraries */
    const char *(*env)(const char *name, void *user); /* NULL = getenv() */
    void *user;                                       /* of `env` */
    const char *arch;                                 /* "x86_64"; NULL = uname() */
    const char *exe_folder; /* folder of the program; NULL = from /proc/self/exe */
    const char *python;     /* an interpreter that the caller knows of; NULL = none */
};

/** A Python installation and the folders where its packages lie. */
struct tn_python {
    char program[TN_SCAN_PATH];
    char prefix[TN_SCAN_PATH];
    char site[TN_SCAN_SITES_MAX][TN_SCAN_PATH];
    struct tn_stamp site_stamp[TN_SCAN_SITES_MAX];
    int site_count;
    const char *id; /* its name in toolchains.yaml; NULL */
};

struct tn_package {
    char name[48];
    char version[64];
};

struct tn_scan {
    const struct tn_probe_setup *setup;
    struct tn_device *device;
    struct tn_package package[TN_SCAN_PACKAGES_MAX]; /* dpkg's, of what matters here */
    int package_count;
};

/** setup's environment; NULL when not set. */
const char *tn_setup_raw_env(const struct tn_probe_setup *setup, const char *name);

/** The same; NULL when not set or empty. */
const char *tn_setup_env(const struct tn_probe_setup *setup, const char *name);

/** Path under the root. @return whether it fitted */
bool tn_setup_path(const struct tn_probe_setup *setup, const char *path,
                   char ret_path[TN_SCAN_PATH]);

/** stat() of a machine path. */
bool tn_setup_stat(const struct tn_probe_setup *setup, const char *path, struct stat *ret_stat);

/** The first bytes of a file as text; false when unreadable. Three system calls. */
bool tn_setup_head(const struct tn_probe_setup *setup, const char *path, char *ret_text,
                   size_t size);

/** The same, up to the end of the first line. */
bool tn_setup_line(const struct tn_probe_setup *setup, const char *path, char *ret_text,
                   size_t size);

/** Reads a whole file into `ret_text`. */
bool tn_setup_read(const struct tn_probe_setup *setup, const char *path, struct tn_buf *ret_text);

/** The machine path with every link resolved; false when it does not exist or leaves the root. */
bool tn_setup_real(const struct tn_probe_setup *setup, const char *path,
                   char ret_path[TN_SCAN_PATH]);

/** Calls `take` for each name in a folder, at most TN_SCAN_ENTRIES_MAX. A missing folder has none.
 */
void tn_setup_names(const struct tn_probe_setup *setup, const char *folder,
                    void (*take)(const char *name, void *user), void *user);

/** Calls `take` for each non-empty part of a list such as PATH. */
void tn_split_path(const char *list, void (*take)(const char *part, void *user), void *user);

/** snprintf() of a path. @return whether it fitted */
bool tn_format_path(char ret_path[TN_SCAN_PATH], const char *format, ...) TN_PRINTF(2, 3);

/** The numbers at the start of "10.3.0.30-1+cuda12.5", "8.6.1.post1"; parts 0 when there are none.
 */
struct tn_version tn_version_lead(const char *text);

/** dpkg's version of an installed package, or NULL. */
const char *tn_scan_package(const struct tn_scan *scan, const char *name);

/* The steps, in this order. */
void tn_scan_system(struct tn_scan *scan);   /* OS, architecture, driver, dpkg */
void tn_scan_jetson(struct tn_scan *scan);   /* L4T, JetPack, module, platform */
void tn_scan_runtimes(struct tn_scan *scan); /* libraries of the system */
void tn_scan_site(struct tn_scan *scan, const struct tn_python *python); /* and of pip */
int tn_scan_toolchains(struct tn_scan *scan, const char *further_file, struct tn_error *err);
void tn_scan_ask(struct tn_scan *scan);     /* exact versions of libraries that no record gives */
void tn_scan_compare(struct tn_scan *scan); /* notes on runtimes that disagree */

/** JetPack's exact TensorRT for this L4T; parts 0 when not known. */
struct tn_version tn_jetpack_tensorrt(const char *l4t);

/** Adds a library, or marks the one that is already listed. `path` is a machine path.
 * @param version package's or dist-info's; parts 0 = look further */
void tn_scan_add_library(struct tn_scan *scan, const char *path, bool loader, const char *found_by,
                         const struct tn_version *version);

/** The installed Python that `program` starts. @return false when it cannot be found out */
bool tn_python_at(const struct tn_probe_setup *setup, const char *program,
                  struct tn_python *ret_python);

/** Calls `take` for the caller's own Python and those of VIRTUAL_ENV, CONDA_PREFIX and PATH. */
void tn_python_each(const struct tn_probe_setup *setup,
                    void (*take)(const struct tn_python *python, void *user), void *user);

/** Calls `take` with each place of a toolchains.yaml, `asked` where a person named it. */
void tn_toolchain_files(const struct tn_probe_setup *setup, const char *further_file,
                        void (*take)(const char *path, bool asked, void *user), void *user);

/** A probe of what `setup` says. */
int tn_device_probe_with(const struct tn_probe_options *options, const struct tn_probe_setup *setup,
                         struct tn_device *ret_device, struct tn_error *err);
void tn_device_stamp_with(const struct tn_probe_setup *setup, struct tn_buf *text);

#endif
