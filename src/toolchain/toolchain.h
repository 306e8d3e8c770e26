/*
 * Building plans and deriving ONNX variants in a child process: the JSON contract with
 * workers/tenon_worker.py, or trtexec (builds only); limits, progress, and the first telling line
 * of a failure.
 *
 * Calls block until the child has ended; any thread, one call per thread.
 */
#ifndef TN_TOOLCHAIN_TOOLCHAIN_H
#define TN_TOOLCHAIN_TOOLCHAIN_H

#include "base/clock.h"
#include "compat/logclass.h"
#include "device/device.h"
#include "recipe/options.h"

struct tn_progress {
    const char *phase; /* "Building engine > Optimizing graph", "" at start */
    tn_nsec elapsed;
};
/** @return false to stop */
typedef bool (*tn_progress_fn)(const struct tn_progress *progress, void *user);

struct tn_child_limits {
    tn_nsec time;         /* 0 = 2 h */
    int64_t memory_bytes; /* address space; 0 = three times the machine's free memory, bounded */
    int64_t disk_bytes;   /* size of any file that it writes; 0 = 64 GiB */
};

struct tn_build_request {
    const struct tn_toolchain *toolchain;
    const char *model_path;         /* ONNX to parse, exactly the rung's file */
    enum tn_precision precision;    /* the rung; flags on TensorRT <= 10, nothing on 11 and RTX */
    const struct tn_shapes *shapes; /* complete */
    const struct tn_build_options *options;
    int device_index;        /* CUDA device; -1 = none here (RTX ahead of time) */
    const char *gpu_uuid;    /* for CUDA_VISIBLE_DEVICES; NULL = no GPU is shown */
    const char *output_path; /* file to make; must not exist */
    const char *log_path;    /* everything the child says; NULL = not kept */
    struct tn_child_limits limits;
    tn_progress_fn progress;
    void *user;
};

enum tn_build_outcome {
    TN_BUILD_DONE,
    TN_BUILD_REFUSED, /* lasting: the same request will fail again */
    TN_BUILD_TROUBLE, /* time, memory, signal, device: may work later */
};

struct tn_build_result {
    enum tn_build_outcome outcome;
    char stage[16];  /* "import", "parse", "profile", "build", "write", "spawn", "convert"; of a
                        trial its phases */
    char reason[48]; /* class of the telling line, or "timeout", "signal", "memory-limit",
                        "flooded", "no-result", … */
    char first_line[480];      /* the first telling line, control bytes escaped */
    char cure[200];            /* "" when none is known */
    struct tn_version version; /* of the toolchain as the module says */
    int64_t plan_bytes;
    struct tn_digest
        digest; /* of the plan, computed while it was written; verified again by the caller */
    double import_seconds, parse_seconds, build_seconds, total_seconds;
    int64_t peak_rss_bytes;
    json_t *io;       /* [{name, dims, dtype, output}] from the network; NULL when not reached */
    json_t *warnings; /* first few warnings of the log; NULL or array */
    int signal;       /* that ended the child; 0 */
};

void tn_build_result_done(struct tn_build_result *result);

/**
 * Builds a plan into `output_path` (mode 0600, fsynced, whole or absent).
 * @return 0 with the outcome in `ret_result` (a refusal is not an error of this call); TN_E_* only
 *         when the child could not be started or the request makes no sense; TN_E_CANCELLED when
 *         `progress` said stop
 */
int tn_toolchain_build(const struct tn_build_request *request, struct tn_build_result *ret_result,
                       struct tn_error *err);

/** What a converter in the toolchain's environment is: "onnxconverter-common 1.16.0 float16
 * keep_io_types=True". */
#define TN_CONVERTER_MAX 128

/** Names the converter that would derive `to` from fp32, as the key field derived.by has it, read
 * from the environment's package records without starting it. @return 0, TN_E_NOTFOUND (none
 * installed: the text says which package to install where), TN_E_UNSUPPORTED (no converter for this
 * precision) */
int tn_toolchain_converter(const struct tn_toolchain *toolchain, enum tn_precision to,
                           char ret_name[TN_CONVERTER_MAX], struct tn_error *err);

/** Derives an ONNX file of precision `to` from `model_path` into `output_path` in a child. Same
 * outcome rules. */
int tn_toolchain_convert(const struct tn_toolchain *toolchain, enum tn_precision to,
                         const char *model_path, const char *output_path,
                         const struct tn_child_limits *limits, tn_progress_fn progress, void *user,
                         struct tn_build_result *ret_result, struct tn_error *err);

/** Whether a rung's precision comes from builder flags (TensorRT <= 10) or from the ONNX file. */
bool tn_toolchain_precision_by_flag(const struct tn_toolchain *toolchain);

#endif
