"""tenon get, build and check --trial through trtexec: from toolchains.yaml to an engine that was loaded."""
import json
import os
import pathlib
import re

import pytest

from conftest import ROOT
from machines import SHAPES, Machine, board, uuid_of

FACTS = pathlib.Path(os.environ.get("TENON_TEST_FACTS", ROOT / ".." / "shared" / "facts")) / "trtexec"
needs_facts = pytest.mark.skipif(not FACTS.exists(), reason="needs the recorded runs of trtexec")
PHASES = ["driver", "context", "library", "runtime", "deserialize", "exec-context", "run"]


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.has(board("h200", uuid_of(1)))
    return machine


@pytest.fixture
def trt(machine):
    return machine.tensorrt("10.6.0.26")


def results(found):
    return [rung["result"] for rung in found["ladder"]]


def test_get__builds_loads_and_hands_out(machine, trt):
    first = machine.get()
    assert (first["source"], first["level"], first["precision"]) == ("built", "loaded", "fp32")
    assert (first["runtime"], first["version"], first["gpu"]) == ("trt10.6.0.26", "10.6.0.26", "NVIDIA H200")
    assert first["warnings"] == [] and trt.runs() == ["build", "load"]
    assert "--shapes=x:2x3" in trt.asked() and f"CUDA_VISIBLE_DEVICES={uuid_of(1)}" in trt.asked()
    record = json.loads((pathlib.Path(first["path"]).parent / "record.json").read_text())
    assert record["built"]["toolchain"]["kind"] == "trtexec" and record["built"]["driver"] == "580.159.04"
    assert record["recipe"]["class"] == "sm90-132sm-6016bit-l2.62914560-140GiB-discrete"
    starts = machine.cuda_starts()
    second = machine.get()
    assert (second["source"], second["level"], second["digest"]) == ("store", "loaded", first["digest"])
    assert trt.runs() == ["build", "load"] and machine.cuda_starts() == starts


def test_get__shows_where_it_is(machine, trt):
    done = machine.run("get", machine.model, "--shapes", SHAPES)
    assert done.returncode == 0, done.stderr
    steps = [re.sub(r"^ *[0-9.]+ s +", "", line) for line in done.stderr.splitlines() if re.match(r" *[0-9.]+ s  ", line)]
    assert [step.split(":")[1].strip() for step in steps][:2] == ["building", "trying it on the GPU"]
    assert "level    loaded" in done.stderr


@needs_facts
def test_get__falls_as_a_real_build_fell_and_remembers_it(machine, trt):
    trt.does(when=[{"asked": "--fp16", "transcript": str(FACTS / "10.6-onnx-unsupported-op.txt"), "exit": 1}])
    first = machine.get("--precision", "fp16,fp32")
    assert results(first) == ["failed", "built"] and first["precision"] == "fp32" and first["level"] == "loaded"
    fp16 = first["ladder"][0]
    assert fp16["class"] == "unsupported-operator" and 'node 0 [Det -> "y"]' in fp16["reason"]
    assert trt.runs() == ["build", "build", "load"]
    second = machine.get("--precision", "fp16,fp32")
    assert results(second) == ["refused", "hit"] and second["digest"] == first["digest"]
    assert trt.runs() == ["build", "build", "load"]
    again = machine.get("--precision", "fp16,fp32", "--retry")
    assert results(again) == ["failed", "hit"] and trt.runs() == ["build", "build", "load", "build"]


@needs_facts
def test_build__keeps_the_whole_log_of_a_real_build(machine, trt):
    transcript = FACTS / "10.6-build-fp16-shapes.txt"
    trt.does(when=[{"asked": "--fp16", "transcript": str(transcript), "exit": 0}])
    built = machine.answer("build", machine.model, "--shapes", SHAPES, "--precision", "fp16")
    assert built["source"] == "built" and built["precision"] == "fp16"
    log = pathlib.Path(built["log"]).read_text()
    said = [line[12:] for line in transcript.read_text().splitlines() if re.match(r" *[0-9.]+ [oe] ", line)]
    assert len(log.splitlines()) == len(said) > 50
    for line in said:
        assert re.sub(r"^\[[^]]*\] \[.\] (\[TRT\] )?", "", line).strip() in log
    assert machine.run("build", machine.model, "--shapes", SHAPES, "--precision", "fp16").returncode == 0
    assert trt.runs().count("build") == 1


@needs_facts
def test_get__sets_aside_what_a_real_load_refuses(machine, trt):
    trt.does(when=[{"asked": "--iterations=1", "transcript": str(FACTS / "10.6-load-tiny86.txt"), "exit": 1}])
    done = machine.answer("get", machine.model, "--shapes", SHAPES, status=1)
    assert results(done) == ["failed"] and done["ladder"][0]["class"] == "trt-version"
    assert len(list((machine.folder / "store/aside").iterdir())) == 1
    assert trt.runs() == ["build", "load"]
    assert results(machine.answer("get", machine.model, "--shapes", SHAPES, status=1)) == ["refused"]
    assert trt.runs() == ["build", "load"]
    trt.does()
    assert machine.get("--retry")["level"] == "loaded"


@pytest.mark.parametrize("release, alone", [("8.2.5.1", "--buildOnly"), ("8.6.1.6", "--skipInference"),
                                            ("10.6.0.26", "--skipInference"), ("11.1.0.106", "--skipInference")])
def test_get__with_each_generation(machine, release, alone):
    trt = machine.tensorrt(release)
    found = machine.get("--level", "header")
    assert trt.runs() == ["build"] and alone in trt.asked()
    assert (found["version"], found["level"]) == (release, "header")
    assert machine.get()["level"] == "loaded" and trt.runs() == ["build", "load"]


def test_check_trial__proves_and_shows_the_phases(machine, trt):
    path = machine.get()["path"]
    verdict = machine.answer("check", "--trial", path, "--runtime", "trt10.6.0.26")
    assert (verdict["verdict"], verdict["by"]) == ("loads", "trial")
    assert set(verdict["trial"]["phases_ms"]) == set(PHASES) and verdict["trial"]["ran"]
    done = machine.run("check", "--trial", "--verbose", path, "--runtime", "trt10.6.0.26")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" ms")] == [*PHASES, "whole"]


def test_check_trial__of_a_plan_of_another_release(machine, trt):
    other = machine.tensorrt("8.6.1.6")
    path = machine.get("--runtime", "trt10.6.0.26")["path"]
    verdict = machine.answer("check", "--trial", path, "--runtime", "trt8.6.1.6", status=1)
    assert (verdict["verdict"], verdict["by"], verdict["reasons"][0]["code"]) == ("wont-load", "trial", "trt-version")
    assert other.runs() == ["load"] and trt.runs() == ["build", "load"]


def test_check_trial__where_no_driver_answers_starts_no_trtexec(machine, trt):
    path = machine.get()["path"]
    machine.init = 999
    machine.write()
    runs = trt.runs()
    done = machine.run("check", "--trial", path)
    assert done.returncode == 3 and trt.runs() == runs


def test_check_trial__of_what_is_no_whole_engine_starts_nothing(machine, trt):
    whole = pathlib.Path(machine.get()["path"]).read_bytes()
    runs, starts = trt.runs(), machine.cuda_starts()
    wrapper = b'{"stride": 32}'
    for data, code in ((whole[:-1], "truncated"), (whole + b"x", "truncated"), (b"text", "not-an-engine"),
                       (len(wrapper).to_bytes(4, "little") + wrapper + whole, "wrapped")):
        (machine.folder / "x.engine").write_bytes(data)
        verdict = machine.answer("check", "--trial", machine.folder / "x.engine", status=1)
        assert (verdict["verdict"], verdict["by"], verdict["reasons"][0]["code"]) == ("wont-load", "rule", code)
    assert trt.runs() == runs and "tenon-gpu" not in machine.cuda_starts()[len(starts):]
