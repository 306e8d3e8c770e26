"""What the scenarios share: the real program, real models, a store of their own."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TENON = os.environ.get("TENON", str(ROOT / "build" / "tenon"))
BUILD = pathlib.Path(TENON).parent
RTX = os.environ.get("TENON_RTX_PYTHON")
RTX16 = os.environ.get("TENON_RTX16_PYTHON")
MODELS = pathlib.Path(os.environ.get("TENON_MODELS", ROOT / "venv" / "models"))

# `make test &` runs with SIGINT ignored, which children would inherit
signal.signal(signal.SIGINT, signal.default_int_handler)

needs_rtx = pytest.mark.skipif(not RTX, reason="needs TENON_RTX_PYTHON (make test sets it)")


def run(*args, env=None, timeout=300, **kwargs):
    """Runs tenon to its end; returns the completed process, text captured."""
    return subprocess.run([TENON, *map(str, args)], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, **kwargs)


def answer(*args, status=0, **kwargs):
    """Runs tenon with --json, asserts the exit status, returns the objects of standard output."""
    done = run(*args, "--json", **kwargs)
    assert done.returncode == status, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store that this test alone uses, and the one toolchain."""
    folder = tmp_path / "store"
    monkeypatch.setenv("TENON_STORE", str(folder))
    for name in ("TENON_RUNTIME", "TENON_TOOLCHAINS"):
        monkeypatch.delenv(name, raising=False)
    return folder


OCR_SHAPES = "x=1x3x320x320:1x3x640x640:1x3x960x960"


def model(name):
    """A real model out of a package: "ocr_det", "magika", "light_squeezenet", …"""
    paths = {
        "ocr_det": MODELS / "demo/rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "ocr_rec": MODELS / "demo/rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "ocr_cls": MODELS / "demo/rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "magika": MODELS / "test/magika/models/standard_v3_3/model.onnx",
        "silero_vad": MODELS / "test/silero_vad/data/silero_vad.onnx",
        "silero_seq": MODELS / "test/silero_vad/data/silero_vad_16k_sequence.onnx",
    }
    if name.startswith("light_"):
        site = pathlib.Path(RTX).parent.parent / "lib"
        found = sorted(site.glob(f"python3*/site-packages/onnx/backend/test/data/light/{name}.onnx"))
        if not found:
            pytest.skip(f"{name} is not in the environment")
        return found[0]
    if not paths[name].exists():
        pytest.skip(f"{name} is not installed (make test installs it)")
    return paths[name]
