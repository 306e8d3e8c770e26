"""examples/ as built, and the snippets of docs/library.md."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import BUILD, ROOT, RTX, model, needs_rtx

RUNTIME = "rtx1.7.1.116"
no_gpu = pytest.mark.skipif(os.path.exists("/proc/driver/nvidia"), reason="for a machine without a driver")
shim = pytest.mark.skipif(not (BUILD / "examples/load_engine").exists(), reason="not built with sanitizers")


@pytest.fixture
def example(store, monkeypatch):
    monkeypatch.setenv("TENON_TOOLCHAINS", str(BUILD / "toolchains.yaml"))
    monkeypatch.delenv("TENSORRT_LIBRARY", raising=False)
    return lambda name, *args: subprocess.run([BUILD / "examples" / name, *args], capture_output=True, text=True, timeout=300)


def rtx_library():
    [library] = pathlib.Path(RTX).parent.parent.glob("lib/python3*/site-packages/tensorrt_rtx_libs/libtensorrt_rtx.so.1")
    return library


def outcomes(store):
    [path] = store.glob("hosts/*/spool/outcomes.jsonl")
    return [(line["source"], line["result"], line["class"]) for line in map(json.loads, path.read_text().splitlines())
            if line["schema"] == "tenon-outcome/1"]


@needs_rtx
def test_get_engine__prints_a_path(example):
    done = example("get_engine", model("light_squeezenet"))
    assert done.returncode == 0 and done.stderr == "" and pathlib.Path(done.stdout.strip()).is_file()
    assert example("get_engine").returncode == 2


@needs_rtx
@no_gpu
@shim
@pytest.mark.parametrize("library", [rtx_library, lambda: None], ids=["with", "without"])
def test_load_engine__without_a_driver_keeps_the_engine_for_the_next_start(example, store, library):
    words = [word for word in (model("light_squeezenet"), library()) if word]
    for _ in range(2):
        done = example("load_engine", *words)
        assert done.returncode == 75 and done.stdout == "", done.stderr
        [plan] = store.glob("objects/sha256/*/*/plan")
        last = done.stderr.splitlines()[-1]
        assert "CUDA initialization failure with error: 35" in last and str(plan) in last and "driver" in last
    assert outcomes(store) == [("built", "trouble", "cuda-unavailable"), ("store", "trouble", "cuda-unavailable")]


@shim
def test_load_engine__says_what_is_wrong_with_a_request(example):
    assert example("load_engine").returncode == 2
    done = example("load_engine", "/nonexistent/model.onnx")
    assert done.returncode == 1 and "/nonexistent/model.onnx" in done.stderr


# ---- docs/library.md ----

AROUND = """
#include <stdio.h>
#include <stdlib.h>
#include <tenon/tenon.h>

static bool stopping;
static void fail(const char *text) { puts(text); exit(1); }
static void use(void *object) { (void)object; }
static void *my_deserialize(const void *plan, size_t bytes, struct tn_log *log, void *user)
{ (void)plan; (void)bytes; (void)user; tn_log_line(log, TN_LINE_ERROR, "text"); return NULL; }
"""


def test_library__every_snippet_compiles(tmp_path):
    snippets = re.findall(r"```c\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.S)
    assert len(snippets) >= 4
    body = AROUND
    for number, snippet in enumerate(snippets):
        known = "" if "struct tn_engine *engine" in snippet else "struct tn_engine *engine = NULL; struct tn_error err = { 0 }; (void)engine;"
        body += snippet if snippet.startswith("static") else f"static void snippet_{number}(void) {{ {known}\n{snippet} }}\n"
    body += "int main(void) { (void)stopping; (void)fail; (void)use; (void)my_deserialize; (void)show;\n"
    body += "".join(f"(void)snippet_{n};" for n, s in enumerate(snippets) if not s.startswith("static")) + " return 0; }\n"
    (tmp_path / "snippets.c").write_text(body)
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{ROOT}/include",
                    tmp_path / "snippets.c"], check=True)


def test_library__speaks_of_nothing_that_is_not_there():
    header = (ROOT / "include/tenon/tenon.h").read_text()
    for name in set(re.findall(r"\b(tn_\w+|TN_E_\w+)\(?\)?", (ROOT / "docs/library.md").read_text())):
        assert name.replace("TN_E_", "X(") in header or name in header, name
