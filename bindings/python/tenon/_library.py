"""libtenon by ctypes: finding it, its structs and functions, and its errors as exceptions."""
import ctypes
import json
import os
from ctypes import POINTER, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t, c_void_p
from typing import Any, Optional

from ._errors import CLASSES, Error

NAME = "libtenon.so.0"
STOPPED = "the application stopped: "  # TN_LINE_STOPPED

EventFn = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p)
DeserializeFn = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_void_p, c_void_p)


class ErrorStruct(ctypes.Structure):
    _fields_ = [("code", c_int), ("os", c_int), ("text", c_char * 480)]


class Sized(ctypes.Structure):
    """A struct that tells the library its size, and with it which members it has."""

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self.size = ctypes.sizeof(self)


class LoaderOptions(Sized):
    _fields_ = [("size", c_size_t), ("store", c_char_p), ("python", c_char_p)]


class EventStruct(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("rung", c_char_p), ("doing", c_char_p), ("phase", c_char_p), ("holder", c_int64),
                ("elapsed_ms", c_int64)]


class EngineOptions(Sized):
    _fields_ = [("size", c_size_t), ("precision", c_char_p), ("shapes", c_char_p), ("runtime", c_char_p),
                ("gpu", c_char_p), ("for_device", c_char_p), ("level", c_char_p), ("accept", c_char_p),
                ("no_build", c_bool), ("retry", c_bool), ("allow_host_code", c_bool), ("no_verify", c_bool),
                ("build_time_limit_ms", c_int64), ("build_memory_bytes", c_int64), ("event", EventFn),
                ("deserialize", DeserializeFn), ("user", c_void_p)]


class CheckOptions(Sized):
    _fields_ = [("size", c_size_t), ("device", c_char_p), ("runtime", c_char_p), ("gpu", c_char_p),
                ("allow_host_code", c_bool), ("trial", c_bool), ("trial_limit_ms", c_int64), ("python", c_char_p)]


TEXT = POINTER(c_void_p)  # char **: text in new memory
HANDLE = POINTER(c_void_p)
ERR = POINTER(ErrorStruct)
# Function: (result, arguments). A result of int is a code that raises when negative.
FUNCTIONS = {
    "tn_library_version": (c_char_p, []),
    "tn_free": (None, [c_void_p]),
    "tn_plan_inspect": (c_int, [c_char_p, TEXT, ERR]),
    "tn_loader_open": (c_int, [POINTER(LoaderOptions), HANDLE, ERR]),
    "tn_loader_close": (None, [c_void_p]),
    "tn_log_line": (None, [c_void_p, c_int, c_char_p]),
    "tn_engine_get": (c_int, [c_void_p, c_char_p, POINTER(EngineOptions), HANDLE, ERR]),
    "tn_engine_load": (c_int, [c_void_p, c_char_p, POINTER(EngineOptions), HANDLE, ERR]),
    "tn_engine_path": (c_char_p, [c_void_p]),
    "tn_engine_bytes": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "tn_engine_report": (c_int, [c_void_p, TEXT, ERR]),
    "tn_engine_close": (None, [c_void_p]),
    "tn_check": (c_int, [c_char_p, POINTER(CheckOptions), TEXT, ERR]),
    "tn_device_probe": (c_int, [TEXT, ERR]),
    "tn_store_list": (c_int, [c_void_p, TEXT, ERR]),
    "tn_store_mark": (c_int, [c_void_p, c_char_p, c_char_p, ERR]),
    "tn_store_collect": (c_int, [c_void_p, c_int64, c_bool, TEXT, ERR]),
}


def _open() -> ctypes.CDLL:
    """$TENON_LIBRARY, else the library of the wheel, else what the dynamic loader finds."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", NAME)
    path = os.environ.get("TENON_LIBRARY") or (beside if os.path.exists(beside) else NAME)
    try:
        opened = ctypes.CDLL(path)
    except OSError as problem:
        raise ImportError(f"Tenon's library cannot be opened: {problem}; install the wheel or libtenon") from problem
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(opened, name)
        function.restype, function.argtypes = result, arguments
    return opened


lib = _open()


def version() -> str:
    """The library's version."""
    return str(lib.tn_library_version().decode())


def encode(text: "Optional[str | os.PathLike[str]]") -> Optional[bytes]:
    """A path or a word as the library wants it; None stays None."""
    return None if text is None else os.fsencode(text)


def error_of(struct: ErrorStruct) -> Error:
    return CLASSES.get(struct.code, Error)(struct.text.decode("utf-8", "replace"), struct.os)


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a code and takes a struct tn_error * last."""
    struct = ErrorStruct()
    if getattr(lib, name)(*arguments, ctypes.byref(struct)) < 0:
        raise error_of(struct)


def answer(name: str, *arguments: Any) -> Any:
    """The same for one that gives JSON text before the error: what it says."""
    text = c_void_p()
    call(name, *arguments, ctypes.byref(text))
    try:
        return json.loads(ctypes.string_at(text.value or 0))
    finally:
        lib.tn_free(text)
