"""A stand-in for trtexec, for tests: refuses what its release does not know, prints what a build
prints (or replays a real transcript), writes a plan, or misbehaves.

Test only. Copied as `trtexec` into a folder with `standin.json`: {"release": [8,6,1,6], "plan": FILE
to hand out, "behave": "", "transcript": FILE or null, "exit": 0}. Writes its arguments into
`asked.txt` there. Its table of options is its own, written from the help texts of 8.6, 10.6, 10.15
and 11.1 and the table of changes between releases, not from the product's.
"""
import json
import os
import resource
import shutil
import signal
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


def misbehave(how):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if how == "hang":
        while True:
            signal.pause()
    if how == "flood":
        while True:
            say("I", "x" * 60000)
    if how in ("SEGV", "KILL", "XFSZ"):
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


def main():
    with open(HERE + "/standin.json") as file:
        setup = json.load(file)
    with open(HERE + "/asked.txt", "w") as file:
        file.write("".join(a + "\n" for a in sys.argv[1:] + ["CUDA_VISIBLE_DEVICES=" + os.environ["CUDA_VISIBLE_DEVICES"]]))
    with open(HERE + "/pid.txt", "w") as file:
        file.write(str(os.getpid()))
    release, arguments = setup["release"], sys.argv[1:]
    values = {name_of(a): a.split("=", 1)[1] if "=" in a else "" for a in arguments}
    line = "TensorRT.trtexec %s # trtexec %s" % (tag(release), " ".join(arguments))
    if setup["transcript"]:
        replay(setup["transcript"])
        passed = setup["exit"] == 0
    else:
        out("&&&& RUNNING " + line)
        bad = unknown(release, arguments)
        if bad:
            say("E", "Unknown option: " + bad.replace("=", " "))
            out("=== Model Options ===\n  --onnx=<file>   ONNX model")
            if release[0] < 11:
                out("&&&& FAILED " + line)
            return 1
        passed = build(setup, values)
    if passed and setup["behave"] != "no-file":
        shutil.copyfile(setup["plan"], values["saveEngine"])
    if not setup["transcript"]:
        out("&&&& %s %s" % ("PASSED" if passed else "FAILED", line))
    return setup["exit"] if setup["transcript"] or passed else 1


sys.exit(main())
