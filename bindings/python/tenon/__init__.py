"""Tenon: a TensorRT engine that loads, whatever machine this is.

    import tensorrt, tenon
    engine = tenon.load("model.onnx", tensorrt)
    context = engine.object.create_execution_context()

`load` gets an engine (from the stores, else by a build, else at the next precision), has TensorRT
deserialize it, and tries the next one when that fails for a reason of the engine. `get` stops
before TensorRT. Errors are subclasses of `Error`. Every function may be called from any thread.
"""
from ._errors import (AccessDenied, Cancelled, Corrupt, DeviceTrouble, Error, FileTrouble, Invalid, NoEngine,
                      NoMemory, NoSpace, NotFound, TooBig, Unsupported, Untrusted, Usage)
from ._library import version as _version
from ._loader import Engine, Event, Loader, check, device, get, inspect, load
from ._tensorrt import Severity, log_line, logger_class

__version__ = _version()
__all__ = [
    "AccessDenied", "Cancelled", "Corrupt", "DeviceTrouble", "Engine", "Error", "Event", "FileTrouble", "Invalid",
    "Loader", "NoEngine", "NoMemory", "NoSpace", "NotFound", "Severity", "TooBig", "Unsupported", "Untrusted",
    "Usage", "check", "device", "get", "inspect", "load", "log_line", "logger_class",
]
