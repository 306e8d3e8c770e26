"""The anchor of `tenon get`: the toolchain alone builds the model, writes and fsyncs the plan.

usage: bare_build.py MODEL OUTPUT INPUT=MIN:OPT:MAX
"""
import os
import sys

import tensorrt_rtx_bindings as trt

model, output, shapes = sys.argv[1:4]
logger = trt.Logger(trt.Logger.WARNING)
builder = trt.Builder(logger)
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file(model), parser.get_error(0)
config = builder.create_builder_config()
name, ranges = shapes.split("=")
profile = builder.create_optimization_profile()
profile.set_shape(name, *[tuple(int(d) for d in r.split("x")) for r in ranges.split(":")])
assert config.add_optimization_profile(profile) >= 0
plan = builder.build_serialized_network(network, config)
assert plan is not None
fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
view = memoryview(plan)
while view:
    view = view[os.write(fd, view):]
os.fsync(fd)
os.close(fd)
