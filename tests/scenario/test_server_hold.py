"""tenond under hold: a disk that is slow or full, a clock that jumps."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import threading

import pytest

import test_server_ddi
from conftest import needs_rtx
from fleet import Hold, needs_tenond, until
from test_server_ddi import deploy, dress, engines, links, publish, tell  # noqa: F401 (engines is a fixture)
from test_server_life import Server, put

pytestmark = needs_tenond
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
MIB = 1 << 20
DISK_MIB = 96  # the server wants 64 MiB free before it takes an upload


# ---- a slow disk ----

class Held(Server):
    """Its first fsync of a file of this name waits for the test."""

    def __init__(self, folder, part):
        self.hold = Hold(folder, part)
        self.surroundings = self.hold.surroundings
        super().__init__(folder, "--poll", "30s")
        self.answers = []

    def ask(self, *question):
        """Sends a request that will be held; returns once it is."""
        self.asker = threading.Thread(target=lambda: self.answers.append(self.call(*question)))
        self.asker.start()
        self.hold.wait()

    def let_go(self):
        self.hold.let_go()
        self.asker.join()
        return self.answers[0]


SLOW = {"upload": (".part", "PUT", f"/api/v1/blobs/sha256/{hashlib.sha256(b'some engine').hexdigest()}", b"some engine"),
        "backup": ("/backups/", "POST", "/api/v1/backup", {"path": "a.db"})}


@pytest.fixture(params=SLOW)
def held(request, tmp_path):
    if os.environ.get("TENON_SANITIZED"):
        pytest.skip("preloads a library")
    part, *question = SLOW[request.param]
    it = Held(tmp_path, part)
    it.rest("PUT", "/devices/d", {"token": "t"}, status=201)
    it.ask(*question, f"Bearer {it.admin.read_text()}")
    yield it
    if not it.answers:
        it.let_go()
    it.end()


def test_slow_disk__keeps_only_those_waiting_whose_file_it_is(held):
    for number in range(3):
        assert held.call("GET", "/default/controller/v1/d", token="TargetToken t")[0] == 200
        held.rest("PUT", f"/devices/more-{number}", {"token": "t"}, status=201)
    assert held.answers == []
    assert held.let_go()[0] == 201
    assert held.call("GET", "/default/controller/v1/d", token="TargetToken t")[0] == 200


def test_slow_disk__when_the_server_is_told_to_stop_is_waited_for(held):
    held.process.terminate()
    assert held.let_go()[0] == 201
    assert held.process.wait(30) == 0


# ---- a full disk ----

class Disk:
    """A small file system in a mount name space that outlives the servers started in it."""

    def __init__(self, data):
        data.mkdir(mode=0o700)
        self.holder = subprocess.Popen(["unshare", "-m", "--propagation", "private", "bash", "-c",
                                        f'mount -t tmpfs -o size={DISK_MIB}m,mode=700 none "$0" && echo up && exec cat',
                                        data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.up = self.holder.stdout.readline() == b"up\n"
        self.inside = pathlib.Path(f"/proc/{self.holder.pid}/root{data}")
        self.through = ("nsenter", "-t", str(self.holder.pid), "-m", "--")

    def fill(self):
        """Takes every block that is left."""
        with open(self.inside / "filler", "ab") as filler:
            for size in (8 * MIB, 64 << 10, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, size)

    def make_room(self):
        (self.inside / "filler").unlink()

    def end(self):
        self.holder.stdin.close()
        self.holder.wait(30)


class OnDisk(Server):
    def __init__(self, folder, disk):
        self.disk, self.through = disk, disk.through
        super().__init__(folder)

    @property
    def admin(self):
        return self.disk.inside / "admin.token"

    def add(self, name):
        status, fields, data = self.call("PUT", f"/api/v1/devices/{name}", {"token": "t"},
                                         f"Bearer {self.admin.read_text()}")
        return status, fields, json.loads(data)

    def names(self):
        return {item["id"] for item in self.rest("GET", "/devices?limit=1000")["items"]}


class FleetOnDisk(OnDisk, test_server_ddi.Server):
    pass


@pytest.fixture
def disk(tmp_path):
    it = Disk(tmp_path / "data")
    if not it.up:
        it.end()
        pytest.skip("cannot make a mount name space with a file system here")
    yield it
    it.end()


@pytest.fixture
def on_disk(tmp_path, disk):
    it = OnDisk(tmp_path, disk)
    yield it
    it.end()


def fill_until_refused(server, name):
    """The log of the database may have room left in its blocks: writes until it has not."""
    server.disk.fill()
    kept = []
    for number in range(900):
        status, fields, problem = server.add(f"{name}-{number}")
        if status != 201:
            return kept, (status, fields, problem), f"{name}-{number}"
        kept.append(f"{name}-{number}")
    raise AssertionError("the disk never got full")


def test_disk_full__refuses_changes_and_loses_none_and_goes_on_when_there_is_room(on_disk):
    assert on_disk.add("first")[0] == 201
    kept, (status, fields, problem), refused = fill_until_refused(on_disk, "a")
    assert (status, fields["Content-Type"], problem["status"], problem["code"]) == \
        (503, "application/problem+json", 503, "NOSPACE"), problem
    assert int(fields["Retry-After"]) > 0

    # many at once: whoever shares a commit that cannot be written hears so, and reading goes on
    answers = []
    crowd = [threading.Thread(target=lambda i=i: answers.append(on_disk.add(f"crowd-{i}")[0])) for i in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert answers == [503] * 20
    config = {"mode": "replace", "data": {"a": "b" * 100}}
    where = "/default/controller/v1/first"
    assert on_disk.call("GET", where, token="TargetToken t")[0] == 200
    assert on_disk.call("PUT", where + "/configData", config, "TargetToken t")[0] == 503
    assert on_disk.names() == {"first", *kept}

    before = on_disk.process.pid
    on_disk.disk.make_room()
    assert on_disk.add(refused)[0] == 201
    assert on_disk.call("PUT", where + "/configData", config, "TargetToken t")[0] == 200
    assert on_disk.process.pid == before and on_disk.process.poll() is None
    on_disk.kill()
    on_disk.start()
    assert on_disk.names() == {"first", refused, *kept}
    assert on_disk.rest("GET", "/devices/first")["attributes"] == {"a": "b" * 100}


def test_disk_full__that_is_known_costs_no_further_commit_until_there_is_room(on_disk):
    assert on_disk.add("first")[0] == 201
    kept, _, refused = fill_until_refused(on_disk, "a")
    failures, asked = on_disk.figure("tenon_commit_failures_total"), 60
    for number in range(asked):
        status, fields, problem = on_disk.add(f"more-{number}")
        assert (status, problem["code"]) == (503, "NOSPACE") and int(fields["Retry-After"]) > 0
        assert on_disk.call("GET", "/default/controller/v1/first", token="TargetToken t")[0] == 200
    # one is tried now and then, after waits that double
    assert on_disk.figure("tenon_commit_failures_total") - failures < asked / 4
    assert on_disk.names() == {"first", *kept}
    on_disk.disk.make_room()
    assert on_disk.add(refused)[0] == 201
    assert on_disk.add("another")[0] == 201


def test_disk_full__while_killed_starts_again_with_all_that_was_acknowledged(on_disk):
    kept, _, refused = fill_until_refused(on_disk, "a")
    on_disk.kill()
    on_disk.disk.make_room()
    on_disk.start()
    assert on_disk.names() == set(kept)
    assert on_disk.add(refused)[0] == 201


def test_disk_full__stops_on_sigterm_with_nothing_lost_but_when_devices_were_heard(on_disk):
    assert on_disk.add("heard")[0] == 201
    kept, _, _ = fill_until_refused(on_disk, "a")
    for name in ("heard", *kept):
        assert on_disk.call("GET", f"/default/controller/v1/{name}", token="TargetToken t")[0] == 200
    on_disk.end()  # with exit status 0
    assert "event=last_seen_lost" in on_disk.log.read_text()
    on_disk.disk.make_room()
    on_disk.start()
    assert on_disk.names() == {"heard", *kept}


def test_disk_full__takes_no_upload_that_does_not_fit_and_names_the_reason(on_disk):
    digest, (status, fields, data) = put(on_disk, random.Random(1).randbytes(2 * MIB))
    assert status == 201
    with open(on_disk.disk.inside / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, (DISK_MIB - 60) * MIB)
    other, (status, fields, data) = put(on_disk, b"another")
    problem = json.loads(data)
    assert (status, fields["Content-Type"], problem["code"]) == (507, "application/problem+json", "NOSPACE")
    assert fields["Upload-Offset"] == "0"
    assert on_disk.call("GET", f"/api/v1/blobs/sha256/{digest}", token=f"Bearer {on_disk.admin.read_text()}")[0] == 200
    on_disk.disk.make_room()
    assert put(on_disk, b"another")[1][0] == 201


def test_disk_full__in_the_middle_of_an_upload_keeps_what_arrived_for_later(on_disk):
    data = random.Random(2).randbytes(6 * MIB)
    digest = hashlib.sha256(data).hexdigest()
    path, token = f"/api/v1/blobs/sha256/{digest}", f"Bearer {on_disk.admin.read_text()}"
    part = on_disk.disk.inside / "uploads" / f"{digest}.part"
    with socket.create_connection(("127.0.0.1", on_disk.port), timeout=30) as link:
        link.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {len(data)}\r\n"
                     "Connection: close\r\n\r\n".encode() + data[:2 * MIB])
        until(lambda: part.exists() and part.stat().st_size >= MIB, "half of it to arrive")
        on_disk.disk.fill()
        link.sendall(data[2 * MIB:])
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 507 "), answer[:300]
    assert b"application/problem+json" in answer and b'"NOSPACE"' in answer
    status, fields, _ = on_disk.call("HEAD", path, token=token)
    start = int(fields["Upload-Offset"])
    assert status == 404 and MIB <= start < len(data) and start == part.stat().st_size
    on_disk.disk.make_room()
    rest = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    done = on_disk.call("PUT", path, data[start:], token, rest)
    assert done[0] == 201, done
    assert on_disk.call("GET", path, token=token)[2] == data


@needs_rtx
def test_disk_full__takes_a_devices_word_again_that_it_could_not_keep(store, tmp_path, disk, engines):  # noqa: F811
    server = FleetOnDisk(tmp_path, disk)
    try:
        publish(server, engines)
        device = server.own("dev-1", "tok")
        dress(device)
        deploy(server)
        base = links(device("GET", ""))["deploymentBase"].split("/dev-1", 1)[1].split("?")[0]
        assert device("GET", base)[0] == 200
        fill_until_refused(server, "a")
        for _ in range(2):
            status, _, data = device("POST", base + "/feedback", tell("closed", "success"))
            assert (status, json.loads(data)["code"]) == (503, "NOSPACE")
            assert "deploymentBase" in links(device("GET", ""))
        disk.make_room()
        assert device("POST", base + "/feedback", tell("closed", "success"))[0] == 200
        server.kill()
        server.start()
        found = links(device("GET", ""))
        assert "installedBase" in found and "deploymentBase" not in found
        assert device("POST", base + "/feedback", tell("closed", "success"))[0] == 410
    finally:
        server.end()


# ---- a clock that jumps ----

class Clock:
    """The wall clock of a server, set from outside; the monotonic one goes on."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set("2026-06-01 12:00:00")

    def set(self, when):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"@{when}\n")
        fresh.rename(self.file)

    @property
    def surroundings(self):
        return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


class Jumping(Server, test_server_ddi.Server):
    def __init__(self, folder, *options):
        self.clock = Clock(folder)
        self.surroundings = self.clock.surroundings
        super().__init__(folder, *options)


@pytest.fixture
def jumping(tmp_path):
    if not FAKETIME or os.environ.get("TENON_SANITIZED"):
        pytest.skip("needs libfaketime, no sanitizer")
    it = Jumping(tmp_path, "--poll", "30s")
    yield it
    it.end()


JUMPS = ["2026-06-01 12:00:05", "2099-01-01 12:00:00", "1970-01-02 12:00:00", "2026-06-01 11:00:00",
         "2031-01-01 12:00:00", "2026-06-01 12:00:00"]


def add_release(server, version):
    digest, _ = put(server, b"a model")
    server.rest("PUT", f"/models/small/releases/{version}", {"model": "small", "version": version, "variants": [
        {"precision": "fp32", "digest": digest, "bytes": 7, "name": "small.onnx"}]}, status=201)


def test_clock__that_jumps_stops_no_token_no_poll_and_reorders_nothing(jumping):
    tokens = []
    for number, when in enumerate(JUMPS):
        jumping.clock.set(when)
        assert jumping.rest("GET", "/server")["time"].startswith(when[:10])
        tokens.append(jumping.rest("POST", "/tokens", {"role": "viewer", "name": f"v{number}"}, status=201)["token"])
        jumping.rest("PUT", f"/devices/d{number}", {"token": "t"}, status=201)
        add_release(jumping, f"r{number}")
        for token in tokens:
            jumping.rest("GET", "/devices", token=token)
        for known in range(number + 1):
            status, _, data = jumping.call("GET", f"/default/controller/v1/d{known}", token="TargetToken t")
            assert status == 200 and re.search(rb'"sleep":"00:00:\d\d"', data)
        assert jumping.rest("GET", f"/devices/d{number}")["seen"].startswith(when[:10])
        assert jumping.figure("tenon_devices_silent") == 0
    newest_first = [f"r{number}" for number in reversed(range(len(JUMPS)))]
    said = [item["detail"]["version"] for item in jumping.rest("GET", "/audit?limit=1000")["items"]
            if item["what"] == "release-add"]
    assert said == newest_first
    for _ in range(2):
        assert [item["version"] for item in jumping.rest("GET", "/releases?model=small")["items"]] == newest_first
        jumping.kill()
        jumping.start()


def test_clock__put_back_leaves_no_device_of_the_future_alive_for_ever(jumping):
    jumping.clock.set("2099-01-01 00:00:00")
    for name in ("dead", "alive"):
        jumping.rest("PUT", f"/devices/{name}", {"token": "t"}, status=201)
        assert jumping.call("GET", f"/default/controller/v1/{name}", token="TargetToken t")[0] == 200
    jumping.clock.set("2026-06-01 12:00:00")
    assert jumping.call("GET", "/default/controller/v1/alive", token="TargetToken t")[0] == 200
    assert jumping.figure("tenon_devices_silent") == 1


def test_clock__that_jumps_neither_forgives_nor_prolongs_a_guess(jumping):
    jumping.rest("PUT", "/devices/d", {"token": "t"}, status=201)

    def ask(token):
        return jumping.call("GET", "/default/controller/v1/d", token=f"TargetToken {token}")[0]
    assert [ask("x") for _ in range(10)] == [401] * 10
    for when in JUMPS:
        jumping.clock.set(when)
        assert ask("x") == 429


def test_clock__that_jumps_cuts_no_download(jumping):
    data = random.Random(4).randbytes(20_000_000)
    digest, _ = put(jumping, data)
    with socket.create_connection(("127.0.0.1", jumping.port), timeout=30) as link:
        link.sendall(f"GET /api/v1/blobs/sha256/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                     f"Authorization: Bearer {jumping.admin.read_text()}\r\n\r\n".encode())
        got = link.recv(1000)
        for when in JUMPS:
            jumping.clock.set(when)
            jumping.rest("PUT", "/devices/tick", {"token": "t"}, status=200 if when != JUMPS[0] else 201)
            got += link.recv(1000)
        got += b"".join(iter(lambda: link.recv(1 << 20), b""))
    assert got.split(b"\r\n\r\n", 1)[1] == data


@needs_rtx
def test_clock__that_jumps_in_the_middle_of_an_update_leaves_its_steps_in_order(store, jumping, engines):  # noqa: F811
    publish(jumping, engines)
    device = jumping.own("dev-1", "tok")
    dress(device)
    numbers = []
    for first, second in zip(JUMPS, JUMPS[1:]):
        jumping.clock.set(first)
        deploy(jumping)
        found = links(device("GET", ""))
        if numbers:  # installed already: nothing to do, whatever the clock says
            assert "installedBase" in found and "deploymentBase" not in found
            continue
        base = found["deploymentBase"].split("/dev-1", 1)[1].split("?")[0]
        numbers.append(base.rsplit("/", 1)[1])
        said = ["download", "downloaded", "proceeding", "scheduled", "resumed"]
        for execution, when in zip(said, JUMPS[1:]):
            jumping.clock.set(when)
            assert device("GET", base)[0] == 200
            assert device("POST", base + "/feedback", tell(execution, "none", [execution]))[0] == 200
        history = json.loads(device("GET", base + "?actionHistory=10")[2])["actionHistory"]["messages"]
        assert history[:5] == said[::-1]
        jumping.clock.set(second)
        assert device("POST", base + "/feedback", tell("closed", "success"))[0] == 200
    listed = [item["id"] for item in jumping.rest("GET", "/deployments")["items"]]
    assert listed == sorted(listed, reverse=True) and len(listed) == len(JUMPS) - 1
    assert jumping.rest("GET", f"/actions/{numbers[0]}")["state"] == "finished"
