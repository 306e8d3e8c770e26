"""tenon explain-log: pasted logs, real transcripts of trtexec, input of any size."""
import json
import os
import pathlib
import resource
import subprocess

import pytest

from conftest import ROOT, TENON, answer, run

FACTS = pathlib.Path(os.environ.get("TENON_TEST_FACTS", ROOT / ".." / "shared" / "facts")) / "trtexec"
TOLD = {
    "10.15-load-det2": ("trt-version", "plan", True),
    "10.15-load-rtx14": ("flavor", "plan", True),
    "10.15-load-trunc-half": ("truncated", "plan", True),
    "10.15-onnx-custom-op": ("unsupported-operator", "rung", True),
    "10.6-gpu-memory-none-load": ("no-memory", "device", False),
    "10.6-load-no-gpu-visible": ("cuda-unavailable", "device", False),
    "10.6-onnx-ext": ("external-data-missing", "model", True),
    "10.6-unknown-option": ("option", "request", True),
    "10.6-load-shape-name": ("bad-profile", "request", True),
    "8.6-onnx-custom-op": ("plugin-missing", "plan", True),
    "8.6-load-tiny": ("trt-version", "plan", True),
    "8.6-load-trunc86": ("truncated", "plan", True),
    "11.1-option-fp16": ("option", "request", True),
}
needs_facts = pytest.mark.skipif(not FACTS.is_dir(), reason="needs TENON_TEST_FACTS")


@needs_facts
@pytest.mark.parametrize("name, wanted", TOLD.items())
def test_transcript__tells_its_class(name, wanted):
    found, = answer("explain-log", FACTS / f"{name}.txt")
    assert (found["class"], found["scope"], found["lasting"]) == wanted
    line = (FACTS / f"{name}.txt").read_text(errors="replace").split("\n")[found["line_number"] - 1]
    assert found["line"].strip()[:40] in line and found["meaning"] and found["cure"]


@needs_facts
@pytest.mark.parametrize("name", ["10.6-load-ok", "10.6-build-verbose", "8.6-build-verbose", "10.6-help",
                                  "10.6-build-qdq-int8"])
def test_transcript__of_a_run_that_went_well_names_no_error(name):
    done = run("explain-log", FACTS / f"{name}.txt", "--json")
    assert json.loads(done.stdout)["scope"] in (None, "warning"), done.stdout


def test_stdin__of_any_size_takes_bounded_memory():
    before = b"\x1b[32m[I] [TRT] nothing\x1b[0m\r\n" * 400_000 + b"x" * 20_000_000 + b"\n"

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 20, 8 << 20))

    done = subprocess.run([TENON, "explain-log", "-", "--json"], capture_output=True,
                          input=before + b"\x1b[31m[TRT] ERROR: OutOfMemory (1)\x1b[0m\r\n",
                          preexec_fn=None if os.environ.get("TENON_SANITIZED") else limit)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["line_number"], found["line"]) == (400_002, "[TRT] ERROR: OutOfMemory (1)")


def test_log__with_nothing_telling_exits_1(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"hello\0world\n\xff\xfe\n[E] [TRT] Engine deserialization failed\n")
    found, = answer("explain-log", log, status=1)
    assert found["class"] == "generic" and "before" in found["cure"]
    log.write_bytes(b"")
    done = run("explain-log", log)
    assert done.returncode == 1 and done.stdout == "" and "no line" in done.stderr
    assert run("explain-log", tmp_path / "none").returncode == 66
