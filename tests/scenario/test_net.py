"""The verbs of a fleet against a real tenond, with real engines."""
import hashlib
import json
import os
import pathlib
import signal
import stat
import subprocess
import threading

import pytest

from conftest import RTX, TENON, answer, needs_rtx, run
from fleet import Device, Tenond, needs_tenond, swu, until
from test_schemas import refuses_without, told

pytestmark = [needs_rtx, needs_tenond]
HERE = pathlib.Path(__file__).parent
RUNTIME = "rtx1.7.1.116"
no_gpu = pytest.mark.skipif(os.path.exists("/proc/driver/nvidia"), reason="for a machine without a driver")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with engines of small.onnx for compute capabilities 8.9 and 8.6, and one for 12.0 beside it."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([RTX, HERE / "net_models.py", folder], check=True)
    for board, store in (("rtx4090", "store"), ("rtx3060", "store"), ("rtx5090", "later")):
        answer("get", folder / "small.onnx", "--store", folder / store, "--for", f"{board}+{RUNTIME}")
    return folder


@pytest.fixture
def fleet(store, tmp_path, monkeypatch):
    """A running tenond that this test's user is logged in to as admin."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TENON_SERVER", "TENON_TOKEN_FILE", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Tenond(tmp_path, "--poll", "5s")
    assert "as admin" in run("login", server.url, "--token-file", server.admin).stdout
    yield server
    server.end()


@pytest.fixture
def published(fleet, built):
    done = answer("push", built / "small.onnx", "--release", "1", "--store", built / "store")[0]
    assert (done["release"], done["engines_added"]) == ("published", 2)
    assert run("channel", "set", "small@stable", "1").returncode == 0
    return fleet


@pytest.fixture
def gateway(fleet, tmp_path):
    path = tmp_path / "gateway.token"
    assert run("token", "new", "gateway", "--output", path).returncode == 0
    return path.read_text().strip()


def enrol(fleet, gateway, **boards):
    devices = {name: Device(fleet, name, f"{board}+{RUNTIME}", gateway) for name, board in boards.items()}
    for device in devices.values():
        device.poll()
    return devices


# ---- login and tokens ----

def test_login__with_a_token_that_is_not_known_keeps_nothing(fleet, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "fresh"))
    bad = tmp_path / "bad"
    bad.write_text("0" * 64)
    done = run("login", fleet.url, "--token-file", bad)
    assert done.returncode == 77 and "does not know this token" in done.stderr
    assert not (tmp_path / "fresh").exists()


def test_login__from_standard_input(fleet, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "fresh"))
    done = run("login", fleet.url, "--token-file", "-", input=fleet.admin.read_text())
    assert done.returncode == 0, done.stderr


def test_login__to_another_machine_over_http_is_refused_before_a_byte_is_sent(fleet):
    done = run("login", "http://192.0.2.1:8600", "--token-file", fleet.admin, timeout=20)
    assert done.returncode == 77 and "--insecure-http" in done.stderr


def test_token__of_a_viewer_may_look_and_no_more(published, tmp_path):
    path = tmp_path / "viewer"
    made = answer("token", "new", "viewer", "--name", "eyes", "--output", path)[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and "token" not in made
    look = {"TENON_TOKEN_FILE": str(path)}
    assert answer("releases", env=look)[0]["version"] == "1"
    for verb in (["channel", "set", "small@stable", "1"], ["token", "list"], ["deploy", "small"]):
        done = run(*verb, env=look)
        assert done.returncode == 77, (verb, done.stderr)
    assert run("token", "revoke", made["id"]).returncode == 0
    assert run("releases", env=look).returncode == 77


# ---- push ----

def test_push__again_sends_nothing_and_other_content_is_refused(published, built, tmp_path):
    again = answer("push", built / "small.onnx", "--release", "1", "--store", built / "store")[0]
    assert all(blob["there"] for blob in again["blobs"])
    assert (again["release"], again["engines"], again["engines_added"]) == ("there", 2, 0)
    other = run("push", built / "split.onnx", "--release", "1", "--model", "small")
    assert other.returncode == 2 and "a release never changes" in other.stderr
    assert len(answer("engine", "list", "small@1")) == 2


def test_push__adds_engines_that_were_built_later(published, built):
    more = answer("push", built / "small.onnx", "--release", "1", "--store", built / "later")[0]
    assert (more["engines"], more["engines_added"]) == (1, 1)
    assert len(answer("engine", "list", "small@1")) == 3


def test_push__leaves_out_engines_of_other_shapes_and_says_so(fleet, built, tmp_path):
    """An engine of the same file with another option would load and be another one."""
    spec = tmp_path / "small.yaml"
    spec.write_text(f"name: small\nvariants: {{ fp32: {built}/small.onnx }}\noptions: {{ tf32: false }}\n")
    done = answer("push", spec, "--release", "1", "--store", built / "store")[0]
    assert done["engines"] == 0
    assert len(done["skipped"]) == 2 and "tf32" in done["skipped"][0]["reason"]


def test_push__goes_on_after_the_server_was_killed_and_came_back(fleet, built):
    """The server dies in the middle of an upload; the same push finds it again."""
    size = (built / "big.onnx").stat().st_size
    with subprocess.Popen([TENON, "push", built / "big.onnx", "--release", "1", "--no-engines", "--json"],
                          stdout=subprocess.PIPE, text=True) as client:
        parts = fleet.folder / "data"
        until(lambda: client.poll() is not None or any(path.stat().st_size > 0 for path in parts.rglob("*.part")),
              "the upload to begin")
        fleet.kill()
        fleet.start()
        text = client.communicate(timeout=60)[0]
        assert client.returncode == 0
    done = json.loads(text)
    assert [blob["size_bytes"] for blob in done["blobs"]] == [size]
    assert answer("releases", "big")[0]["version"] == "1"


def test_push__goes_on_after_the_client_was_killed(fleet, built):
    with subprocess.Popen([TENON, "push", built / "big.onnx", "--release", "1", "--no-engines"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        until(lambda: client.poll() is not None or
              any(path.stat().st_size > 0 for path in (fleet.folder / "data").rglob("*.part")), "the upload to begin")
        client.kill()
    done = answer("push", built / "big.onnx", "--release", "1", "--no-engines")[0]
    blob, = done["blobs"]
    assert blob["there"] or blob["sent_bytes"] + blob["resumed_bytes"] == blob["size_bytes"]
    assert done["release"] in ("published", "there")


def test_push__answers_as_its_schema_says(fleet, built, tmp_path):
    engines = ("--store", built / "store")
    plan, = told("push", built / "small.onnx", "--release", "1", "--dry-run", *engines)
    assert (plan["release"], plan["engines_added"]) == (None, None)
    sent, = told("push", built / "small.onnx", "--release", "1", *engines)
    refuses_without("push", sent, "blobs dry_run engines engines_added model release skipped variants version".split())
    spec = tmp_path / "small.yaml"
    spec.write_text(f"name: other\nvariants: {{ fp32: {built}/small.onnx }}\noptions: {{ tf32: false }}\n")
    assert told("push", spec, "--release", "1", *engines)[0]["skipped"]
    left, = told("logout")
    refuses_without("logout", left, ["url", "was_kept"])


def test_lists__answer_as_their_schemas_say(published, gateway, built, tmp_path):
    told("login", published.url, "--token-file", published.admin)
    devices = enrol(published, gateway, a="rtx4090", b="rtx3060", c="rtx5090")
    told("channel", "set", "small@beta", "1")
    digest = told("engine", "list", "small@1")[0]["digest"]
    (tmp_path / "small.swu").write_bytes(swu(b"x"))
    assert told("engine", "attach", digest, tmp_path / "small.swu")[0]["attachments"]
    told("devices", "label", "a", "site=north")
    made, = told("deploy", "small", "--first", "5", "--to", "rtx >= 1.7")
    assert (made["assigned"], made["holes"], made["devices"]) == (2, 1, 3)
    failing, installing = (devices[name].deployment() for name in "ab")
    devices["a"].feedback(failing["id"], "closed", "failure", ["deserialize failed: version tag"])
    devices["b"].feedback(installing["id"], "proceeding", "none")
    row, *_ = told("map", "small", "--why", status=1)
    refuses_without("map", row, "model version platform runtime class class_key gpu devices waiting state engine".split())
    for verb in (["devices"], ["devices", "show", "a"], ["releases"], ["map", "small"], ["deployments"],
                 ["deployments", "show", made["id"]], ["actions"], ["actions", "--failed"], ["token", "list"]):
        assert told(*verb, status=int(verb[0] == "map")), verb
    listed, shown = told("actions")[0], told("actions", "show", failing["id"])[0]
    assert shown["history"] and told("actions", "cancel", installing["id"])[0]["state"] == "canceling"
    refuses_without("actions", listed, "id device model version engine state created".replace("engine ", "").split())
    for state in ("pause", "resume", "stop"):
        told("deployments", state, made["id"], "--why", "lunch")
    key = next(one["class_key"] for one in told("map", "small", status=1) if one["gpu"] == "rtx3060")
    for word in (["stop", digest, "--class", key], ["allow", digest, "--class", key], ["revoke", digest, "--why", "old"]):
        told("engine", *word)
    told("devices", "add", "d", "--device", "t4+trt8.4.1.5")
    for words in (["new", "d"], ["new", "d", "--output", tmp_path / "d.token"], ["revoke", "d"]):
        told("devices", "token", *words)
    told("devices", "remove", "d")
    token, = told("token", "new", "viewer")
    told("token", "new", "viewer", "--output", tmp_path / "v.token")
    told("token", "revoke", token["id"])
    assert [one["revoked"] is None for one in told("token", "list")].count(False) == 1
    told("devices", "poll", "a", "30s")
    assert told("devices", "poll", "10m")[0]["poll_seconds"] == 600
    soft, = told("deploy", "small", "--to", "id = nobody", "--type", "soft")
    assert told("deployments", "force", soft["id"])[0]["type"] == "forced"
    told("backup", "nightly")
    for word in ("pin", "unpin"):
        assert told("engine", word, digest)[0]["pinned"] is (word == "pin")
    told("push", built / "small.onnx", "--release", "2", "--no-engines")
    assert told("releases", "rm", "small@2") == [{"model": "small", "removed": True, "version": "2"}]
    assert {"release-remove", "channel-set"} <= {one["what"] for one in told("audit")}


# ---- devices ----

def test_devices__are_listed_filtered_and_labelled(published, gateway):
    enrol(published, gateway, a="rtx4090", b="rtx3060", c="rtx5090")
    assert run("devices", "label", "a", "site=north", "rack=7").returncode == 0
    assert [one["id"] for one in answer("devices")] == ["a", "b", "c"]
    assert [one["id"] for one in answer("devices", "--where", "cc = 8.9")] == ["a"]
    assert [one["id"] for one in answer("devices", "--where", "site = north and rtx >= 1.7")] == ["a"]
    assert answer("devices", "--where", "gpu = t4") == []
    assert answer("devices", "show", "a")[0]["labels"] == {"rack": "7", "site": "north"}
    assert run("devices", "label", "a", "rack=").returncode == 0
    assert answer("devices", "show", "a")[0]["labels"] == {"site": "north"}
    text = run("devices").stdout.splitlines()
    assert text[0].split()[:2] == ["DEVICE", "STATE"] and len(text) == 4


@pytest.mark.parametrize("verb", [("devices", "--where"), ("deploy", "small", "--to")])
def test_filter__mistakes_stand_over_a_caret_and_ask_nobody(published, verb):
    published.kill()
    done = run(*verb, "cc = 8.9 adn site = x")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[1].index("adn") == lines[2].index("^")
    published.start()


def test_devices__are_registered_before_they_come_with_a_token_of_their_own(published, tmp_path):
    assert run("devices", "add", "early", "--device", f"rtx4090+{RUNTIME}").returncode == 0
    path = tmp_path / "early.token"
    assert run("devices", "token", "new", "early", "--output", path).returncode == 0
    token = f"TargetToken {path.read_text().strip()}"
    assert published.call("GET", "/default/controller/v1/early", token=token)[0] == 200
    assert run("devices", "token", "revoke", "early").returncode == 0
    assert published.call("GET", "/default/controller/v1/early", token=token)[0] == 401
    assert run("devices", "remove", "early").returncode == 0
    assert run("devices", "show", "early").returncode == 66


# ---- map, deploy, actions ----

def test_map__shows_a_hole_that_closes_when_its_engine_is_pushed(published, gateway, built):
    devices = enrol(published, gateway, a="rtx4090", b="rtx3060", c="rtx5090")
    made = answer("deploy", "small@stable")[0]
    assert (made["assigned"], made["channel"]) == (2, "stable")
    rows = {row["gpu"]: row for row in answer("map", "small", status=1)}
    assert {gpu: row["state"] for gpu, row in rows.items()} == {"rtx4090": "engine", "rtx3060": "engine", "rtx5090": "hole"}
    assert rows["rtx5090"]["waiting"] == 1
    assert "hole" in run("map", "small").stdout
    why = run("map", "small", "--why").stdout
    assert "compute capabilities" in why and "wont-load" in why
    assert [devices[name].install() is not None for name in "abc"] == [True, True, False]
    answer("push", built / "small.onnx", "--release", "1", "--store", built / "later")
    assert {row["state"] for row in answer("map", "small")} == {"engine"}
    assert "_sm120_" in devices["c"].install()
    assert {row["running"] for row in answer("map", "small")} == {1}
    for verb in (["devices", "show", "c"], ["actions"], ["actions", "show", "3"], ["map", "small"]):
        assert "_sm120_" in run(*verb).stdout, verb


def test_deploy__to_a_filter_and_first_n(published, gateway):
    devices = enrol(published, gateway, a="rtx4090", b="rtx4090", c="rtx4090")
    run("devices", "label", "a", "site=north")
    assert answer("deploy", "small@1", "--to", "site = north")[0]["assigned"] == 1
    assert [device.poll().get("deploymentBase") is not None for device in devices.values()] == [True, False, False]
    assert answer("deploy", "small@1", "--first", "1")[0]["assigned"] <= 1
    listed = answer("deployments")
    assert [one["version"] for one in listed] == ["1", "1"]
    assert run("deployments", "pause", listed[0]["id"], "--why", "lunch").returncode == 0
    assert answer("deployments", "show", listed[0]["id"])[0]["state"] == "paused"
    assert run("deployments", "resume", listed[0]["id"]).returncode == 0
    assert run("deployments", "stop", listed[0]["id"]).returncode == 0
    assert answer("deployments", "show", listed[0]["id"])[0]["state"] == "stopped"
    assert run("deploy", "small@beta").returncode == 66
    assert run("deploy", "small", "--first", "none").returncode == 2


def test_actions__are_shown_cancelled_and_filtered(published, gateway):
    devices = enrol(published, gateway, a="rtx4090", b="rtx4090")
    answer("deploy", "small")
    first = devices["a"].deployment()
    devices["a"].feedback(first["id"], "closed", "failure", ["deserialize failed: version tag"])
    failed, = answer("actions", "--failed")
    assert (failed["device"], failed["state"]) == ("a", "error")
    assert "deserialize failed" in failed["detail"]
    assert "deserialize failed" in run("actions", "show", failed["id"]).stdout
    waiting = next(one for one in answer("actions") if one["device"] == "b")
    assert run("actions", "cancel", waiting["id"]).returncode == 0
    assert answer("actions", "show", waiting["id"])[0]["state"] in ("canceling", "canceled")
    assert run("actions", "show", "4711").returncode == 66


def test_engine__revoked_is_given_to_nobody_and_named(published, gateway, built):
    engine = next(one for one in answer("engine", "list", "small@1") if "_sm89_" in one["name"])
    assert run("engine", "revoke", engine["digest"][:12], "--why", "wrong weights").returncode == 0
    devices = enrol(published, gateway, a="rtx4090")
    answer("deploy", "small")
    assert devices["a"].deployment() is None
    assert "revoked" in run("engine", "list", "small@1").stdout
    assert "wrong weights" in run("map", "small", "--why").stdout
    assert run("engine", "revoke", "0123456789ab").returncode == 66


def test_get__passes_over_what_the_server_revoked_with_and_without_it(published, built, store, tmp_path):
    """The store has it already; building gives the very same bytes again."""
    model, wanted = built / "small.onnx", ("--for", f"rtx4090+{RUNTIME}")
    by_channel = ("small@stable", "--remote", published.url, *wanted)
    by_release = ("small@1", *by_channel[1:])  # its listing is kept from before
    digest = answer("get", *by_channel)[0]["digest"]
    assert answer("get", *by_release)[0]["digest"] == digest
    run("engine", "revoke", digest, "--why", "wrong calibration")
    first = run("get", *by_channel)
    assert first.returncode == 1 and f"revoked on {published.url}: wrong calibration" in first.stderr
    assert f"{digest[:12]} was passed over, and will be" in first.stderr
    again, = answer("get", *by_channel, status=1)
    assert again["ladder"][0]["result"] == "refused" and again["warnings"] == [], "it is said once, and not built again"
    published.end()
    for asked in (by_channel, by_release, ("small", *wanted), (model, *wanted)):
        away = run("get", *asked)
        assert away.returncode == 1 and "wrong calibration" in away.stderr, asked
    listed, = told("cache", "ls")
    assert listed["revoked"] == {"by": published.url, "in_force": True, "why": "wrong calibration"}
    assert told("cache", "explain", model, *wanted)[0]["engines"][0]["revoked"] == listed["revoked"]
    assert "tenon cache bless" in run("cache", "explain", model, *wanted).stdout
    assert run("cache", "bless", digest).returncode == 0
    for asked in (by_channel, by_release, ("small", *wanted), (model, *wanted)):
        assert answer("get", *asked)[0]["digest"] == digest, asked
    assert told("cache", "ls")[0]["revoked"]["in_force"] is False


def test_get__takes_another_engine_for_a_revoked_one(published, built, store):
    """The next rung, also where a file asks the server."""
    model, wanted = built / "small.onnx", ("--precision", "fp16,fp32", "--for", f"rtx4090+{RUNTIME}")
    full, half = answer("get", model, "--precision", "fp32", *wanted[2:])[0], answer("get", model, *wanted)[0]
    assert half["precision"] == "fp16"
    answer("push", model, "--release", "2", "--store", store)
    device = ("--store", store.parent / "device", "--remote", published.url, *wanted)
    assert answer("get", "small@2", *device)[0]["digest"] == half["digest"]
    run("engine", "revoke", half["digest"])
    got, = answer("get", "small@2", *device)
    assert (got["digest"], got["source"]) == (full["digest"], "remote")
    assert f"{half['digest'][:12]}: revoked on" in got["ladder"][0]["reason"]
    fresh, = answer("get", model, "--store", store.parent / "fresh", "--remote", published.url, *wanted)
    assert fresh["digest"] == full["digest"], "it was neither fetched nor kept when it was built again"
    assert f"{half['digest'][:12]}: revoked on" in fresh["ladder"][0]["reason"]


def test_get__of_a_store_that_cannot_be_marked_passes_over_what_is_revoked(published, store):
    wanted = ("small@stable", "--remote", published.url, "--for", f"rtx4090+{RUNTIME}")
    digest = answer("get", *wanted)[0]["digest"]
    run("engine", "revoke", digest)
    (store / "marks").write_text("a file where the folder should be")
    done = run("get", *wanted, "--no-build")
    assert done.returncode == 1 and "revoked on" in done.stderr, done.stderr


def test_engine__revoked_once_is_revoked_in_every_later_release(published, gateway, built, tmp_path):
    engine = next(one for one in answer("engine", "list", "small@1") if "_sm89_" in one["name"])
    assert run("engine", "revoke", engine["digest"][:12], "--why", "wrong weights").returncode == 0
    push = ("push", built / "small.onnx", "--store", built / "store", "--release")
    assert "2 engines added, 0 there, 1 of them revoked" in run(*push, "2").stdout
    assert {one["digest"]: (one["state"], one["revoked_why"]) for one in answer("engine", "list", "small@2")}[
        engine["digest"]] == ("revoked", "wrong weights")
    devices = enrol(published, gateway, a="rtx4090")
    answer("deploy", "small@2")
    assert devices["a"].deployment() is None
    run("key", "new", tmp_path / "signer")
    assert "0 engines added, 2 there, 1 of them revoked; signed" in run(*push, "2", "--sign", tmp_path / "signer").stdout
    published.end()
    published.start()
    assert devices["a"].deployment() is None


@no_gpu
def test_get__without_a_gpu_takes_no_engine_of_somebody_elses(published, built, tmp_path):
    machine = ("--remote", published.url, "--store", tmp_path / "machine")
    for model in ("small@1", built / "small.onnx"):
        done = answer("get", model, *machine)[0]
        assert "_sm80-121_" in done["name"], done
    assert len(answer("cache", "ls", "--store", tmp_path / "machine")) == 1, "an engine was fetched for nothing"


def test_devices__that_wait_in_a_hole_say_so(published, gateway, built):
    devices = enrol(published, gateway, waits="rtx5090", runs="rtx4090")
    assert "1 of 2 devices assigned, 1 waiting in holes" in run("deploy", "small@stable").stdout
    devices["runs"].install()
    rows = {line.split()[0]: line for line in run("devices").stdout.splitlines()}
    assert rows["waits"].count("small@1") == rows["runs"].count("small@1") == 1
    assert max(len(line) for line in rows.values()) <= 100, "a list that no terminal shows"
    assert {one["id"]: one["waiting"] for one in answer("devices")} == {"waits": ["small@1"], "runs": []}
    assert any(line.split() == ["no", "engine", "of", "small@1"] for line in run("devices", "show", "waits").stdout.splitlines())
    answer("push", built / "small.onnx", "--release", "1", "--store", built / "later")
    assert "no engine of" not in run("devices", "show", "waits").stdout


def test_devices__added_with_a_token_of_their_own_poll_with_it(fleet, tmp_path):
    own = tmp_path / "own.token"
    own.write_text("s3cretS3cretS3cretS3cretS3cretS3\n")
    assert run("devices", "add", "mine", "--token-file", own).returncode == 0
    poll = "/default/controller/v1/mine"
    assert fleet.call("GET", poll, token="TargetToken " + own.read_text().strip())[0] == 200
    assert fleet.call("GET", poll, token="TargetToken another")[0] == 401


def test_audit__says_who_did_what_newest_first(published, gateway):
    enrol(published, gateway, a="rtx4090", b="rtx4090", c="rtx3060")
    answer("deploy", "small")
    everything = answer("audit", "--limit", "0")
    assert [one["what"] for one in everything][:2] == ["deploy", "token-new"]
    assert everything[-1]["who"] and answer("audit", "--limit", "2") == everything[:2]
    assert "model=small" in run("audit").stdout
    assert len(answer("actions")) == 3 and len(answer("actions", "--limit", "1")) == 1
    assert run("audit", "--limit", "many").returncode == 2


def test_release__is_removed_when_nothing_means_it_and_who_runs_it_keeps_it(published, gateway, built):
    devices = enrol(published, gateway, a="rtx4090")
    number = answer("deploy", "small")[0]["id"]
    devices["a"].install()
    refused = run("releases", "rm", "small@1")
    assert refused.returncode != 0 and "small@stable points to 1" in refused.stderr
    answer("push", built / "small.onnx", "--release", "2", "--no-engines")
    answer("channel", "set", "small@stable", "2")
    assert run("deployments", "stop", str(number)).returncode == 0
    engine = answer("engine", "list", "small@1")[0]
    assert run("engine", "pin", engine["digest"][:12]).returncode == 0
    assert answer("engine", "list", "small@1")[0]["pinned"] is True
    assert run("engine", "unpin", engine["digest"][:12]).returncode == 0
    assert run("releases", "rm", "small@1").returncode == 0
    assert [one["version"] for one in answer("releases", "small")] == ["2"]
    assert answer("devices", "show", "a")[0]["state"] == "in-sync"
    again = run("push", built / "small.onnx", "--release", "1")
    assert again.returncode != 0 and "never used twice" in again.stderr
    assert run("releases", "rm", "small@7").returncode == 66
    assert run("releases", "rm", "small").returncode == 2
    assert run("releases", "small", "large").returncode == 2


def test_engine__attached_container_goes_to_those_who_want_it(published, gateway, tmp_path):
    engine = next(one for one in answer("engine", "list", "small@1") if "_sm89_" in one["name"])
    container = tmp_path / "small.swu"
    container.write_bytes(swu(os.urandom(300_000)))
    assert run("engine", "attach", engine["digest"], container).returncode == 0
    devices = enrol(published, gateway, plain="rtx4090", swu="rtx4090")
    run("devices", "label", "swu", "delivery=swupdate")
    answer("deploy", "small")
    _, plan = devices["plain"].download(devices["plain"].deployment())
    artifact, file = devices["swu"].download(devices["swu"].deployment())
    assert hashlib.sha256(plan).hexdigest() == engine["digest"]
    assert (artifact["filename"], file) == ("small.swu", container.read_bytes())
    nameless = tmp_path / "small.bin"
    nameless.write_bytes(b"x")
    assert run("engine", "attach", engine["digest"], nameless).returncode == 2


# ---- get, backup ----

def test_get__of_a_channel_comes_from_the_server_byte_for_byte(published, built):
    got = answer("get", "small@stable", "--for", f"rtx4090+{RUNTIME}")[0]
    near = answer("get", built / "small.onnx", "--store", built / "store", "--for", f"rtx4090+{RUNTIME}")[0]
    assert (got["source"], got["digest"]) == ("remote", near["digest"])
    assert answer("get", "small@stable", "--for", f"rtx4090+{RUNTIME}")[0]["source"] == "store"
    hole = answer("get", "small@stable", "--for", f"rtx5090+{RUNTIME}")[0]
    assert hole["source"] == "built"


def test_backup__is_a_database_that_a_server_starts_with(published, gateway, tmp_path):
    enrol(published, gateway, a="rtx4090")
    assert run("backup", "nightly").returncode == 0
    copy = tmp_path / "data/backups/nightly"
    assert copy.exists()
    assert run("backup", "../evil").returncode != 0
    published.kill()
    copy.rename(tmp_path / "data/tenond.db")
    for name in ("tenond.db-wal", "tenond.db-shm"):
        (tmp_path / "data" / name).unlink(missing_ok=True)
    published.start()
    assert [one["id"] for one in answer("devices")] == ["a"]
    assert answer("releases")[0]["channels"] == ["stable"]
