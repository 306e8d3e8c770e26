#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds one TensorRT plan, or derives one ONNX variant, on behalf of src/toolchain/toolchain.c.

One JSON request comes as the first line of stdin; JSON lines go to stdout: `log`, `progress`, `io`,
`parse-error`, and one last `result`. Whatever libraries print themselves goes to stderr as it is:
when the process aborts, its last words are already with the parent. The end of stdin, or the
parent's death, ends this process at once. One request per process.

Runs on Python 3.6 and later with nothing but the standard library and the TensorRT module, and
(for `convert`) onnx and onnxconverter-common.
"""
import ctypes
import errno
import hashlib
import json
import os
import random
import resource
import select
import struct
import sys
import threading
import time

RTX = "tensorrt-rtx"
TRT = "tensorrt"

# What differs between releases: (feature, flavor, from version, before version or None). A feature
# that no row grants is absent. Enum members are always looked up by name: their numbers move.
RELEASES = (
    ("explicit-batch flag", TRT, (7,), (10,)),       # later networks are always explicit
    ("precision flags", TRT, (7,), (11,)),           # later, and on RTX: the ONNX decides
    ("int8 calibration", TRT, (7,), (11,)),
    ("workspace attribute", TRT, (7,), (8, 4)),      # config.max_workspace_size
    ("memory pools", TRT, (8, 4), None),
    ("memory pools", RTX, (1,), None),
    ("hardware compatibility", TRT, (8, 6), None),   # RTX only warns that it ignores it
    ("optimization level", TRT, (8, 6), None),
    ("optimization level", RTX, (1,), None),
    ("plugin libraries", TRT, (8, 6), None),         # registry.load_library
    ("plugin libraries", RTX, (1,), None),
    ("dla", TRT, (7,), None),
    ("compute capabilities", RTX, (1,), None),
    ("timing cache", TRT, (8, 0), None),
)

PRECISION_FLAGS = {
    "fp32": None, "fp16": "FP16", "bf16": "BF16", "int8": "INT8", "fp8": "FP8", "int4": "INT4", "fp4": "FP4",
}
# Another name for the same flag in some release.
FLAG_ALIASES = {"STRIP_PLAN": ("STRIP_PLAN", "WEIGHTLESS")}
# First line of a calibration cache -> calibrator that reads it, most telling first.
CALIBRATORS = (
    ("EntropyCalibration2", "IInt8EntropyCalibrator2"),
    ("EntropyCalibration", "IInt8EntropyCalibrator"),
    ("MinMaxCalibration", "IInt8MinMaxCalibrator"),
    ("LegacyCalibration", "IInt8LegacyCalibrator"),
)
DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "FP8": "float8", "FP4": "float4", "INT4": "int4",
    "INT8": "int8", "UINT8": "uint8", "INT32": "int32", "INT64": "int64", "BOOL": "bool",
}
SEVERITIES = {"INTERNAL_ERROR": "F", "ERROR": "E", "WARNING": "W", "INFO": "I"}

REQUEST_BYTES = 4 << 20
LOG_TEXT = 4000          # characters of one log line
LOG_LINES = 5000         # of all severities; the parent has its own limit in bytes
PARSE_ERRORS = 20
IO_TENSORS = 512
WRITE_BYTES = 1 << 20
PROGRESS_EVERY = 0.2     # seconds

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class Failure(Exception):
    """An end with a stage and, where this file found the fault itself, a class (see own_classes in
    src/toolchain/hearing.c). Without a class the parent looks for the library's own telling line."""

    def __init__(self, stage, name, text):
        Exception.__init__(self, text)
        self.stage = stage
        self.name = name


class Channel(object):
    """JSON lines to the parent. Safe to use from the library's own threads."""

    def __init__(self, fd):
        self.fd = fd
        self.lock = threading.Lock()
        self.logs = 0

    def send(self, kind, **members):
        members["type"] = kind
        data = (json.dumps(members) + "\n").encode("ascii")
        with self.lock:
            try:
                while data:
                    data = data[os.write(self.fd, data):]
            except OSError:  # the parent is gone
                os._exit(71)

    def log(self, severity, text):
        self.logs += 1
        if self.logs <= LOG_LINES:
            self.send("log", severity=severity, text=text[:LOG_TEXT])


class Progress(object):
    """The innermost phase under way. The library's events only note it; the watcher sends it, so
    that thousands of events cost nothing and the last one before a long silence is not lost."""

    def __init__(self):
        self.stack = []
        self.step = None
        self.dirty = False

    def begin(self, name, parent):
        while self.stack and parent is not None and self.stack[-1] != parent and parent in self.stack:
            self.stack.pop()
        self.stack.append(name)
        self.step = None
        self.dirty = True

    def advance(self, name, step):
        if self.stack and self.stack[-1] == name:
            self.step = step
            self.dirty = True

    def end(self, name):
        while name in self.stack:
            self.stack.pop()
        self.dirty = True

    def flush(self, channel):
        if self.dirty and self.stack:
            self.dirty = False
            channel.send("progress", phase=" > ".join(self.stack)[:1000], step=self.step)


class Job(object):
    def __init__(self, request, channel):
        self.request = request
        self.channel = channel
        self.progress = Progress()
        self.stage = "spawn"
        self.seconds = {}
        self.begun = time.monotonic()
        self.result = {"seconds": self.seconds, "returns": {}}
        self.trt = None
        self.flavor = request.get("flavor")
        self.version = ()

    def has(self, feature):
        for name, flavor, since, before in RELEASES:
            if name == feature and flavor == self.flavor and self.version >= since and \
                    (before is None or self.version < before):
                return True
        return False

    def enter(self, stage):
        self.stage = stage
        self.channel.send("stage", stage=stage)

    def fail(self, name, text):
        raise Failure(self.stage, name, text)

    def need(self, feature, what):
        if not self.has(feature):
            self.fail("option", "%s: %s %s has no such thing"
                      % (what, self.flavor, self.result.get("release")))


# --- the process itself ---------------------------------------------------------------------------

def enter_namespaces(libc, uid, gid):
    """A user namespace in which this process stays itself, and in it a network with nothing."""
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)), ("gid_map", "%d %d 1" % (gid, gid))):
        with open("/proc/self/" + name, "w") as file:
            file.write(text)
    return True


def namespaces_work(libc, uid, gid):
    """Tried in a child: there is no way back from a namespace whose maps cannot be written, as under
    Ubuntu's AppArmor rules since 23.10."""
    pid = os.fork()
    if pid == 0:
        works = False
        try:
            works = enter_namespaces(libc, uid, gid)
        except OSError:
            pass
        os._exit(0 if works else 1)
    return os.waitpid(pid, 0)[1] == 0


def deny_network(libc):
    """Where the kernel allows it; elsewhere nothing changes. Says whether there is none now."""
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    return uid != 0 and namespaces_work(libc, uid, gid) and enter_namespaces(libc, uid, gid)


def restrain(request):
    limits = request.get("limits") or {}
    for which, key in ((resource.RLIMIT_AS, "memory_bytes"), (resource.RLIMIT_FSIZE, "disk_bytes"), (resource.RLIMIT_CORE, None)):
        limit = limits.get(key) if key else 0
        hard = resource.getrlimit(which)[1]
        if limit is not None and (hard == resource.RLIM_INFINITY or limit < hard):
            resource.setrlimit(which, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    network = not deny_network(libc)
    # After the namespaces: a change of credentials clears it. Before the look at the parent: it may
    # have died in between.
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if request.get("parent") not in (None, os.getppid()):
        os._exit(71)
    return network


def watch(job):
    """Ends the process when stdin ends, and sends progress."""
    while True:
        ready = select.select([0], [], [], PROGRESS_EVERY)[0]
        if ready and not os.read(0, 4096):
            os._exit(71)
        job.progress.flush(job.channel)


def read_request():
    data = b""
    while b"\n" not in data:
        piece = os.read(0, 65536)
        data += piece
        if not piece or len(data) > REQUEST_BYTES:
            os._exit(71)
    return json.loads(data[:data.index(b"\n")].decode("utf-8"))


def status_bytes(key):
    """VmHWM: the peak RSS of this program (ru_maxrss also counts what the process was before exec).
    VmPeak: its largest address space."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def memory_available():
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def memory_is_short():
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return limit != resource.RLIM_INFINITY and status_bytes("VmPeak") > limit - limit // 8


# --- TensorRT -------------------------------------------------------------------------------------

def out_of_memory(text):
    return "bad_alloc" in text or "Cannot allocate memory" in text or "failed to map segment" in text


def memory_note():
    """With too little address space the loader says that a library is not there."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return "" if limit == resource.RLIM_INFINITY else " (or it does not fit into the memory limit, %d bytes)" % limit


def import_module(job):
    trouble = None
    for name in job.request.get("modules") or []:
        try:
            job.trt = __import__(name)
            job.result["module"] = name
            break
        except ImportError as problem:
            if getattr(problem, "name", None) != name:
                trouble = trouble or "%s: %s" % (name, problem)
    if job.trt is None and trouble:
        job.fail("memory-limit" if out_of_memory(trouble) else "library-missing", trouble + memory_note())
    if job.trt is None:
        job.fail("module-missing", "no module %s in %s" % (" or ".join(job.request.get("modules") or []), sys.prefix))
    release = str(getattr(job.trt, "__version__", ""))
    job.result["release"] = release
    job.version = tuple(int(part) for part in release.split(".") if part.isdigit())
    job.result["rss_import_bytes"] = status_bytes("VmHWM")
    if not job.version:
        job.fail("module-missing", "%s has no version" % job.result["module"])
    # Modules before 10.8 tell three of the four parts; the plan's own header tells the fourth.
    wanted = job.request.get("release")
    if wanted and any(a != b for a, b in zip(wanted.split("."), release.split("."))):
        job.fail("toolchain-changed", "%s here is %s, not %s" % (job.result["module"], release, wanted))


def make_logger(job):
    names = {}
    for name, letter in SEVERITIES.items():
        names[getattr(job.trt.ILogger.Severity, name)] = letter

    class Logger(job.trt.ILogger):
        def __init__(self):
            job.trt.ILogger.__init__(self)

        def log(self, severity, text):
            letter = names.get(severity)
            if letter:
                job.channel.log(letter, text)

    return Logger()


def make_monitor(job):
    base = getattr(job.trt, "IProgressMonitor", None)
    if base is None:
        return None

    class Monitor(base):
        def __init__(self):
            base.__init__(self)

        def phase_start(self, phase_name, parent_phase, num_steps):
            job.progress.begin(phase_name, parent_phase)

        def step_complete(self, phase_name, step):
            job.progress.advance(phase_name, step)
            return True

        def phase_finish(self, phase_name):
            job.progress.end(phase_name)

    return Monitor()


def sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(WRITE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def load_plugins(job, logger):
    trt = job.trt
    if hasattr(trt, "init_libnvinfer_plugins"):
        trt.init_libnvinfer_plugins(logger, "")
    for plugin in job.request["options"].get("plugins") or []:
        path = plugin["path"]
        try:
            if sha256_of_file(path) != plugin["sha256"]:
                job.fail("plugin-changed", "plugin library '%s' is not the one that was asked for" % path)
            if job.has("plugin libraries"):
                if trt.get_plugin_registry().load_library(path) is None:
                    job.fail(None, "the plugin registry refused '%s'" % path)
            else:
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError as problem:
            job.fail("plugin-missing", "plugin library '%s': %s" % (path, problem))


def network_flags(job):
    flags = job.trt.NetworkDefinitionCreationFlag
    if job.has("explicit-batch flag"):
        return 1 << int(flags.EXPLICIT_BATCH)
    if not job.has("precision flags") and hasattr(flags, "STRONGLY_TYPED"):
        return 1 << int(flags.STRONGLY_TYPED)
    return 0


def parse_error(error):
    line = {}
    for key, method in (("code", "code"), ("desc", "desc"), ("func", "func"), ("line", "line"), ("node", "node"),
                        ("node_name", "node_name"), ("op", "node_operator")):
        value = getattr(error, method, None)
        value = value() if value else None
        if value is not None and not isinstance(value, int):
            value = str(value)[:2000]
        line[key] = value
    return line


def parse_model(job, network, logger):
    path = job.request["model"]
    try:
        if os.stat(path).st_size == 0:  # the parser would find nothing wrong with it
            job.fail("empty-model", "'%s' has no bytes" % path)
    except OSError as problem:
        job.fail("model-missing", "'%s': %s" % (path, problem.strerror))
    parser = job.trt.OnnxParser(network, logger)
    parsed = parser.parse_from_file(path)
    for i in range(min(parser.num_errors, PARSE_ERRORS)):
        job.channel.send("parse-error", **parse_error(parser.get_error(i)))
    if not parsed:
        job.fail(None, "the parser refused '%s'" % path)
    if network.num_outputs == 0:  # a file that is no ONNX at all can "parse"
        job.fail("empty-model", "'%s' holds no network: nothing in it has an output" % path)
    return parser  # holds weights that the network refers to


def dims_of(tensor):
    try:
        return [int(dim) for dim in tensor.shape]
    except ValueError:  # rank not known
        return None


def describe(job, network):
    tensors = [(network.get_input(i), False) for i in range(network.num_inputs)]
    tensors += [(network.get_output(i), True) for i in range(network.num_outputs)]
    for tensor, output in tensors[:IO_TENSORS]:
        name = str(tensor.dtype).split(".")[-1]
        job.channel.send("io", name=tensor.name[:1024], dims=dims_of(tensor), dtype=DTYPES.get(name, name.lower()),
                         output=output)
    job.result["layers"] = network.num_layers
    return dict((tensor.name, tensor) for tensor, output in tensors if not output)


def add_profile(job, builder, config, inputs):
    shapes = job.request.get("shapes") or []
    for shape in shapes:
        if shape["input"] not in inputs:
            job.fail("bad-profile", "the model has no input '%s'; it has %s"
                     % (shape["input"], ", ".join("'%s'" % name for name in sorted(inputs))))
    if not shapes:
        return
    profile = builder.create_optimization_profile()
    for shape in shapes:
        if inputs[shape["input"]].is_shape_tensor:
            job.fail("shape-tensor", "input '%s' holds shapes as values, which a range cannot give" % shape["input"])
        try:
            profile.set_shape(shape["input"], shape["min"], shape["opt"], shape["max"])
        except (RuntimeError, ValueError, TypeError) as problem:
            job.fail("bad-profile", "input '%s': %s" % (shape["input"], problem))
    index = config.add_optimization_profile(profile)
    job.result["returns"]["add_optimization_profile"] = index
    if index < 0:
        job.fail("bad-profile", None)


def flag_named(job, name):
    for alias in FLAG_ALIASES.get(name, (name,)):
        if alias in job.trt.BuilderFlag.__members__:
            return job.trt.BuilderFlag.__members__[alias]
    return job.fail("option", "%s %s has no builder flag %s; it has %s"
                    % (job.flavor, job.result["release"], name, ", ".join(sorted(job.trt.BuilderFlag.__members__))))


def set_precision(job, config, network):
    name = PRECISION_FLAGS.get(job.request.get("precision"))
    if name is None or not job.has("precision flags"):
        return
    config.set_flag(flag_named(job, name))
    kinds = job.trt.LayerType
    quantized = any(network.get_layer(i).type in (kinds.QUANTIZE, kinds.DEQUANTIZE) for i in range(network.num_layers))
    if name == "INT8" and not quantized:
        set_calibrator(job, config)


def set_calibrator(job, config):
    path = job.request["options"].get("calibration")
    if not path:
        job.fail("no-calibration", "int8 needs Q/DQ nodes in the ONNX file or a calibration cache; neither is there")
    try:
        with open(path, "rb") as file:
            cache = file.read(256 << 20)
    except OSError as problem:
        job.fail("no-calibration", "calibration cache '%s': %s" % (path, problem.strerror))
    head = cache.split(b"\n", 1)[0].decode("latin-1")
    kind = next((kind for mark, kind in CALIBRATORS if mark in head), None)
    if kind is None:
        job.fail("no-calibration", "'%s' is no calibration cache: it begins with '%.60s'" % (path, head))
    base = getattr(job.trt, kind)

    class Calibrator(base):
        def __init__(self):
            base.__init__(self)

        def get_batch_size(self):
            return 1

        def get_batch(self, names):
            return None

        def read_calibration_cache(self):
            return cache

        def write_calibration_cache(self, data):
            pass

    job.keep = Calibrator()  # the config holds only a pointer
    config.int8_calibrator = job.keep


def set_workspace(job, config, size):
    if job.has("memory pools"):
        config.set_memory_pool_limit(job.trt.MemoryPoolType.WORKSPACE, size)
    else:
        config.max_workspace_size = size


def set_hardware_level(job, config, name):
    job.need("hardware compatibility", "hardware compatibility")
    levels = job.trt.HardwareCompatibilityLevel.__members__
    if name not in levels:
        job.fail("option", "%s %s has no hardware compatibility level %s"
                 % (job.flavor, job.result["release"], name))
    config.hardware_compatibility_level = levels[name]


def set_optimization_level(job, config, level):
    job.need("optimization level", "optimization level")
    config.builder_optimization_level = level


def set_dla(job, config, core):
    job.need("dla", "DLA")
    config.default_device_type = job.trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(flag_named(job, "GPU_FALLBACK"))


def set_compute_capabilities(job, config, wanted):
    job.need("compute capabilities", "a list of compute capabilities")
    known = job.trt.ComputeCapability.__members__
    names = [cc if cc == "CURRENT" else "SM%d" % cc for cc in wanted]
    for name in names:
        if name not in known:
            job.fail("compute-capability", "%s %s cannot build for %s; it knows %s"
                     % (job.flavor, job.result["release"], name, ", ".join(sorted(n for n in known if n != "NONE"))))
    config.num_compute_capabilities = len(names)
    answers = [bool(config.set_compute_capability(known[name], i)) for i, name in enumerate(names)]
    job.result["returns"]["set_compute_capability"] = answers
    if not all(answers):
        job.fail("compute-capability", "%s %s refused %s" % (job.flavor, job.result["release"], ", ".join(
            name for name, answer in zip(names, answers) if not answer)))


def set_timing_cache(job, config, path):
    job.need("timing cache", "a pinned timing cache")
    try:
        with open(path, "rb") as file:
            cache = config.create_timing_cache(file.read(1 << 30))
    except OSError as problem:
        job.fail("timing-cache", "timing cache '%s': %s" % (path, problem.strerror))
    if cache is None or not config.set_timing_cache(cache, False):
        job.fail("timing-cache", "timing cache '%s' does not fit this TensorRT and GPU" % path)
    job.kept_cache = cache


# Member of the request's options -> what it does when it is there.
OPTIONS = (
    ("workspace_bytes", set_workspace),
    ("hw_compat", set_hardware_level),
    ("optimization_level", set_optimization_level),
    ("dla_core", set_dla),
    ("ccs", set_compute_capabilities),
    ("timing_cache", set_timing_cache),
)


def configure(job, builder, network, inputs):
    options = job.request["options"]
    config = builder.create_builder_config()
    job.enter("profile")
    add_profile(job, builder, config, inputs)
    job.enter("config")
    set_precision(job, config, network)
    for name in options.get("flags") or []:
        config.set_flag(flag_named(job, name))
    if not options.get("tf32", True):
        config.clear_flag(flag_named(job, "TF32"))
    for key, apply in OPTIONS:
        if options.get(key) is not None:
            apply(job, config, options[key])
    monitor = make_monitor(job)
    if monitor is not None:
        config.progress_monitor = monitor
        job.monitor = monitor  # the config holds only a pointer
    return config


class Timer(object):
    """Adds the time of a block to the result, also when it fails."""

    def __init__(self, job, name):
        self.job, self.name = job, name

    def __enter__(self):
        self.begun = time.monotonic()

    def __exit__(self, *what):
        self.job.seconds[self.name] = round(time.monotonic() - self.begun, 6)


def build(job):
    job.enter("import")
    with Timer(job, "import"):
        import_module(job)
        logger = make_logger(job)
        load_plugins(job, logger)
        builder = job.trt.Builder(logger)
    job.enter("parse")
    with Timer(job, "parse"):
        network = builder.create_network(network_flags(job))
        parser = parse_model(job, network, logger)
        inputs = describe(job, network)
    config = configure(job, builder, network, inputs)
    job.enter("build")
    with Timer(job, "build"):
        plan = builder.build_serialized_network(network, config)
    del parser
    if plan is None:
        job.fail(None, "the builder gave no plan")
    job.enter("write")
    with Timer(job, "write"):
        write_output(job, memoryview(plan))


# --- the file -------------------------------------------------------------------------------------

def write_all(job, fd, data):
    digest = hashlib.sha256()
    for at in range(0, len(data), WRITE_BYTES):
        piece = data[at:at + WRITE_BYTES]
        digest.update(piece)
        while piece:
            piece = piece[os.write(fd, piece):]
    os.fsync(fd)
    job.result["bytes"] = len(data)
    job.result["sha256"] = digest.hexdigest()


def write_output(job, data):
    """All or nothing, mode 0600. The parent removes the temporary name too, for the case that this
    process is killed while it writes."""
    path = job.request["output"]
    temporary = path + ".part"
    fd = None
    try:
        if os.path.lexists(path):
            raise OSError(errno.EEXIST, "exists already")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        write_all(job, fd, data.cast("B") if data.format != "B" or data.ndim != 1 else data)
        os.rename(temporary, path)
    except OSError as problem:
        if fd is not None:
            os.unlink(temporary)
        names = {errno.ENOSPC: "no-space", errno.EDQUOT: "no-space", errno.EFBIG: "file-limit"}
        job.fail(names.get(problem.errno, "write"), "write '%s': %s" % (path, problem.strerror))
    finally:
        if fd is not None:
            os.close(fd)


# --- converters -----------------------------------------------------------------------------------

def convert_fp16(job, model):
    try:
        from onnxconverter_common import float16
    except ImportError as problem:
        job.fail("converter-missing", str(problem))
    return float16.convert_float_to_float16(model, keep_io_types=True)


CONVERTERS = {"fp16": convert_fp16}


def convert(job):
    job.enter("import")
    with Timer(job, "import"):
        try:
            import onnx
        except ImportError as problem:
            job.fail("converter-missing", str(problem))
    job.enter("parse")
    with Timer(job, "parse"):
        try:
            model = onnx.load(job.request["model"])
        except OSError as problem:
            job.fail("model-missing", "'%s': %s" % (job.request["model"], problem.strerror or problem))
        except MemoryError:
            raise
        except Exception as problem:  # protobuf's own, of a package that may move
            job.fail("not-onnx", "'%s': %s" % (job.request["model"], problem))
    job.enter("convert")
    job.progress.begin("Converting to " + job.request["precision"], None)
    with Timer(job, "build"):
        data = CONVERTERS[job.request["precision"]](job, model).SerializeToString()
    job.enter("write")
    with Timer(job, "write"):
        write_output(job, memoryview(data))


def probe(job):
    job.enter("import")
    with Timer(job, "import"):
        import_module(job)
    job.result["python"] = "%d.%d.%d" % sys.version_info[:3]


# --- trial loads ----------------------------------------------------------------------------------

class Cuda(object):
    """The few calls of libcuda that a trial needs, so that no CUDA package has to be there."""

    def __init__(self, job):
        self.job = job
        self.integrated = False
        try:
            self.lib = ctypes.CDLL("libcuda.so.1")
        except OSError as problem:
            job.fail("cuda-unavailable", str(problem))

    def call(self, name, *args):
        code = getattr(self.lib, name)(*args)
        if code != 0:
            text = ctypes.c_char_p()
            self.lib.cuGetErrorName(code, ctypes.byref(text))
            job_class = "no-memory" if code == 2 else "cuda-unavailable"
            self.job.fail(job_class, "%s: %s (%d)" % (name, (text.value or b"?").decode("ascii", "replace"), code))

    def open_context(self):
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        integrated = ctypes.c_int()
        self.integrated = self.lib.cuDeviceGetAttribute(ctypes.byref(integrated), 18, device) == 0 and integrated.value > 0
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def free_bytes(self):
        """On an integrated GPU CUDA does not count what the system would give back."""
        if self.integrated:
            return memory_available()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def allocate(self, size):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        return address.value

    def write(self, address, data):
        self.call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), data, ctypes.c_size_t(len(data)))

    def read(self, address, size):
        data = ctypes.create_string_buffer(max(size, 1))
        self.call("cuMemcpyDtoH_v2", data, ctypes.c_uint64(address), ctypes.c_size_t(size))
        return data.raw[:size]


# struct letter of the element types that a first run fills and looks at; the others are zero bytes.
FLOATS = {"FLOAT": "f", "HALF": "e"}
SIZES = {"FLOAT": 4, "HALF": 2, "BF16": 2, "INT8": 1, "UINT8": 1, "INT32": 4, "INT64": 8, "BOOL": 1, "FP8": 1}
FILL_VALUES = 4096       # seeded values, repeated over an input
LOOK_VALUES = 65536      # of an output that are looked at


def tensor_bytes(job, engine, context, name):
    """Bytes of a tensor with the shape that the context gives it; None where it is not known."""
    kind = getattr(engine.get_tensor_dtype(name), "name", "")
    count = 1
    for axis in context.get_tensor_shape(name):
        if axis < 0:
            return None, kind
        count *= axis
    return (count * SIZES[kind] if kind in SIZES else None), kind


def fill(kind, size):
    if kind not in FLOATS:
        return b"\0" * size
    seeded = random.Random(0)
    block = struct.pack("<%d%s" % (FILL_VALUES, FLOATS[kind]), *[seeded.random() for _ in range(FILL_VALUES)])
    return (block * (size // len(block) + 1))[:size]


def suspect(kind, data):
    """All zero, or not a number: what a stripped or damaged plan gives."""
    if not any(data):
        return True
    if kind not in FLOATS:
        return False
    step = SIZES[kind]
    values = struct.unpack("<%d%s" % (min(len(data) // step, LOOK_VALUES), FLOATS[kind]), data[:LOOK_VALUES * step])
    return any(value != value for value in values)


def set_input_shapes(job, engine, context, names):
    trt = job.trt
    for name in names:
        if engine.get_tensor_mode(name) != trt.TensorIOMode.INPUT:
            continue
        if engine.is_shape_inference_io(name):
            return False
        if any(axis < 0 for axis in engine.get_tensor_shape(name)):
            if not context.set_input_shape(name, tuple(engine.get_tensor_profile_shape(name, 0)[1])):
                return False
    return True


def first_run(job, cuda, engine, context):
    """One inference with seeded input; False where shapes are not known or it would not fit."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    if not set_input_shapes(job, engine, context, names):
        return False
    sizes = {name: tensor_bytes(job, engine, context, name) for name in names}
    if any(size is None for size, _ in sizes.values()) or \
            sum(size for size, _ in sizes.values()) > cuda.free_bytes() // 2:
        return False
    address = {}
    for name in names:
        size, kind = sizes[name]
        address[name] = cuda.allocate(size)
        if engine.get_tensor_mode(name) == job.trt.TensorIOMode.INPUT:
            cuda.write(address[name], fill(kind, size))
        if not context.set_tensor_address(name, address[name]):
            job.fail("run-failed", "the address of tensor '%s' was refused" % name)
    stream = ctypes.c_void_p()
    cuda.call("cuStreamCreate", ctypes.byref(stream), 0)
    if not context.execute_async_v3(stream.value):
        job.fail(None, "the first run failed")
    cuda.call("cuStreamSynchronize", stream)
    outputs = [name for name in names if engine.get_tensor_mode(name) != job.trt.TensorIOMode.INPUT]
    job.result["suspect"] = sorted(name for name in outputs if sizes[name][0] and
                                   suspect(sizes[name][1], cuda.read(address[name], sizes[name][0])))
    return True


def trial(job):
    """Loads a plan and runs it once, as an application would. Every phase is timed."""
    job.enter("driver")
    with Timer(job, "driver"):
        cuda = Cuda(job)
        cuda.call("cuInit", 0)
    job.enter("context")
    with Timer(job, "context"):
        cuda.open_context()
    size = os.stat(job.request["model"]).st_size
    if cuda.free_bytes() < size + job.request["margin_bytes"]:
        job.fail("no-memory", "%d bytes of GPU memory are free; the plan has %d, and %d are kept for its work"
                 % (cuda.free_bytes(), size, job.request["margin_bytes"]))
    job.enter("library")
    with Timer(job, "library"):
        import_module(job)
    job.enter("runtime")
    with Timer(job, "runtime"):
        logger = make_logger(job)
        runtime = job.trt.Runtime(logger)
        job.trt.init_libnvinfer_plugins(logger, "")
        if job.request.get("allow_host_code"):
            runtime.engine_host_code_allowed = True
    with open(job.request["model"], "rb") as file:
        data = file.read()
    job.enter("deserialize")
    with Timer(job, "deserialize"):
        engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        job.fail(None, "the runtime gave no engine")
    job.enter("exec-context")
    with Timer(job, "exec-context"):
        context = engine.create_execution_context()
    if context is None:
        job.fail(None, "the engine gave no execution context")
    job.enter("run")
    job.result["ran"] = False
    if hasattr(engine, "num_io_tensors"):  # TensorRT 8.5 and later
        with Timer(job, "run"):
            job.result["ran"] = first_run(job, cuda, engine, context)


OPS = {"build": build, "convert": convert, "probe": probe, "trial": trial}


def run(job):
    try:
        OPS[job.request["op"]](job)
        job.result["ok"] = True
    except Failure as failure:
        job.result.update(ok=False, stage=failure.stage, text=str(failure) if failure.args[0] else None)
        job.result["class"] = failure.name
    except MemoryError:
        job.result.update(ok=False, stage=job.stage, text="out of memory in Python")
        job.result["class"] = "memory-limit"
    except Exception as problem:
        text = "%s: %s" % (type(problem).__name__, str(problem)[:2000])
        job.result.update(ok=False, stage=job.stage, text=text)
        job.result["class"] = "memory-limit" if out_of_memory(text) else \
            "conversion" if job.stage == "convert" else "exception"
    if not job.result["ok"]:
        job.result["memory_short"] = memory_is_short()
    job.seconds["total"] = round(time.monotonic() - job.begun, 6)
    job.result["rss_bytes"] = status_bytes("VmHWM")


def main():
    request = read_request()
    channel = Channel(os.dup(1))
    os.dup2(2, 1)  # what libraries print must not look like our lines
    network = restrain(request)
    job = Job(request, channel)
    job.result["network"] = network
    threading.stack_size(256 << 10)  # address space may be scarce
    watcher = threading.Thread(target=watch, args=(job,))
    watcher.daemon = True
    watcher.start()
    run(job)
    job.progress.stack = []
    channel.send("result", **job.result)
    sys.stderr.flush()
    os._exit(0 if job.result["ok"] else 1)  # no tear-down of libraries: it can crash and says nothing


main()
