"""Writes N tiny ONNX models into a folder; run by the toolchain's Python, which has the onnx package.

They differ in one constant, so each is another model content and another recipe; a build takes well under a second.
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def tiny(number):
    weights = numpy_helper.from_array(numpy.full((8, 8), number + 1, numpy.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "tiny", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


for i in range(int(sys.argv[2])):
    onnx.save(tiny(i), f"{sys.argv[1]}/tiny{i}.onnx")
