"""kill -9 at random instants, eight processes at once on one store: nothing broken, lost or left over."""
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

import fakes
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


# What a process of the crowd may do, and how often of a hundred times.
TASKS = {
    "get": (45, lambda net: ["get", net, "--runtime", RUNTIME]),
    "build": (20, lambda net: ["build", net, "--runtime", RUNTIME]),
    "build again": (10, lambda net: ["build", net, "--runtime", RUNTIME, "--force"]),
    "gc": (15, lambda net: ["cache", "gc", "--max-bytes", "1"]),
    "verify": (10, lambda net: ["cache", "verify"]),
}


class Crowd:
    """Eight processes at once, each with a task, replaced when they end; and a count of the killed by task."""

    def __init__(self, models, chance):
        self.models, self.chance, self.running, self.killed = models, chance, [], dict.fromkeys(TASKS, 0)

    def start_one(self, task=None):
        task = task or self.chance.choices(list(TASKS), [share for share, _ in TASKS.values()])[0]
        command = [TENON, *TASKS[task][1](str(self.chance.choice(self.models)))]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        child.task = task
        self.running.append(child)

    def fill(self):
        self.running = [child for child in self.running if child.poll() is None]
        while len(self.running) < AT_ONCE:
            self.start_one()

    def kill_one(self, victim=None):
        victim = victim or self.chance.choice(self.running)
        if self.chance.random() < 0.5:
            os.killpg(victim.pid, signal.SIGKILL)
        else:
            victim.kill()
        if victim.wait() == -signal.SIGKILL:
            self.killed[victim.task] += 1
        self.running.remove(victim)

    def kill_young(self, task):
        """One that ends within milliseconds: it is struck as soon as it runs."""
        self.start_one(task)
        time.sleep(self.chance.uniform(0, 0.01))
        self.kill_one(self.running[-1])

    def kill_all(self):
        while self.running:
            self.kill_one()


def records(store):
    return [json.loads(path.read_text()) for path in store.glob("objects/sha256/*/*/record*.json")]


def left_over(store):
    return [path for path in store.rglob("*") if path.name.startswith((".tmp-", "put-"))]


def age_uses(store):
    """Engines that were not used for long, so that collection has something to take beside the living."""
    for note in store.glob("hosts/*/plans/*.json"):
        try:
            text = json.loads(note.read_text())
            text["last_used"] = 1_700_000_000_000_000_000
            kept = note.with_name("aged-" + note.name)
            kept.write_text(json.dumps(text))
            kept.rename(note)
        except OSError:
            pass  # collected meanwhile


def test_kill__at_random_instants_breaks_loses_and_leaves_nothing(store, tmp_path, adopts_orphans):
    folder = tmp_path / "models"
    folder.mkdir()
    *models, last = make_models(folder, 24)
    crowd = Crowd(models, random.Random(4))
    for i in range(KILLS):
        crowd.fill()
        if i % 4 == 3:
            crowd.kill_young("gc")
            continue
        time.sleep(crowd.chance.uniform(0, 0.2))  # the instant is the point: nothing is waited for
        crowd.kill_one()
        if i % 10 == 0:
            age_uses(store)
    crowd.kill_all()
    assert no_child_left(within_s=10), "a worker outlived its parent"
    print(crowd.killed)
    assert SANITIZED or all(crowd.killed[task] >= 5 for task in ("get", "build", "gc")), crowd.killed

    verified = run("cache", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    survived = records(store)
    assert survived, "no build came to its end: the instants are too close"
    for record in survived:
        hit = run("get", folder / f"{record['model']}.onnx", "--runtime", RUNTIME, "--no-build", "--json")
        assert hit.returncode == 0, hit.stderr
        assert json.loads(hit.stdout)["source"] == "store"

    assert run("cache", "gc", "--max-bytes", "1").returncode == 0
    assert run("cache", "verify").returncode == 0
    for path in left_over(store):  # files are swept when they are an hour old; folders at once
        os.utime(path, (0, 0), follow_symlinks=False)
    built = run("get", last, "--runtime", RUNTIME, "--json")
    assert built.returncode == 0 and json.loads(built.stdout)["source"] == "built", built.stderr
    assert left_over(store) == []
    for net in models:
        assert run("get", net, "--runtime", RUNTIME).returncode == 0
    assert run("cache", "verify").returncode == 0


# ---- two users ----

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")


@needs_root
def test_gc_of_one_user_beside_get_of_another__never_hands_out_half_an_engine(store, tmp_path_factory):
    """The second store is root's and read only for the other user; root collects it down to one engine while the other
    gets engines of it. Each get is a whole engine, or a plain miss."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="tenon-two-", dir="/var/tmp"))
    try:
        place.chmod(0o755)
        shared, own = place / "shared", place / "own"
        own.mkdir(mode=0o700)
        os.chown(own, 65534, 65534)
        net = place / "net.onnx"
        shutil.copy(model("light_squeezenet"), net)
        net.chmod(0o644)
        assert run("get", net, "--runtime", RUNTIME, "--store", shared).returncode == 0
        kept, = records(shared)
        readers = []
        for i in range(60):
            fakes.engine(shared, b"old plan %d" % i, model=f"old{i}", sequence=0, used=1_700_000_000_000_000_000)
        shared.chmod(0o755)
        for path in shared.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o444)
        for number in range(12):
            readers.append(subprocess.Popen(
                [*NOBODY, TENON, "get", str(net), "--runtime", RUNTIME, "--no-build", "--json", "--store", f"{own}:{shared}"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"))
            if number % 4 == 0:
                gone = run("cache", "gc", "--max-bytes", "1", "--store", shared, "--json")
                assert gone.returncode == 0, gone.stderr
        for reader in readers:
            out, err = reader.communicate(timeout=120)
            got = json.loads(out)
            assert reader.returncode == 0 and got["source"] == "store", err
            assert got["digest"] == kept["digest"] and got["path"].startswith(str(shared))
        assert {record["digest"] for record in records(shared)} == {kept["digest"]}, "the old ones are gone"
        asked = subprocess.run([*NOBODY, TENON, "cache", "gc", "--max-bytes", "1", "--store", str(shared)],
                               capture_output=True, text=True, cwd="/")
        assert asked.returncode != 0 or len(records(shared)) == 1, "another user's store is not his to collect"
    finally:
        shutil.rmtree(place)
