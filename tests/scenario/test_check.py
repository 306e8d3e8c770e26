"""tenon check: verdicts of the real program over real engines, files that are none, and machines."""
import json
import os
import pathlib
import subprocess

import pytest
from conftest import TENON, answer, model, needs_rtx, run

CORPUS = pathlib.Path(os.environ.get("TENON_TEST_CORPUS",
                                     pathlib.Path(__file__).parents[3] / "shared" / "plan-corpus"))

needs_corpus = pytest.mark.skipif(not (CORPUS / "INDEX.tsv").exists(), reason="needs the plan corpus")


def codes(verdict):
    return [reason["code"] for reason in verdict["reasons"]]


def has_gpu():
    device = json.loads(subprocess.run([TENON, "device", "--json"], capture_output=True, text=True,
                                       check=False).stdout)
    return bool(device["gpus"])


@pytest.fixture(scope="session")
def plans():
    """Whole engines of the corpus."""
    return {
        "8.6 rtx4090": CORPUS / "46e51478-model.plan.full",
        "8.4 rtx2060": CORPUS / "35aebf01-pfe.trt.full",
        "10.6 h200": CORPUS / "h200/10.6__tiny__ws.plan.full",
        "rtx1.7": CORPUS / "rtx/37f92b39-rtx1.7.1-mm-fp16.full",
        "timing cache": CORPUS / "44b867d7-timing.cache.full",
    }


@pytest.fixture
def fingerprint(tmp_path):
    """An H200 and a T4 in one machine with two runtimes, as `tenon device --json` writes it."""
    path = tmp_path / "machine.json"
    device = answer("device", "--device", "h200+trt10.6.0.26+lean10.15.1.29")[0]
    t4 = answer("device", "--device", "t4")[0]["gpus"][0]
    device["gpus"].append({**t4, "index": 1})
    path.write_text(json.dumps(device))
    return path


# ---- files that are no engines ------------------------------------------------------------------


@pytest.mark.parametrize("content, remedy", [
    (b"", "build or copy it again"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n", "git lfs pull"),
    (b"just some text, nothing that a runtime would take for an engine\n", "tenon inspect"),
])
def test_what_is_no_engine_will_not_load_and_gets_a_remedy(tmp_path, content, remedy):
    path = tmp_path / "file.engine"
    path.write_bytes(content)
    verdict, = answer("check", path, "--device", "t4+trt8.4.1.5", status=1)
    assert verdict["verdict"] == "wont-load"
    assert codes(verdict) == ["not-an-engine"]
    assert remedy in verdict["reasons"][0]["remedy"]


def test_a_missing_file_is_an_error_and_the_others_are_still_answered(tmp_path):
    (tmp_path / "a.engine").write_bytes(b"")
    done = run("check", tmp_path / "missing.engine", tmp_path / "a.engine", "--device", "t4+trt8.4.1.5", "--json")
    assert done.returncode == 66
    assert "missing.engine" in done.stderr
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [str(tmp_path / "a.engine")]


@pytest.mark.parametrize("options, status, words", [
    (["--device", "t5"], 66, "t4"),
    (["--device", "t4+trt8.x"], 2, "trt8.x"),
    (["--device", "t4", "--gpu", "7"], 66, "7"),
    (["--device", "t4+trt8.4.1.5", "--runtime", "rtx1.7.1.116"], 66, "rtx1.7.1.116"),
    (["--device", "t4+trt8.4.1.5", "--accept", "everything"], 2, "may-load"),
    (["--device", "/no/such/fingerprint.json"], 66, "fingerprint.json"),
])
def test_a_device_that_cannot_be_named_is_an_error(tmp_path, options, status, words):
    (tmp_path / "a.engine").write_bytes(b"")
    done = run("check", tmp_path / "a.engine", *options)
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_without_a_gpu_and_a_device_it_says_how_to_name_one(tmp_path):
    if has_gpu():
        pytest.skip("this machine has a GPU")
    (tmp_path / "a.engine").write_bytes(b"")
    done = run("check", tmp_path / "a.engine")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "no GPU" in done.stderr and "--device t4+trt8.4.1.5" in done.stderr
    verdict, = answer("check", tmp_path / "a.engine", status=3)
    assert verdict["verdict"] == "unknown" and verdict["gpu"] is None and verdict["runtime"] is None
    assert codes(verdict) == ["cuda-unavailable"]


# ---- engines ------------------------------------------------------------------------------------


@needs_corpus
def test_an_engine_loads_in_its_release_on_its_board(plans):
    verdict, = answer("check", plans["10.6 h200"], "--device", "h200+trt10.6.0.26")
    assert verdict == {"path": str(plans["10.6 h200"]), "device": "h200", "gpu": "NVIDIA H200",
                       "runtime": "trt10.6.0.26", "verdict": "loads", "reasons": [], "by": "rule", "trial": None,
                       "warnings": []}
    assert run("check", plans["10.6 h200"], "--device", "h200+trt10.6.0.26").returncode == 0


@needs_corpus
@pytest.mark.parametrize("plan, device, verdict, expected", [
    ("10.6 h200", "h200+trt10.15.1.29", "wont-load", ["trt-version"]),
    ("10.6 h200", "h200+trt10.6.0.27", "wont-load", ["trt-version"]),
    ("10.6 h200", "h200+trt10.6", "may-load", ["trt-version"]),
    ("10.6 h200", "h200+dispatch10.15.1.29", "wont-load", ["lean-runtime"]),
    ("10.6 h200", "h200+rtx1.7.1.116", "wont-load", ["flavor"]),
    ("10.6 h200", "h200", "may-load", ["unknown"]),
    ("10.6 h200", "l4+trt10.6.0.26", "wont-load", ["compute-capability"]),
    ("8.6 rtx4090", "rtx4090+trt8.6.1.6", "may-load", ["device-model"]),
    ("8.4 rtx2060", "t4+trt8.4.1.5", "may-load", ["device-model"]),
    ("rtx1.7", "rtx4090+rtx1.7.1.116", "loads", []),
    ("rtx1.7", "h200+rtx1.7.1.116", "wont-load", ["compute-capability"]),
    ("timing cache", "rtx4090+trt8.6.1.6", "wont-load", ["not-an-engine"]),
])
def test_each_reason_has_its_code_and_each_verdict_its_status(plans, plan, device, verdict, expected):
    status = {"loads": 0, "wont-load": 1, "may-load": 3}[verdict]
    got, = answer("check", plans[plan], "--device", device, status=status)
    assert got["verdict"] == verdict
    assert codes(got) == expected
    for reason in got["reasons"]:
        assert reason["detail"] and reason["remedy"]
        assert reason["ground"].split(":")[0] in ("measured", "documented", "field report", "inferred")
    accepted = run("check", plans[plan], "--device", device, "--accept", "may-load")
    assert accepted.returncode == (1 if verdict == "wont-load" else 0)


@needs_corpus
def test_one_object_for_each_engine_device_and_runtime(plans, fingerprint):
    both = answer("check", plans["10.6 h200"], plans["8.6 rtx4090"], "--device", fingerprint,
                  "--device", "rtx4090+trt8.6.1.6", "--runtime", "all", status=1)
    assert [(v["path"].split("/")[-1], v["runtime"], v["verdict"]) for v in both] == [
        ("10.6__tiny__ws.plan.full", "trt10.6.0.26", "loads"),
        ("10.6__tiny__ws.plan.full", "lean10.15.1.29", "wont-load"),
        ("10.6__tiny__ws.plan.full", "trt8.6.1.6", "wont-load"),
        ("46e51478-model.plan.full", "trt10.6.0.26", "wont-load"),
        ("46e51478-model.plan.full", "lean10.15.1.29", "wont-load"),
        ("46e51478-model.plan.full", "trt8.6.1.6", "may-load"),
    ]


@needs_corpus
def test_the_gpu_of_a_machine_with_two_boards_is_chosen_and_said(plans, fingerprint):
    options = ["--device", fingerprint, "--runtime", "trt10.6.0.26"]
    first = run("check", plans["10.6 h200"], *options)
    assert first.returncode == 0 and "different GPUs" in first.stderr and "NVIDIA H200" in first.stderr
    second, = answer("check", plans["10.6 h200"], *options, "--gpu", "1", status=1)
    assert second["gpu"] == "Tesla T4" and codes(second) == ["compute-capability"]


@needs_corpus
def test_a_runtime_may_be_given_to_a_board_without_one(plans):
    verdict, = answer("check", plans["10.6 h200"], "--device", "h200", "--runtime", "trt10.6.0.26")
    assert verdict["verdict"] == "loads" and verdict["runtime"] == "trt10.6.0.26"


@needs_corpus
@pytest.mark.parametrize("name", ["8.6 rtx4090", "8.4 rtx2060", "10.6 h200", "rtx1.7"])
def test_a_cut_and_a_lengthened_engine_will_not_load(tmp_path, plans, name):
    whole = plans[name].read_bytes()
    for changed in (whole[:-1], whole[:len(whole) // 2], whole + b"\0"):
        (tmp_path / "x.engine").write_bytes(changed)
        verdict, = answer("check", tmp_path / "x.engine", "--device", "h200+trt10.6.0.26", status=1)
        assert "truncated" in codes(verdict)


@needs_corpus
def test_a_wrapped_engine_loads_once_the_remedy_was_followed(tmp_path, plans):
    text = json.dumps({"description": "a detector", "stride": 32, "names": {"0": "person"}}).encode()
    wrapped = tmp_path / "wrapped.engine"
    wrapped.write_bytes(len(text).to_bytes(4, "little") + text + plans["10.6 h200"].read_bytes())
    verdict, = answer("check", wrapped, "--device", "h200+trt10.6.0.26", status=1)
    assert codes(verdict) == ["wrapped"]
    command = verdict["reasons"][0]["remedy"].split("strip it: ")[1].split(";")[0]
    plain = tmp_path / "plain.engine"
    subprocess.run(command.replace("FILE", str(wrapped)).replace("PLAIN.engine", str(plain)), shell=True, check=True)
    assert plain.read_bytes() == plans["10.6 h200"].read_bytes()
    assert answer("check", plain, "--device", "h200+trt10.6.0.26")[0]["verdict"] == "loads"


@needs_corpus
def test_human_output_is_one_line_a_pair_with_reasons_below(plans):
    done = run("check", plans["10.6 h200"], "--device", "h200+trt10.15.1.29", "--device", "h200+trt10.6.0.26")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("wont-load  ") and lines[0].endswith("trt10.15.1.29")
    assert lines[1] == "    trt-version: built by TensorRT 10.6.0.26, this runtime is 10.15.1.29"
    assert lines[2].startswith("        -> get one for it: tenon get MODEL --runtime trt10.15.1.29")
    assert lines[3].startswith("loads      ") and lines[3].endswith("trt10.6.0.26")
    assert len(lines) == 4
    quiet = run("check", "-q", plans["10.6 h200"], "--device", "h200+trt10.15.1.29")
    assert len(quiet.stdout.splitlines()) == 1
    verbose = run("check", "-v", plans["10.6 h200"], "--device", "h200+trt10.15.1.29")
    assert "        measured: " in verbose.stdout


@needs_rtx
def test_an_engine_built_here_is_known_to_fit_one_device_and_not_another(store):
    got, = answer("get", model("light_squeezenet"))
    version = got["runtime"] if got["runtime"].startswith("rtx") else "rtx" + got["version"]
    verdicts = answer("check", got["path"], "--device", f"rtx4090+{version}", "--device", f"t4+{version}",
                      "--device", "h200+trt10.6.0.26", status=1)
    assert [v["verdict"] for v in verdicts] == ["loads", "wont-load", "wont-load"]
    assert [codes(v) for v in verdicts] == [[], ["compute-capability"], ["flavor"]]
