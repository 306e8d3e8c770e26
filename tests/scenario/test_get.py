"""`tenon get` as a user runs it: real models, real engines of TensorRT-RTX."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

from conftest import OCR_SHAPES, RTX, TENON, answer, model, needs_rtx, run

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"


def get(*args, **kwargs):
    return answer("get", *args, "--runtime", RUNTIME, **kwargs)[0]


def squeezenet(tmp_path, name="net.onnx"):
    """The fast model, as a file of this test's own."""
    copy = tmp_path / name
    shutil.copy(model("light_squeezenet"), copy)
    return copy


def engines(store):
    return sorted(store.glob("objects/sha256/*/*/plan"))


def no_children_of(pid):
    """Whether no process of `pid`'s group of workers is left: none has it in its command line's parentage."""
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            return False
    return True


def test_get__builds_then_hits_and_prints_the_path_alone(store, tmp_path):
    net = squeezenet(tmp_path)
    first = run("get", net, "--runtime", RUNTIME)
    assert first.returncode == 0, first.stderr
    path = first.stdout.strip()
    assert pathlib.Path(path).is_file() and "\n" not in path
    assert "built" in first.stderr
    second = run("get", net, "--runtime", RUNTIME)
    assert second.stdout == first.stdout
    assert "store" in second.stderr
    assert len(engines(store)) == 1


def test_get__whose_store_cannot_be_collected_says_so_and_has_its_engine(store, tmp_path):
    net = squeezenet(tmp_path)
    store.mkdir(mode=0o700)
    (store / "aside").write_text("")  # a file where collection looks for a folder
    got = get(net)
    assert got["source"] == "built" and "not collected" in got["note"] and got["warnings"] == []
    (store / "aside").unlink()
    assert get(net)["note"] is None


def test_get__fp16_of_a_real_detector_with_dynamic_shapes(store):
    found = get(model("ocr_det"), "--precision", "fp16,fp32", "--shapes", OCR_SHAPES)
    assert found["source"] == "built" and found["precision"] == "fp16" and found["level"] == "header"
    assert found["version"] == "1.7.1.116"
    assert re.fullmatch(r"ch-PP-OCRv4-det-infer_1x3x320-640-960x320-640-960_rtx1\.7\.1\.116_sm80-121_fp16\.engine",
                        found["name"]), found["name"]
    plan = pathlib.Path(found["path"]).read_bytes()
    assert hashlib.sha256(plan).hexdigest() == found["digest"]
    assert plan[:4] == b"vtrt" and tuple(plan[0x18:0x1c]) == (1, 7, 1, 116)
    facts = answer("inspect", found["path"])[0]
    assert facts["complete"] is True and "half" in facts["weight_precision"]
    record = json.loads((pathlib.Path(found["path"]).parent / "record.json").read_text())
    assert record["recipe"]["derived.by"].startswith("onnxconverter-common 1.16.0")
    assert get(model("ocr_det"), "--precision", "fp16,fp32", "--shapes", OCR_SHAPES)["source"] == "store"


def test_get__falls_to_the_next_rung_and_says_why(store):
    found = get(model("magika"), "--precision", "fp16,fp32", "--shapes", "bytes=1x2048:8x2048:64x2048")
    assert found["precision"] == "fp32"
    fp16, fp32 = found["ladder"]
    assert (fp16["rung"], fp16["result"]) == ("fp16", "failed")
    assert "must have same input types" in fp16["reason"]
    assert (fp32["rung"], fp32["result"]) == ("fp32", "built")


def test_get__without_a_rung_exits_1_and_tells_rung_by_rung(store):
    done = run("get", model("silero_vad"), "--precision", "fp16,fp32", "--runtime", RUNTIME,
               "--shapes", "input=1x576,state=2x1x128")
    assert done.returncode == 1 and done.stdout == ""
    assert "fp16" in done.stderr and "fp32" in done.stderr
    assert engines(store) == []


def test_get__open_axis_exits_2_with_a_line_to_paste(store):
    done = run("get", model("ocr_det"), "--runtime", RUNTIME)
    assert done.returncode == 2
    suggested = re.search(r"--shapes (\S+)", done.stderr)
    assert suggested, done.stderr
    assert answer("get", model("ocr_det"), "--runtime", RUNTIME, "--shapes", suggested.group(1).strip("'\""))


def test_get__misspelt_input_is_refused_before_anything_is_built(store):
    done = run("get", model("ocr_det"), "--runtime", RUNTIME, "--shapes", OCR_SHAPES.replace("x=", "y=", 1))
    assert done.returncode in (2, 65) and "'y'" in done.stderr
    assert engines(store) == []


def test_get__other_content_shape_option_or_precision_is_another_engine(store, tmp_path):
    net = squeezenet(tmp_path)
    base = get(net)
    other = tmp_path / "other.onnx"
    data = bytearray(net.read_bytes())
    at = data.find(b"squeezenet")  # a name: another model content, the same graph
    assert at > 0
    data[at] = ord("S")
    other.write_bytes(data)
    keys = {base["key"], get(other)["key"]}
    keys.add(get(net, "--precision", "fp16")["key"])
    spec = tmp_path / "model.yaml"
    for options in ("tf32: false", "workspace: 512MiB", "compute-capabilities: [86, 89]", "optimization-level: 2"):
        spec.write_text(f"name: net\nvariants: {{ fp32: net.onnx }}\noptions: {{ {options} }}\n")
        keys.add(get(spec)["key"])
    assert len(keys) == 7
    for options in ("tf32: false", "optimization-level: 2"):
        spec.write_text(f"name: net\nvariants: {{ fp32: net.onnx }}\noptions: {{ {options} }}\n")
        assert get(spec)["source"] == "store"


def test_get__two_recipes_that_give_the_same_bytes_keep_a_record_each(store, tmp_path):
    """Two models that differ in the graph's name alone build to identical plans."""
    net = squeezenet(tmp_path)
    other = tmp_path / "other.onnx"
    other.write_bytes(net.read_bytes().replace(b"squeezenet_old", b"Squeezenet_old"))
    first, second = get(net), get(other)
    assert first["key"] != second["key"]
    assert get(net)["source"] == get(other)["source"] == "store"
    assert get(other)["name"].startswith("other_")
    if first["digest"] == second["digest"]:
        assert len(engines(store)) == 1
    assert len(answer("cache", "ls")) == 2
    assert answer("cache", "verify")


def test_get__same_model_under_another_name_is_the_same_engine(store, tmp_path):
    first = get(squeezenet(tmp_path, "a.onnx"))
    second = get(squeezenet(tmp_path, "b.onnx"))
    assert second["source"] == "store" and second["digest"] == first["digest"]


def test_get__notices_a_changed_model_at_once(store, tmp_path):
    net = squeezenet(tmp_path)
    first = get(net)
    data = bytearray(net.read_bytes())
    data[data.find(b"squeezenet")] = ord("S")
    net.write_bytes(data)
    assert get(net)["key"] != first["key"]


def test_get__keeps_nothing_of_a_model_that_changes_while_it_is_built(store, tmp_path):
    """Else the new content's engine would lie under the old content's key."""
    net = tmp_path / "net.onnx"
    shutil.copy(model("light_densenet121"), net)
    child = subprocess.Popen([TENON, "get", str(net), "--runtime", RUNTIME], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    while not list(store.glob("tmp/*/plan.tmp")):
        assert child.poll() is None
        time.sleep(0.01)
    os.utime(net)
    output, errors = child.communicate(timeout=120)
    assert (child.returncode, output) == (75, ""), errors
    assert "changed while it was being built" in errors
    assert engines(store) == []


def test_get__sets_a_changed_plan_aside_and_builds_again(store, tmp_path):
    net = squeezenet(tmp_path)
    plan = pathlib.Path(get(net)["path"])
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.chmod(0o644)
    plan.write_bytes(data)
    plan.chmod(0o444)
    again = get(net)
    assert again["source"] == "built"
    assert any("set aside" in warning for warning in again["warnings"])
    assert list(store.glob("aside/*/reason.json"))
    assert answer("cache", "verify")


def test_get__no_build_misses_with_1(store, tmp_path):
    done = run("get", squeezenet(tmp_path), "--runtime", RUNTIME, "--no-build")
    assert done.returncode == 1 and "--no-build" in done.stderr


def test_get__for_a_named_board_names_its_compute_capability(store, tmp_path):
    net = squeezenet(tmp_path)
    found = answer("get", net, "--for", "rtx4090+rtx1.7.1.116")[0]
    assert "_sm89_" in found["name"]
    assert answer("check", found["path"], "--device", "rtx4090+rtx1.7.1.116")[0]["verdict"] == "loads"
    assert answer("check", found["path"], "--device", "rtx3090+rtx1.7.1.116", status=1)[0]["verdict"] == "wont-load"
    refused = run("get", net, "--for", "h200+rtx1.7.1.116")
    assert refused.returncode == 1 and "9.0" in refused.stderr


def test_get__for_a_device_with_an_engine_of_the_default_list_takes_it(store, tmp_path):
    net = squeezenet(tmp_path)
    default = get(net)
    found = answer("get", net, "--for", "rtx4090+rtx1.7.1.116", "--no-build")[0]
    assert found["digest"] == default["digest"] and found["source"] == "store"


def test_get__another_version_is_never_taken(store, tmp_path):
    net = squeezenet(tmp_path)
    get(net)
    done = run("get", net, "--runtime", "rtx1.6.1.120", "--no-build")
    assert done.returncode == 1, done.stderr


def test_get__by_name_from_the_store(store, tmp_path):
    built = get(squeezenet(tmp_path, "squeeze.onnx"))
    found = get("squeeze")
    assert found["digest"] == built["digest"] and found["source"] == "store"
    assert run("get", "unheard-of", "--runtime", RUNTIME).returncode == 66


def test_get__output_copies_and_symlink_links(store, tmp_path):
    net = squeezenet(tmp_path)
    found = get(net, "--output", tmp_path / "out.engine", "--symlink", tmp_path / "link.engine")
    assert (tmp_path / "out.engine").read_bytes() == pathlib.Path(found["path"]).read_bytes()
    assert os.readlink(tmp_path / "link.engine") == found["path"]
    assert (tmp_path / "out.engine").stat().st_nlink == 1
    (tmp_path / "file").write_text("mine")
    assert run("get", net, "--runtime", RUNTIME, "--symlink", tmp_path / "file").returncode == 2
    assert (tmp_path / "file").read_text() == "mine"


def test_get__read_only_store_serves_hits_and_says_so_on_a_miss(store, tmp_path):
    net = squeezenet(tmp_path)
    built = get(net)
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere: see the test with a user of its own")
    store.chmod(0o555)
    try:
        assert get(net)["digest"] == built["digest"]
        done = run("get", net, "--precision", "fp16", "--runtime", RUNTIME)
        assert done.returncode == 77
    finally:
        store.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_get__as_another_user_reads_a_store_it_cannot_write_and_trusts_no_strangers(tmp_path):
    store = pathlib.Path(f"/var/tmp/tenon-test-{os.getpid()}")
    net = pathlib.Path(f"/var/tmp/tenon-test-{os.getpid()}.onnx")
    shutil.copy(model("light_squeezenet"), net)
    net.chmod(0o644)
    try:
        store.mkdir(mode=0o755)
        built = get(net, "--store", store)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", TENON, "get", "--json", net,
                  "--runtime", RUNTIME, "--store", store]
        hit = subprocess.run([*map(str, nobody)], capture_output=True, text=True)
        assert hit.returncode == 0, hit.stderr
        assert json.loads(hit.stdout)["digest"] == built["digest"]
        miss = subprocess.run([*map(str, nobody), "--precision", "fp16"], capture_output=True, text=True)
        assert miss.returncode == 77, miss.stderr
        os.chown(store, 65533, 65533)
        refused = subprocess.run([*map(str, nobody)], capture_output=True, text=True)
        assert refused.returncode == 77 and "65533" in refused.stderr
    finally:
        shutil.rmtree(store, ignore_errors=True)
        net.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_get__no_space_is_said_and_leaves_nothing_half(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", small]).returncode:
        pytest.skip("cannot mount here")
    try:
        done = run("get", squeezenet(tmp_path), "--runtime", RUNTIME, "--store", small)
        assert done.returncode in (1, 73), done.stderr
        assert "No space" in done.stderr or "space" in done.stderr
        assert engines(small) == [] and list(small.glob("tmp/*")) == []
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("bad, status, words", [
    ("missing.onnx", 66, "missing.onnx"),
    ("empty.onnx", 65, "empty"),
    ("text.onnx", 65, "text.onnx"),
    ("folder.onnx", 65, "folder"),
    ("pointer.onnx", 65, "LFS"),
])
def test_get__bad_input_has_a_clear_error(store, tmp_path, bad, status, words):
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("hello, I am no model\n" * 20)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "pointer.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n")
    done = run("get", tmp_path / bad, "--runtime", RUNTIME)
    assert done.returncode == status, done.stderr
    assert words in done.stderr and done.stdout == ""


def test_get__killed_worker_and_parent_leave_a_usable_store(store):
    """kill -9 at instants spread over the whole of a build; then the next call must simply work."""
    net = model("ocr_rec")
    shapes = "x=1x3x48x32:1x3x48x320:8x3x48x640"
    command = [TENON, "get", str(net), "--runtime", RUNTIME, "--shapes", shapes]
    for step in range(12):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02 + step * 0.12)
        workers = subprocess.run(["pgrep", "-P", str(child.pid)], capture_output=True, text=True).stdout.split()
        child.send_signal(signal.SIGKILL)
        child.wait()
        deadline = time.monotonic() + 5
        while any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < deadline, "a worker outlived its parent"
            time.sleep(0.02)
        done = run("cache", "verify")
        assert done.returncode == 0, done.stdout + done.stderr
    found = get(net, "--shapes", shapes)
    assert found["path"]
    assert [path.name for path in store.glob("tmp/*")] == []


def test_get__time_limit_is_kept_and_named(store):
    start = time.monotonic()
    done = run("get", model("light_densenet121"), "--runtime", RUNTIME, "--time-limit", "1s")
    assert done.returncode == 1 and "timeout" in done.stderr, done.stderr
    assert time.monotonic() - start < 30
    assert engines(store) == [] and list(store.glob("tmp/*")) == []


def test_get__memory_limit_is_named(store):
    if os.environ.get("TENON_SANITIZED"):
        pytest.skip("the limit is the worker's own; tried without sanitizers")
    done = run("get", model("ocr_det"), "--runtime", RUNTIME, "--shapes", OCR_SHAPES, "--memory-limit", "250MiB")
    assert done.returncode == 1 and "memory" in done.stderr, done.stderr


def test_get__eight_at_once_build_once(store, tmp_path):
    net = squeezenet(tmp_path)
    command = [TENON, "get", "--json", str(net), "--runtime", RUNTIME]
    many = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    outputs = [json.loads(one.communicate(timeout=120)[0]) for one in many]
    assert len({output["digest"] for output in outputs}) == 1
    assert sum(output["source"] == "built" for output in outputs) == 1
    assert len(engines(store)) == 1


def test_get__warm_opens_no_cuda_no_tensorrt_no_network(store, tmp_path):
    if os.environ.get("TENON_SANITIZED"):
        pytest.skip("a sanitized program opens more")
    libraries = subprocess.run(["ldd", TENON], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"cuda|nvinfer|tensorrt|nvidia|libcurl|libssl|sqlite|microhttpd", libraries), libraries
    net = squeezenet(tmp_path)
    get(net)
    time.sleep(2.1)  # stamps are believed once they are two seconds old
    get(net)
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-o", trace, TENON, "get", net, "--runtime", RUNTIME], check=True, capture_output=True)
    text = trace.read_text()
    assert not re.search(r"libcuda|libnvidia-ml|libnvinfer|libtensorrt", text)
    assert not re.search(r"\b(socket|connect|fork|vfork|execve\(.*python|flock)\(", text.split("\n", 1)[1])
    plan = get(net)["path"]
    assert f'"{plan}", O_RDONLY' not in text, "a warm get hashes no plan"
    assert not re.search(rf'openat\([^)]*{re.escape(str(net))}', text), "a warm get reads no model"


def test_get__json_has_every_field_of_the_contract(store, tmp_path):
    found = get(squeezenet(tmp_path))
    assert set("path digest key name model precision ladder source level wanted_level runtime gpu version seconds "
               "warnings".split()) <= set(found)
    assert list(found) == sorted(found)


def test_get__loaded_cannot_be_promised_without_trials(store, tmp_path):
    done = run("get", squeezenet(tmp_path), "--runtime", RUNTIME, "--level", "loaded")
    assert done.returncode == 75 and done.stdout.strip().endswith("/plan")
    assert "trial" in done.stderr
