/*
 * Files of external data: found beside the model and nowhere else, then read for the digest.
 *
 * Internal to src/onnx.
 */
#ifndef TN_ONNX_EXTERNAL_H
#define TN_ONNX_EXTERNAL_H

#include "onnx/onnx.h"

/**
 * Sorts the model's external files by location and fills path and stamp of each, reading all of
 * them. A file that is not there keeps a zeroed stamp. `model->digest` is the digest of the .onnx
 * alone before, of the whole content after; `size_bytes` grows by what was read.
 * @return 0, TN_E_UNTRUSTED (a location leads out of the model's folder, or to no regular file),
 * TN_E_ACCESS, TN_E_IO, TN_E_TOOBIG (a path too long), TN_E_NOMEM, TN_E_AGAIN (changed meanwhile)
 */
int tn_external_read(struct tn_model *model, struct tn_error *err);

#endif
