/*
 * The facts of an ONNX model: inputs, outputs, opset, precision, traps, and the digest of its whole
 * content with external data. Streamed: constant memory whatever the size. Needs no ONNX library
 * and no TensorRT. Any thread; an object belongs to one.
 */
#ifndef TN_ONNX_ONNX_H
#define TN_ONNX_ONNX_H

#include "base/digest.h"
#include "base/file.h"
#include "types/precision.h"
#include "types/shape.h"

#include <jansson.h>

/** One network input or output; axes may carry a symbolic name. */
struct tn_model_io {
    struct tn_io io;
    char axis[TN_DIMS_MAX][64]; /* name of a dynamic axis, "" when it has none */
};

/** A file that holds tensors outside the .onnx. */
struct tn_model_external {
    char path[1024];       /* as opened: beside the model */
    char location[512];    /* as written in the model */
    int64_t needed_bytes;  /* the largest offset + length that the model names */
    struct tn_stamp stamp; /* as it was while read */
};

enum tn_severity { TN_SEVERITY_NOTE, TN_SEVERITY_WARNING, TN_SEVERITY_STOPS };

/** A trap that stops a build, or is likely to, with its cure. */
struct tn_preflight {
    enum tn_severity severity;
    char code[40]; /* "ambiguous-axis-names", "external-data-short", … */
    char detail[240];
    char remedy[240];
};

struct tn_model {
    char path[1024];
    struct tn_stamp stamp; /* of the .onnx file while it was read */
    struct tn_digest
        digest; /* whole content: the file, then each external file in order of its location */
    int64_t size_bytes; /* with external data */
    int64_t ir_version;
    int64_t opset; /* of the default domain; TN_UNKNOWN */
    char producer[64];
    enum tn_precision precision;
    int64_t node_count;
    struct tn_model_io
        *io; /* real inputs first (initializers are not inputs), then outputs; file order */
    size_t io_count, input_count;
    struct tn_model_external *external;
    size_t external_count;
    struct tn_preflight *preflight;
    size_t preflight_count;
};

/**
 * Reads a model and everything that it refers to, once.
 * A model that TensorRT could not take is not an error: its traps are in `preflight`.
 * @return 0, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO, TN_E_INVALID (not an ONNX file), TN_E_TOOBIG,
 * TN_E_NOMEM
 */
int tn_model_read(const char *path, struct tn_model *ret_model, struct tn_error *err);
void tn_model_done(struct tn_model *model);

/** Whether the files are still those that were read, by their stamps. Reads no content. */
bool tn_model_unchanged(const struct tn_model *model);

/** For the facts cache: everything above, stamps included; and back (TN_E_INVALID). */
json_t *tn_model_to_json(const struct tn_model *model);
int tn_model_from_json(const json_t *json, struct tn_model *ret_model, struct tn_error *err);

const struct tn_preflight *
tn_model_stopper(const struct tn_model *model); /* first that stops, or NULL */

#endif
