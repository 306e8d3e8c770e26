"""Who only reads a store takes no lock: somebody else may hold every one of them for ever."""
import fcntl
import json
import os
import re
import subprocess

import pytest

from conftest import TENON, model, needs_rtx, run

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"


@pytest.fixture
def net(store):
    """A model whose engine is in the store, warm."""
    onnx = model("light_squeezenet")
    for _ in range(2):
        assert run("get", onnx, "--runtime", RUNTIME).returncode == 0
    return onnx


@pytest.fixture
def all_held(store, net):
    """Every lock of the store, also those that nobody has taken yet, held by us."""
    key, = (path.stem for path in store.glob("records/*.json"))
    held = []
    names = {path.name for path in (store / "locks").iterdir()} | {"index", "marks", "collect", f"build-{key}"}
    for name in sorted(names):
        held.append(open(store / "locks" / name, "a"))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    yield names
    for file in held:
        file.close()


READS = [["get", "NET", "--runtime", RUNTIME], ["get", "NET", "--runtime", RUNTIME, "--no-build"], ["cache", "ls"],
         ["cache", "verify"], ["cache", "stats"], ["cache", "gc", "--dry-run"], ["cache", "aside", "--json"]]


@pytest.mark.parametrize("words", READS, ids=[" ".join(words) for words in READS])
def test_reader__waits_for_nobody(store, net, all_held, words):
    done = run(*[net if word == "NET" else word for word in words], timeout=30)
    assert done.returncode == 0 and (done.stdout or "aside" in words), done.stderr


@pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="LeakSanitizer does not work under strace")
def test_reader__of_a_hit_takes_no_lock(store, net, tmp_path):
    trace = tmp_path / "trace"
    done = subprocess.run(["strace", "-f", "-e", "trace=flock,fcntl", "-o", trace, TENON, "get", "--json", net,
                           "--runtime", RUNTIME], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["source"] == "store", done.stderr
    assert not re.search(r"flock\(|F_SETLK|F_OFD_SETLK", trace.read_text())


def test_locks__that_are_held_do_stop_a_writer(store, net, all_held):
    """Else the tests above would hold nothing."""
    digest = json.loads(run("cache", "ls", "--json").stdout)["digest"]
    with pytest.raises(subprocess.TimeoutExpired):
        run("cache", "pin", digest, timeout=2)
