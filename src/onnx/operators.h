/*
 * What the parsers of TensorRT do with each operator. They look at its name alone, not its domain.
 *
 * Ground: TensorRT-RTX 1.4.0.76, 1.5.0.114, 1.6.1.120 and 1.7.1.116 were asked for every operator
 * of ONNX (opset 1 to 27) by supports_operator(), and 1.4 and 1.7 were given the 1,884 models of
 * one node that the onnx package makes (November 2026). Where they say no, all four do, and a
 * plugin of that name is not looked for.
 *
 * Internal to src/onnx. Any thread.
 */
#ifndef TN_ONNX_OPERATORS_H
#define TN_ONNX_OPERATORS_H

enum tn_operator_class {
    TN_OPERATOR_UNKNOWN = 0, /* the parser looks for a plugin of that name */
    TN_OPERATOR_KNOWN,
    TN_OPERATOR_NEWER,   /* TensorRT-RTX 1.4 lacks it */
    TN_OPERATOR_REFUSED, /* no release takes it */
    TN_OPERATOR_INTEGER, /* arithmetic on quantized integers, which no release takes */
};

enum tn_operator_class tn_operator_class(const char *op);

#endif
