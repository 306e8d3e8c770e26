/*
 * What a line of a TensorRT log says: its class, whether the failure is lasting, and the cure.
 * Matches words, never positions in NVIDIA's sources or line numbers.
 */
#ifndef TN_COMPAT_LOGCLASS_H
#define TN_COMPAT_LOGCLASS_H

#include <stdbool.h>
#include <stddef.h>

/** Changes when a row changes its meaning, so that refusals made by an older table are tried again.
 */
#define TN_LOGCLASS_VERSION 1

enum tn_log_scope {
    TN_LOG_PLAN,    /* the plan does not fit: another plan is needed */
    TN_LOG_RUNG,    /* this model at this precision cannot be built: lasting */
    TN_LOG_REQUEST, /* the request is wrong (shapes, options): lasting */
    TN_LOG_MODEL,   /* the ONNX file is wrong: lasting */
    TN_LOG_DEVICE,  /* driver, memory, GPU: nothing is wrong with model or plan; retry later */
    TN_LOG_GENERIC, /* says only that something failed: look at the line before */
    TN_LOG_WARNING,
};

struct tn_log_class {
    const char *fragment; /* words that the line must hold; case counts */
    const char *also;     /* a second fragment that must be there too, or NULL */
    const char *name;     /* "trt-version", "no-profile", "unsupported-operator", … */
    enum tn_log_scope scope;
    const char *meaning;
    const char *cure;
};

/** The row for a line, or NULL when no row knows it. */
const struct tn_log_class *tn_log_classify(const char *line);

/** All rows, for documents and tests. */
const struct tn_log_class *tn_log_classes(size_t *ret_count);

/** Whether a line is only noise around the real one ("catchCudaError", "Engine deserialization
 * failed"). */
bool tn_log_is_noise(const char *line);

/** Whether a class of failure will happen again with the same inputs. */
bool tn_log_lasting(const struct tn_log_class *row);

#endif
