"""Writes ONNX models for transfers; run by the toolchain's Python: FOLDER.

small.onnx: 8 x 8 weights. big.onnx: 12 MB of weights that do not compress. split.onnx: the same network as big.onnx
with its weights in split.bin beside it.
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = sys.argv[1]


def network(weights):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    rows, columns = weights.shape
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, rows])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, columns])],
                              [numpy_helper.from_array(weights, "w")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made


random = numpy.random.default_rng(1)
big = random.standard_normal((1024, 3072), numpy.float32)
onnx.save(network(numpy.ones((8, 8), numpy.float32)), f"{FOLDER}/small.onnx")
onnx.save(network(big), f"{FOLDER}/big.onnx")
onnx.save(network(big), f"{FOLDER}/split.onnx", save_as_external_data=True, location="split.bin")
