"""Machines as they are: a clock in 1970, no identity, no HOME, nothing writable, nothing left, other users."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import RTX, TENON, answer, model, needs_rtx, run

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make such a machine")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
STRANGER = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--"]


@pytest.fixture
def net(tmp_path):
    copy = tmp_path / "net.onnx"
    shutil.copy(model("light_squeezenet"), copy)
    return copy


@pytest.fixture
def outside():
    """A folder that other users can reach and that does not lie in /tmp."""
    folder = pathlib.Path(f"/var/tmp/tenon-odd-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def get(net, *args, **kwargs):
    return answer("get", net, "--runtime", RUNTIME, *args, **kwargs)[0]


def in_shell(script, *args, **kwargs):
    """Runs a script whose "$@" is `tenon get --json NET …`."""
    command = ["bash", "-c", script, "sh", TENON, "get", "--json", *map(str, args), "--runtime", RUNTIME]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **kwargs)


def on_machine(preparation, *args, **kwargs):
    """The same after `preparation` of a mount name space of its own."""
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if done.returncode:
        pytest.skip("cannot make a mount name space here")
    inner = f'set -e; {preparation}; exec "$@"'
    script = 'exec unshare -m --propagation private bash -c "$0" sh "$@"'
    command = ["bash", "-c", script, inner, TENON, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **kwargs)


@pytest.mark.skipif(not FAKETIME or bool(os.environ.get("TENON_SANITIZED")), reason="needs libfaketime, no sanitizer")
@pytest.mark.parametrize("when", ["@1970-01-01 00:00:05", "1970-01-01 00:00:05", "@2099-01-01 00:00:00"])
def test_clock__that_lies_or_stands_still_changes_no_answer(store, net, when):
    lies = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": when, "TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    built = get(net, env=lies)
    assert built["source"] == "built"
    assert get(net, env=lies)["source"] == "store"
    assert run("cache", "verify", env=lies).returncode == 0
    plan = pathlib.Path(built["path"])
    for _ in range(2):  # changed twice at one instant: both are kept aside
        plan.chmod(0o644)
        plan.write_bytes(plan.read_bytes()[:-1] + b"?")
        again = get(net, env=lies)
        assert again["source"] == "built"
        plan = pathlib.Path(again["path"])
    assert len(list(store.glob("aside/*"))) == 2
    assert get(net)["source"] == "store"  # and so when the clock is set right
    assert list(store.glob("tmp/*")) == []


@needs_root
def test_machine_id__missing_or_empty_is_replaced_by_the_hosts_name(store, net, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    prepare = f"if [ -e /etc/machine-id ]; then mount --bind {empty} /etc/machine-id; fi"
    for source in ("built", "store"):
        done = on_machine(prepare, "get", "--json", net, "--runtime", RUNTIME)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["source"] == source
    assert len(list(store.glob("hosts/*"))) == 1


@needs_root
def test_home__missing_says_what_to_set(net, outside):
    shutil.copy(net, outside / "net.onnx")
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run([*NOBODY, TENON, "get", outside / "net.onnx", "--runtime", RUNTIME], capture_output=True,
                          text=True, env=bare)
    assert done.returncode == 2
    assert "TENON_STORE" in done.stderr and "HOME" in done.stderr


@needs_root
def test_read_only_root__serves_hits_and_says_so_on_a_miss(store, net):
    read_only = "mount -o remount,ro,bind /; mount -o remount,ro,bind /tmp 2>/dev/null || true"
    built = get(net)
    hit = on_machine(read_only, "get", "--json", net, "--runtime", RUNTIME)
    assert hit.returncode == 0, hit.stderr
    assert json.loads(hit.stdout)["digest"] == built["digest"]
    miss = on_machine(read_only, "get", "--json", net, "--runtime", RUNTIME, "--precision", "fp16")
    assert miss.returncode == 77, miss.stderr
    assert "ead-only" in miss.stderr


@needs_root
def test_read_only_root__builds_where_the_store_alone_can_be_written(store, net):
    store.mkdir(mode=0o700)
    prepare = (f"mount --bind {store} {store}; mount -o remount,ro,bind /; "
               "mount -o remount,ro,bind /tmp 2>/dev/null || true")
    done = on_machine(prepare, "get", "--json", net, "--runtime", RUNTIME)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "built"


@needs_root
@pytest.mark.skipif(any(str(path).startswith("/tmp/") for path in (TENON, RTX)), reason="the program lies in /tmp itself")
def test_tmp_full__does_not_matter(net, outside):
    shutil.copy(net, outside / "net.onnx")
    prepare = ("mount -t tmpfs -o size=64k none /tmp; "
               "dd if=/dev/zero of=/tmp/full bs=4k 2>/dev/null || true")
    done = on_machine(prepare, "get", "--json", outside / "net.onnx", "--runtime", RUNTIME, "--store",
                      outside / "store")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == "built"


def test_descriptors__64_are_enough(store, net):
    for source in ("built", "store"):
        done = in_shell('ulimit -n 64; exec "$@"', net)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["source"] == source
    for number in range(70):  # more objects than descriptors
        original = next(store.glob("objects/sha256/*/*"))
        shutil.copytree(original, store / f"objects/sha256/{number:02x}" / f"{number:062x}")
    listed = subprocess.run(["bash", "-c", f"ulimit -n 64; exec {TENON} cache ls"], capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr


# ---- another user ----

def refused(net, store, words):
    done = run("get", net, "--runtime", RUNTIME, "--store", store, "--no-build", "--json")
    assert done.returncode != 0 and words in done.stderr + done.stdout, done.stderr + done.stdout
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert not any(item.get("path") for item in found)


@needs_root
def test_stranger__cannot_swap_a_plan_in_a_folder_left_open(net, outside):
    store = outside / "store"
    plan = pathlib.Path(get(net, "--store", store)["path"])
    store.chmod(0o755)
    for folder in plan.parents[:4]:
        folder.chmod(0o777)
    refused(net, store, "can be written by other users")  # even before he has done anything
    subprocess.run([*STRANGER, "bash", "-ec", 'cd "$1"; mv plan .p; cp .p plan; chmod u+w plan; echo evil >> plan', "sh",
                    plan.parent], check=True)
    refused(net, store, "can be written by other users")
    for folder in plan.parents[:4]:
        folder.chmod(0o755)
    refused(net, store, "store: ")  # of the wrong size, and his


@needs_root
@pytest.mark.parametrize("what", ["objects", "objects/sha256", "records", "plan", "record.json"])
def test_stranger__is_not_followed_by_a_link(net, outside, what):
    store = outside / "store"
    built = get(net, "--store", store)
    his = outside / "his"
    shutil.copytree(store, his, symlinks=True)
    subprocess.run(["chown", "-R", "65533:65533", his], check=True)
    ours = pathlib.Path(built["path"]).parent / what if what in ("plan", "record.json") else store / what
    target = his / ours.relative_to(store)
    shutil.rmtree(ours) if ours.is_dir() else ours.unlink()
    ours.symlink_to(target)
    done = run("get", net, "--runtime", RUNTIME, "--store", store, "--no-build", "--json")
    if what == "records":  # an index only points; the engine is ours
        assert done.returncode == 0 and json.loads(done.stdout)["digest"] == built["digest"]
    else:
        assert done.returncode != 0, done.stdout


@needs_root
def test_stranger__owning_a_folder_inside_a_good_store_is_refused(net, outside):
    built = get(net, "--store", outside / "store")
    os.chown(pathlib.Path(built["path"]).parents[1], 65533, 65533)
    refused(net, outside / "store", "65533")
    done = run("get", net, "--runtime", RUNTIME, "--store", outside / "store")
    assert done.returncode == 77 and "65533" in done.stderr, done.stderr
