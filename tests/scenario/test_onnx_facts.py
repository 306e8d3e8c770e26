"""Facts of ONNX files against the onnx package, and the preflight against the real parser."""
import hashlib
import json
import pathlib
import subprocess

import pytest

from conftest import RTX, answer, needs_rtx, run

# Runs in the environment that has onnx: prints, for each file of a list, what onnx says about it.
ORACLE = r"""
import hashlib, json, os, sys
import onnx
from onnx import TensorProto as T

NAMES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 8: "string", 9: "bool",
         10: "float16", 11: "float64", 16: "bfloat16", 17: "float8", 18: "float8", 19: "float8",
         20: "float8", 22: "int4", 23: "float4"}

def io(value):
    kind = value.type.WhichOneof("value")
    if kind is None:
        return {"name": value.name, "dtype": None, "shape": None}
    if kind != "tensor_type":
        return {"name": value.name, "dtype": "other", "shape": None}
    tensor, shape = value.type.tensor_type, None
    if tensor.HasField("shape"):
        shape = []
        for dim in tensor.shape.dim:
            which = dim.WhichOneof("value")
            fixed = which == "dim_value" and dim.dim_value >= 0
            shape.append(dim.dim_value if fixed else dim.dim_param or None)
    return {"name": value.name, "dtype": NAMES.get(tensor.elem_type, "other"), "shape": shape}

def facts(path):
    model = onnx.load(path, load_external_data=False)
    weights = {i.name for i in model.graph.initializer}
    weights |= {i.values.name for i in model.graph.sparse_initializer}
    opsets = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    return {"ir_version": model.ir_version, "opset": max(opsets, default=None),
            "producer": model.producer_name or None,
            "inputs": [io(v) for v in model.graph.input if v.name not in weights],
            "outputs": [io(v) for v in model.graph.output]}

print(json.dumps({path: facts(path) for path in json.load(sys.stdin)}))
"""

MAKE_NODES = r"""
import os, sys
import onnx
from onnx.backend.test.case.node import collect_testcases
for case in collect_testcases(None):
    if case.model is not None:
        onnx.save(case.model, os.path.join(sys.argv[1], case.name + ".onnx"))
"""

PARSE = r"""
import json, sys
import tensorrt_rtx_bindings as trt
log = trt.Logger(trt.Logger.INTERNAL_ERROR)
parsed = []
for path in json.load(sys.stdin):
    network = trt.Builder(log).create_network()
    if trt.OnnxParser(network, log).parse_from_file(path):
        parsed.append(path)
print(json.dumps(parsed))
"""


def ask(script, paths, *args):
    """Runs a script in the environment of the toolchain; its last line is JSON."""
    done = subprocess.run([RTX, "-W", "ignore", "-c", script, *args], text=True, timeout=600,
                          input=json.dumps([str(p) for p in paths]), capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None


def inspect(paths):
    """What tenon says of many files: path to object."""
    done = run("inspect", "--json", *paths)
    assert done.returncode in (0, 1), done.stderr
    return {row["path"]: row for row in map(json.loads, done.stdout.splitlines())}


def compare(paths):
    told, wanted = inspect(paths), ask(ORACLE, paths)
    for path, facts in wanted.items():
        row = told[path]
        assert row["kind"] == "onnx", path
        for key, value in facts.items():
            assert row[key] == value, (path, key)
        assert row["digest"].removeprefix("sha256:") == sha256(path), path
    return told


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@needs_rtx
def test_facts_agree_with_onnx_for_every_model_of_its_package():
    site = pathlib.Path(RTX).parent.parent / "lib"
    paths = [p for p in site.glob("python3*/site-packages/onnx/**/*.onnx") if p.stat().st_size]
    if not paths:
        pytest.skip("the onnx package has no models")
    told = compare(paths)
    light = [row for path, row in told.items() if "/light/" in path]
    assert light and all(t["severity"] != "stops" for row in light for t in row["preflight"])


@pytest.fixture(scope="module")
def one_node_models(tmp_path_factory):
    """The models of one node each that the onnx package makes: about 1,900."""
    folder = tmp_path_factory.mktemp("nodes")
    ask(MAKE_NODES, [], str(folder))
    paths = sorted(folder.glob("*.onnx"))
    assert len(paths) > 1000
    return paths


@needs_rtx
def test_facts_agree_with_onnx_for_one_model_of_each_operator(one_node_models):
    compare(one_node_models)


@needs_rtx
def test_nothing_that_the_real_parser_takes_is_said_to_stop(one_node_models):
    stopped = [path for path, row in inspect(one_node_models).items()
               if any(t["severity"] == "stops" for t in row["preflight"])]
    assert len(stopped) > 300
    assert ask(PARSE, stopped) == []


MAKE_EXTERNAL = r"""
import sys
import numpy as np, onnx
from onnx import helper as h, TensorProto as T, numpy_helper as nh
w = nh.from_array(np.arange(4096, dtype=np.float32), "w")
x, y = (h.make_tensor_value_info(n, T.FLOAT, [4096]) for n in "xy")
graph = h.make_graph([h.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [w])
onnx.save(h.make_model(graph), sys.argv[1], save_as_external_data=True, location="w.bin",
          size_threshold=0)
"""


@needs_rtx
def test_external_data_as_onnx_writes_it_counts_and_is_watched(tmp_path):
    path, data = tmp_path / "m.onnx", tmp_path / "w.bin"
    ask(MAKE_EXTERNAL, [], str(path))
    [row] = answer("inspect", path)
    text = (f"tenon-model/1\nonnx {path.stat().st_size} {sha256(path)}\n"
            f"external {data.stat().st_size} {sha256(data)} 5 w.bin\n")
    assert row["digest"].removeprefix("sha256:") == hashlib.sha256(text.encode()).hexdigest()
    assert [e["needed_bytes"] for e in row["external_data"]] == [16384]
    data.write_bytes(data.read_bytes()[:-1])
    [short] = answer("inspect", path, status=1)
    assert short["digest"] != row["digest"]
    [trap] = [t for t in short["preflight"] if t["severity"] == "stops"]
    assert trap["code"] == "external-data-short"
    assert "16384 bytes are needed, it has 16383" in trap["detail"]
    data.unlink()
    [gone] = answer("inspect", path, status=1)
    assert gone["preflight"][0]["code"] == "external-data-missing"
