"""Loaders and engines."""
import ctypes
import os
import sys
import threading
import weakref
from functools import cached_property
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from . import _library as c
from ._errors import DeviceTrouble, Error, Usage
from ._signals import Held
from ._tensorrt import Lines, Severity, deserializer, is_module, runtime_of

Path = Union[str, "os.PathLike[str]"]
Deserialize = Callable[[memoryview, Lines], Any]


class Event(NamedTuple):
    """What is going on in a call that takes long."""
    rung: str         # "fp16"
    doing: str        # "building", "waiting", "trying it on the GPU", "deserializing", …
    phase: str        # of the builder; "" = unknown
    holder: int       # waiting: pid of the process that builds; 0 = unknown
    elapsed_ms: int   # since this step began


EventCallback = Callable[[Event], Optional[bool]]


class _Handle:
    """Owns a pointer of the library; ends with the last one who refers to it."""

    def __init__(self, pointer: Optional[int], close: Callable[[Optional[int]], None]) -> None:
        self.pointer = pointer
        weakref.finalize(self, close, pointer)


class Engine:
    """An engine that was handed out: its file, mapped, and what is known of it."""

    def __init__(self, handle: _Handle, made: Any = None, keep: Any = None) -> None:
        self._handle = handle
        self._keep = keep
        #: What the deserialization returned, an ICudaEngine in general; None after get().
        self.object = made

    @property
    def path(self) -> str:
        """Absolute path of the plan."""
        return os.fsdecode(c.lib.tn_engine_path(self._handle.pointer))

    @property
    def memory(self) -> memoryview:
        """The plan's bytes, mapped read-only. They stay what they are when the file is replaced or
        collected, as long as anybody refers to them."""
        size = ctypes.c_size_t()
        address = c.lib.tn_engine_bytes(self._handle.pointer, ctypes.byref(size))
        held = (ctypes.c_ubyte * size.value).from_address(address)
        held._handle = self._handle  # type: ignore[attr-defined]
        return memoryview(held).cast("B").toreadonly()

    @cached_property
    def report(self) -> Dict[str, Any]:
        """What is known of it: the object that `tenon get --json` prints, with `record`."""
        report: Dict[str, Any] = c.answer("tn_engine_report", self._handle.pointer)
        return report

    def __repr__(self) -> str:
        return f"<tenon.Engine {self.path!r}>"


class _Call:
    """One get or load under way: its callbacks, and what they raised."""

    def __init__(self, event: Optional[EventCallback], deserialize: Optional[Deserialize]) -> None:
        self.held = Held()
        self.problem: Optional[BaseException] = None
        self.object: Any = None
        self._event = event
        self._deserialize = deserialize
        # kept alive as long as the library may call them
        self.event_fn = c.EventFn(self._on_event)
        self.deserialize_fn = c.DeserializeFn(self._on_deserialize) if deserialize else c.DeserializeFn()

    def _on_event(self, pointer: int, _user: Any) -> bool:
        try:
            self.held.run()
            return self._event is None or self._event(_event_of(pointer)) is not False
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem
            return False

    def _on_deserialize(self, plan: int, size: int, log: int, _user: Any) -> Optional[int]:
        lines = Lines(log)
        try:
            with lines:
                return self._try(plan, size, lines)
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem
            return None

    def _try(self, plan: int, size: int, lines: Lines) -> Optional[int]:
        assert self._deserialize
        try:
            self.held.run()
            view = memoryview((ctypes.c_ubyte * size).from_address(plan)).cast("B").toreadonly()
            made = self._deserialize(view, lines)
            view.release()
        except BaseException as problem:
            lines(Severity.ERROR, f"{c.STOPPED}{type(problem).__name__}: {problem}")
            raise
        self.object = made
        return None if made is None else 1


def _event_of(pointer: int) -> Event:
    event = c.EventStruct.from_address(pointer)
    return Event((event.rung or b"").decode(), (event.doing or b"").decode(), (event.phase or b"").decode(),
                 event.holder, event.elapsed_ms)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _joined(value: Union[None, str, Sequence[str], Mapping[str, str]]) -> Optional[str]:
    """A list as the command line writes it: "fp16,fp32", "x=1x3,y=1"."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ",".join(f"{name}={shape}" for name, shape in value.items())
    return ",".join(value)


def _options(call: _Call, wish: Dict[str, Any]) -> c.EngineOptions:
    """`wish`: keywords of get(); unknown ones are refused, as a wrong keyword always is."""
    options = c.EngineOptions(event=call.event_fn, deserialize=call.deserialize_fn)
    for name in ("precision", "shapes"):
        setattr(options, name, c.encode(_joined(wish.pop(name, None))))
    for name in ("runtime", "gpu", "for_device", "level", "accept"):
        setattr(options, name, c.encode(wish.pop(name, None)))
    for name in ("no_build", "retry", "allow_host_code", "no_verify"):
        setattr(options, name, bool(wish.pop(name, False)))
    options.build_time_limit_ms = _milliseconds(wish.pop("build_time_limit", 0))
    options.build_memory_bytes = int(wish.pop("build_memory_bytes", 0))
    if wish:
        raise TypeError(f"unknown option '{next(iter(wish))}'")
    return options


class Loader:
    """The stores and this machine, as one process uses them. It remembers what it answered and
    proves it by stamps, so that a repeated get() takes microseconds. Any thread may use it.

    store   colon-separated folders, or a list of them; None = $TENON_STORE, else the user's
    python  interpreter whose TensorRT may build engines and try them in a child; default: this one
    """

    def __init__(self, store: Union[None, Path, Sequence[Path]] = None,
                 python: Optional[Path] = sys.executable or None) -> None:
        places = [store] if isinstance(store, (str, os.PathLike)) else store
        options = c.LoaderOptions(python=c.encode(python),
                                  store=b":".join(os.fsencode(place) for place in places) if places else None)
        pointer = ctypes.c_void_p()
        c.call("tn_loader_open", ctypes.byref(options), ctypes.byref(pointer))
        self._handle = _Handle(pointer.value, c.lib.tn_loader_close)

    # ---- engines

    def get(self, model: Path, *, event: Optional[EventCallback] = None, **wish: Any) -> Engine:
        """An engine that loads: from the stores, else by a build, else at the next precision.
        Blocks, for minutes when it builds.

        model              ONNX file, model.yaml, or a name in the stores
        event              called with an Event now and then; returning False stops (Cancelled), as
                           does an exception such as KeyboardInterrupt
        precision          ladder, "int8,fp16,fp32" or a list
        shapes             "NAME=MIN[:OPT:MAX],…" or a mapping, of dynamic inputs
        runtime            the TensorRT that will load it, "trt10.6.0.26"
        gpu                index, UUID or name
        for_device         fingerprint file or board
        level              "header" or "loaded"; default: loaded where a GPU answers
        accept             "may-load": also that, where none can be built
        no_build           take what is in the stores
        retry              forget what failed before
        allow_host_code    engines with code for the host are welcome
        no_verify          hand out the bytes without comparing them with their digest
        build_time_limit   of one build, in seconds
        build_memory_bytes address space of one build
        """
        return self._engine("tn_engine_get", model, _Call(event, None), wish)

    def load(self, model: Path, deserialize: Union[ModuleType, Deserialize], *, logger: Any = None,
             event: Optional[EventCallback] = None, **wish: Any) -> Engine:
        """Gets an engine and has it deserialized; `Engine.object` is the result.

        An engine that fails for a reason of its own is set aside, and the next one is got.
        DeviceTrouble (no driver, no memory) leaves it where it is.

        deserialize  the module tensorrt or tensorrt_rtx; or a callable of the plan (a memoryview,
                     for the time of the call) and its log, `log(severity, text)`, that returns
                     None when it failed
        logger       with a module: an ILogger that is to see the lines too
        """
        if is_module(deserialize):
            assert isinstance(deserialize, ModuleType)
            wish.setdefault("runtime", runtime_of(deserialize))
            deserialize = deserializer(deserialize, logger, bool(wish.get("allow_host_code")))
        elif not callable(deserialize):
            raise Usage("load: a TensorRT module or a callable is needed")
        return self._engine("tn_engine_load", model, _Call(event, deserialize), wish)

    def _engine(self, name: str, model: Path, call: _Call, wish: Dict[str, Any]) -> Engine:
        options = _options(call, dict(wish))
        pointer = ctypes.c_void_p()
        try:
            with call.held:
                c.call(name, self._handle.pointer, c.encode(model), ctypes.byref(options), ctypes.byref(pointer))
                handle = _Handle(pointer.value, c.lib.tn_engine_close)
        except DeviceTrouble as problem:
            if call.problem:
                raise call.problem from None
            problem.path = self._kept(model, wish)
            raise
        except Error:
            if call.problem:
                raise call.problem from None
            raise
        if call.problem:
            raise call.problem
        return Engine(handle, call.object, call)

    def _kept(self, model: Path, wish: Dict[str, Any]) -> Optional[str]:
        """The engine that could not be proved."""
        try:
            return self.get(model, **{**wish, "level": "header", "no_build": True, "retry": False}).path
        except Error:
            return None

    # ---- the stores

    def list(self) -> List[Dict[str, Any]]:
        """All engines of the stores, newest first: what `tenon cache ls --json` prints."""
        engines: List[Dict[str, Any]] = c.answer("tn_store_list", self._handle.pointer)
        return engines

    def mark(self, engine: str, what: str) -> None:
        """"pin", "unpin", "bless" or "verify" an engine, by digest, prefix or name."""
        c.call("tn_store_mark", self._handle.pointer, c.encode(engine), c.encode(what))

    def collect(self, bound_bytes: int = 0, dry_run: bool = False) -> Dict[str, Any]:
        """Collects the first store down to a bound (0 = the default); what `tenon cache gc --json`
        prints last."""
        total: Dict[str, Any] = c.answer("tn_store_collect", self._handle.pointer, bound_bytes, dry_run)
        return total


# ---- without a loader of one's own ------------------------------------------------------------------

_default: Dict[Optional[str], Loader] = {}
_default_guard = threading.Lock()


def _default_loader() -> Loader:
    """One for each value of $TENON_STORE that this process has had."""
    store = os.environ.get("TENON_STORE")
    with _default_guard:
        if store not in _default:
            _default[store] = Loader()
        return _default[store]


def get(model: Path, **wish: Any) -> Engine:
    """Loader.get() with the default stores."""
    return _default_loader().get(model, **wish)


def load(model: Path, deserialize: Union[ModuleType, Deserialize], **wish: Any) -> Engine:
    """Loader.load() with the default stores."""
    return _default_loader().load(model, deserialize, **wish)


def inspect(path: Path) -> Dict[str, Any]:
    """The facts that a file's bytes state about the engine in it, as `tenon inspect --json`."""
    facts: Dict[str, Any] = c.answer("tn_plan_inspect", c.encode(path))
    return facts


def check(path: Path, *, device: Optional[str] = None, runtime: Optional[str] = None, gpu: Optional[str] = None,
          allow_host_code: bool = False, trial: bool = False, trial_limit: float = 0) -> List[Dict[str, Any]]:
    """Whether an engine will load on a device, and if not, why: one object for each GPU and runtime,
    as `tenon check --json` prints them. `trial_limit` is in seconds."""
    options = c.CheckOptions(device=c.encode(device), runtime=c.encode(runtime), gpu=c.encode(gpu),
                             allow_host_code=allow_host_code, trial=trial, trial_limit_ms=_milliseconds(trial_limit),
                             python=c.encode(sys.executable or None))
    answers: List[Dict[str, Any]] = c.answer("tn_check", c.encode(path), ctypes.byref(options))
    return answers


def device() -> Dict[str, Any]:
    """The fingerprint of this machine, as `tenon device --json` prints it."""
    fingerprint: Dict[str, Any] = c.answer("tn_device_probe")
    return fingerprint
