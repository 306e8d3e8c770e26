/*
 * A device's fingerprint: its GPUs, driver, CUDA, system, TensorRT runtimes and toolchains.
 *
 * It comes from this machine (tn_device_learn), from a JSON file, or from a bundled board by name
 * (tn_device_named: "t4+trt8.4.1.5"). A plain value: copy freely. Any thread; nothing is kept.
 */
#ifndef TN_DEVICE_DEVICE_H
#define TN_DEVICE_DEVICE_H

#include "base/buf.h"
#include "types/flavor.h"
#include "types/gpu.h"

#include <jansson.h>

enum {
    TN_DEVICE_GPUS_MAX = 16,
    TN_DEVICE_RUNTIMES_MAX = 32,
    TN_DEVICE_TOOLCHAINS_MAX = 16,
    TN_DEVICE_NOTES_MAX = 16
};

/** A runtime library that was found. */
struct tn_runtime {
    struct tn_runtime_id id;
    char path[512];    /* of the library; "" for a named device */
    char found_by[48]; /* "dynamic-loader", "dpkg", "pip", "jetpack", "env TRT_VERSION", "given", …
                        */
};

/** An installed TensorRT that can build plans. */
struct tn_toolchain {
    char id[64];                 /* "rtx1.7.1.116" or the name in toolchains.yaml */
    char kind[16];               /* "python" or "trtexec" */
    struct tn_runtime_id builds; /* kind trt or rtx, exact version where known */
    char path[512];              /* interpreter of the environment, or the trtexec program */
    char library_folder[512];    /* where its libraries lie; "" = its own business */
};

struct tn_device {
    char label[96];           /* "this machine", "t4", a file's name */
    char os[64];              /* "Debian GNU/Linux 12"; "" unknown */
    char arch[16];            /* "x86_64", "aarch64" */
    char platform[32];        /* "linux-x86_64", "linux-aarch64-tegra", "linux-aarch64" */
    struct tn_version driver; /* 580.159.04 -> parts 580, 159, 4 */
    char driver_text[32];
    int64_t cuda; /* what the driver speaks, 13000 = 13.0; TN_UNKNOWN */
    char l4t[24], jetpack[24], jetson_module[64]; /* "" when not a Jetson */
    struct tn_gpu gpu[TN_DEVICE_GPUS_MAX];
    int gpu_count;
    bool gpu_asked; /* false: nobody could ask (no driver); then gpu_count 0 says nothing more */
    struct tn_runtime runtime[TN_DEVICE_RUNTIMES_MAX];
    int runtime_count;
    struct tn_toolchain toolchain[TN_DEVICE_TOOLCHAINS_MAX];
    int toolchain_count;
    char note[TN_DEVICE_NOTES_MAX]
             [240]; /* warnings: two TensorRTs that disagree, a driver that fails, … */
    int note_count;
};

void tn_device_init(struct tn_device *device);

/** What to leave out of a probe. Zeroed = everything. */
struct tn_probe_options {
    bool no_gpu;                 /* do not open libcuda and NVML */
    const char *toolchains_file; /* a further toolchains.yaml; NULL = the usual places */
    const char *python; /* an interpreter that the caller knows of, absolute path; before those of
                           the environment */
};

/** Probes this machine. A missing driver is a fact, not an error. @return 0, TN_E_NOMEM,
 * TN_E_INVALID (a toolchains.yaml that cannot be read) */
int tn_device_learn(const struct tn_probe_options *options, struct tn_device *ret_device,
                    struct tn_error *err);

/** `BOARD[+RUNTIME…]`, as "t4+trt8.4.1.5"; names are matched without case. @return 0 or
 * TN_E_NOTFOUND with the nearest names, TN_E_USAGE (the runtime) */
int tn_device_named(const char *text, struct tn_device *ret_device, struct tn_error *err);

/** A name as above, or a path of a fingerprint JSON file; text with '/' or ending in .json is a
 * file. */
int tn_device_get(const char *text, struct tn_device *ret_device, struct tn_error *err);

/** NULL-ended list of the bundled boards' names. */
const char *const *tn_device_board_names(void);

/** The bundled facts of board number `at` (order of tn_device_board_names()). */
const struct tn_gpu *tn_device_board_gpu(size_t at);

json_t *tn_device_to_json(const struct tn_device *device);
int tn_device_from_json(const json_t *json, struct tn_device *ret_device, struct tn_error *err);

/** What decides whether a cached fingerprint still holds: boot id, driver, library files, the
 * environment (CUDA_VISIBLE_DEVICES, LD_LIBRARY_PATH, TENON_*). Cheap: a few stat() calls, no CUDA.
 * Appends lines of text; equal text = equal facts. */
void tn_device_stamp(struct tn_buf *text);
/** The same for a probe with options; NULL = none. */
void tn_device_stamp_for(const struct tn_probe_options *options, struct tn_buf *text);

/** The runtime that an application here would load: TENON_RUNTIME, else what the dynamic loader
 * opens, else the only one found.
 * @param wanted "--runtime" or a spec's: "trt10.6.0.26", "rtx", …; NULL = decide
 * @return 0; TN_E_NOTFOUND (none, or none as wanted); TN_E_USAGE (several that disagree: they are
 * listed; or `wanted` names no runtime) */
int tn_device_runtime(const struct tn_device *device, const char *wanted,
                      const struct tn_runtime **ret_runtime, struct tn_error *err);

/** The GPU chosen by index, UUID or name; NULL = the first of CUDA_VISIBLE_DEVICES or of the
 * machine.
 * @return 0, TN_E_NOTFOUND */
int tn_device_gpu(const struct tn_device *device, const char *wanted, const struct tn_gpu **ret_gpu,
                  struct tn_error *err);

/** Whether a choice of GPU matters: the boards are not all of one name. */
bool tn_device_boards_differ(const struct tn_device *device);

#endif
