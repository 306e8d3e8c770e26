"""Writes a Q/DQ copy of an fp32 model that TensorRT-RTX refuses. Usage: quantize.py KIND FROM TO; needs onnx and numpy.

zero-scale   the input of the first MatMul was calibrated with zeros alone: the parser refuses its scale
transposed   an int8 weight is transposed before it is dequantized, as exporters that keep the layout of a PyTorch
             Linear write it: a quantized constant is taken only straight before DequantizeLinear
"""
import sys

import numpy
import onnx
from onnx import helper, numpy_helper

kind, source, target = sys.argv[1:]
model = onnx.load(source)
graph = model.graph
constants = {each.name: each for each in graph.initializer}
node = next(each for each in graph.node if each.op_type == "MatMul" and each.input[1] in constants)
weight = numpy_helper.to_array(constants[node.input[1]])
scale = numpy.float32(abs(weight).max() / 127)
kept = numpy.round((weight.T if kind == "transposed" else weight) / scale).astype(numpy.int8)
graph.initializer.extend([
    numpy_helper.from_array(kept, "weight_q"),
    numpy_helper.from_array(numpy.array(scale), "scale"),
    numpy_helper.from_array(numpy.array(0 if kind == "zero-scale" else scale, numpy.float32), "input_scale"),
    numpy_helper.from_array(numpy.array(0, numpy.int8), "zero"),
])
added = [
    helper.make_node("QuantizeLinear", [node.input[0], "input_scale", "zero"], ["input_q"], "quantize"),
    helper.make_node("DequantizeLinear", ["input_q", "input_scale", "zero"], ["input_dq"], "dequantize"),
]
if kind == "transposed":
    added.append(helper.make_node("Transpose", ["weight_q"], ["weight_t"], "transpose", perm=[1, 0]))
added.append(helper.make_node("DequantizeLinear", ["weight_t" if kind == "transposed" else "weight_q", "scale", "zero"],
                              ["weight_dq"], "dequantize_weight"))
at = list(graph.node).index(node)
node.input[0], node.input[1] = "input_dq", "weight_dq"
for each in reversed(added):
    graph.node.insert(at, each)
onnx.save(model, target)
