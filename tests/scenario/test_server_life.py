"""tenond as a program: it starts, is killed, comes back, drains, is measured, and stands bad input."""
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading

import pytest

from conftest import run
from fleet import TENOND, Hold, Tenond, needs_tenond, until

pytestmark = needs_tenond
ROUNDS = 100


class Server(Tenond):
    def rest(self, method, path, body=None, status=200, token=None, headers=None):
        got, fields, data = self.call(method, "/api/v1" + path, body,
                                      f"Bearer {token or self.admin.read_text()}", headers)
        assert got == status, (method, path, got, data[:400])
        return json.loads(data) if data else None

    def figures(self):
        status, fields, data = self.call("GET", "/metrics")
        assert status == 200 and fields["Content-Type"].startswith("text/plain; version=0.0.4")
        return data.decode()

    def figure(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.figures().splitlines()
                   if line.split("{")[0].split(" ")[0] == name)


@pytest.fixture
def server(tmp_path):
    it = Server(tmp_path, "--poll", "30s")
    yield it
    it.end()


def put(server, data, headers=None):
    digest = hashlib.sha256(data).hexdigest()
    return digest, server.call("PUT", f"/api/v1/blobs/sha256/{digest}", data, f"Bearer {server.admin.read_text()}", headers)


# ---- start ----

def test_start__makes_a_private_folder_and_shows_no_secret(server):
    data = server.folder / "data"
    assert data.stat().st_mode & 0o777 == 0o700
    assert server.admin.stat().st_mode & 0o777 == 0o600
    assert server.admin.read_text() not in server.log.read_text()
    assert "admin.token" in server.log.read_text()


def test_start__again_keeps_the_admin(server):
    token = server.admin.read_text()
    server.end()
    server.start()
    assert server.admin.read_text() == token
    assert server.rest("GET", "/server")["role"] == "admin"


def test_start__on_a_folder_or_port_in_use_says_so_and_exits_75(server, tmp_path):
    for options in (["--data", server.folder / "data", "--listen", "127.0.0.1:0"],
                    ["--data", tmp_path / "other", "--listen", f"127.0.0.1:{server.port}"]):
        done = subprocess.run([TENOND, *options], capture_output=True, text=True, timeout=30)
        assert done.returncode == 75 and " in use" in done.stderr, done.stderr
    assert server.rest("GET", "/server")["role"] == "admin"


@pytest.mark.parametrize("words", [["--bogus"], [], ["--data", "x", "--poll", "0s"], ["--data", "x", "--tls-cert", "y"],
                                   ["--data", "x", "--listen", "8600"]])
def test_usage__mistakes_exit_2(words, tmp_path):
    done = subprocess.run([TENOND, *words], capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert done.returncode == 2 and "tenond: " in done.stderr and "--help" in done.stderr, done.stderr


# ---- durability ----

class Writer(threading.Thread):
    """Registers devices one after the other until the server is gone; keeps what was acknowledged."""

    def __init__(self, server, name):
        super().__init__()
        self.server, self.name_of, self.known = server, name, []
        self.token = server.admin.read_text()

    def run(self):
        try:
            link = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
            for i in range(100000):
                name = f"{self.name_of}-{i}"
                link.request("PUT", f"/api/v1/devices/{name}", '{"token":"t"}', {"Authorization": f"Bearer {self.token}"})
                reply = link.getresponse()
                reply.read()
                if reply.status == 201:
                    self.known.append(name)
        except (OSError, http.client.HTTPException):
            pass


def test_kill__loses_no_write_that_was_acknowledged(server):
    chance, acknowledged = random.Random(5), []
    for number in range(ROUNDS):
        writers = [Writer(server, f"r{number}-w{i}") for i in range(4)]
        for writer in writers:
            writer.start()
        wanted = chance.randrange(1, 60)
        until(lambda: sum(len(writer.known) for writer in writers) >= wanted, "writes")
        server.kill()
        for writer in writers:
            writer.join()
            acknowledged += writer.known
        server.start()
        assert server.rest("GET", f"/devices/{acknowledged[-1]}")["id"] == acknowledged[-1]
    found, cursor = set(), ""
    while cursor is not None:
        page = server.rest("GET", f"/devices?limit=1000&cursor={cursor}")
        found |= {item["id"] for item in page["items"]}
        cursor = page["next"]
    assert set(acknowledged) <= found and len(acknowledged) >= ROUNDS


def test_upload__goes_on_after_a_kill_at_any_byte(server):
    data = random.Random(3).randbytes(3_000_000)
    digest = hashlib.sha256(data).hexdigest()
    path = f"/api/v1/blobs/sha256/{digest}"
    authorization = f"Bearer {server.admin.read_text()}"
    for stop in (1_000_000, 1_700_001):
        link = socket.create_connection(("127.0.0.1", server.port))
        got, fields, _ = server.call("HEAD", path, token=authorization)
        start = int(fields["Upload-Offset"])
        link.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: "
                     f"{len(data) - start}\r\nContent-Range: bytes {start}-{len(data) - 1}/{len(data)}\r\n\r\n".encode()
                     + data[start:stop])
        part = server.folder / "data/uploads" / f"{digest}.part"
        until(lambda: part.exists() and part.stat().st_size > start, "bytes to arrive")
        server.kill()
        link.close()
        server.start()
        assert server.call("GET", path, token=authorization)[0] == 404
    got, fields, _ = server.call("HEAD", path, token=authorization)
    start = int(fields["Upload-Offset"])
    assert got == 404 and 0 < start <= 1_700_001
    wrong = server.call("PUT", path, data[5:10], authorization, {"Content-Range": f"bytes 5-9/{len(data)}"})
    assert wrong[0] == 409 and wrong[1]["Upload-Offset"] == str(start)
    half = server.call("PUT", path, data[start:2_000_000], authorization,
                       {"Content-Range": f"bytes {start}-1999999/{len(data)}"})
    assert half[0] == 202 and half[1]["Upload-Offset"] == "2000000"
    done = server.call("PUT", path, data[2_000_000:], authorization,
                       {"Content-Range": f"bytes 2000000-{len(data) - 1}/{len(data)}"})
    assert done[0] == 201
    assert server.call("GET", path, token=authorization)[2] == data
    head = server.call("HEAD", path, token=authorization)
    assert head[0] == 200 and int(head[1]["Content-Length"]) == len(data)


def test_upload__of_other_bytes_is_refused_and_leaves_nothing(server):
    digest = hashlib.sha256(b"right").hexdigest()
    token = f"Bearer {server.admin.read_text()}"
    assert server.call("PUT", f"/api/v1/blobs/sha256/{digest}", b"wrong", token)[0] == 422
    got, fields, _ = server.call("HEAD", f"/api/v1/blobs/sha256/{digest}", token=token)
    assert (got, fields["Upload-Offset"]) == (404, "0")
    assert put(server, b"right")[1][0] == 201
    assert put(server, b"right")[1][0] == 201


def test_stop__finishes_a_download_in_progress_and_takes_no_new_one(server):
    data = random.Random(4).randbytes(20_000_000)
    digest, _ = put(server, data)
    link = socket.create_connection(("127.0.0.1", server.port))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    link.sendall(f"GET /api/v1/blobs/sha256/{digest} HTTP/1.1\r\nHost: x\r\n"
                 f"Authorization: Bearer {server.admin.read_text()}\r\n\r\n".encode())
    got = link.recv(1000)
    server.process.send_signal(signal.SIGTERM)

    def refused():
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
        except ConnectionRefusedError:
            return True
        return False
    until(refused, "the server to stop listening")
    assert server.process.poll() is None
    while len(got) < len(data) or not got.endswith(data[-1000:]):
        piece = link.recv(1 << 20)
        assert piece
        got += piece
    assert got.split(b"\r\n\r\n", 1)[1] == data
    link.close()
    assert server.process.wait(30) == 0
    assert "event=stopped" in server.log.read_text()


def back_up(server, to, surroundings=None):
    return subprocess.Popen([TENOND, "backup", "--data", server.folder / "data", "--to", to], text=True,
                            stderr=subprocess.PIPE, env={**os.environ, **(surroundings or {})})


def ended(process, status=0):
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status, said
    return said


def check_copy(folder, token, devices, blobs):
    """A server on a copy of the backup in `folder` has these, and no more."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(folder.with_name("copy"), folder / "data")
    other = Server(folder)
    try:
        assert not other.admin.exists()
        assert {item["id"] for item in other.rest("GET", "/devices", token=token)["items"]} == devices
        for digest, data in blobs.items():
            assert other.call("GET", f"/api/v1/blobs/sha256/{digest}", token=f"Bearer {token}")[2] == data
    finally:
        other.end()


def test_backup__with_and_without_the_server_is_a_folder_that_another_starts_on(server, tmp_path):
    token, blobs = server.admin.read_text(), {}
    for number in range(3):
        data = f"engine {number}".encode()
        blobs[put(server, data)[0]] = data
        server.rest("PUT", f"/devices/d{number}", {"token": "t"}, status=201)
        if number == 2:
            server.end()
        # each has a note of its hashes beside it
        assert f"files_new=2 files_there={2 * number} files_left_out=0" in ended(back_up(server, tmp_path / "copy"))
        check_copy(tmp_path / f"other{number}", token, {f"d{i}" for i in range(number + 1)}, blobs)


def test_backup__under_load_holds_all_that_was_acknowledged_before_it(server, tmp_path):
    writers = [Writer(server, f"w{i}") for i in range(4)]
    for writer in writers:
        writer.start()
    for number in range(5):
        wanted = 50 * (number + 1)
        until(lambda: sum(len(writer.known) for writer in writers) >= wanted, "writes")
        before = {name for writer in writers for name in list(writer.known)}
        ended(back_up(server, tmp_path / "copy"))
        with contextlib.closing(sqlite3.connect(tmp_path / "copy/tenond.db")) as db:
            assert before <= {row[0] for row in db.execute("SELECT id FROM device")}
    server.kill()
    for writer in writers:
        writer.join()


@pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="preloads a library")
@pytest.mark.parametrize("place", ["tenond.db.new", "/copy/blobs"])
def test_backup__that_is_killed_leaves_the_earlier_one_whole(server, tmp_path, place):
    token, first = server.admin.read_text(), b"the first engine"
    blobs = {put(server, first)[0]: first}
    server.rest("PUT", "/devices/first", {"token": "t"}, status=201)
    ended(back_up(server, tmp_path / "copy"))
    server.rest("PUT", "/devices/second", {"token": "t"}, status=201)
    later = {put(server, b"the second engine")[0]: b"the second engine"}
    hold = Hold(tmp_path, place)
    process = back_up(server, tmp_path / "copy", hold.surroundings)
    hold.wait()
    assert "in use" in ended(back_up(server, tmp_path / "copy"), 75)  # only one at a time
    process.kill()
    process.communicate()
    check_copy(tmp_path / "other", token, {"first"}, blobs)
    ended(back_up(server, tmp_path / "copy"))
    check_copy(tmp_path / "next", token, {"first", "second"}, {**blobs, **later})
    assert [path.name for path in (tmp_path / "copy").iterdir() if path.name.startswith(".")] == []


def test_backup__leaves_a_broken_file_out_and_says_so(server, tmp_path):
    token, good = server.admin.read_text(), b"a good engine"
    blobs = {put(server, good)[0]: good}
    broken, _ = put(server, b"an engine")
    path = server.folder / "data/blobs/sha256" / broken[:2] / broken[2:]
    path.chmod(0o600)
    path.write_bytes(b"no engine")
    assert broken[2:] in ended(back_up(server, tmp_path / "copy"), 65)
    check_copy(tmp_path / "other", token, set(), blobs)
    assert not (tmp_path / "copy/blobs/sha256" / broken[:2] / broken[2:]).exists()


def test_backup__never_writes_over_a_folder_that_a_server_has(server, tmp_path):
    assert "--to is the folder" in ended(back_up(server, server.folder / "data"), 2)
    ended(back_up(server, tmp_path / "live/data"))
    (tmp_path / "live").mkdir(exist_ok=True)
    other = Server(tmp_path / "live")
    try:
        assert "in use" in ended(back_up(server, tmp_path / "live/data"), 75)
        other.rest("PUT", "/devices/d", {"token": "t"}, status=201, token=server.admin.read_text())
        other.kill()
        assert "was killed" in ended(back_up(server, tmp_path / "live/data"), 2)
    finally:
        other.end()


# ---- tokens and roles ----

def test_roles__may_do_what_they_may(server):
    tokens = {role: server.rest("POST", "/tokens", {"role": role, "name": role}, status=201)["token"]
              for role in ("admin", "publisher", "viewer", "gateway")}
    for role, statuses in (("admin", (200, 201, 200)), ("publisher", (200, 201, 403)), ("viewer", (200, 403, 403)),
                           ("gateway", (401, 401, 401))):
        got = [server.call(method, path, body, f"Bearer {tokens[role]}")[0] for method, path, body in (
            ("GET", "/api/v1/devices", None), ("PUT", f"/api/v1/devices/of-{role}", {}), ("GET", "/api/v1/audit", None))]
        assert tuple(got) == statuses, role
    viewer = next(item for item in server.rest("GET", "/tokens")["items"] if item["name"] == "viewer")
    server.rest("DELETE", f"/tokens/{viewer['id']}")
    assert server.call("GET", "/api/v1/devices", token=f"Bearer {tokens['viewer']}")[0] == 401
    assert not set(tokens.values()) & set(json.dumps(server.rest("GET", "/tokens")).split('"'))
    assert {item["what"] for item in server.rest("GET", "/audit")["items"]}


def test_wrong_tokens__are_slowed_and_right_ones_pass(server):
    seen = [server.call("GET", "/api/v1/server", token=f"Bearer guess{i}")[0] for i in range(25)]
    assert seen[0] == 401 and seen[-1] == 429
    assert server.rest("GET", "/server")["role"] == "admin"


def test_metrics__ask_for_their_token_when_there_is_one(tmp_path):
    secret = tmp_path / "metrics.token"
    secret.write_text("s3cret\n")
    server = Server(tmp_path, "--metrics-token-file", secret)
    try:
        assert server.call("GET", "/metrics")[0] == 401
        assert server.call("GET", "/metrics", token="Bearer wrong")[0] == 401
        assert server.call("GET", "/metrics", token="Bearer s3cret")[0] == 200
        assert server.call("GET", "/healthz")[2] == b"ok\n"
    finally:
        server.end()


def test_metrics__are_open_to_this_machine_and_not_through_a_proxy(server):
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert server.call("GET", "/metrics")[0] == 200
    assert server.call("GET", "/metrics", headers=forwarded)[0] == 401
    assert server.call("GET", "/metrics", token=f"Bearer {server.admin.read_text()}", headers=forwarded)[0] == 200


def test_metrics__token_file_without_a_token_is_refused(tmp_path):
    (tmp_path / "empty").write_text("\n")
    done = subprocess.run([TENOND, "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--metrics-token-file",
                           tmp_path / "empty"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 65 and "holds no token" in done.stderr


# ---- bad input ----

def test_rest__refuses_bad_input_with_a_problem_that_says_why(server):
    there, _ = put(server, b"abc")
    for method, path, body, status in (
            ("GET", "/devices?where=gpu%20%3D%3D%3D%203", None, 400), ("GET", "/devices?limit=0", None, 400),
            ("GET", "/devices?limit=many", None, 400), ("GET", "/devices/none", None, 404),
            ("PUT", "/devices/x", b"[]", 400), ("PUT", "/devices/x", b"{", 400),
            ("PUT", "/devices/x", {"device": "no-such-board"}, 404), ("PUT", "/devices/none/labels", {"a": "b"}, 404),
            ("PUT", "/models/m/releases/1", {"model": "other"}, 400),
            ("PUT", "/models/m/releases/1", {"variants": [{"precision": "fp32", "digest": "0" * 64}]}, 424),
            ("PUT", "/models/m/releases/1", {"variants": [{"precision": "fp32", "digest": there, "bytes": 3, "name": "x.onnx",
                                                           "external": [{"digest": "zz"}]}]}, 400),
            ("PUT", "/models/m/channels/stable", {"version": "9"}, 404), ("PUT", "/models/m/channels/stable", {}, 400),
            ("POST", "/deployments", {}, 400), ("POST", "/deployments", {"model": "m", "first": -1}, 400),
            ("GET", "/deployments/9", None, 404), ("GET", "/actions/9", None, 404), ("GET", "/actions/x", None, 404),
            ("POST", "/actions/9/cancel", None, 404), ("POST", "/tokens", {"role": "king"}, 400),
            ("POST", "/backup", {"path": "../evil"}, 400), ("POST", "/backup", {"path": ".hidden"}, 400),
            ("PUT", "/blobs/sha256/xyz", b"abc", 400), ("GET", "/blobs/sha256/" + "0" * 64, None, 404),
            ("GET", "/map?model=none", None, 404), ("GET", "/nothing", None, 404), ("PATCH", "/devices/x", None, 405),
            ("POST", "/engines/" + "0" * 64 + "/revoke", {"why": "x"}, 404),
            ("PUT", "/devices/x", b'{"token":"' + b"x" * 300000 + b'"}', 413)):
        problem = server.rest(method, path, body, status=status)
        assert problem["status"] == status and problem["detail"] and problem["request_id"], (method, path)
    assert server.rest("GET", "/devices")["items"] == []


def test_filter__mistakes_name_their_column_and_draw_a_caret(server):
    problem = server.rest("GET", "/devices?where=gpu%20%3D%3D%3D%203", status=400)
    for unreadable in ("id%3D%FF", "id%3D%2", "id%3Dx%20or%20" + "x" * 2100):
        assert "where" in server.rest("GET", f"/devices?where={unreadable}", status=400)["detail"]
    line, caret = problem["caret"].split("\n")
    assert line == "gpu === 3" and len(caret) == problem["column"] and caret.strip() == "^"


def test_device__is_registered_with_all_that_was_given_or_not_at_all(server):
    for given in ({"attributes": {"fine": "1", "bad": "x" * 200}}, {"attributes": {"bad": "\x1b[2J"}}, {"device": "none"},
                  {"token": "x" * 300}, {"attributes": {str(i): "x" for i in range(201)}}):
        status = {"device": 404}.get(list(given)[0], 413 if len(given.get("attributes", "")) > 200 else 400)
        server.rest("PUT", "/devices/d", given, status=status)
        server.rest("GET", "/devices/d", status=404)


def test_device_token__is_changed_by_an_admin_alone_and_that_is_in_the_audit_log(server):
    publisher = server.rest("POST", "/tokens", {"role": "publisher", "name": "p"}, status=201)["token"]
    server.rest("PUT", "/devices/d", {"token": "its own"}, status=201, token=publisher)
    server.rest("PUT", "/devices/d", {"token": "its own"}, token=publisher)
    server.rest("PUT", "/devices/d", {"token": "stolen", "attributes": {"a": "1"}}, status=403, token=publisher)
    server.rest("PUT", "/devices/d", {"attributes": {"b": "1"}}, token=publisher)
    assert server.rest("GET", "/devices/d")["attributes"] == {"b": "1"}
    poll = "/default/controller/v1/d"
    assert server.call("GET", poll, token="TargetToken its own")[0] == 200
    assert server.call("GET", poll, token="TargetToken stolen")[0] == 401
    server.rest("PUT", "/devices/d", {"token": "another"})
    assert server.call("GET", poll, token="TargetToken another")[0] == 200
    assert server.call("GET", poll, token="TargetToken its own")[0] == 401
    newest = server.rest("GET", "/audit?limit=1")["items"][0]
    assert (newest["what"], newest["who"], newest["detail"]) == ("device-token-new", "first admin", {"device": "d"})


def test_labels__are_set_all_or_none(server):
    server.rest("PUT", "/devices/d", {"token": "t"}, status=201)
    for bad in (5, "x" * 200, "\x1b[2J"):
        server.rest("PUT", "/devices/d/labels", {"site": "north", "bad": bad}, status=400)
    server.rest("PUT", "/devices/d/labels", {"site": "north", **{str(i): "x" for i in range(64)}}, status=413)
    assert server.rest("GET", "/devices/d")["labels"] == {}
    assert server.rest("PUT", "/devices/d/labels", {"site": "north", "rack": "1"})["labels"] == \
        {"rack": "1", "site": "north"}
    assert server.rest("PUT", "/devices/d/labels", {"site": None})["labels"] == {"rack": "1"}


def test_raw_bytes__that_are_no_http_do_no_harm(server):
    chance = random.Random(6)
    for piece in (b"\r\n" * 100, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00" + chance.randbytes(500),
                  b"GET " + b"/a" * 9000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000,
                  b"PUT /api/v1/devices/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  b"POST /api/v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", chance.randbytes(4000)):
        link = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        try:
            link.sendall(piece)
            link.shutdown(socket.SHUT_WR)
            answer = link.recv(4096)
            assert not answer or b" 4" in answer[:16] or b" 505" in answer[:16], (piece[:40], answer[:60])
        except OSError:
            pass  # hung up on: fine
        link.close()
    assert server.rest("GET", "/server")["devices"] == 0


# ---- figures ----

@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool (tools/packages test)")
def test_metrics__are_what_promtool_accepts(server):
    server.rest("PUT", "/devices/d", {"token": "t"}, status=201)
    assert server.call("GET", "/DEFAULT/controller/v1/d", token="TargetToken t")[0] == 200
    assert server.call("GET", "/DEFAULT/controller/v1/d", token="TargetToken x")[0] == 401
    text = server.figures()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    assert server.figure("tenon_polls_total") == 1 and server.figure("tenon_device_refusals_total") == 1
    assert server.figure("tenon_devices") == 1 and server.figure("tenon_commit_groups_total") >= 1
    documented = subprocess.run([TENOND, "--document", "metrics"], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            assert f"`{line.split()[2]}`" in documented


def test_log__has_one_line_of_fields_per_change_and_failure(server):
    before = server.log.read_text().count("event=request")
    server.rest("GET", "/devices")
    server.rest("PUT", "/devices/d", {}, status=201)
    problem = server.rest("GET", '/devices/%22x%0A', status=404)
    lines = [line for line in server.log.read_text().splitlines() if "event=request" in line][before:]
    assert len(lines) == 2 and "method=PUT" in lines[0] and "status=201" in lines[0] and 'who="first admin"' in lines[0]
    assert f"id={problem['request_id']}" in lines[1]


# ---- TLS, and a proxy in front ----

@pytest.fixture
def certificate(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key.pem", "-out",
                    tmp_path / "cert.pem", "-subj", "/CN=localhost", "-days", "3650", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_tls__serves_and_says_https_in_its_links(tmp_path, certificate):
    server = Server(tmp_path, "--tls-cert", certificate[0], "--tls-key", certificate[1])
    try:
        link = http.client.HTTPSConnection("localhost", server.port, timeout=30,
                                           context=ssl.create_default_context(cafile=certificate[0]))
        link.request("PUT", "/api/v1/devices/d", '{"token":"t"}', {"Authorization": f"Bearer {server.admin.read_text()}"})
        reply = link.getresponse()
        assert (reply.status, bool(reply.read())) == (201, True)
        link.request("GET", "/default/controller/v1/d", headers={"Authorization": "TargetToken t"})
        assert f'"https://localhost:{server.port}/default' in link.getresponse().read().decode()
        link.close()
    finally:
        server.end()
    bad = subprocess.run([TENOND, "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--tls-cert", certificate[1],
                          "--tls-key", certificate[0]], capture_output=True, text=True, timeout=30)
    assert bad.returncode == 65 and "tenond: " in bad.stderr, bad.stderr


def test_tls__client_tells_its_token_only_to_who_was_vouched_for_under_that_name(tmp_path, certificate, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    subprocess.run(["openssl", "req", "-x509", "-key", certificate[1], "-out", tmp_path / "other.pem", "-subj", "/CN=other.example",
                    "-addext", "subjectAltName=DNS:other.example"], check=True, capture_output=True)
    for served, options, status, words in (
            (certificate[0], (), 77, "give the one that vouches for it with --ca"),
            (certificate[0], ("--ca", certificate[1]), 77, "holds no certificates"),
            (tmp_path / "other.pem", ("--ca", tmp_path / "other.pem"), 77, "certificate is not trusted"),
            (certificate[0], ("--ca", certificate[0]), 0, "")):
        server = Server(tmp_path, "--tls-cert", served, "--tls-key", certificate[1])
        try:
            done = run("login", f"https://127.0.0.1:{server.port}", "--token-file", server.admin, *options)
            assert (done.returncode, words in done.stderr) == (status, True), done.stderr
            assert server.admin.read_text() not in done.stdout + done.stderr
            assert ("event=request" in server.log.read_text()) is False
            assert run("devices").returncode == (0 if status == 0 else 2)  # login keeps what it was told
        finally:
            server.end()


NGINX = """
daemon off; error_log stderr; pid %(folder)s/nginx.pid;
events {}
http {
  access_log off; client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:%(port)d ssl; ssl_certificate %(cert)s; ssl_certificate_key %(key)s;
    client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;
    location / {
      proxy_pass http://127.0.0.1:%(behind)d; proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
"""


@pytest.mark.skipif(not shutil.which("nginx"), reason="needs nginx (tools/packages test)")
def test_nginx__in_front_ends_tls_and_the_links_lead_through_it(tmp_path, certificate):
    server = Server(tmp_path, "--trusted-proxy", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(NGINX % {"folder": tmp_path, "port": port, "behind": server.port,
                                                  "cert": certificate[0], "key": certificate[1]})
    nginx = subprocess.Popen(["nginx", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        def up():
            try:
                return socket.create_connection(("127.0.0.1", port))
            except OSError:
                return None
        until(up, "nginx to listen").close()
        data = random.Random(8).randbytes(1_000_000)
        digest, _ = put(server, data)
        link = http.client.HTTPSConnection("localhost", port, timeout=30,
                                           context=ssl.create_default_context(cafile=certificate[0]))
        token = {"Authorization": f"Bearer {server.admin.read_text()}"}
        link.request("GET", f"/api/v1/blobs/sha256/{digest}", headers={**token, "Range": "bytes=10-999999"})
        assert link.getresponse().read() == data[10:]
        link.request("PUT", "/api/v1/devices/d", '{"token":"t"}', token)
        assert link.getresponse().read()
        link.request("GET", "/default/controller/v1/d", headers={"Authorization": "TargetToken t"})
        assert f'"https://localhost:{port}/default/controller' in link.getresponse().read().decode()
        link.request("GET", "/default/controller/v1/d", headers={"Authorization": "TargetToken x",
                                                                 "X-Forwarded-For": "6.6.6.6"})
        assert link.getresponse().status == 401
        assert "address=6.6.6.6" not in server.log.read_text()
        link.close()
    finally:
        nginx.terminate()
        nginx.wait(20)
        server.end()


def test_forwarded_headers__of_strangers_do_not_count(server):
    server.rest("PUT", "/devices/d", {"token": "t"}, status=201)
    data = server.call("GET", "/default/controller/v1/d", token="TargetToken t",
                       headers={"X-Forwarded-Proto": "https"})[2]
    assert b'"http://' in data and b"https" not in data
    server.call("GET", "/default/controller/v1/d", token="TargetToken x", headers={"X-Forwarded-For": "6.6.6.6"})
    assert "6.6.6.6" not in server.log.read_text()


def test_forwarded_for__is_what_the_proxy_itself_saw_however_it_says_so(tmp_path):
    server = Server(tmp_path, "--trusted-proxy", "127.0.0.1")
    try:
        for number, header in enumerate(("X-Forwarded-For: 192.0.2.66\r\nX-Forwarded-For: 192.0.2.7\r\n",  # HAProxy
                                         "X-Forwarded-For: 192.0.2.66, 192.0.2.7\r\n")):  # nginx
            link = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            link.sendall(f"GET /default/controller/v1/d{number} HTTP/1.1\r\nHost: x\r\n{header}"
                         "Authorization: TargetToken x\r\n\r\n".encode())
            assert link.recv(4096).startswith(b"HTTP/1.1 401 ")
            link.close()
        log = server.log.read_text()
        assert log.count("address=192.0.2.7") == 2 and "192.0.2.66" not in log
    finally:
        server.end()


# ---- clients that are slow, and many ----

def test_download_rate__is_shared_and_loses_no_byte(tmp_path):
    server = Server(tmp_path, "--download-rate", "4MiB")
    try:
        data = random.Random(9).randbytes(2_000_000)
        digest, _ = put(server, data)
        got = []

        def fetch():
            got.append(server.call("GET", f"/api/v1/blobs/sha256/{digest}",
                                   token=f"Bearer {server.admin.read_text()}")[2] == data)
        threads = [threading.Thread(target=fetch) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [True] * 3
    finally:
        server.end()


def test_enrolment__of_a_thousand_devices_at_once(server):
    token = server.rest("POST", "/tokens", {"role": "gateway", "name": "gw"}, status=201)["token"]
    links = []
    for i in range(1000):
        link = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        link.sendall(f"GET /default/controller/v1/many-{i} HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: GatewayToken {token}\r\n\r\n".encode())
        links.append(link)
    for link in links:
        assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
        link.close()
    assert server.rest("GET", "/server")["devices"] == 1000
    assert server.figure("tenon_registrations_total") == 1000
