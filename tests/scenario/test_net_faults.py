"""The client against a server and a network that misbehave: what breaks off goes on, what is wrong is refused."""
import json
import os
import pathlib
import pty
import signal
import socket
import stat
import subprocess
import threading

import pytest

from conftest import RTX, TENON, answer, needs_rtx, run
from rogue import Rogue

pytestmark = needs_rtx


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([RTX, pathlib.Path(__file__).parent / "net_models.py", folder], check=True)
    return folder


@pytest.fixture
def rogue(store, tmp_path, monkeypatch):
    server = Rogue()
    token = tmp_path / "token"
    token.write_text(server.token + "\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TENON_SERVER", server.url)
    monkeypatch.setenv("TENON_TOKEN_FILE", str(token))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


def push(models, name="big", status=0, *args):
    return run("push", models / f"{name}.onnx", "--release", "1", *args, timeout=60)


def test_push__goes_on_where_the_connection_broke(rogue, models):
    rogue.fault("PUT", "blobs", lambda handler: handler.take(rogue, handler.path[-64:], cut=1_000_000))
    rogue.fault("PUT", "blobs", lambda handler: handler.take(rogue, handler.path[-64:], cut=2_000_000))
    size = (models / "big.onnx").stat().st_size
    done = answer("push", models / "big.onnx", "--release", "1")[0]
    assert [blob["sent_bytes"] for blob in done["blobs"]] == [size]
    assert rogue.received == size, "bytes that had arrived were sent again"
    assert rogue.blobs == {done["blobs"][0]["digest"]: (models / "big.onnx").read_bytes()}
    assert rogue.count("PUT", "blobs") == 3


def test_push__interrupted_by_a_person_says_that_nothing_is_lost(rogue, models):
    begun, end = threading.Event(), threading.Event()

    def stall(handler):
        begun.set()
        end.wait(60)
        handler.drop()
    rogue.fault("PUT", "blobs", stall)
    with subprocess.Popen([TENON, "push", models / "big.onnx", "--release", "1"], stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, text=True) as client:
        assert begun.wait(60)
        client.send_signal(signal.SIGINT)
        said = client.communicate(timeout=60)[1]
    end.set()
    assert (client.returncode, "the same push goes on where it stopped" in said) == (-signal.SIGINT, True), said
    assert answer("push", models / "big.onnx", "--release", "1")[0]["release"] == "published"


def test_push__sends_nothing_that_is_there(rogue, models):
    first = answer("push", models / "split.onnx", "--release", "1")[0]
    assert [(blob["name"], blob["there"]) for blob in first["blobs"]] == [("split.onnx", False), ("split.bin", False)]
    before = rogue.received
    again = answer("push", models / "split.onnx", "--release", "1")[0]
    assert all(blob["there"] and blob["sent_bytes"] == 0 for blob in again["blobs"])
    assert (rogue.received, first["release"], again["release"]) == (before, "published", "there")


def test_push__tells_a_release_all_that_it_is_made_of(rogue, models):
    answer("push", models / "split.onnx", "--release", "1.0?a", "--model", "a b")
    (path, manifest), = rogue.put.items()
    assert path == "/api/v1/models/a%20b/releases/1.0%3Fa"
    assert (manifest["model"], manifest["version"]) == ("a b", "1.0?a")
    variant, = manifest["variants"]
    external, = variant["external"]
    assert (variant["precision"], variant["name"], external["name"]) == ("fp32", "split.onnx", "split.bin")
    assert rogue.blobs[variant["digest"]] == (models / "split.onnx").read_bytes()
    assert rogue.blobs[external["digest"]] == (models / "split.bin").read_bytes()
    assert variant["model_digest"] not in rogue.blobs, "the digest of the whole is that of no file"
    assert manifest["spec"]["options"] == {"flags": [], "hardware-compatibility": "none", "tf32": True}
    assert manifest["needs"] == []


def test_push__dry_run_changes_nothing_and_says_what_would_resume(rogue, models):
    digest = answer("push", models / "small.onnx", "--release", "1", "--dry-run")[0]["blobs"][0]["digest"]
    rogue.parts[digest] = (models / "small.onnx").read_bytes()[:10]
    text = run("push", models / "small.onnx", "--release", "1", "--dry-run")
    assert "would resume" in text.stdout and "nothing was sent" in text.stdout
    assert {method for method, _, _ in rogue.requests} == {"HEAD"}
    assert (rogue.blobs, rogue.put) == ({}, {})


def test_push__of_bytes_that_changed_on_their_way_is_refused(rogue, models):
    def spoil(handler):
        data = bytearray(handler.body())
        data[5] ^= 1
        handler.reply(422, {"title": "Unprocessable", "status": 422, "code": "CORRUPT"})
    rogue.fault("PUT", "blobs", spoil)
    done = push(models, "small")
    assert done.returncode == 65 and "did '" in done.stderr
    assert rogue.put == {}, "a release was published without its file"


def test_push__tries_again_later_when_the_server_says_so(rogue, models):
    rogue.fault("HEAD", "blobs", lambda handler: handler.reply(503, headers=[("Retry-After", "0")]))
    rogue.fault("PUT", "releases", lambda handler: (handler.body(), handler.reply(429, headers=[("Retry-After", "1")])))
    assert push(models, "small").returncode == 0
    assert rogue.count("HEAD", "blobs") == 2 and rogue.count("PUT", "releases") == 2


def test_post__is_never_repeated(rogue):
    rogue.fault("POST", "cancel", lambda handler: handler.drop(), times=5)
    done = run("actions", "cancel", "7")
    assert done.returncode == 75
    assert rogue.count("POST", "cancel") == 1


@pytest.mark.parametrize("do, status, words", [
    (lambda handler: handler.reply(302, headers=[("Location", "http://elsewhere.example/")]), 65, "sends callers elsewhere"),
    (lambda handler: handler.reply(404, b"<html>no</html>", kind="text/html"), 66, "is that the address of a tenond?"),
    (lambda handler: handler.reply(200, b"<html>hello</html>", kind="text/html"), 65, "is it a tenond?"),
    (lambda handler: handler.reply(200, b'{"version": ', kind="application/json"), 65, "line 1"),
    (lambda handler: handler.reply(200, {"hello": 1}), 65, "is no tenond"),
    (lambda handler: handler.reply(500, {"title": "Internal", "detail": "it broke"}, [("X-Request-Id", "r-17")]), 74, "it broke (request r-17)"),
    (lambda handler: handler.reply(403, {"title": "Forbidden", "detail": "needs the role admin"}), 77, "needs the role admin"),
    (lambda handler: handler.reply(507, {"title": "Full", "detail": "the disk is full"}), 73, "the disk is full"),
    (lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n") and handler.drop(), 65, "HTTP"),
    (lambda handler: handler.drop(), 75, "connection"),
])
def test_login__names_cause_and_cure_of_a_bad_answer(rogue, do, status, words):
    rogue.fault("GET", "server", do, times=9)
    done = run("login", rogue.url, timeout=60)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert not (pathlib.Path(os.environ["XDG_CONFIG_HOME"]) / "tenon/credentials").exists()
    assert rogue.token not in done.stderr + done.stdout


def test_answers__of_a_hostile_server_steer_no_terminal(rogue):
    evil = "\x1b[2J\x1b]0;mine\x07\r\n"
    rogue.fault("GET", "server", lambda handler: handler.reply(200, {"version": evil, "role": evil}))
    rogue.fault("POST", "tokens", lambda handler: (handler.body(), handler.reply(201, {"token": evil})))
    rogue.fault("POST", "backup", lambda handler: (handler.body(), handler.reply(201, {"path": evil})))
    rogue.fault("DELETE", "tokens", lambda handler: handler.reply(403, {"title": "no", "detail": evil}))
    rogue.fault("GET", "tokens", lambda handler: handler.reply(200, {"items": [{"id": evil, "role": evil, "name": evil}],
                                                                     "next": None}))
    rogue.fault("GET", "map", lambda handler: handler.reply(200, {"items": [
        {"platform": evil, "state": evil, "why": [{"name": evil, "verdict": evil, "reasons": [evil]}]}], "next": None}))
    for words in (["login", rogue.url], ["map", "m", "--why"], ["token", "new", "viewer"], ["backup", "x"], ["token", "revoke", "y"], ["token", "list"]):
        done = run(*words)
        shown = (done.stdout + done.stderr).replace("\n", "")
        assert shown and shown.isprintable(), (words, shown)


def test_token__is_sent_to_no_proxy_and_no_other_server(rogue, monkeypatch):
    """What is for this machine goes there directly, whatever http_proxy says."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.01)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert run("login", rogue.url).returncode == 0
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


def test_token__never_shows_in_arguments_or_output(rogue, models, tmp_path):
    trace = tmp_path / "trace"
    done = subprocess.run(["strace", "-f", "-e", "trace=execve", "-s", "4096", "-v", "-o", trace, TENON, "push",
                           models / "small.onnx", "--release", "1", "-v"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # no leak check where another one traces
    assert done.returncode == 0, done.stderr
    assert rogue.token not in done.stdout + done.stderr + trace.read_text()
    sent = rogue.requests[0][2]["Authorization"]
    assert sent == f"Bearer {rogue.token}"


def test_login__keeps_the_token_for_the_owner_alone_and_logout_forgets_it(rogue, monkeypatch):
    monkeypatch.delenv("TENON_SERVER")
    assert "logged in" in run("login", rogue.url).stdout
    monkeypatch.delenv("TENON_TOKEN_FILE")
    kept = pathlib.Path(os.environ["XDG_CONFIG_HOME"]) / "tenon/credentials"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["servers"][0]["token"] == rogue.token
    assert run("actions", "cancel", "7").returncode == 66, "the kept server and token are used"
    assert answer("logout")[0]["was_kept"] is True
    assert rogue.token not in kept.read_text()
    done = run("actions", "cancel", "7")
    assert done.returncode == 2 and "tenon login" in done.stderr


def test_push__killed_half_way_goes_on_at_the_next_try(rogue, models):
    arrived, gate = threading.Event(), threading.Event()

    def hold(handler):
        digest = handler.path[-64:]
        rogue.parts[digest] = handler.rfile.read(3_000_000)
        rogue.received += 3_000_000
        arrived.set()
        gate.wait(60)
        handler.drop()
    rogue.fault("PUT", "blobs", hold)
    with subprocess.Popen([TENON, "push", models / "big.onnx", "--release", "1"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as client:
        assert arrived.wait(60)
        client.kill()
    gate.set()
    done = answer("push", models / "big.onnx", "--release", "1")[0]
    size = (models / "big.onnx").stat().st_size
    assert done["blobs"][0]["resumed_bytes"] == 3_000_000
    assert done["blobs"][0]["sent_bytes"] == size - 3_000_000
    assert rogue.received == size


def test_push__draws_a_bar_on_a_terminal_only(rogue, models):
    plain = push(models)
    assert "\r" not in plain.stderr and "\x1b" not in plain.stderr
    assert "big.onnx" in plain.stdout
    rogue.blobs.clear()
    leader, follower = pty.openpty()
    with subprocess.Popen([TENON, "push", models / "big.onnx", "--release", "1"], stdout=subprocess.DEVNULL,
                          stderr=follower) as client:
        os.close(follower)
        drawn = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            drawn += piece
        assert client.wait() == 0
    os.close(leader)
    assert b"big.onnx" in drawn and b"\r\x1b[K" in drawn
    rogue.blobs.clear()
    assert push(models, "big", 0, "-q").stderr == ""


def test_push__reads_a_spec_with_variants_and_refuses_half_a_model(rogue, models, tmp_path):
    spec = tmp_path / "model.yaml"
    spec.write_text(f"name: two\nvariants:\n  fp32: {models}/small.onnx\n  fp16: {models}/split.onnx\n"
                    "policy:\n  precision: [fp16, fp32]\n")
    done = answer("push", spec, "--release", "1")[0]
    assert (done["variants"], len(done["blobs"])) == (2, 3)
    manifest = rogue.put["/api/v1/models/two/releases/1"]
    assert manifest["spec"]["policy"]["precision"] == ["fp16", "fp32"]
    lone = tmp_path / "split.onnx"
    lone.write_bytes((models / "split.onnx").read_bytes())
    refused = run("push", lone, "--release", "2")
    assert refused.returncode == 66 and "split.bin" in refused.stderr
    assert "/api/v1/models/split/releases/2" not in rogue.put
