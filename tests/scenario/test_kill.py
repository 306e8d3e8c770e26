"""kill -9 at random instants, eight processes at once on one store: nothing broken, lost or left over."""
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest

from conftest import RTX, TENON, model, needs_rtx, run

pytestmark = needs_rtx
RUNTIME = "rtx1.7.1.116"
SANITIZED = bool(os.environ.get("TENON_SANITIZED"))
KILLS = 40 if SANITIZED else 200
AT_ONCE = 8
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def adopts_orphans():
    """Children of killed children become ours, so that none can hide. Ends when all are dead."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def no_child_left(within_s):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)
        except ChildProcessError:
            return True
    return False


def make_models(folder, count):
    script = pathlib.Path(__file__).with_name("tiny_models.py")
    subprocess.run([RTX, script, folder, str(count)], check=True)
    shutil.copy(model("light_squeezenet"), folder / "squeezenet.onnx")
    return sorted(folder.glob("*.onnx"))


class Crowd:
    """Eight processes, each a get of some model or a look at the whole store, replaced when they end."""

    def __init__(self, models, chance):
        self.models, self.chance, self.running = models, chance, []

    def start_one(self):
        if self.chance.random() < 0.2:
            command = [TENON, "cache", "verify"]
        else:
            command = [TENON, "get", str(self.chance.choice(self.models)), "--runtime", RUNTIME]
        self.running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                             start_new_session=True))

    def fill(self):
        self.running = [child for child in self.running if child.poll() is None]
        while len(self.running) < AT_ONCE:
            self.start_one()

    def kill_one(self):
        victim = self.chance.choice(self.running)
        if self.chance.random() < 0.5:
            os.killpg(victim.pid, signal.SIGKILL)
        else:
            victim.kill()
        victim.wait()
        self.running.remove(victim)

    def kill_all(self):
        while self.running:
            self.kill_one()


def records(store):
    return [json.loads(path.read_text()) for path in store.glob("objects/sha256/*/*/record*.json")]


def left_over(store):
    return [path for path in store.rglob("*") if path.name.startswith((".tmp-", "put-"))]


def test_kill__at_random_instants_breaks_loses_and_leaves_nothing(store, tmp_path, adopts_orphans):
    folder = tmp_path / "models"
    folder.mkdir()
    *models, last = make_models(folder, 24)
    crowd = Crowd(models, random.Random(4))
    for _ in range(KILLS):
        crowd.fill()
        time.sleep(crowd.chance.uniform(0, 0.2))  # the instant is the point: nothing is waited for
        crowd.kill_one()
    crowd.kill_all()
    assert no_child_left(within_s=10), "a worker outlived its parent"

    verified = run("cache", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    survived = records(store)
    assert survived, "no build came to its end: the instants are too close"
    for record in survived:
        hit = run("get", folder / f"{record['model']}.onnx", "--runtime", RUNTIME, "--no-build", "--json")
        assert hit.returncode == 0, hit.stderr
        assert json.loads(hit.stdout)["source"] == "store"

    for path in left_over(store):  # files are swept when they are an hour old; folders at once
        os.utime(path, (0, 0), follow_symlinks=False)
    built = run("get", last, "--runtime", RUNTIME, "--json")
    assert built.returncode == 0 and json.loads(built.stdout)["source"] == "built", built.stderr
    assert left_over(store) == []
    for net in models:
        assert run("get", net, "--runtime", RUNTIME).returncode == 0
    assert run("cache", "verify").returncode == 0
