/*
 * The facts of an ONNX model: inputs, outputs, opset, precision, traps, and the digest of its whole
 * content with external data. Streamed: constant memory whatever the size (under 16 MiB at any
 * size). Needs no ONNX library and no TensorRT. Any thread; an object belongs to one.
 *
 * Digest. A model in one file has the SHA-256 of that file, as sha256sum prints it. With external
 * data it is the SHA-256 of this text, one line for each file that the model names, in the byte
 * order of their locations, each once; sizes and lengths are decimal, L counts the bytes of the
 * location:
 *
 *     tenon-model/1
 *     onnx SIZE SHA256
 *     external SIZE SHA256 L LOCATION
 *     missing 0 - L LOCATION
 *
 * The text itself is no ONNX model (its first byte is no field number), so a model of the one kind
 * never has the digest of one of the other.
 *
 * External data lies where the model lies: a location is relative, without "..", and what it leads
 * to, links resolved, is a regular file below the folder of the model, either as its path names it
 * or as the model's own links resolve (caches link both into one place). Anything else is refused:
 * a hostile model must not make Tenon read other files.
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
    char axis[TN_DIMS_MAX][64]; /* name of a dynamic axis, "" when it has none; cut at 63 bytes */
};

/** A file that holds tensors outside the .onnx. */
struct tn_model_external {
    char path[1024];       /* as opened: beside the model */
    char location[512];    /* as written in the model */
    int64_t needed_bytes;  /* the largest offset + length that the model names */
    struct tn_stamp stamp; /* as it was while read; zeroed when there was no such file */
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
    struct tn_stamp stamp;   /* of the .onnx file while it was read */
    struct tn_digest digest; /* whole content, see above */
    int64_t size_bytes;      /* with external data */
    int64_t ir_version;
    int64_t opset; /* of the default domain; TN_UNKNOWN */
    char producer[64];
    enum tn_precision precision;
    int64_t node_count; /* with those in sub-graphs, without those in functions */
    /* real inputs first (initializers are not inputs), then outputs; file order */
    struct tn_model_io *io;
    size_t io_count, input_count;
    struct tn_model_external *external;
    size_t external_count;
    struct tn_preflight *preflight; /* what stops first, then warnings, then notes */
    size_t preflight_count;
};

/**
 * Reads a model and everything that it refers to, once.
 *
 * A model that TensorRT could not take is not an error: its traps are in `preflight`. So are
 * external files that are missing or short; the digest then covers what is there. An empty file, or
 * one without graph or IR version, is an error although parsers take it for a model.
 *
 * Precision: QuantizeLinear and DequantizeLinear make it int8, fp8, fp4 or int4 by the type that
 * most of their constants have, other integer arithmetic int8; else the type of most bytes of
 * floating weights; without any, the type of the first floating input or output.
 *
 * @return 0, TN_E_NOTFOUND, TN_E_ACCESS, TN_E_IO, TN_E_INVALID (not an ONNX file, or damaged),
 * TN_E_UNTRUSTED (external data out of the model's folder), TN_E_TOOBIG (over 2 GiB, a name over
 * its limit, more than 4,096 inputs and outputs or external files, sub-graphs 16 deep),
 * TN_E_AGAIN (a file changed while it was read), TN_E_NOMEM
 */
int tn_model_read(const char *path, struct tn_model *ret_model, struct tn_error *err);
void tn_model_done(struct tn_model *model);

/** Whether the files are still those that were read, by their stamps; one that was missing must
 * still be. Reads no content. */
bool tn_model_unchanged(const struct tn_model *model);

/** For the facts cache: everything above, stamps included; and back (TN_E_INVALID for anything that
 * the first would not have written). */
json_t *tn_model_to_json(const struct tn_model *model);
int tn_model_from_json(const json_t *json, struct tn_model *ret_model, struct tn_error *err);

const struct tn_preflight *
tn_model_stopper(const struct tn_model *model); /* first that stops, or NULL */

#endif
