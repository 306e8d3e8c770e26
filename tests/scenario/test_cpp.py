"""tenon.hpp and its example, compiled as an application compiles them, against a stand-in for TensorRT's header."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, TENON, model, needs_rtx

pytestmark = pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="links the ordinary library")
RUNTIME = "rtx1.7.1.116"
PROGRAMS = ROOT / "tests/scenario/programs"
BUILD = pathlib.Path(TENON).resolve().parent
FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-pedantic"]


SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]


def compiled(compiler, source, folder, *more):
    """A program, with the headers where an installation puts them."""
    headers = folder / "include/tenon"
    headers.mkdir(parents=True, exist_ok=True)
    for header in (ROOT / "include/tenon/tenon.h", ROOT / "bindings/cpp/tenon.hpp"):
        shutil.copy(header, headers)
    program = folder / source.stem
    subprocess.run([compiler, *FLAGS, *more, "-pthread", f"-I{folder / 'include'}", f"-isystem{PROGRAMS / 'standin'}",
                    str(source), f"-L{BUILD}", "-ltenon", f"-Wl,-rpath,{BUILD}", "-ldl", "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module", params=[["g++"], ["clang++-14"], ["g++", *SANITIZED]], ids=["g++", "clang++", "sanitized"])
def wrapper(request, tmp_path_factory):
    compiler, *more = request.param
    return compiled(compiler, PROGRAMS / "wrapper.cpp", tmp_path_factory.mktemp("wrapper"), *more)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return compiled("g++", ROOT / "examples/load_engine.cpp", tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with a libcuda.so.1 that starts, for LD_LIBRARY_PATH of the application alone."""
    folder = tmp_path_factory.mktemp("driver")
    subprocess.run(["gcc", "-shared", "-fPIC", str(PROGRAMS / "standin/cuda.c"), "-o", str(folder / "libcuda.so.1")],
                   check=True)
    return folder


def run(program, *args, status=0, **env):
    """Runs a program to its end; toolchains lie beside tenon, not beside it."""
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "TENON_TOOLCHAINS": str(BUILD / "toolchains.yaml"), **env})
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with an engine of the model in it, and the engine's path there."""
    folder = tmp_path_factory.mktemp("built") / "store"
    path = subprocess.run([TENON, "get", "-q", model("light_squeezenet"), "--runtime", RUNTIME, "--store", folder],
                          check=True, capture_output=True, text=True).stdout.strip()
    return folder, pathlib.Path(path).relative_to(folder)


@pytest.fixture
def ready(built, store):
    """The path of an engine in a store that the test may spoil."""
    shutil.copytree(built[0], store, symlinks=True)
    return store / built[1]


def lacks_driver():
    return not pathlib.Path("/dev/nvidiactl").exists()


# ---- without an engine ----------------------------------------------------------------------------


def test_cpp__questions_need_neither_tensorrt_nor_an_engine(wrapper, tmp_path):
    path = tmp_path / "empty.engine"
    path.write_bytes(b"")
    facts, verdicts, device = map(json.loads, run(wrapper, "ask", path).stdout.splitlines())
    assert facts["kind"] == "empty"
    assert [(one["runtime"], one["verdict"]) for one in verdicts] == [("trt8.4.1.5", "wont-load")]
    assert device["label"] == "this machine"


def test_cpp__an_error_of_the_library_is_thrown_with_its_code_and_text(wrapper, store):
    done = run(wrapper, "get", "/no/such/model.onnx", RUNTIME, status=1)
    assert done.stdout.startswith("NOTFOUND: ") and "/no/such/model.onnx" in done.stdout


# ---- engines --------------------------------------------------------------------------------------


@needs_rtx
def test_cpp__get_gives_path_bytes_report_and_the_store(wrapper, ready):
    out = run(wrapper, "get", model("light_squeezenet"), RUNTIME).stdout.splitlines()
    assert out[0].split() == [str(ready), str(ready.stat().st_size), "vtrt"]
    assert json.loads(out[1])["source"] == "store"
    assert [(one["path"], one["pinned"]) for one in json.loads(out[2])] == [(str(ready), True)]
    assert json.loads(out[3])["dry_run"] is True


@needs_rtx
def test_cpp__load_by_a_runtime_owns_the_engine(wrapper, ready, tmp_path):
    out = run(wrapper, "load", model("light_squeezenet"), RUNTIME, STANDIN_FATE=str(tmp_path / "fate")).stdout
    assert out.split() == ["2", "2", "1", str(ready)]
    assert (tmp_path / "fate").read_text().split() == ["engine", "runtime"], "each ends once, the runtime last"


@needs_rtx
def test_cpp__objects_of_old_releases_end_by_destroy(wrapper, ready):
    assert run(wrapper, "old", model("light_squeezenet"), RUNTIME).stdout == "destroyed\n"


@needs_rtx
def test_cpp__a_line_from_a_thread_of_tensorrt_explains_the_failure(wrapper, ready):
    done = run(wrapper, "load", model("light_squeezenet"), RUNTIME, status=1,
               STANDIN_LINE="1:Cuda Error in allocate: 2 (out of memory)")
    assert done.stdout.startswith("AGAIN: no-memory") and str(ready) in done.stdout
    assert ready.exists(), "trouble of the device is not the engine's"


@needs_rtx
def test_cpp__an_exception_of_the_callback_comes_out_and_blames_no_engine(wrapper, ready):
    assert run(wrapper, "fail", model("light_squeezenet"), RUNTIME, status=1).stdout == "thrown: my own fault\n"
    assert ready.exists()


@needs_rtx
def test_cpp__an_event_can_stop_and_can_throw(wrapper, store):
    done = run(wrapper, "stop", model("light_squeezenet"), RUNTIME, status=1)
    assert done.stdout.startswith("CANCELLED: ")
    done = run(wrapper, "raise", model("light_squeezenet"), RUNTIME, status=1)
    assert done.stdout == "thrown: from an event\n"
    assert not list(store.glob("objects/sha256/*/*/plan")), "neither built anything"


@needs_rtx
@pytest.mark.skipif(not lacks_driver(), reason="this machine has a driver")
def test_cpp__without_a_driver_no_runtime_is_made(wrapper, ready, tmp_path):
    done = run(wrapper, "make", model("light_squeezenet"), RUNTIME, status=1, STANDIN_FATE=str(tmp_path / "fate"))
    assert done.stdout.startswith("AGAIN: cuda-unavailable") and str(ready) in done.stdout
    assert not (tmp_path / "fate").exists(), "TensorRT was not touched"


@needs_rtx
def test_cpp__a_runtime_that_was_made_for_the_engine_ends_after_it(wrapper, ready, driver, tmp_path):
    out = run(wrapper, "make", model("light_squeezenet"), RUNTIME, STANDIN_FATE=str(tmp_path / "fate"),
              LD_LIBRARY_PATH=str(driver)).stdout
    assert out == "2\n"
    assert (tmp_path / "fate").read_text().split() == ["engine", "runtime"]


# ---- the document ---------------------------------------------------------------------------------

AROUND = """
#include <NvInfer.h>
#include <tenon/tenon.hpp>
static void use(int) {}
"""


@pytest.mark.parametrize("compiler", ["g++", "clang++-14"])
def test_library__every_snippet_of_cpp_compiles(tmp_path, compiler):
    snippets = re.findall(r"```cpp\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.S)
    assert len(snippets) == 2
    body = AROUND
    for number, snippet in enumerate(snippets):
        arguments = "nvinfer1::IRuntime &runtime" if "runtime," in snippet else ""
        body += f"static void snippet_{number}({arguments})\n{{\n{snippet}}}\n"
    body += "int main() { (void)snippet_0; (void)snippet_1; (void)use; }\n"
    (tmp_path / "snippets.cpp").write_text(body)
    compiled(compiler, tmp_path / "snippets.cpp", tmp_path)


# ---- the example ----------------------------------------------------------------------------------


@needs_rtx
def test_cpp_example__loads_where_a_driver_answers_and_exits_75_where_none_does(example, ready, driver):
    done = run(example, model("light_squeezenet"), LD_LIBRARY_PATH=str(driver), TENON_RUNTIME=RUNTIME)
    assert done.stdout == f"{ready}: 2 tensors\n"
    if lacks_driver():
        done = run(example, model("light_squeezenet"), status=75, TENON_RUNTIME=RUNTIME)
        assert "no NVIDIA driver answers" in done.stderr and str(ready) in done.stderr
    assert ready.exists()
    run(example, status=2)
