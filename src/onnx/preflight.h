/*
 * The traps that stop a build of an ONNX model, or are likely to, as rows of one table: what was
 * seen to stop real releases, or to pass them, decides the severity.
 *
 * Internal to src/onnx. An object belongs to one thread.
 */
#ifndef TN_ONNX_PREFLIGHT_H
#define TN_ONNX_PREFLIGHT_H

#include "onnx/onnx.h"
#include "onnx/operators.h"

enum { TN_TENSORRT_DIMS_MAX = 8 };

/* Rows: name, severity, code, what it is, remedy. The detail that a user reads is what it is, the
 * first example found, and how many more there are. Ground: "STOPS" was seen to stop TensorRT-RTX
 * 1.4, 1.5, 1.6 and 1.7 alike, with a small model for each row. */
#define TN_TRAPS(X)                                                                                \
    X(EXTERNAL_MISSING, STOPS, "external-data-missing", "a file of weights is not there",          \
      "put it beside the model under that name")                                                   \
    X(EXTERNAL_SHORT, STOPS, "external-data-short",                                                \
      "a file of weights is shorter than the model says",                                          \
      "copy it again, whole (TensorRT-RTX 1.4 to 1.6 die of it, or build from what lies behind)")  \
    X(NO_OUTPUTS, STOPS, "no-outputs", "the model has no output",                                  \
      "export it again with its outputs")                                                          \
    X(UNSUPPORTED_TYPE, STOPS, "unsupported-type",                                                 \
      "an input, output or weight is of a type that TensorRT does not have",                       \
      "use float32, float16, bfloat16, float8 e4m3fn, int4, int8, uint8, int32, int64 or bool")    \
    X(STRINGS, STOPS, "string-tensor", "an input, output or weight holds strings",                 \
      "cut the text processing off the model and do it in the application")                        \
    X(NOT_A_TENSOR, STOPS, "not-a-tensor", "an input or output is a sequence, map or optional",    \
      "export the model with tensors only")                                                        \
    X(TOO_MANY_DIMS, STOPS, "too-many-dims", "TensorRT takes at most 8 dimensions",                \
      "reshape outside the model")                                                                 \
    X(SPARSE, STOPS, "sparse-tensor", "a weight is stored sparse", "store it dense")               \
    X(UNSUPPORTED_OP, STOPS, "unsupported-operator",                                               \
      "an operator that no parser of TensorRT takes",                                              \
      "replace it by others, or cut it off the model")                                             \
    X(INTEGER_OP, STOPS, "integer-operator",                                                       \
      "arithmetic on quantized integers, which TensorRT does not take",                            \
      "quantize again to QuantizeLinear / DequantizeLinear pairs (static QDQ, symmetric)")         \
    X(NONZERO_ZERO_POINT, STOPS, "nonzero-zero-point", "a zero point is not zero",                 \
      "quantize again with ActivationSymmetric and WeightSymmetric")                               \
    X(UINT8_WEIGHT, STOPS, "uint8-weight", "a quantized weight is uint8",                          \
      "quantize again with weight type QInt8, symmetric")                                          \
    X(QUANTIZED_BIAS, STOPS, "quantized-bias", "a bias is quantized to int32",                     \
      "quantize again with QuantizeBias: False")                                                   \
    X(QUANTIZED_CONSTANT, STOPS, "quantized-constant",                                             \
      "an int8, float8 or int4 constant goes elsewhere than straight into DequantizeLinear",       \
      "leave that weight unquantized: tables of Gather are the usual ones")                        \
    X(MIXED_TYPES, STOPS, "mixed-types",                                                           \
      "half weights meet a cast to float: the types of one operator differ",                       \
      "convert again with a tool that keeps types equal, or take the fp32 model")                  \
    X(CUSTOM_OP, WARNING, "custom-operator",                                                       \
      "an operator that the parsers do not know needs a plugin",                                   \
      "give the plugin library that brings it, or export the model without it")                    \
    X(NEWER_OP, WARNING, "newer-operator", "an operator that TensorRT-RTX 1.4 lacks",              \
      "use a newer release")                                                                       \
    X(AXIS_NAMES, WARNING, "ambiguous-axis-names",                                                 \
      "TensorRT takes axes of one name for equal and refuses shapes where they differ",            \
      "rename or fix these axes, or give them equal lengths in every shape")                       \
    X(COMPUTED_IF, WARNING, "computed-condition",                                                  \
      "the condition of an If is computed; branches that differ in shape do not build",            \
      "simplify the model with that input fixed, or take a variant without If")                    \
    X(DYNAMIC_RANK, WARNING, "dynamic-rank", "the number of dimensions of an input is not given",  \
      "export with a fixed number of dimensions")                                                  \
    X(LEFTOVER_CAST, WARNING, "leftover-cast",                                                     \
      "a model of half weights computes with a cast to float: types may not match",                \
      "convert again with a tool that keeps types equal, or take the fp32 model")                  \
    X(ZERO_DIM, WARNING, "zero-dim", "an axis has length 0: it builds, and computes nothing",      \
      "give the axis its length, or a name if it varies")                                          \
    X(QDQ_RELEASES, NOTE, "quantized-model",                                                       \
      "TensorRT-RTX needs a GPU to build it with 1.4, and 1.7 where a Conv is quantized", "")      \
    X(NEW_OPSET, NOTE, "new-opset",                                                                \
      "TensorRT does not check the opset, and this one is newer than 21", "")

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

/** Looks at one node. */
void tn_findings_operator(struct tn_findings *findings, enum tn_operator_class class,
                          const char *op, const char *node);

/** Looks at the type of a weight, an input or an output; `data_type` as ONNX numbers it. */
void tn_findings_type(struct tn_findings *findings, int32_t data_type, const char *name);

struct tn_reading;

/**
 * Looks at everything that was read, external files included, and writes the model's preflight:
 * what stops first, then warnings, then notes.
 * @return 0 or TN_E_NOMEM
 */
int tn_preflight(struct tn_reading *reading, struct tn_error *err);

#endif
