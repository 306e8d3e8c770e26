/*
 * The traps that stop a build of an ONNX model, or are likely to, as rows of one table: what was
 * seen to stop real releases, or to pass them, decides the severity.
 *
 * Internal to src/onnx. An object belongs to one thread.
 */
#ifndef TN_ONNX_PREFLIGHT_H
#define TN_ONNX_PREFLIGHT_H

#include "onnx/onnx.h"

enum { TN_TENSORRT_DIMS_MAX = 8 };

/* Rows: name, severity, code, what it is, remedy. The detail that a user reads is what it is, the
 * first example found, and how many more there are. */
#define TN_TRAPS(X)                                                                                \
    X(EXTERNAL_MISSING, STOPS, "external-data-missing", "a file of weights is not there",          \
      "put it beside the model under that name")                                                   \
    X(EXTERNAL_SHORT, STOPS, "external-data-short",                                                \
      "a file of weights is shorter than the model says (TensorRT-RTX 1.4 to 1.6 die of it)",      \
      "copy it again, whole; it belongs to this very model")                                       \
    X(NO_OUTPUTS, STOPS, "no-outputs", "the model has no output",                                  \
      "export it again with its outputs")                                                          \
    X(NONZERO_ZERO_POINT, STOPS, "nonzero-zero-point",                                             \
      "a zero point is not zero: TensorRT quantizes symmetrically only",                           \
      "quantize again with ActivationSymmetric and WeightSymmetric")                               \
    X(UINT8_ZERO_POINT, STOPS, "uint8-zero-point",                                                 \
      "a zero point is uint8: TensorRT quantizes to int8 only",                                    \
      "quantize again with QInt8 for activations and weights, symmetric")                          \
    X(INTEGER_OP, STOPS, "integer-operator",                                                       \
      "an operator of ONNX's integer arithmetic, which TensorRT does not have",                    \
      "quantize again to QuantizeLinear / DequantizeLinear pairs (QDQ), symmetric, static")        \
    X(QUANTIZED_CONSTANT, STOPS, "quantized-constant",                                             \
      "an int8 constant is used otherwise than by DequantizeLinear",                               \
      "leave that weight unquantized (tables of Gather are the usual ones)")                       \
    X(QUANTIZED_BIAS, STOPS, "quantized-bias", "a bias is quantized to int32",                     \
      "quantize again with QuantizeBias: False")                                                   \
    X(FLOAT8_E5M2, STOPS, "float8-e5m2", "a tensor is float8 of the kind e5m2",                    \
      "use float8 e4m3fn")                                                                         \
    X(STRINGS, STOPS, "string-tensor", "a tensor holds strings, which TensorRT does not have",     \
      "cut the text processing off the model and do it in the application")                        \
    X(UNSUPPORTED_OP, STOPS, "unsupported-operator", "an operator that TensorRT does not have",    \
      "replace it, or cut it off the model")                                                       \
    X(CUSTOM_OP, WARNING, "custom-operator", "an operator that is not of ONNX needs a plugin",     \
      "give a plugin library that brings it, or export the model without it")                      \
    X(TOO_MANY_DIMS, STOPS, "too-many-dims", "TensorRT takes at most 8 dimensions",                \
      "reshape outside the model")                                                                 \
    X(AXIS_NAMES, WARNING, "ambiguous-axis-names",                                                 \
      "axes share a name, so TensorRT takes them for equal",                                       \
      "rename or fix the axes, or give them equal lengths in every shape")                         \
    X(COMPUTED_IF, WARNING, "computed-condition",                                                  \
      "the condition of an If is computed, which TensorRT often cannot build",                     \
      "fix the condition's input and simplify the model, or export one without If")                \
    X(DYNAMIC_RANK, WARNING, "dynamic-rank", "the number of dimensions is not given",              \
      "export with a fixed rank")                                                                  \
    X(ZERO_DIM, WARNING, "zero-dim", "an axis has length 0: nothing is ever computed",             \
      "give the axis its length, or a name if it varies")                                          \
    X(MIXED_CAST, WARNING, "leftover-cast",                                                        \
      "a cast to float is left in a model of half weights: types may not match",                   \
      "convert again with a tool that handles it, or build the fp32 model")                        \
    X(SPARSE, WARNING, "sparse-tensor", "a tensor is stored sparse", "store it dense")             \
    X(NOT_A_TENSOR, STOPS, "not-a-tensor", "an input or output is no tensor",                      \
      "export the model with tensors only")                                                        \
    X(NEW_OPSET, NOTE, "new-opset",                                                                \
      "the opset is newer than the releases looked at; TensorRT does not check it", "")

enum tn_trap {
#define X(name, severity, code, detail, remedy) TN_TRAP_##name,
    TN_TRAPS(X)
#undef X
        TN_TRAP_COUNT
};

struct tn_findings {
    struct {
        uint32_t count;
        char example[120];
    } trap[TN_TRAP_COUNT];
};

/** Counts one more; the first example stays. `format` may be NULL. */
void tn_findings_add(struct tn_findings *findings, enum tn_trap trap, const char *format, ...)
    TN_PRINTF(3, 4);

/** Looks at one node. @return whether it computes on quantized integers */
bool tn_findings_operator(struct tn_findings *findings, const char *op, const char *node);

/** Looks at the type of a tensor; `data_type` as ONNX numbers it. */
void tn_findings_tensor(struct tn_findings *findings, int32_t data_type, const char *name);

struct tn_reading;

/**
 * Looks at everything that was read, external files included, and writes the model's preflight:
 * what stops first, then warnings, then notes.
 * @return 0 or TN_E_NOMEM
 */
int tn_preflight(struct tn_reading *reading, struct tn_error *err);

#endif
