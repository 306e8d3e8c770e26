"""tn_engine_load() in a program of somebody else: real engines, a deserialization that does what the test says."""
import json
import os
import pathlib
import re
import signal
import subprocess

import jsonschema
import pytest

import fakes
from conftest import BUILD, ROOT, answer, model, needs_rtx
from conftest import run as run_tenon

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"
VERSION_LINE = ("1:1: [stdArchiveReader.cpp::StdArchiveReader::40] Error Code 1: Serialization (Serialization assertion "
                "stdVersionRead == serializationVersion failed.)")
DEVICE_LINE = "1:CUDA initialization failure with error: 35"


@pytest.fixture
def load(store, monkeypatch):
    """Runs a service: load(model, *steps, options) -> calls of its callback, answers, exit status."""
    monkeypatch.setenv("TENON_TOOLCHAINS", str(BUILD / "toolchains.yaml"))

    def run(wanted, *steps, status=0, **options):
        options = ";".join(f"{name}={value}" for name, value in {"runtime": RUNTIME, **options}.items())
        done = subprocess.run([BUILD / "tests/scenario/loader", wanted, options, *steps], capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        assert done.stderr == "", "a library prints nothing"
        lines = done.stdout.splitlines()
        return (len([line for line in lines if line.startswith("call ")]),
                [json.loads(line) for line in lines if line.startswith("{")])
    return run


@pytest.fixture
def net(tmp_path):
    copy = tmp_path / "net.onnx"
    copy.write_bytes(pathlib.Path(model("light_squeezenet")).read_bytes())
    return copy


def files(store, pattern):
    return sorted(store.glob(pattern))


def outcomes(store):
    return [line for path in files(store, "hosts/*/spool/outcomes.jsonl")
            for line in map(json.loads, path.read_text().splitlines()) if line["schema"] == "tenon-outcome/1"]


def rungs(one):
    return [(rung["rung"], rung["result"]) for rung in one["report"]["ladder"]]


def test_load__builds_once_and_proves_by_loading(load, store, net):
    calls, [one] = load(net, "ok")
    assert (calls, one["code"], one["object"]) == (1, "OK", "an engine")
    assert one["report"]["source"] == "built" and one["report"]["level"] == "loaded"
    jsonschema.validate(one["report"], json.loads((ROOT / "docs/schemas/get.schema.json").read_text()))
    shown = answer("cache", "show", one["report"]["digest"])[0]
    assert one["report"]["record"] == shown["record"]
    calls, [one] = load(net, "ok", level="loaded")
    assert calls == 1 and one["report"]["source"] == "store"
    assert [(o["by"], o["result"], o["source"], o["rung"]) for o in outcomes(store)] == [
        ("application", "ok", "built", 1), ("application", "ok", "store", 1)]
    assert all(o["seconds"] >= 0 and o["model"] == "net" and o["runtime"] == RUNTIME for o in outcomes(store))
    assert not files(store, "hosts/*/loading/*")


def forget_pages(plan):
    with open(plan, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_load__notes_whether_the_plan_came_from_the_disk(load, store, net):
    if subprocess.run(["stat", "-fc", "%T", store.parent], capture_output=True, text=True).stdout.strip() == "tmpfs":
        pytest.skip("files in memory are never cold")
    load(net, "ok")
    [plan] = files(store, "objects/sha256/*/*/plan")
    forget_pages(plan)
    load(net, "ok", no_verify=1)  # else its digest is checked, as the file is new: that reads it
    forget_pages(plan)
    load(net, "ok")
    assert [(o["result"], o["cold"], o["lasting"]) for o in outcomes(store)] == [
        ("ok", False, False), ("ok", True, False), ("ok", False, False)]
    schema = json.loads((ROOT / "docs/schemas/outcome.schema.json").read_text())
    for outcome in outcomes(store):
        jsonschema.validate(outcome, schema)
        assert set(schema["properties"]) - {"position"} == set(outcome)
    assert answer("cache", "stats")[0]["loads"][0]["cold"] is False


def test_load__notes_what_is_the_lasting_fault_of_an_engine(load, store, net):
    """What the device, the application or a changed byte is to blame for counts against no class."""
    load(net, VERSION_LINE, "null", DEVICE_LINE, precision="fp32,fp16", status=1)
    assert [(o["class"], o["lasting"]) for o in outcomes(store)] == [("trt-version", True), ("silent", False)]


def test_load__goes_to_the_next_rung_and_remembers(load, store, net):
    ladder = {"precision": "fp32,fp16"}
    calls, [one] = load(net, VERSION_LINE, "ok", **ladder)
    assert calls == 2 and rungs(one) == [("fp32", "failed"), ("fp16", "built")]
    reason = one["report"]["ladder"][0]
    assert reason["class"] == "trt-version" and "load: trt-version" in reason["reason"]
    assert "set aside" in one["report"]["warnings"][0]
    [aside] = files(store, "aside/*/reason.json")
    assert "stdVersionRead" in json.loads(aside.read_text())["reason"]
    calls, [one] = load(net, "ok", **ladder)
    assert calls == 1 and rungs(one) == [("fp32", "refused"), ("fp16", "hit")]
    assert len(files(store, "aside/*")) == 1 and len(files(store, "objects/sha256/*/*/plan")) == 1
    # the command meets the same memory
    assert [rung["result"] for rung in answer("get", net, "--precision", "fp32,fp16", "--runtime", RUNTIME)[0]["ladder"]] \
        == ["refused", "hit"]


def test_load__tells_rung_by_rung_when_none_loads(load, store, net):
    calls, [one] = load(net, VERSION_LINE, "null", precision="fp32,fp16", status=1)
    assert calls == 2 and one["code"] == "NOENGINE"
    assert "fp32: load: trt-version" in one["text"] and "fp16: load: silent" in one["text"]
    assert len(files(store, "hosts/*/refusals/*")) == 1 and len(files(store, "hosts/*/backoff/*")) == 1
    calls, [one] = load(net, "ok", precision="fp32,fp16", status=1)
    assert calls == 0 and "failed for a lasting reason" in one["text"] and "had trouble" in one["text"]
    calls, [one] = load(net, "ok", precision="fp32,fp16", retry=1)
    assert calls == 1 and rungs(one) == [("fp32", "built")]


def flip(store):
    [plan] = files(store, "objects/sha256/*/*/plan")
    plan.chmod(0o644)
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 0xff
    plan.write_bytes(data)
    plan.chmod(0o444)


def test_load__changed_byte_never_reaches_the_application(load, store, net):
    load(net, "ok")
    flip(store)
    calls, [one] = load(net, "ok")
    assert calls == 1 and one["report"]["source"] == "built"
    assert len(files(store, "aside/*")) == 1


def test_load__changed_byte_that_was_not_looked_for_is_no_fault_of_the_recipe(load, store, net):
    load(net, "ok")
    flip(store)
    calls, [one] = load(net, VERSION_LINE, "ok", no_verify=1)
    assert calls == 2 and rungs(one) == [("fp32", "built")]
    assert len(files(store, "aside/*")) == 1 and not files(store, "hosts/*/refusals/*")


def test_load__trouble_of_the_device_keeps_the_engine(load, store, net):
    calls, [one] = load(net, DEVICE_LINE, precision="fp32,fp16", status=1)
    [plan] = files(store, "objects/sha256/*/*/plan")
    assert calls == 1 and one["code"] == "AGAIN" and str(plan) in one["text"] and "driver" in one["text"]
    assert not files(store, "hosts/*/refusals/*") and not files(store, "hosts/*/backoff/*")
    calls, [one] = load(net, "ok", precision="fp32,fp16")
    assert calls == 1 and rungs(one) == [("fp32", "hit")]
    assert [o["result"] for o in outcomes(store)] == ["trouble", "ok"]


@pytest.mark.skipif(os.path.exists("/proc/driver/nvidia"), reason="for a machine without a driver")
def test_load__engine_tuned_for_a_gpu_waits_for_one(load, store, net):
    calls, [one] = load(net, "ok", runtime="trt10.6.0.26", status=1)
    assert calls == 0 and one["code"] == "AGAIN" and "no GPU answers" in one["text"] and "kept" not in one["text"]
    plans = [fakes.engine(store, data, model=name, sequence=number) for number, (data, name) in
             enumerate([(b"never loaded", "net"), (b"older", "net"), (b"newer", "net"), (b"another", "other")], 1)]
    for number, digest in enumerate(plans[1:]):
        fakes.note(store, digest, last_used=number + 1, level="loaded", loaded_under=["trt10.6.0.26 driver 570"])
    calls, [one] = load(net, "ok", runtime="trt10.6.0.26", status=1)
    assert calls == 0 and one["code"] == "AGAIN" and f"{plans[2][2:]}/plan'" in one["text"]


@pytest.mark.parametrize("end, number", [("segv", signal.SIGSEGV), ("kill", signal.SIGKILL)])
def test_load__crash_loop_ends_at_the_next_rung(load, store, net, end, number, monkeypatch):
    monkeypatch.setenv("ASAN_OPTIONS", "handle_segv=0")
    ladder = {"precision": "fp32,fp16"}
    for _ in range(3):
        calls, answers = load(net, end, status=-number, **ladder)
        assert calls == 1 and not answers
    assert len(files(store, "hosts/*/loading/*")) == 3
    calls, [one] = load(net, "ok", **ladder)
    assert calls == 1 and rungs(one) == [("fp32", "failed"), ("fp16", "built")]
    assert "3 processes died" in one["report"]["ladder"][0]["reason"]
    assert not files(store, "hosts/*/loading/*") and len(files(store, "aside/*")) == 1
    assert [(o["result"], o["class"]) for o in outcomes(store)] == [("failed", "crash"), ("ok", None)]


def test_load__by_name_takes_what_the_store_has_one_after_the_other(load, store, net):
    answer("get", net, "--precision", "fp32", "--runtime", RUNTIME)
    answer("get", net, "--precision", "fp16", "--runtime", RUNTIME)
    calls, [one] = load("net", VERSION_LINE, "ok", precision="fp32,fp16")
    assert calls == 2 and rungs(one) == [("fp32", "failed"), ("fp16", "hit")]
    calls, [one] = load("net", VERSION_LINE, precision="fp32,fp16", status=1)
    assert calls == 1 and one["code"] == "UNSUPPORTED", "it loaded before"
    assert len(files(store, "objects/sha256/*/*/plan")) == 1


def test_load__engine_of_a_store_that_is_only_read_is_passed_over_the_next_time(load, store, net, tmp_path, monkeypatch):
    answer("get", net, "--runtime", RUNTIME)
    monkeypatch.setenv("TENON_STORE", f"{tmp_path / 'mine'}:{store}")
    ladder = {"precision": "fp32,fp16"}
    calls, [one] = load(net, VERSION_LINE, "ok", **ladder)
    assert calls == 2 and rungs(one) == [("fp32", "failed"), ("fp16", "built")]
    assert any("stays where it is" in warning for warning in one["report"]["warnings"])
    assert len(files(store, "objects/sha256/*/*/plan")) == 1, "nobody touches a store that is only read"
    calls, [one] = load(net, "ok", **ladder)
    assert calls == 1 and rungs(one) == [("fp32", "refused"), ("fp16", "hit")]
    calls, [one] = load("net", "ok", **ladder)
    assert calls == 1 and one["report"]["precision"] == "fp16"
    calls, [one] = load(net, "ok", retry=1, **ladder)
    assert calls == 1 and rungs(one) == [("fp32", "hit")]


def test_load__threads_share_a_loader(load, store, net):
    calls, answers = load(net, "ok", threads=8)
    assert calls == 8 and [one["code"] for one in answers] == ["OK"] * 8
    sources = [one["report"]["source"] for one in answers]
    assert sources.count("built") == 1 and set(sources) <= {"built", "waited", "store"}
    assert len(files(store, "objects/sha256/*/*/plan")) == 1
    assert len(outcomes(store)) == 8 and not files(store, "hosts/*/loading/*")


def test_load__threads_of_which_one_fails_agree_in_the_end(load, store, net):
    calls, answers = load(net, VERSION_LINE, "ok", precision="fp32,fp16", threads=8, status=0)
    assert all(one["code"] == "OK" for one in answers) and calls >= 9
    assert all(one["report"]["precision"] in ("fp32", "fp16") for one in answers)


def samples(store, tmp_path):
    """{name: {labels: value}} of `cache stats --prom`."""
    file = tmp_path / "tenon.prom"
    assert run_tenon("cache", "stats", "--prom", file).returncode == 0
    subprocess.run(["promtool", "check", "metrics"], stdin=file.open(), check=True)
    found = {}
    for line in file.read_text().splitlines():
        match = re.fullmatch(r"(tenon_\w+)\{(.*)\} (\S+)", line)
        if match:
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2])))
            found.setdefault(match[1], {})[labels] = float(match[3])
    return found


def test_stats__tell_of_the_latest_load_of_each_model(load, store, net, tmp_path):
    load(net, VERSION_LINE, "ok", precision="fp32,fp16")
    [told] = answer("cache", "stats")
    assert told["refusals"] == 1 and told["backoffs"] == 0
    assert told["outcomes"] == {"application": {"failed": 1, "ok": 1, "trouble": 0},
                                "trial": {"failed": 0, "ok": 0, "trouble": 0}}
    [last] = told["loads"]
    assert (last["model"], last["result"], last["precision"], last["rung"], last["source"]) == \
        ("net", "ok", "fp16", 2, "built")
    labels = tuple(sorted({"model": "net", "by": "application", "precision": "fp16", "rung": "2", "source": "built",
                           "runtime": RUNTIME, "gpu_class": last["gpu_class"] or ""}.items()))
    found = samples(store, tmp_path)
    assert found["tenon_load_success"] == {labels: 1} and found["tenon_load_rung"] == {labels: 2}
    assert found["tenon_load_seconds"][labels] == pytest.approx(last["seconds"], abs=1e-6)
    assert found["tenon_refusals"] == {(("kind", "lasting"),): 1, (("kind", "backoff"),): 0}
    assert found["tenon_outcomes"][(("by", "application"), ("result", "failed"))] == 1
    load(net, DEVICE_LINE, precision="fp32,fp16", status=1)
    found = samples(store, tmp_path)
    assert list(found["tenon_load_success"].values()) == [0]
    assert "net by application: trouble (cuda-unavailable), fp16, rung 2" in run_tenon("cache", "stats").stdout
