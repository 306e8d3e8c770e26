"""Many processes want one engine: one builds, the others show its progress and take over when it dies."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
import time

import pytest

from conftest import ROOT, TENON, answer, model, needs_rtx, run

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"
REAL = ROOT / "workers/tenon_worker.py"
PATIENCE = 60  # seconds until something that must happen counts as missing

# Says a phase, waits for the gate, then is the real worker.
GATED = """
import ctypes, json, os, runpy, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
parent = os.getppid()
open({count!r}, "a").write("x")
print(json.dumps({{"type": "progress", "phase": "Behind the gate"}}), flush=True)
while not os.path.exists({gate!r}) and os.getppid() == parent:
    time.sleep(0.005)
runpy.run_path({real!r}, run_name="__main__")
"""


class Gate:
    """Holds every build back until it is opened."""

    def __init__(self, folder):
        self.path, self.count = folder / "open", folder / "count"
        (folder / "tenon_worker.py").write_text(
            GATED.format(count=str(self.count), gate=str(self.path), real=str(REAL)))

    def open(self):
        self.path.touch()

    def builds(self):
        return len(self.count.read_text()) if self.count.exists() else 0


@pytest.fixture
def gate(tmp_path, monkeypatch):
    folder = tmp_path / "libexec"
    folder.mkdir()
    monkeypatch.setenv("TENON_LIBEXEC", str(folder))
    return Gate(folder)


def until(true, what):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.005)


class Get:
    """A `tenon get` under way, with all that it has said so far."""

    def __init__(self, *args):
        self.process = subprocess.Popen([TENON, "get", "--json", *map(str, args), "--runtime", RUNTIME],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()

    def listen(self):
        for line in self.process.stderr:
            self.said += line

    def until_said(self, words):
        until(lambda: re.search(words, self.said), f"{words!r} in {self.said!r}")

    def answer(self, status=0):
        text = self.process.stdout.read()
        self.process.wait(PATIENCE)
        self.reader.join()
        assert self.process.returncode == status, self.said
        return json.loads(text)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def children_of(pid):
    return [int(each) for each in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    """Whether it still runs; a zombie waits for whoever inherited it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def squeezenet(tmp_path):
    copy = tmp_path / "net.onnx"
    shutil.copy(model("light_squeezenet"), copy)
    return copy


def test_get__thirty_two_at_once_build_once(store, tmp_path, gate):
    net = squeezenet(tmp_path)
    first = Get(net)
    until(lambda: gate.builds() == 1, "a build")
    others = [Get(net) for _ in range(31)]
    for one in others:
        one.until_said(f"waiting for process {first.process.pid}")
    gate.open()
    answers = [one.answer() for one in (first, *others)]
    assert [each["source"] for each in answers] == ["built"] + 31 * ["waited"]
    assert len({each["digest"] for each in answers}) == 1
    assert gate.builds() == 1


def test_get__shows_the_progress_of_the_process_that_it_waits_for(store, tmp_path, gate):
    net = squeezenet(tmp_path)
    first = Get(net)
    until(lambda: gate.builds() == 1, "a build")
    here, there = pty.openpty()
    waiter = subprocess.Popen([TENON, "get", net, "--runtime", RUNTIME], stdout=subprocess.DEVNULL, stderr=there)
    os.close(there)
    screen = ""
    deadline = time.monotonic() + PATIENCE
    while f"waiting for process {first.process.pid}: Behind the gate" not in screen:
        assert time.monotonic() < deadline and select.select([here], [], [], PATIENCE)[0], screen
        screen += os.read(here, 4096).decode()
    gate.open()
    assert first.answer()["source"] == "built" and waiter.wait(PATIENCE) == 0
    os.close(here)


def test_get__a_killed_holder_is_succeeded_within_a_second_and_its_worker_dies(store, tmp_path):
    """The real worker, in the middle of a build of seconds."""
    net = model("light_densenet121")
    first = Get(net)
    until(lambda: children_of(first.process.pid), "a worker")
    worker, = children_of(first.process.pid)
    until(lambda: any("Building" in path.read_text() for path in store.glob("locks/build-*")), "a build under way")
    others = [Get(net) for _ in range(3)]
    for one in others:
        one.until_said("waiting for process")
    first.kill()
    killed = time.monotonic()
    until(lambda: sum(len(children_of(one.process.pid)) for one in others) == 1, "a successor's worker")
    succeeded = time.monotonic() - killed
    until(lambda: not alive(worker), "the end of the worker")
    died = time.monotonic() - killed
    successor, = [one for one in others if children_of(one.process.pid)]
    others.remove(successor)
    for one in others:
        one.kill()
    successor.kill()
    until(lambda: answer("cache", "ls") == [], "nothing half in the store")
    assert succeeded < 1 and died < 1, (succeeded, died)


def test_get__a_holder_that_fails_tells_those_who_wait(store, tmp_path, gate):
    net = squeezenet(tmp_path)
    first = Get(net)
    until(lambda: gate.builds() == 1, "a build")
    others = [Get(net) for _ in range(5)]
    for one in others:
        one.until_said("waiting for process")
    for worker in children_of(first.process.pid):
        os.kill(worker, signal.SIGKILL)
    results = [one.answer(status=1)["ladder"][0]["result"] for one in (first, *others)]
    assert results == ["failed"] + 5 * ["backoff"]
    assert gate.builds() == 1


def test_get__sigint_to_a_waiter_leaves_the_others_alone(store, tmp_path, gate):
    net = squeezenet(tmp_path)
    first = Get(net)
    until(lambda: gate.builds() == 1, "a build")
    waiter, other = Get(net), Get(net)
    for one in (waiter, other):
        one.until_said("waiting for process")
    waiter.process.send_signal(signal.SIGINT)
    waiter.process.wait(PATIENCE)
    waiter.kill()
    gate.open()
    assert first.answer()["source"] == "built" and other.answer()["source"] == "waited"


def test_get__without_flock_at_worst_builds_twice(store, tmp_path, gate):
    net = squeezenet(tmp_path)
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
    command = [*trace, TENON, "get", "--json", str(net), "--runtime", RUNTIME]
    two = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) for _ in range(2)]
    until(lambda: gate.builds() == 2, "two builds at once")
    gate.open()
    for one in two:
        output, said = one.communicate(timeout=PATIENCE)
        assert one.returncode == 0, said
        assert json.loads(output)["source"] == "built"
    assert all(row["whole"] for row in answer("cache", "verify"))
    assert answer("get", net, "--runtime", RUNTIME)[0]["source"] == "store"
