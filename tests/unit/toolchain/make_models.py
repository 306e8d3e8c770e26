"""Writes the small ONNX models of test_toolchain.c into a folder: make_models.py FOLDER [MODELS].

Run by the Python of a TensorRT-RTX environment that also has onnx. With MODELS, the folder that
`make test` fills with packages that hold models, two real ones too: ocr_det.onnx and magika.onnx."""
import os
import shutil
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

FLOATS = T.FLOAT


def info(name, dims, kind=FLOATS):
    return helper.make_tensor_value_info(name, kind, dims)


def save(name, nodes, inputs, outputs, weights=(), domain=None):
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(a, n) for n, a in weights])
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, name)
    return model


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def conv(name, dims):
    weights = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32) * 0.1
    out = [dims[0], 4, dims[2], dims[3]]
    return save(name, [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["y"])],
                [info("x", dims)], [info("y", out)], [("w", weights)])


def external(folder):
    weights = np.ones((64, 3, 33, 33), np.float32)
    model = save("in-file.onnx", [node("Conv", ["x", "w"], ["y"])], [info("x", [1, 3, 64, 64])],
                 [info("y", [1, 64, 32, 32])], [("w", weights)])
    for name in ("whole", "gone", "short"):
        onnx.save(model, "ext-%s.onnx" % name, save_as_external_data=True, all_tensors_to_one_file=True,
                  location="ext-%s.data" % name, size_threshold=0)
        model = onnx.load("in-file.onnx")
    os.unlink("ext-gone.data")
    os.truncate("ext-short.data", 100)


def main():
    os.chdir(sys.argv[1])
    conv("dynamic.onnx", ["N", 3, "H", "W"])
    conv("static.onnx", [1, 3, 32, 32])
    save("fancy.onnx", [node("FancyOp", ["x"], ["y"], domain="my.domain")], [info("x", [1, 3])], [info("y", [1, 3])],
         domain="my.domain")
    save("det.onnx", [node("Det", ["x"], ["y"], name="the_det")], [info("x", [3, 3])], [info("y", [])])
    save("strings.onnx", [node("Identity", ["x"], ["y"])], [info("x", [3], T.STRING)], [info("y", [3], T.STRING)])
    save("matmul.onnx", [node("MatMul", ["x", "w"], ["y"])], [info("x", [8, 64])], [info("y", [8, 64])],
         [("w", np.ones((64, 64), np.float32))])
    open("empty.onnx", "wb").close()
    with open("lfs.onnx", "w") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    external(".")
    densenet = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light/light_densenet121.onnx")
    if os.path.exists(densenet):
        shutil.copyfile(densenet, "densenet.onnx")
    for name, path in (
            ("ocr_det.onnx", "demo/rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"),
            ("magika.onnx", "test/magika/models/standard_v3_3/model.onnx")):
        if len(sys.argv) > 2:
            shutil.copyfile(os.path.join(sys.argv[2], path), name)


main()
