/*
 * Will this plan load on that GPU with that runtime? A verdict with every reason.
 *
 * The rules are rows of one table (rules.c), each with its ground; tn_compat_check() runs them all.
 * No file, no GPU, no clock is touched. Any thread.
 */
#ifndef TN_COMPAT_COMPAT_H
#define TN_COMPAT_COMPAT_H

#include "device/device.h"
#include "plan/plan.h"

enum tn_verdict { TN_VERDICT_LOADS, TN_VERDICT_MAY_LOAD, TN_VERDICT_UNKNOWN, TN_VERDICT_WONT_LOAD };

/** "loads", "may-load", "unknown", "wont-load". */
const char *tn_verdict_name(enum tn_verdict verdict);

/* Rows: name, code in JSON and text. One reason code each; design.md §6. */
#define TN_REASONS(X)                                                                              \
    X(FLAVOR, "flavor")                                                                            \
    X(TRT_VERSION, "trt-version")                                                                  \
    X(PLATFORM, "platform")                                                                        \
    X(COMPUTE_CAPABILITY, "compute-capability")                                                    \
    X(DEVICE_MODEL, "device-model")                                                                \
    X(DRIVER_OLD, "driver-old")                                                                    \
    X(CUDA_LIBRARY, "cuda-library")                                                                \
    X(PLUGIN_MISSING, "plugin-missing")                                                            \
    X(HOST_CODE, "host-code")                                                                      \
    X(LEAN_RUNTIME, "lean-runtime")                                                                \
    X(NEEDS_REFIT, "needs-refit")                                                                  \
    X(TRUNCATED, "truncated")                                                                      \
    X(CORRUPT, "corrupt")                                                                          \
    X(NOT_AN_ENGINE, "not-an-engine")                                                              \
    X(WRAPPED, "wrapped")                                                                          \
    X(NO_MEMORY, "no-memory")                                                                      \
    X(CUDA_UNAVAILABLE, "cuda-unavailable")                                                        \
    X(DLA, "dla")                                                                                  \
    X(SUSPECT_OUTPUT, "suspect-output")                                                            \
    X(UNKNOWN, "unknown")

enum tn_reason_code {
#define X(name, text) TN_REASON_##name,
    TN_REASONS(X)
#undef X
};
const char *tn_reason_name(enum tn_reason_code code);

/** Why a rule may be believed. */
enum tn_ground {
    TN_GROUND_MEASURED,
    TN_GROUND_DOCUMENTED,
    TN_GROUND_FIELD_REPORT,
    TN_GROUND_INFERRED
};

struct tn_compat_target;
struct tn_reason;

struct tn_reason {
    enum tn_reason_code code;
    enum tn_verdict verdict; /* what this reason alone allows */
    char detail[240];        /* "built by TensorRT 10.6.0.26; this runtime is 10.15.1.29" */
    char remedy[200];        /* what to do; "" for a passed gate */
    const char *ground;      /* "measured: …", "documented: …"; static */
};

enum { TN_REASONS_MAX = 24 };

/** A row of the table. A rule fires or stays silent; what it does not know is another row. */
struct tn_rule {
    const char *name; /* "version-differs"; stable, used in documents and tests */
    enum tn_reason_code code;
    enum tn_verdict verdict; /* when it fires */
    enum tn_ground ground;   /* only measured and documented rows may say more than may-load */
    const char *why;         /* "measured: …", as in tn_reason.ground */
    unsigned applies;        /* TN_RULE_*: to which pairs it is asked at all */
    bool (*fires)(const struct tn_plan *plan, const struct tn_compat_target *target,
                  struct tn_reason *reason); /* fills detail and remedy when it fires */
};
enum {
    TN_RULE_FILE = 1,     /* any file, engine or not */
    TN_RULE_ENGINE = 2,   /* engines, whatever the flavors */
    TN_RULE_TENSORRT = 4, /* a TensorRT engine where the runtime is TensorRT or not known */
    TN_RULE_RTX = 8,      /* the same for TensorRT-RTX */
};

/** All rules in the order in which a runtime looks at things (measured, 10.6), so that the first
 * reason of an answer is the one that the runtime itself would log. */
const struct tn_rule *tn_compat_rules(size_t *ret_count);

struct tn_answer {
    enum tn_verdict verdict;
    struct tn_reason
        reason[TN_REASONS_MAX]; /* the reasons against, weightiest first; none for `loads` */
    int reason_count;
    const char *by; /* "rule", "evidence", "trial"; static */
};

/** What the plan is to run on. */
struct tn_compat_target {
    const struct tn_gpu *gpu;     /* NULL = GPU not known */
    struct tn_runtime_id runtime; /* kind unknown = runtime not known */
    const char *platform;         /* "" or NULL = not known */
    int64_t cuda_driver;          /* 13000; TN_UNKNOWN */
    int64_t gpu_free_bytes;       /* TN_UNKNOWN */
    bool allow_host_code;
    struct tn_version
        lean_library; /* a lean runtime loaded by path (IRuntime::loadRuntime); 0 parts = none */
};

void tn_compat_check(const struct tn_plan *plan, const struct tn_compat_target *target,
                     struct tn_answer *ret_answer);

/** The part of a plan that verdicts depend on; every other fact is not known. It has the verdict of
 * the whole plan on every target whose free memory is not known: only the size of the file is
 * missing for that. A rule that reads another fact adds it here. */
struct tn_plan tn_compat_part(const struct tn_plan *plan);

/** Appends such a part as text: equal texts, equal parts. */
void tn_compat_part_add(struct tn_buf *text, const struct tn_plan *part);

/** Bundled boards that fit the GPU facts of a plan, best first; several when several fit.
 * @return how many names were written (static storage) */
size_t tn_compat_guess_boards(const struct tn_gpu *gpu, const char *ret_names[], size_t max);

#endif
