"""Deserialization by the Python modules of TensorRT and TensorRT-RTX, and what their loggers say."""
import ctypes
import enum
import logging
import re
import threading
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

from ._library import lib


class Severity(enum.IntEnum):
    """Of a line, with the numbers of TensorRT's ILogger."""
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


LEVELS = {Severity.INTERNAL_ERROR: logging.CRITICAL, Severity.ERROR: logging.ERROR,
          Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}
log = logging.getLogger("tenon.tensorrt")
log.addHandler(logging.NullHandler())

# ---- lines ----------------------------------------------------------------------------------------

_guard = threading.Lock()  # held while a line is handed over, so that its log cannot end meanwhile
_under_way: List["Lines"] = []
_mine = threading.local()


class Lines:
    """The log of one deserialization, given to its callback: `log(severity, text)` adds a line.
    Lines that come after the callback has returned are dropped."""

    def __init__(self, pointer: int) -> None:
        self._pointer: Optional[int] = pointer

    def __call__(self, severity: int, text: str) -> None:
        with _guard:
            self._add(severity, text)

    def _add(self, severity: int, text: str) -> None:
        if self._pointer is not None:
            lib.tn_log_line(self._pointer, int(severity), text.encode("utf-8", "replace"))

    def __enter__(self) -> "Lines":
        with _guard:
            _under_way.append(self)
        self._before = getattr(_mine, "lines", None)
        _mine.lines = self
        return self

    def __exit__(self, *_: object) -> None:
        _mine.lines = self._before
        with _guard:
            _under_way.remove(self)
            self._pointer = None


def log_line(severity: int, text: str) -> None:
    """Gives Tenon a line of the application's own logger. It counts for the deserialization under
    way in this thread, else, since TensorRT has threads of its own, for each one under way."""
    mine = getattr(_mine, "lines", None)
    with _guard:
        for lines in [mine] if mine else list(_under_way):
            lines._add(severity, text)


def logger_class(module: ModuleType) -> Type[Any]:
    """An ILogger of a TensorRT module whose lines reach Tenon, and Python's `logging` as
    "tenon.tensorrt". TensorRT keeps the first logger of a process: an application that has one of
    its own derives it from this class, or calls log_line() in it."""
    base = module.ILogger

    class Logger(base):  # type: ignore[misc, valid-type]
        def __init__(self, also: Any = None) -> None:
            base.__init__(self)
            self._also = also

        def log(self, severity: Any, text: str) -> None:
            try:
                log_line(int(severity), text)
                log.log(LEVELS.get(Severity(int(severity)), logging.DEBUG), "%s", text)
                if self._also is not None:
                    self._also.log(severity, text)
            except Exception:  # pylint: disable=broad-except
                pass  # TensorRT has nobody who could take it

    return Logger


_logger: Dict[Tuple[str, int], Any] = {}


def _logger_of(module: ModuleType, own: Any) -> Any:
    """TensorRT keeps a pointer to the first one for ever, so none is ever freed."""
    key = (module.__name__, id(own))
    with _guard:
        if key not in _logger:
            _logger[key] = logger_class(module)(own)
        return _logger[key]


# ---- the runtime ----------------------------------------------------------------------------------

def driver_trouble() -> Optional[str]:
    """Why CUDA cannot start here, as TensorRT would say it, or None. Without a driver TensorRT does
    not say it: it crashes."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as problem:
        return f"CUDA initialization failure with error: 35: no NVIDIA driver answers ({problem})"
    code = cuda.cuInit(0)
    return f"CUDA initialization failure with error: {code}: cuInit" if code != 0 else None


def _library_version(stem: str) -> Optional[str]:
    """The four parts that the loaded library states; releases before 8.6 state none."""
    pattern = re.compile(r"(/.*/" + re.escape(stem) + r"\.so[.\d]*)$")
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
        found = next((match.group(1) for match in map(pattern.search, map(str.rstrip, file)) if match), None)
    if found is None:
        return None
    opened = ctypes.CDLL(found)
    try:
        return ".".join(str(getattr(opened, f"getInferLib{part}Version")())
                        for part in ("Major", "Minor", "Patch", "Build"))
    except AttributeError:
        return None


def runtime_of(module: ModuleType) -> Optional[str]:
    """The runtime that a module is, as "trt10.6.0.26"; None when it does not tell. Modules before
    10.8 tell three of the four parts, their library all four."""
    rtx = "rtx" in module.__name__
    match = re.match(r"\d+(\.\d+)*", str(getattr(module, "__version__", "")))
    told = match.group() if match else ""
    if told.count(".") < 3:
        stated = _library_version("libtensorrt_rtx" if rtx else "libnvinfer")
        told = stated if stated and stated.startswith(told) else told
    return ("rtx" if rtx else "trt") + told if told else None


def is_module(thing: Any) -> bool:
    return isinstance(thing, ModuleType) and hasattr(thing, "Runtime") and hasattr(thing, "ILogger")


def deserializer(module: ModuleType, logger: Any = None, allow_host_code: bool = False) -> Callable[..., Any]:
    """A callback for load(): an ICudaEngine of the module, or None."""
    keep: List[Any] = []  # a runtime outlives its engines

    def deserialize(plan: memoryview, lines: Lines) -> Any:
        trouble = driver_trouble()
        if trouble:
            lines(Severity.ERROR, trouble)
            return None
        runtime = module.Runtime(_logger_of(module, logger))
        keep[:] = [runtime]
        if allow_host_code:
            runtime.engine_host_code_allowed = True
        if hasattr(module, "init_libnvinfer_plugins"):
            module.init_libnvinfer_plugins(_logger_of(module, logger), "")
        return runtime.deserialize_cuda_engine(plan)

    return deserialize
