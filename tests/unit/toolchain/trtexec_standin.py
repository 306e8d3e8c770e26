"""A stand-in for trtexec, for tests: refuses what its release does not know, prints what a build or a
load prints (or replays a real transcript), writes a plan, or misbehaves.

Test only. Copied as `trtexec` into a folder with `standin.json`:
  release     [8,6,1,6]
  plan        FILE to hand out, or
  maker       program that makes a plan of this release for the GPU that is shown (tests/scenario/make_plan.c)
  behave      what a build does; "" = it builds
  load        what a load does; "" = it loads what its release may load
  transcript  FILE that is replayed instead, or null; exit: its status, -6 = SIGABRT
  when        [{"asked": "--fp16", "transcript": FILE, "exit": 1}]: the same for one option only
Writes its arguments into `asked.txt` there and a line "build" or "load" into `runs.txt`. GPUs are those of `gpus.txt`
(tests/scenario/fake_cuda.c) in LD_LIBRARY_PATH, where there is one. Its table of options is its own, written from the
help texts of 8.6, 10.6, 10.15 and 11.1 and the table of changes between releases, not from the product's; its words
about plans are those of real runs.
"""
import json
import os
import resource
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
END = (99, 0)

# Options by the release that first and (exclusive) last knows them. Flag or "=value" alike.
ALWAYS = """onnx saveEngine loadEngine minShapes optShapes maxShapes noTF32 refit verbose timingCacheFile useDLACore
allowGPUFallback device noBuilderCache sparsity safe iterations duration warmUp avgRuns shapes"""
KNOWN = {name: ((8, 2), END) for name in ALWAYS.split()}
KNOWN.update({
    "workspace": ((8, 2), (10, 0)), "buildOnly": ((8, 2), (10, 0)), "explicitBatch": ((8, 2), (10, 0)),
    "minTiming": ((8, 2), (10, 0)), "plugins": ((8, 2), END), "memPoolSize": ((8, 4), END),
    "fp16": ((8, 2), (11, 0)), "int8": ((8, 2), (11, 0)), "best": ((8, 2), (11, 0)), "calib": ((8, 2), (11, 0)),
    "directIO": ((8, 4), END), "precisionConstraints": ((8, 4), (11, 0)), "restricted": ((8, 4), (11, 0)),
    "heuristic": ((8, 5), (10, 0)), "skipInference": ((8, 6), END), "versionCompatible": ((8, 6), END),
    "excludeLeanRuntime": ((8, 6), END), "hardwareCompatibilityLevel": ((8, 6), END),
    "builderOptimizationLevel": ((8, 6), END), "staticPlugins": ((8, 6), END), "fp8": ((8, 6), (11, 0)),
    "bf16": ((9, 0), (11, 0)), "stronglyTyped": ((9, 0), END), "errorOnTimingCacheMiss": ((9, 0), END),
    "noCompilationCache": ((9, 0), END), "stripWeights": ((10, 0), END), "allowWeightStreaming": ((10, 0), END),
    "stripAllWeights": ((10, 2), END), "int4": ((10, 2), (11, 0)), "monitorMemory": ((10, 6), END),
})


def out(text):
    print(text, flush=True)


def say(severity, text):
    stream = sys.stderr if severity in "EW" else sys.stdout
    print("[11/23/2026-00:00:00] [%s] %s" % (severity, text), file=stream, flush=True)


def tag(release):
    major, minor, patch, build = release
    if major < 10:
        return "[TensorRT v%d]" % (major * 1000 + minor * 100 + patch)
    return "[TensorRT v%d] [b%d]" % (major * 10000 + minor * 100 + patch, build)


def name_of(argument):
    return argument.lstrip("-").split("=", 1)[0]


def unknown(release, arguments):
    here = tuple(release[:2])
    for argument in arguments:
        since, before = KNOWN.get(name_of(argument), (END, END))
        if not since <= here < before:
            return argument
        if argument.endswith("=sameComputeCapability") and here < (10, 9):
            return argument
    return None


def replay(path):
    with open(path, errors="surrogateescape") as file:
        for line in file:
            if line.startswith("<<<") or line[10:11] not in ("o", "e"):
                continue
            stream = sys.stdout if line[10] == "o" else sys.stderr
            stream.buffer.write(line[12:].encode(errors="surrogateescape"))
            stream.flush()


# --- the GPU --------------------------------------------------------------------------------------

def machine():
    """The driver's facts and its GPUs, or None where no driver is."""
    path = os.environ.get("LD_LIBRARY_PATH", "") + "/gpus.txt"
    if not os.path.exists(path):
        return None
    facts = {"gpus": []}
    into = facts
    with open(path) as file:
        for line in file:
            if line.startswith("[gpu]"):
                into = {}
                facts["gpus"].append(into)
            elif "=" in line:
                key, value = line.split("=", 1)
                into[key.strip()] = value.strip()
    return facts


def gpu_shown():
    """The GPU that CUDA_VISIBLE_DEVICES names; ends as trtexec does where there is none."""
    facts, wanted = machine(), os.environ["CUDA_VISIBLE_DEVICES"]
    if facts is None:
        return None
    for gpu in facts["gpus"]:
        if wanted and gpu["uuid"] == wanted and int(facts.get("init", 0)) == 0:
            return gpu
    print("Cuda failure: no CUDA-capable device is detected", file=sys.stderr, flush=True)
    if SETUP["release"][0] < 10:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()
    sys.exit(1)


def make_plan(gpu, values, path):
    """A plan of this release for this GPU, another one for each precision and content of the model."""
    seed = sum(open(values["onnx"], "rb").read()) % 97 + 100 * ("fp16" in values) + 200 * ("int8" in values)
    words = {"cc_major": "75", "cc_minor": "76", "sms": "16", "bus": "37", "l2": "38", "core": "13",
             "memory_clock": "36", "integrated": "18"}
    facts = ["%s=%s" % (name, gpu["attribute." + number]) for name, number in words.items()
             if "attribute." + number in gpu]
    subprocess.check_call([SETUP["maker"], path, ".".join(map(str, SETUP["release"])), "memory=" + gpu["memory"],
                           "weights=%d" % (8 * seed + 8)] + facts)


def misbehave(how):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if how == "hang":
        while True:
            signal.pause()
    if how == "flood":
        while True:
            say("I", "x" * 60000)
    if how in ("SEGV", "KILL", "XFSZ", "ABRT"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        os.kill(os.getpid(), getattr(signal, "SIG" + how))
        while True:
            signal.pause()


def build(setup, values):
    say("I", "TensorRT version: %d.%d.%d" % tuple(setup["release"][:3]))
    say("I", "Start parsing network model.")
    if setup["behave"] == "operator":
        say("E", "[TRT] ModelImporter.cpp:1: While parsing node number 3 [Wobble -> \"y\"]:")
        say("E", "[TRT] ModelImporter.cpp:2: --- Begin node ---")
        print("op_type: \"Wobble\"\nname: \"out of memory\"", file=sys.stderr, flush=True)
        say("E", "[TRT] ModelImporter.cpp:3: --- End node ---")
        say("E", "[TRT] ModelImporter.cpp:4: ERROR: checkers.cpp:9 In function checkWobble:")
        print("[8] false", file=sys.stderr, flush=True)
        say("E", "Failed to parse onnx file")
        say("I", "Finished parsing network model. Parse time: 0.1")
        return False
    say("I", "Finished parsing network model. Parse time: 0.1")
    if setup["behave"] == "no-shapes":
        say("W", "Dynamic dimensions required for input: x, but no shapes were provided. Automatically "
                 "overriding shape to: 1x3")
    if setup["behave"] == "cache-refused":
        say("E", "Error[1]: Magic tag does not match")
        say("W", "[TRT] The timing cache will not be used!")
        open(values["timingCacheFile"], "w").write("overwritten")
    if "int8" in values and "calib" not in values:
        say("W", "[TRT] Calibrator is not being used. Users must provide dynamic range for all tensors.")
    say("I", "[TRT] Local timing cache in use. Profiling results in this builder pass will not be stored.")
    misbehave(setup["behave"])
    if setup["behave"] == "Cuda":
        print("Cuda failure: out of memory", file=sys.stderr, flush=True)
        os.abort()
    say("I", "Engine built in 0.1 sec.")
    return True


# --- loading --------------------------------------------------------------------------------------

def refusal_of(release, data):
    """The first error line of this release about these bytes, None = it loads them."""
    old = release[0] < 10
    if tuple(release[:2]) < (8, 6):
        magic, version = b"ptrt", release  # its version stands deep inside: not looked at
    else:
        magic, version = b"ftrt", tuple(data[0x18:0x1c])
    if data[:4] != magic:
        return "Error[1]: [runtime.cpp::parsePlan::314] Error Code 1: Serialization (Serialization assertion " \
            "plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed.)"
    if tuple(version) == tuple(release):
        return None
    if old:
        return "Error[1]: [stdArchiveReader.cpp::StdArchiveReaderInitCommon::41] Error Code 1: Serialization " \
            "(Serialization assertion safeVersionRead == safeSerializationVersion failed.Version tag does not match. " \
            "Note: Current Version: 0, Serialized Engine Version: 239)"
    if data[0x18] < 10:
        return "Error[1]: IRuntime::deserializeCudaEngine: Error Code 1: Internal Error (Using old deserialization " \
            "call on a weight-separated plan file.)"
    return "Error[1]: IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion " \
        "stdVersionRead == kSERIALIZATION_VERSION failed.Version tag does not match. Note: Current Version: 240, " \
        "Serialized Engine Version: 239 In stdArchiveReaderInitCommon at stdArchiveReader.cpp:49)"


def refuse(*lines):
    for line in lines + ("Inference set up failed",):
        say("E", line)
    return False


def load(release, values, how):
    with open(values["loadEngine"], "rb") as file:
        data = file.read()
    say("I", "TensorRT version: %d.%d.%d" % tuple(release[:3]))
    say("I", "Loading standard plugins")
    if release[0] < 10:
        say("I", "Engine loaded in 0.00249243 sec.")
    say("I", "[TRT] Loaded engine size: %d MiB" % (len(data) >> 20))
    misbehave(how)
    cause = refusal_of(release, data)
    if how == "unknown":
        cause = "Error[9]: words that nobody has heard"
    if cause:
        return refuse(cause, "Engine deserialization failed", "Got invalid engine!")
    say("I", "Engine deserialized in 0.0233173 sec.")
    if how == "run-KILL":
        misbehave("KILL")
    if how == "no-memory":
        return refuse("Error[1]: IRuntime::createExecutionContext: Error Code 2: OutOfMemory (no further information)")
    say("I", "Setting persistentCacheLimit to 0 bytes.")
    if how == "made-up" or how == "made-up-memory":
        say("W", "Dynamic dimensions required for input: x, but no shapes were provided. Automatically overriding "
                 "shape to: 1x3x1x1")
    if how == "made-up":
        return refuse("Error[3]: IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check failed, "
                      "condition: profileMinDims.d[i] <= dims.d[i])")
    if how == "made-up-memory":
        print("Cuda failure: out of memory", file=sys.stderr, flush=True)
        sys.exit(1)
    say("I", "Starting inference")
    say("I", "Timing trace has 1 queries over 0.00918973 s")
    return True


# --- one run --------------------------------------------------------------------------------------

def scripted(setup, arguments):
    """The transcript to replay and its exit, where there is one."""
    for case in setup.get("when") or []:
        if case["asked"] in arguments:
            return case["transcript"], case["exit"]
    return setup.get("transcript"), setup.get("exit", 0)


def note(arguments, loads):
    with open(HERE + "/asked.txt", "w") as file:
        file.write("".join(a + "\n" for a in arguments + ["CUDA_VISIBLE_DEVICES=" + os.environ["CUDA_VISIBLE_DEVICES"]]))
    with open(HERE + "/pid.txt", "w") as file:
        file.write(str(os.getpid()))
    with open(HERE + "/runs.txt", "a") as file:
        file.write("load\n" if loads else "build\n")


def end(status):
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), -status)
    return status


def write_plan(gpu, values):
    if SETUP.get("maker"):
        make_plan(gpu, values, values["saveEngine"])
    else:
        shutil.copyfile(SETUP["plan"], values["saveEngine"])


def work(gpu, values, loads):
    """Whether it went well; a plan is written then."""
    if loads:
        return load(SETUP["release"], values, SETUP.get("load", ""))
    if not build(SETUP, values):
        return False
    if SETUP["behave"] != "no-file":
        write_plan(gpu, values)
    return True


def main():
    arguments = sys.argv[1:]
    values = {name_of(a): a.split("=", 1)[1] if "=" in a else "" for a in arguments}
    release, loads = SETUP["release"], "loadEngine" in values
    line = "TensorRT.trtexec %s # trtexec %s" % (tag(release), " ".join(arguments))
    note(arguments, loads)
    transcript, status = scripted(SETUP, arguments)
    if transcript:
        replay(transcript)
        if status == 0 and not loads:
            write_plan(gpu_shown(), values)
        return end(status)
    out("&&&& RUNNING " + line)
    bad = unknown(release, arguments)
    if bad:
        say("E", "Unknown option: " + bad.replace("=", " "))
        out("=== Model Options ===\n  --onnx=<file>   ONNX model")
        if release[0] < 11:
            out("&&&& FAILED " + line)
        return 1
    say("I", "=== Model Options ===")
    passed = work(gpu_shown(), values, loads)
    how = SETUP.get("load", "") if loads else ""
    if how == "silent":
        return 0
    out("&&&& %s %s" % ("PASSED" if passed else "FAILED", line))
    return 0 if passed and how != "passed-1" else 1


with open(HERE + "/standin.json") as standin:
    SETUP = json.load(standin)
sys.exit(main())
