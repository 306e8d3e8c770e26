"""tenon inspect on files made here, on the corpus where it is there, and on what is no engine."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import zlib

import pytest

from conftest import ROOT, TENON, answer, run

MADE = ROOT / "tests/fuzz/corpus/plan"
CORPUS = pathlib.Path(os.environ.get("TENON_TEST_CORPUS", ROOT / "../shared/plan-corpus"))


def item(tag, value, bits=0x8000):
    size = {2: 1, 7: 4, 8: 8, 9: 8, 10: 1}[tag]
    return struct.pack("<HH", tag | bits, 1) + int(value).to_bytes(size, "little")


def stream_8_5(weights=64):
    """TensorRT 8.5.3.1 on a board of compute capability 8.9 with 128 SMs and 384 bit."""
    out = b"".join(item(2, part) for part in (8, 5, 3, 1))
    out += struct.pack("<HHHH", 0x8012, 1, 0x8010, 1)
    for tag, value in [(7, 8), (7, 9), (7, 2520000), (7, 10501000), (7, 384), (8, 75497472), (8, 0), (7, 49152),
                       (7, 102400), (7, 512), (7, 128), (10, 0), (7, 1024), (7, 1), (7, 1), (7, 1),
                       (9, 25756696576), (7, 0)]:
        out += item(tag, value)
    out += struct.pack("<HH", 0x7fef, 0x7fed)
    out += struct.pack("<HH", 0x80c1, 1) + item(9, weights) + bytes(weights) + struct.pack("<H", 0x7f3e)
    return out + item(7, 1) + item(10, 0) + bytes(32) + bytes.fromhex("8f8b8d8b")


def plan_8_5():
    payload = stream_8_5()
    return b"ptrt" + struct.pack("<IIIQ", 0, 232, 0, len(payload)) + payload


def plan_7_1():
    out = b"".join(item(2, part, 0) for part in (7, 1, 3, 0)) + struct.pack("<HH", 0x21, 1)
    for tag, value in [(7, 5), (7, 3), (7, 921600), (7, 12750), (7, 64), (8, 262144), (8, 49152), (8, 65536), (8, 512),
                       (7, 1), (10, 1), (7, 1024), (7, 1), (7, 1), (7, 1), (8, 4148445184), (7, 4), (10, 1), (10, 0)]:
        out += item(tag, value, 0)
    out += bytes(64)
    return b"ptrt" + struct.pack("<IIQI", 97, 211, len(out), zlib.crc32(out)) + out


@pytest.fixture
def folder(tmp_path):
    """A folder as one finds them: engines, a broken one, things that are none."""
    (tmp_path / "models/old").mkdir(parents=True)
    files = {
        "models/a.engine": plan_8_5(),
        "models/cut.engine": plan_8_5()[:-100],
        "models/old/nano.plan": plan_7_1(),
        "models/lfs.engine": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "models/empty.trt": b"",
        "models/no-ending": plan_7_1(),
        "models/README.md": b"# Models\n",
        "models/__init__.py": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "models/link.engine").symlink_to("a.engine")
    (tmp_path / "models/loop").symlink_to("..")
    return tmp_path / "models"


def test_the_fields_of_the_contract(folder):
    [facts] = answer("inspect", folder / "a.engine")
    assert set(facts) >= {"path", "size", "kind", "flavor", "version", "platform", "complete", "integrity", "wrapper",
                          "gpu", "compute_capabilities", "serialization_number", "sections", "flags", "io"}
    assert facts["path"] == str(folder / "a.engine")
    assert (facts["kind"], facts["flavor"], facts["version"]) == ("engine", "tensorrt", "8.5.3.1")
    assert facts["complete"] is True and facts["platform"] is None and "version_outer" not in facts
    assert facts["gpu"] == {"compute_capability": "8.9", "sm_count": 128, "memory_bytes": 25756696576,
                            "l2_bytes": 75497472, "bus_bits": 384, "core_khz": 2520000, "memory_khz": 10501000,
                            "integrated": False, "guess": ["rtx4090"]}
    assert facts["flags"]["refit"] is None and facts["flags"]["stripped"] is False
    assert list(facts) == sorted(facts)


def test_exit_status_tells_whole_engines_from_the_rest(folder):
    assert run("inspect", folder / "a.engine").returncode == 0
    for name in ("cut.engine", "lfs.engine", "empty.trt", "README.md"):
        assert run("inspect", folder / name).returncode == 1, name
    assert run("inspect", folder / "missing").returncode == 66
    assert run("inspect").returncode == 2


def test_a_truncated_engine_says_how_much_is_missing(folder):
    out = run("inspect", folder / "cut.engine").stdout
    whole = len(plan_8_5())
    assert "TRUNCATED" in out and f"({whole - 100} of {whole} bytes)" in out


def test_a_stripped_engine_says_loudly_that_it_returns_zeros():
    out = run("inspect", MADE / "trt-10.6-stripped-lean").stdout
    assert "STRIPPED" in out and "returns zeros" in out
    [facts] = answer("inspect", MADE / "trt-10.6-stripped-lean")
    assert facts["flags"] == {"hardware_compatibility": "none", "lean_runtime_inside": True, "stripped": True,
                              "refit": "refit-identical", "weight_streaming": True, "version_compatible": True}


def test_a_header_that_names_another_version_is_reported(tmp_path):
    data = bytearray((MADE / "trt-10.6").read_bytes())
    data[0x19] = 15
    (tmp_path / "x.engine").write_bytes(data)
    [facts] = answer("inspect", tmp_path / "x.engine")
    assert facts["version"] == "10.6.0.26" and facts["version_outer"] == "10.15.0.26"
    assert "VERSIONS DIFFER" in run("inspect", tmp_path / "x.engine").stdout


def test_rtx_tells_tensors_capabilities_and_weights():
    [facts] = answer("inspect", MADE / "rtx-1.7-tensors")
    assert facts["compute_capabilities"] == ["8.0", "8.6", "8.9", "12.0", "12.1"]
    assert facts["later_compute_capabilities"] is True and facts["gpu"] is None
    assert facts["io"] == [
        {"name": "images", "direction": "input", "dtype": "float16", "shape": [-1, 640]},
        {"name": "y", "direction": "output", "dtype": "float16", "shape": [-1, 640]}]
    assert facts["weight_precision"] == "half"


def test_verify_reads_the_digest_and_the_crc(folder, tmp_path):
    data = plan_7_1()
    [facts] = answer("inspect", "--verify", folder / "no-ending")
    assert facts["digest"] == hashlib.sha256(data).hexdigest() and facts["integrity"] == "crc-ok"
    (tmp_path / "bad.plan").write_bytes(data[:-1] + b"\x01")
    [facts] = answer("inspect", "--verify", tmp_path / "bad.plan", status=1)
    assert facts["integrity"] == "crc-bad" and facts["complete"] is True
    [facts] = answer("inspect", folder / "no-ending")
    assert "digest" not in facts and facts["integrity"] is None


def test_a_folder_is_walked_sorted_and_what_is_no_engine_passed_over(folder):
    done = run("inspect", "--json", folder)
    names = [os.path.relpath(json.loads(line)["path"], folder) for line in done.stdout.splitlines()]
    assert names == ["a.engine", "cut.engine", "empty.trt", "lfs.engine", "link.engine", "no-ending", "old/nano.plan"]
    assert "2 others passed over, 1 link not followed" in done.stderr
    assert done.returncode == 1
    assert run("inspect", "-q", folder).stderr == ""


def test_an_unreadable_file_does_not_stop_the_others(folder):
    done = run("inspect", "--json", folder / "missing", folder / "a.engine", folder / "nope", folder / "old")
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["engine", "engine"]
    assert done.stderr.count("No such file") == 2 and done.returncode == 66


def test_several_files_get_one_aligned_line_each(folder):
    lines = run("inspect", folder / "a.engine", folder / "cut.engine", folder / "old/nano.plan").stdout.splitlines()
    at = lines[0].index("FILE")
    assert len(lines) == 4 and all(line[at - 1:at + 1] == " /" for line in lines[1:])
    assert "TRUNCATED" in lines[2] and "trt7.1.3.0" in lines[3]


def test_standard_input_from_a_pipe_and_from_a_file(folder):
    data = plan_8_5()
    for options in ([], ["--verify"]):
        piped = subprocess.run([TENON, "inspect", "--json", *options, "-"], input=data, capture_output=True, timeout=60)
        assert piped.returncode == 0, piped.stderr
        facts = json.loads(piped.stdout)
        assert facts["path"] == "-" and facts["complete"] is True and facts["size"] == len(data)
        with open(folder / "a.engine", "rb") as file:
            same = subprocess.run([TENON, "inspect", "--json", *options, "-"], stdin=file, capture_output=True, timeout=60)
        assert same.stdout == piped.stdout


def test_a_list_of_many_files(folder, tmp_path):
    listed = [folder / "a.engine", folder / "old/nano.plan"] * 300
    (tmp_path / "list").write_text("".join(f"{path}\n" for path in listed))
    found = answer("inspect", "--files-from", tmp_path / "list")
    assert [facts["path"] for facts in found] == [str(path) for path in listed]
    piped = run("inspect", "--json", "--files-from", "-", input=(tmp_path / "list").read_text())
    assert len(piped.stdout.splitlines()) == 600


def test_names_are_printed_safely(tmp_path):
    (tmp_path / "a\x1b[31m\n.engine").write_bytes(plan_8_5())
    out = run("inspect", tmp_path / "a\x1b[31m\n.engine").stdout
    assert "\x1b" not in out and "\\x1b" in out


def test_a_full_disk_under_standard_output_is_an_error(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TENON, "inspect", folder / "a.engine"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 74


def test_head_and_tail_are_enough(folder, tmp_path):
    """A sparse engine of 4 GiB with its end in place is read in an instant: its middle is not."""
    weights = 4 << 30
    payload = stream_8_5(0)
    at = payload.index(struct.pack("<HH", 0x80c1, 1)) + 8
    start = b"ptrt" + struct.pack("<IIIQ", 0, 232, 0, len(payload) + weights)
    start += payload[:at] + struct.pack("<Q", weights)
    with open(tmp_path / "big.engine", "wb") as file:
        file.write(start)
        file.seek(len(start) + weights)
        file.write(payload[at + 8:])
    [facts] = answer("inspect", tmp_path / "big.engine", timeout=10)
    assert facts["complete"] is True and facts["size"] > weights and facts["weight_bytes"] == weights


def test_few_system_calls_per_file(folder, tmp_path):
    (tmp_path / "list").write_text(f"{folder / 'a.engine'}\n" * 500)
    trace = tmp_path / "trace"
    try:
        subprocess.run(["strace", "-f", "-o", trace, TENON, "inspect", "--files-from", tmp_path / "list"],
                       stdout=subprocess.DEVNULL, timeout=120, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("strace cannot be used here")
    calls = trace.read_text().splitlines()
    first, last = (f(i for i, line in enumerate(calls) if "a.engine" in line and "openat" in line) for f in (min, max))
    assert last - first <= 499 * 4 + 60  # openat, fstat, pread, close, and a write now and then


@pytest.mark.skipif(not (CORPUS / "INDEX.tsv").exists(), reason="the corpus is not here")
def test_whole_plans_of_the_corpus():
    whole = sorted(str(path) for path in CORPUS.glob("*.full"))
    found = answer("inspect", *whole, status=1)  # one of them is a timing cache
    assert [facts["path"] for facts in found] == whole
    assert {facts["kind"] for facts in found} == {"engine", "timing-cache"}
    assert all(facts["complete"] is True for facts in found)
    for facts in answer("inspect", *sorted(CORPUS.glob("rtx/*.full"))):
        assert facts["io"] and facts["weight_precision"] and facts["flavor"] == "tensorrt-rtx"


def field(number, content):
    """A protobuf field: a number, or bytes shorter than 128."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_model_is_read_too(tmp_path):
    def tensor(name):  # float32 [1, 4]
        shape = field(1, field(1, 1)) + field(1, field(1, 4))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    node = field(1, b"x") + field(2, b"y") + field(4, b"Relu")
    graph = field(1, node) + field(2, b"g") + field(11, tensor(b"x")) + field(12, tensor(b"y"))
    model = field(1, 8) + field(2, b"made") + field(7, graph) + field(8, field(1, b"") + field(2, 17))
    (tmp_path / "relu.onnx").write_bytes(model)
    (tmp_path / "named-otherwise").write_bytes(model)
    for name in ("relu.onnx", "named-otherwise"):
        [facts] = answer("inspect", tmp_path / name)
        assert facts["kind"] == "onnx" and facts["opset"] == 17 and facts["precision"] == "fp32"
        assert facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 4]}]
        assert facts["outputs"] == [{"name": "y", "dtype": "float32", "shape": [1, 4]}]
        assert facts["digest"] == hashlib.sha256(model).hexdigest() and facts["external_data"] == []
        assert facts["preflight"] == []
