#!/usr/bin/env python3
"""A service start in Python: an engine that loads, whatever machine this is.

    python load_engine.py model.onnx

Exit: 0 loaded, 75 the device has trouble and the engine is kept, 1 there is no engine.
"""
import importlib
import sys

import tenon


def installed_tensorrt():
    """A service knows which one it uses: `import tensorrt`. This takes what is there."""
    for name in ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
    sys.exit("load_engine: no TensorRT module is installed here")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: load_engine.py MODEL")
    tensorrt = installed_tensorrt()
    try:
        engine = tenon.load(sys.argv[1], tensorrt)
        context = engine.object.create_execution_context()
    except tenon.DeviceTrouble as trouble:
        print(f"load_engine: {trouble}\nkept: {trouble.path}", file=sys.stderr)
        return trouble.exit_status
    except tenon.Error as trouble:
        print(f"load_engine: {trouble}", file=sys.stderr)
        return 1
    report = engine.report
    print(f"{engine.path}: {report['source']}, level {report['level']}, {engine.object.num_io_tensors} tensors, "
          f"{'ready' if context else 'no execution context'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
