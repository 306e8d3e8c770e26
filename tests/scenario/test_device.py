"""`tenon device` as a person and a deploy script run it."""
import json
import os
import pathlib
import stat
import subprocess

import pytest

from conftest import RTX, TENON, answer, needs_rtx, run


@pytest.fixture
def bare(monkeypatch):
    """No environment that would lead to a TensorRT."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "TRT_VERSION", "TENON_RUNTIME", "TENON_TOOLCHAINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_this_machine_is_described_in_both_forms(bare):
    fingerprint = answer("device")[0]
    assert fingerprint["schema"] == "tenon-fingerprint/1"
    assert fingerprint["arch"] == os.uname().machine
    for key in ("os", "platform", "driver", "cuda", "jetson", "gpus", "runtimes", "toolchains", "notes"):
        assert key in fingerprint
    done = run("device")
    assert done.returncode == 0
    for word in ("GPUs", "System", "Runtimes", "Toolchains"):
        assert word in done.stdout
    if not fingerprint["gpus"]:
        assert "none" in done.stdout.splitlines()[0]


def test_keys_are_sorted_and_integers_are_integers(bare):
    text = run("device", "--device", "h200+trt10.6.0.26", "--json").stdout
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) + "\n"
    gpu = json.loads(text)["gpus"][0]
    assert gpu["memory_bytes"] == 150109880320 and gpu["integrated"] is False and gpu["uuid"] is None


def test_boards_are_listed_one_per_line_and_each_can_be_named(bare):
    names = run("device", "--boards").stdout.split()
    assert len(names) == len(set(names)) == 19
    details = answer("device", "--boards")
    assert [board["label"] for board in details] == names
    for name in names:
        assert answer("device", "--device", name)[0]["gpus"][0]["product"] == name


@pytest.mark.parametrize("device, expression, status", [
    ("orin-nano+trt8.5.2.2", "trt>=8.4 and cc=8.7", 0),
    ("orin-nano+trt8.5.2.2", "trt>=8.6 or cc=8.6", 1),
    ("t4+trt8.4.1.5", "trt>=8.4 and cc=8.7", 1),
    ("t4+trt8.4.1.5", "rtx>=1", 1),
    ("t4+trt8.4.1.5", "not rtx>=1", 0),
    ("t4+trt8.4.1.5", "gpu in (t4, a10) and trt=8.4", 0),
])
def test_require_answers_by_its_exit_status(bare, device, expression, status):
    done = run("device", "--device", device, "--require", expression)
    assert done.returncode == status, done.stderr
    assert (done.stdout == "") == (status == 0)


def test_require_says_what_failed_and_what_was_found(bare):
    done = run("device", "--device", "t4+trt8.4.1.5", "--require", "trt>=8.6 and cc=7.5")
    assert done.stdout == "no: runtime.trt = 8.4.1.5, wanted >= 8.6\n"
    told = answer("device", "--device", "t4+trt8.4.1.5", "--require", "trt>=8.6 and cc=8.7", status=1)[0]
    assert told == {"satisfied": False, "unmet": ["runtime.trt = 8.4.1.5, wanted >= 8.6",
                                                  "gpu.compute_capability = 7.5, wanted = 8.7"]}
    assert run("device", "--device", "t4", "--require", "trt>=8.6", "-q").stdout == ""


def test_a_mistake_in_the_expression_is_shown_with_a_caret(bare):
    expression = "trt>=8.4 && cc=8.7"
    done = run("device", "--require", expression)
    assert done.returncode == 2 and done.stdout == ""
    first, shown, caret = done.stderr.splitlines()
    assert "column 10" in first
    assert shown[caret.index("^")] == "&" and shown.strip() == expression


def test_a_fingerprint_file_stands_for_its_machine(bare, tmp_path):
    path = tmp_path / "line7.json"
    assert run("device", "--device", "xavier-nx+trt8.5.2.2", "--output", path).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    again = answer("device", "--device", path)[0]
    assert again["label"] == "line7.json" and again["jetson"]["module"] == "Jetson Xavier NX"
    assert run("device", "--device", path, "--require", "trt = 8.5.2.2 and cc = 7.2").returncode == 0


@pytest.mark.parametrize("text, status", [
    ("", 65), ("{", 65), ("[]", 65), ("{}", 65), ('{"schema":"tenon-fingerprint/1","gpus":[3]}', 65),
    ('{"schema":"tenon-fingerprint/1"}' + " " * (2 << 20), 65), (None, 66),
], ids=["empty", "cut", "list", "no-schema", "no-gpu", "too-big", "missing"])
def test_a_file_that_is_no_fingerprint_is_refused(bare, tmp_path, text, status):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    done = run("device", "--device", path)
    assert done.returncode == status and done.stderr.startswith("tenon device: ")


def test_an_unknown_board_gets_a_suggestion(bare):
    done = run("device", "--device", "rtx409")
    assert done.returncode == 66 and "rtx4090" in done.stderr


def test_a_broken_toolchains_yaml_is_told_with_its_line(bare, tmp_path, monkeypatch):
    path = tmp_path / "toolchains.yaml"
    path.write_text("toolchains:\n  - kind: python\n    pyhton: /usr/bin/python3\n")
    path.chmod(0o600)
    monkeypatch.setenv("TENON_TOOLCHAINS", str(path))
    done = run("device")
    assert done.returncode == 65 and "toolchains.yaml:3" in done.stderr


def test_output_that_cannot_be_written_is_an_error(bare):
    done = subprocess.run([TENON, "device", "--device", "t4"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE)
    assert done.returncode == 74
    assert run("device", "--device", "t4", "--output", "/nonexistent/x.json").returncode == 66


def test_without_a_gpu_nothing_of_tensorrt_is_opened(bare, tmp_path):
    """The probe reads records; it loads no TensorRT and starts no process."""
    trace = tmp_path / "trace"
    env = {"VIRTUAL_ENV": os.path.dirname(os.path.dirname(RTX))} if RTX else {}
    done = subprocess.run(["strace", "-f", "-e", "trace=execve,openat", "-o", str(trace), TENON, "device"],
                          capture_output=True, text=True, env={**os.environ, **env})
    if done.returncode != 0:
        pytest.skip("strace cannot trace here")
    text = trace.read_text()
    assert text.count("execve(") == 1
    assert not [line for line in text.splitlines() if "O_DIRECTORY" not in line and
                ("libnvinfer" in line or "libtensorrt" in line) and ".so" in line]


@needs_rtx
def test_the_real_tensorrt_rtx_is_found_with_its_exact_version(bare, monkeypatch, tmp_path):
    prefix = os.path.dirname(os.path.dirname(RTX))
    monkeypatch.setenv("VIRTUAL_ENV", prefix)
    fingerprint = answer("device")[0]
    assert [(r["kind"], r["version"], r["found_by"]) for r in fingerprint["runtimes"]] == [("rtx", "1.7.1.116", "pip")]
    assert os.path.isfile(fingerprint["runtimes"][0]["path"])
    toolchain = fingerprint["toolchains"][0]
    assert (toolchain["kind"], toolchain["version"], toolchain["builds"]) == ("python", "1.7.1.116", "rtx")
    assert run("device", "--require", "rtx = 1.7.1.116").returncode == 0
    assert run("device", "--require", "rtx > 1.7.1.116").returncode == 1


@needs_rtx
def test_toolchains_yaml_names_the_real_one(bare, monkeypatch, tmp_path):
    path = tmp_path / "toolchains.yaml"
    path.write_text(f"toolchains:\n  - {{ id: ours, kind: python, python: {RTX} }}\n")
    path.chmod(0o600)
    fingerprint = answer("device", "--toolchains", path)[0]
    assert fingerprint["toolchains"][0]["id"] == "ours"
    assert fingerprint["toolchains"][0]["path"] == RTX
    path.chmod(0o666)
    assert any("not read" in note for note in answer("device", "--toolchains", path)[0]["notes"])


LIBRARY = """
#include <stdint.h>
#include <stdlib.h>
int32_t getInferLibMajorVersion(void) { return 10; }
int32_t getInferLibMinorVersion(void) { return 6; }
int32_t getInferLibPatchVersion(void) { return 0; }
int32_t getInferLibBuildVersion(void) { return 26; }
"""


def compiled(folder, name, source):
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "library.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / name, folder / "library.c"], check=True)
    (folder / name).chmod(0o755)


def runtimes(folder):
    return {r["path"]: r for r in answer("device", env={"LD_LIBRARY_PATH": str(folder)})[0]["runtimes"]}


def test_device__asks_a_library_whose_build_number_no_record_tells(tmp_path):
    compiled(tmp_path / "lib", "libnvinfer.so.10", LIBRARY)
    found = runtimes(tmp_path / "lib")[str(tmp_path / "lib/libnvinfer.so.10")]
    assert found["version"] == "10.6.0.26" and "asked" in found["found_by"]


def test_device__survives_a_library_that_crashes_when_it_is_opened(tmp_path):
    compiled(tmp_path / "lib", "libnvinfer.so.10",
             "#include <stdlib.h>\n__attribute__((constructor)) static void boom(void) { abort(); }\n")
    found = runtimes(tmp_path / "lib")[str(tmp_path / "lib/libnvinfer.so.10")]
    assert found["version"] in (None, "10") and "asked" not in found["found_by"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to own files as another user")
def test_device__never_opens_a_library_that_another_user_could_change(tmp_path):
    marker = tmp_path / "opened"
    compiled(tmp_path / "lib", "libnvinfer.so.10", LIBRARY + f"""
#include <fcntl.h>
__attribute__((constructor)) static void tell(void) {{ (void)!creat("{marker}", 0600); }}
""")
    os.chown(tmp_path / "lib", 65534, 65534)
    runtimes(tmp_path / "lib")
    assert not marker.exists()


@needs_rtx
def test_probe__reads_the_version_out_of_the_real_library():
    library = next(pathlib.Path(RTX).parent.parent.glob("lib/python3*/site-packages/tensorrt_rtx_libs/libtensorrt_rtx.so.1"))
    probe = pathlib.Path(TENON).parent / "tenon-probe"
    done = subprocess.run([probe, library], capture_output=True, text=True, env={"PATH": "/usr/bin"})
    assert (done.returncode, done.stdout) == (0, "1.7.1.116\n"), done.stderr
    assert subprocess.run([probe, "/nonexistent.so"], capture_output=True).returncode == 1
