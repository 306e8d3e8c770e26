"""The wheel, installed alone into a fresh environment: its own tests, its example, and the layout of its structs."""
import ast
import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import ROOT, RTX, TENON, model, needs_rtx

pytestmark = pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="bundles the ordinary library")
BUILD = pathlib.Path(TENON).resolve().parent
RUNTIME = "rtx1.7.1.116"


def command(*words, **kwargs):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=600, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Made by somebody whose umask is careless."""
    folder = tmp_path_factory.mktemp("wheel")
    return pathlib.Path(command("/usr/bin/python3", ROOT / "tools/make-wheel", BUILD, folder, umask=0).strip())


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment with the wheel and, where there is one, TensorRT-RTX."""
    folder = tmp_path_factory.mktemp("environment")
    command("/usr/bin/python3", "-m", "venv", folder)
    command(folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    if RTX:
        site, theirs = (next(at.glob("lib/python3*/site-packages")) for at in (folder, pathlib.Path(RTX).parent.parent))
        for package in theirs.iterdir():
            if not (site / package.name).exists():
                (site / package.name).symlink_to(package)
    return folder / "bin/python"


def clean(**more):
    """The environment of a service: nothing of Tenon's, and none that names a Python or a library."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("TENON_") and name not in ("VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")}
    return {**kept, **more}


def test_wheel__says_what_it_needs_and_brings_the_rest(wheel, tmp_path):
    assert re.fullmatch(r"tenon-0\.1\.0-py3-none-manylinux_2_\d+_(x86_64|aarch64)\.whl", wheel.name)
    command("/usr/bin/python3", "-m", "wheel", "unpack", wheel, "--dest", tmp_path)
    content = next(tmp_path.iterdir())
    glibc = re.search(r"manylinux_2_(\d+)", wheel.name).group(1)
    for file in [*content.glob("tenon/lib/*"), *content.glob("tenon/libexec/tenon/tenon-*")]:
        dynamic = command("readelf", "-d", file)
        for name in re.findall(r"NEEDED.*\[(.+)\]", dynamic):
            beside = content / "tenon/lib" / name
            assert beside.exists() or re.match(r"(libc|libm|libdl|libpthread|ld-linux.*)\.so", name), f"{file}: {name}"
        assert not re.findall(r"(?:RPATH|RUNPATH).*\[(?!\$ORIGIN\])", dynamic), file
        wanted = {int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", command("readelf", "-W", "-V", file))}
        assert max(wanted) <= int(glibc), file
        assert str(ROOT).encode() not in file.read_bytes(), f"{file} names the folder that it was built in"
    names = {path.name.split(".", 1)[0] for path in content.glob("tenon/lib/*")}
    assert not names & {"libcrypto", "libjansson", "libyaml-0", "libz"}, "a copy has a name of its own"
    licensed = {path.name for path in content.glob("*.dist-info/licenses/*")}
    assert len(licensed) == len(names) + 1, "Tenon's own, nanopb's, and one of each bundled library"


def test_wheel__is_the_same_for_the_same_sources(wheel, tmp_path):
    again = pathlib.Path(command("/usr/bin/python3", ROOT / "tools/make-wheel", BUILD, tmp_path).strip())
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()


def test_python__works_beside_the_systems_libcrypto(python):
    script = "import tenon, ssl, hashlib; print(tenon.device()['label'], ssl.OPENSSL_VERSION, hashlib.sha256(b'').hexdigest())"
    assert command(python, "-c", script, env=clean(), cwd="/").startswith("this machine OpenSSL")


def test_python__an_import_without_the_library_says_so(python, tmp_path):
    done = subprocess.run([python, "-c", "import tenon"], capture_output=True, text=True, cwd="/",
                          env=clean(TENON_LIBRARY=str(tmp_path / "libtenon.so.0")))
    assert "ImportError: Tenon's library cannot be opened" in done.stderr


LAYOUT = """
#include <stddef.h>
#include <stdio.h>
#include <tenon/tenon.h>
int main(void) {
%s
    return 0;
}
"""
SHOW = """
import json, tenon._library as c
print(json.dumps({name: [[m[0] for m in cls._fields_], [getattr(cls, m[0]).offset for m in cls._fields_],
                         c.ctypes.sizeof(cls)] for name, cls in vars(c).items()
                  if isinstance(cls, type) and issubclass(cls, c.ctypes.Structure) and hasattr(cls, '_fields_')}))
"""
STRUCTS = {"ErrorStruct": "tn_error", "LoaderOptions": "tn_loader_options", "EventStruct": "tn_engine_event",
           "EngineOptions": "tn_engine_options", "CheckOptions": "tn_check_options"}


def test_python__its_structs_lie_as_the_headers_do(python, tmp_path):
    mine = json.loads(command(python, "-c", SHOW, env=clean(), cwd="/"))
    assert set(mine) == set(STRUCTS)
    body = ""
    for name, struct in STRUCTS.items():
        for member in mine[name][0]:
            body += f'    printf("{name} %zu\\n", offsetof(struct {struct}, {member}));\n'
        body += f'    printf("{name} %zu\\n", sizeof(struct {struct}));\n'
    (tmp_path / "layout.c").write_text(LAYOUT % body)
    command("gcc", f"-I{ROOT / 'include'}", tmp_path / "layout.c", "-o", tmp_path / "layout")
    told = command(tmp_path / "layout").split()
    assert told == [word for name in STRUCTS for at in [*mine[name][1], mine[name][2]] for word in (name, str(at))]
    header = (ROOT / "include/tenon/tenon.h").read_text()
    for name, struct in STRUCTS.items():
        members = re.search(rf"^struct {struct} {{\n(.*?)^}};", header, re.M | re.S).group(1)
        named = re.findall(r"(\w+)(?:\[\d+\])?;", re.sub(r"/\*.*?\*/", "", members, flags=re.S))
        assert mine[name][0] == named, "every member, in order"


def test_python__declares_every_function_of_the_header(python):
    declared = set(re.findall(r"^TN_API[^;(]*?(\w+)\(", (ROOT / "include/tenon/tenon.h").read_text(), re.M))
    source = ast.parse((ROOT / "bindings/python/tenon/_library.py").read_text())
    table = next(node.value for node in source.body if isinstance(node, ast.Assign) and
                 getattr(node.targets[0], "id", "") == "FUNCTIONS")
    mine = {key.value for key in table.keys}
    # what Python says by itself: classes for codes, the object that it keeps
    assert declared - mine == {"tn_error_name", "tn_error_meaning", "tn_engine_object"} and mine <= declared


@needs_rtx
def test_python__its_own_tests_pass_where_the_wheel_is_installed(python, tmp_path):
    done = subprocess.run([python, "-X", "dev", "-W", "error", ROOT / "tests/python/test_tenon.py"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=600,
                          env=clean(TENON_TEST_MODEL=str(model("light_squeezenet")), TENON_TEST_RUNTIME=RUNTIME,
                                    TENON_TEST_SOURCES=str(ROOT), TENON_STORE=str(tmp_path / "store")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"Ran (\d+) tests", done.stderr).group(1)) > 30


SNIPPET = """
import sys, types, tenon._tensorrt
class Engine:
    def create_execution_context(self): return "a context"
class Runtime:
    def __init__(self, logger): pass
    def deserialize_cuda_engine(self, plan): return Engine()
sys.modules["tensorrt"] = types.ModuleType("tensorrt")
vars(sys.modules["tensorrt"]).update(Runtime=Runtime, ILogger=object, __version__="")
tenon._tensorrt.driver_trouble = lambda: None
def my_deserialize(plan): return bytes(plan[:4])
"""


@needs_rtx
def test_library__every_snippet_of_python_runs(python, tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.S)
    assert len(snippets) == 3
    (tmp_path / "model.onnx").symlink_to(model("light_squeezenet"))
    for snippet in snippets:
        command(python, "-W", "error", "-c", SNIPPET + snippet.replace('["fp16", "fp32"]', '["fp32"]'), cwd=tmp_path,
                env=clean(TENON_STORE=str(tmp_path / "store"), TENON_RUNTIME=RUNTIME))


@needs_rtx
@pytest.mark.skipif(pathlib.Path("/dev/nvidiactl").exists(), reason="this machine has a driver")
def test_python_example__builds_keeps_says_why_not_and_builds_no_second_time(python, tmp_path):
    def start():
        return subprocess.run([python, ROOT / "examples/load_engine.py", str(model("light_squeezenet"))], text=True,
                              capture_output=True, timeout=300, cwd=tmp_path, env=clean(TENON_STORE=str(tmp_path / "store")))

    first = start()
    assert first.returncode == 75 and first.stdout == "", first.stderr
    kept = re.search(r"^kept: (.+)$", first.stderr, re.M).group(1)
    assert "no NVIDIA driver answers" in first.stderr and pathlib.Path(kept).is_file()
    built = os.stat(kept)
    second = start()
    assert second.returncode == 75 and f"kept: {kept}\n" in second.stderr
    assert os.stat(kept).st_ino == built.st_ino and len(list((tmp_path / "store/objects/sha256").glob("*/*"))) == 1
