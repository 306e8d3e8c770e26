/*
 * The decoder's side of reading an ONNX file: walks the messages with nanopb and collects what the
 * facts and the preflight are made from. Nothing is allocated in proportion to a length that the
 * file claims; sub-graphs are followed to a fixed depth.
 *
 * Internal to src/onnx. An object belongs to one thread.
 */
#ifndef TN_ONNX_READING_H
#define TN_ONNX_READING_H

#include "onnx/names.h"
#include "onnx/onnx.h"
#include "onnx/preflight.h"
#include "onnx/source.h"

enum {
    TN_ONNX_DEPTH_MAX = 16,      /* sub-graphs in one another */
    TN_ONNX_IO_MAX = 4096,       /* inputs and outputs, initializers among them not yet removed */
    TN_ONNX_EXTERNAL_MAX = 4096, /* files of external data */
    TN_ONNX_DTYPES = TN_DTYPE_OTHER + 1,
};

struct tn_reading {
    struct tn_source *source;
    struct tn_model *model; /* filled: everything but digest, size and preflight */
    struct tn_names names;
    struct tn_findings findings;
    size_t io_capacity, external_capacity;
    uint64_t scope; /* names in a function are not those of the graph */
    int depth;      /* graphs in one another, 1 = the network */
    bool graph_seen;
    int64_t quantizing_nodes; /* QuantizeLinear and DequantizeLinear */
    int64_t integer_nodes;    /* operators that compute on quantized numbers themselves */
    int64_t weight_bytes[TN_ONNX_DTYPES];
    int rc; /* the first failure that is not the decoder's own */
    struct tn_error error;
};

/**
 * Decodes the whole file. On failure `reading` holds what was read so far.
 * @return 0, TN_E_INVALID, TN_E_TOOBIG, TN_E_NOMEM, TN_E_IO
 */
int tn_reading_run(struct tn_reading *reading, struct tn_error *err);
void tn_reading_done(struct tn_reading *reading);

#endif
