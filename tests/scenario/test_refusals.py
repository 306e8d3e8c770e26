"""What `tenon get` remembers of rungs that failed: refusals, back-off, plans set aside, --retry."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, RTX, TENON, answer, model, needs_rtx, run

pytestmark = needs_rtx
CORPUS = pathlib.Path(os.environ.get("TENON_TEST_CORPUS", ROOT / ".." / "shared" / "plan-corpus"))
RUNTIME = "rtx1.7.1.116"


def get(*args, **kwargs):
    return answer("get", *args, "--runtime", RUNTIME, **kwargs)[0]


def results(found):
    return [rung["result"] for rung in found["ladder"]]


def notes(store, folder):
    return [json.loads(path.read_text()) for path in sorted(store.glob(f"hosts/*/{folder}/*.json"))]


def squeezenet(tmp_path):
    copy = tmp_path / "net.onnx"
    shutil.copy(model("light_squeezenet"), copy)
    return copy


def magika(tmp_path, kind="zero-scale"):
    """A spec with the ladder int8, fp16, fp32, whose first two rungs TensorRT-RTX 1.7 refuses."""
    shutil.copy(model("magika"), tmp_path / "magika.onnx")
    subprocess.run([RTX, ROOT / "tests/scenario/quantize.py", kind, tmp_path / "magika.onnx",
                    tmp_path / "magika-qdq.onnx"], check=True)
    spec = tmp_path / "model.yaml"
    spec.write_text("name: magika\n"
                    "variants: { fp32: magika.onnx, int8: magika-qdq.onnx }\n"
                    "shapes: { bytes: { min: 1x2048, opt: 8x2048, max: 64x2048 } }\n"
                    "policy: { precision: [int8, fp16, fp32] }\n")
    return spec


def programs_started(tmp_path, *args):
    """Whatever a get executes beside itself."""
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-e", "trace=execve,clone,clone3,fork,vfork", "-o", trace, TENON, "get", *args,
                    "--runtime", RUNTIME], check=True, capture_output=True,
                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # no leak check where another one traces
    return [line for line in trace.read_text().splitlines()[1:] if re.search(r"\b(execve|clone3?|v?fork)\(", line)]


def test_get__that_fell_twice_starts_no_process_the_second_time(store, tmp_path):
    spec = magika(tmp_path)
    first = get(spec)
    assert results(first) == ["failed", "failed", "built"] and first["precision"] == "fp32"
    int8, fp16, _ = first["ladder"]
    assert "Scale coefficients must all be positive" in int8["reason"]
    assert fp16["class"] == "mixed-types" and "must have same input types" in fp16["reason"]
    assert len(notes(store, "refusals")) == 2 and notes(store, "backoff") == []
    second = get(spec)
    assert results(second) == ["refused", "refused", "hit"] and second["digest"] == first["digest"]
    assert "must have same input types" in second["ladder"][1]["reason"]
    assert "--retry" in second["ladder"][1]["reason"] and second["ladder"][1]["class"] == "mixed-types"
    assert second["seconds"] < 1
    assert programs_started(tmp_path, spec) == []
    again = get(spec, "--retry")
    assert results(again) == ["failed", "failed", "hit"]
    assert programs_started(tmp_path, spec, "--retry") != []
    assert results(get(spec)) == ["refused", "refused", "hit"]


def test_get__refusal_is_of_one_recipe(store, tmp_path):
    spec = magika(tmp_path)
    get(spec)
    spec.write_text(spec.read_text().replace("64x2048", "32x2048"))
    assert results(get(spec)) == ["failed", "failed", "built"]
    spec.write_text(spec.read_text().replace("32x2048", "64x2048"))
    assert results(get(spec)) == ["refused", "refused", "hit"]


def test_get__refusal_of_another_classifier_is_tried_again(store, tmp_path):
    spec = magika(tmp_path)
    get(spec)
    for path in store.glob("hosts/*/refusals/*.json"):
        note = json.loads(path.read_text())
        note["classifier"] += 1
        path.write_text(json.dumps(note))
    assert results(get(spec)) == ["failed", "failed", "hit"]
    for path in store.glob("hosts/*/refusals/*.json"):
        path.write_text("not JSON")
    assert results(get(spec)) == ["failed", "failed", "hit"]


def test_get__what_looking_at_the_model_tells_is_refused_too(store, tmp_path):
    spec = magika(tmp_path, "transposed")
    first = get(spec)
    assert results(first) == ["failed", "failed", "built"]
    assert first["ladder"][0]["class"] == "quantized-constant" and "preflight" in first["ladder"][0]["reason"]
    assert results(get(spec)) == ["refused", "refused", "hit"]


def test_get__refusals_alone_exit_1_and_say_why(store):
    args = ["get", model("silero_vad"), "--runtime", RUNTIME, "--shapes", "input=1x576,state=2x1x128"]
    assert run(*args).returncode == 1
    remembered, = answer(*args, status=1)
    assert results(remembered) == ["refused"] and remembered["path"] is None
    told = run(*args)
    assert told.returncode == 1 and "refused" in told.stderr and "--retry" in told.stderr


# ---- workers that misbehave in ways the real one does not on demand ----

HEAD = """
import hashlib, json, os, signal, sys, time
request = json.loads(sys.stdin.readline())
open({count!r}, "a").write("x")
def say(**line): print(json.dumps(line), flush=True)
def write(data, told=None):
    open(request["output"], "wb").write(data)
    say(type="result", ok=True, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), release=request["release"])
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """fake(script) makes `script` the worker; fake.runs() counts how often one was started; fake.real() ends it."""
    folder = tmp_path / "libexec"
    folder.mkdir()
    count = tmp_path / "count"

    def install(script):
        (folder / "tenon_worker.py").write_text(HEAD.format(count=str(count)) + script)
        monkeypatch.setenv("TENON_LIBEXEC", str(folder))

    install.runs = lambda: len(count.read_text()) if count.exists() else 0
    install.real = lambda: monkeypatch.delenv("TENON_LIBEXEC")
    return install


TROUBLE = {
    "signal": ("os.kill(os.getpid(), signal.SIGSEGV)", [], "SIGSEGV"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", [], "SIGKILL"),
    "hang": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(60)", ["--time-limit", "1s"],
             "timeout"),
    "flood": ("while True: sys.stdout.write('y' * 65536 + '\\n')", [], "flooded"),
    "no-result": ("sys.exit(0)", [], "without a result"),
    "no-file": ("say(type='result', ok=True, bytes=9, sha256='0' * 64, release=request['release'])", [], "no-file"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_get__trouble_leaves_a_backoff_and_never_a_refusal(store, tmp_path, fake, kind):
    script, options, words = TROUBLE[kind]
    net = squeezenet(tmp_path)
    fake(script)
    first, = answer("get", net, "--runtime", RUNTIME, *options, status=1)
    assert results(first) == ["failed"] and words in first["ladder"][0]["reason"]
    assert first["ladder"][0]["class"] and first["ladder"][0]["retry_in_ms"] is None
    assert notes(store, "refusals") == [] and len(notes(store, "backoff")) == 1
    second, = answer("get", net, "--runtime", RUNTIME, *options, status=1)
    assert results(second) == ["backoff"] and words in second["ladder"][0]["reason"]
    assert 0 < second["ladder"][0]["retry_in_ms"] <= 60000
    assert second["ladder"][0]["class"] == first["ladder"][0]["class"]
    assert fake.runs() == 1
    answer("get", net, "--runtime", RUNTIME, "--retry", *options, status=1)
    assert fake.runs() == 2
    fake.real()
    assert results(get(net, "--retry")) == ["built"]
    assert notes(store, "backoff") == [] and list(store.glob("tmp/*")) == []


def test_get__memory_limit_leaves_a_backoff(store, tmp_path):
    if os.environ.get("TENON_SANITIZED"):
        pytest.skip("the limit is the worker's own; tried without sanitizers")
    net = squeezenet(tmp_path)
    first, = answer("get", net, "--runtime", RUNTIME, "--memory-limit", "250MiB", status=1)
    assert results(first) == ["failed"] and "memory" in first["ladder"][0]["reason"]
    assert results(answer("get", net, "--runtime", RUNTIME, status=1)[0]) == ["backoff"]
    assert results(get(net, "--retry")) == ["built"]


def test_get__trouble_again_doubles_the_pause_and_a_passed_pause_is_no_obstacle(store, tmp_path, fake):
    net = squeezenet(tmp_path)
    fake("sys.exit(3)")
    for times, seconds in enumerate([60, 120, 240], 1):
        answer("get", net, "--runtime", RUNTIME, status=1)
        assert fake.runs() == times
        found, = answer("get", net, "--runtime", RUNTIME, status=1)
        assert results(found) == ["backoff"] and fake.runs() == times
        assert (seconds - 30) * 1000 < found["ladder"][0]["retry_in_ms"] <= seconds * 1000
        for path in store.glob("hosts/*/backoff/*.json"):
            note = json.loads(path.read_text())
            note["monotonic_ns"] -= seconds * 10**9
            path.write_text(json.dumps(note))
    fake.real()
    assert results(get(net)) == ["built"]


def test_get__trouble_on_one_rung_falls_to_the_next(store, tmp_path, fake):
    net = squeezenet(tmp_path)
    plan = get(net, "--store", tmp_path / "other-store")["path"]
    fake(f"""
if request["op"] == "convert" or request["precision"] == "fp16":
    sys.exit(1)
write(open({plan!r}, "rb").read())
""")
    assert results(get(net, "--precision", "fp16,fp32")) == ["failed", "built"]
    assert results(get(net, "--precision", "fp16,fp32")) == ["backoff", "hit"]
    assert fake.runs() == 2


def test_get__a_plan_of_another_version_is_set_aside_and_not_made_again(store, tmp_path, fake):
    net = squeezenet(tmp_path)
    plan = CORPUS / "rtx/6d4184ea-rtx1.6.1-mm-fp32.full"
    fake(f"write(open({str(plan)!r}, 'rb').read())")
    first, = answer("get", net, "--runtime", RUNTIME, status=1)
    assert results(first) == ["failed"] and first["ladder"][0]["class"] == "not-as-promised"
    assert "1.7.1.116" in first["ladder"][0]["reason"] and "1.6.1.120" in first["ladder"][0]["reason"]
    why, = [json.loads(path.read_text()) for path in store.glob("aside/*/reason.json")]
    aside, = store.glob("aside/*/plan")
    assert "1.6.1.120" in why["reason"] and aside.read_bytes() == plan.read_bytes()
    second, = answer("get", net, "--runtime", RUNTIME, status=1)
    assert results(second) == ["refused"] and "1.6.1.120" in second["ladder"][0]["reason"]
    assert fake.runs() == 1 and len(list(store.glob("aside/*/plan"))) == 1
    fake.real()
    assert results(get(net, "--retry")) == ["built"] and results(get(net)) == ["hit"]


def test_get__a_file_that_is_no_engine_is_set_aside(store, tmp_path, fake):
    net = squeezenet(tmp_path)
    fake("write(b'no engine at all ' * 1000)")
    first, = answer("get", net, "--runtime", RUNTIME, status=1)
    assert results(first) == ["failed"] and "no whole engine" in first["ladder"][0]["reason"]
    assert len(list(store.glob("aside/*/reason.json"))) == 1
    assert results(answer("get", net, "--runtime", RUNTIME, status=1)[0]) == ["refused"]
    assert fake.runs() == 1
