"""tenond as devices see it: hawkBit's device protocol, quirk by quirk, and what it never gives away."""
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import RTX, answer, needs_rtx, run
from fleet import Device, Tenond, needs_tenond, until

pytestmark = [needs_rtx, needs_tenond]
HERE = pathlib.Path(__file__).parent
RUNTIME = "rtx1.7.1.116"
BOARD = f"rtx4090+{RUNTIME}"
OPEN = {"Accept": "application/hal+json"}


class Server(Tenond):
    """A tenond with an admin's and a gateway's token and plain calls of its REST."""

    def rest(self, method, path, body=None, status=200, **kwargs):
        got, fields, data = self.call(method, "/api/v1" + path, body,
                                      f"Bearer {self.admin.read_text()}", **kwargs)
        assert got == status, (method, path, got, data[:400])
        return json.loads(data) if data else None

    def put_blob(self, data):
        digest = hashlib.sha256(data).hexdigest()
        self.rest("PUT", f"/blobs/sha256/{digest}", data, status=201)
        return digest

    def gateway(self):
        return self.rest("POST", "/tokens", {"role": "gateway", "name": "gw"}, status=201)["token"]

    def own(self, name, token):
        """Registers a device with a token of its own and gives back its calls."""
        self.rest("PUT", f"/devices/{name}", {"token": token}, status=201)

        def call(method, path, body=None, headers=None, tenant="DEFAULT", token=token, host=None):
            return self.call(method, f"/{tenant}/controller/v1/{name}{path}", body,
                             f"TargetToken {token}" if token else None,
                             {**OPEN, **({"Host": host} if host else {}), **(headers or {})})
        return call


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """A model and two engines of it, as `tenon` builds and records them."""
    folder = tmp_path_factory.mktemp("engines")
    subprocess.run([RTX, HERE / "net_models.py", folder], check=True)
    found = []
    for board in ("rtx4090", "rtx3060"):
        done = answer("get", folder / "small.onnx", "--store", folder / "store", "--for", f"{board}+{RUNTIME}")[0]
        plan = pathlib.Path(done["path"]).resolve()
        found.append((plan.read_bytes(), json.loads(plan.with_name("record.json").read_text())))
    return (folder / "small.onnx").read_bytes(), found


@pytest.fixture
def server(store, tmp_path):
    it = Server(tmp_path, "--poll", "30s")
    yield it
    it.end()


def publish(server, engines, version="1"):
    model, built = engines
    digest = server.put_blob(model)
    manifest = {"model": "small", "version": version, "variants": [
        {"precision": "fp32", "digest": digest, "bytes": len(model), "name": "small.onnx"}]}
    server.rest("PUT", f"/models/small/releases/{version}", manifest, status=201)
    for plan, record in built:
        server.put_blob(plan)
        server.rest("PUT", f"/models/small/releases/{version}/engines/{record['digest']}", record, status=201)
    server.rest("PUT", "/models/small/channels/stable", {"version": version})


@pytest.fixture
def published(server, engines):
    publish(server, engines)
    return server


def links(reply):
    return {name: link["href"] for name, link in json.loads(reply[2]).get("_links", {}).items()}


def tell(execution, finished, details=(), **more):
    return {"id": "1", "status": {"execution": execution, "result": {"finished": finished},
                                  "details": list(details)}, **more}


def dress(device):
    """Gives a device the attributes of a board."""
    class Any:
        pass
    facts = Device(Any, "x", BOARD, "").facts
    assert device("PUT", "/configData", {"mode": "replace", "data": facts})[0] == 200


def deploy(server, **more):
    return server.rest("POST", "/deployments", {"model": "small", "channel": "stable", **more}, status=201)


# ---- what people publish ----

def test_engine__that_is_there_already_is_not_made_again(published, engines):
    for _, record in engines[1]:
        path = f"/models/small/releases/1/engines/{record['digest']}"
        assert published.rest("PUT", path, record, status=200)["digest"] == record["digest"]


# ---- who may ask ----

def test_refusals__look_the_same_and_tell_nothing(published):
    call = published.own("dev-1", "tok-dev-1")
    for reply in (call("GET", "", token=None), call("GET", "", token="wrong"), call("GET", "", tenant="NOSUCH"),
                  published.call("GET", "/DEFAULT/controller/v1/unknown", token="TargetToken tok-dev-1"),
                  published.call("GET", "/DEFAULT/controller/v1/dev-1", token="GatewayToken tok-dev-1"),
                  published.call("GET", "/DEFAULT/controller/v1/dev-1", token=f"Bearer {published.admin.read_text()}")):
        status, fields, data = reply
        assert (status, data) == (401, b"") and "WWW-Authenticate" not in fields
    assert call("GET", "")[0] == 200


def test_guessing__is_slowed_for_the_device_and_not_for_others(published):
    one, two = published.own("dev-1", "tok-1"), published.own("dev-2", "tok-2")
    seen = [one("GET", "", token=f"guess{i}")[0] for i in range(12)]
    assert seen[:10] == [401] * 10 and seen[10:] == [429, 429]
    assert one("GET", "")[0] == 429
    assert two("GET", "")[0] == 200


def test_gateway__registers_on_a_poll_and_on_nothing_else(published):
    token = f"GatewayToken {published.gateway()}"
    base = "/DEFAULT/controller/v1/gw-new"
    assert published.call("PUT", base + "/configData", {"data": {"a": "b"}}, token)[0] == 404
    status, _, data = published.call("GET", base, token=token)
    assert status == 200 and "configData" in data.decode()
    assert published.rest("GET", "/devices/gw-new")["registered_by"] == "gateway"


# ---- the poll ----

def test_poll__is_hawkbits_to_the_byte_when_idle(published):
    call = published.own("dev-1", "tok")
    status, fields, data = call("GET", "", host="fleet.example:99")
    sleep = json.loads(data)["config"]["polling"]["sleep"]
    assert re.fullmatch(r"00:00:(2[7-9]|3[0-3])", sleep)
    assert json.loads(data)["_links"] == {
        "configData": {"href": "http://fleet.example:99/DEFAULT/controller/v1/dev-1/configData"}}
    assert fields["Content-Type"] == "application/hal+json" and int(fields["Content-Length"]) == len(data)
    dress(call)
    status, fields, data = call("GET", "")
    assert data == b'{"config":{"polling":{"sleep":"%s"}}}' % sleep.encode() and len(data) == 43
    again = call("GET", "", headers={"If-None-Match": fields["ETag"]})
    assert (again[0], again[2]) == (304, b"")
    assert call("GET", "", headers={"Accept": "application/json;charset=UTF-8"})[1]["Content-Type"] == \
        "application/json;charset=UTF-8"


def test_links__echo_the_tenant_as_written_in_any_case(published):
    call = published.own("dev-1", "tok")
    for tenant in ("default", "DEFAULT", "Default"):
        assert f"/{tenant}/controller/v1/dev-1/configData" in links(call("GET", "", tenant=tenant))["configData"]


def sleeps(call):
    hours, minutes, seconds = json.loads(call("GET", "")[2])["config"]["polling"]["sleep"].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def test_poll__time_is_the_servers_or_the_devices_own_from_the_next_poll_on(published):
    one, two = published.own("dev-1", "tok-1"), published.own("dev-2", "tok-2")
    assert 27 <= sleeps(one) <= 33
    assert published.rest("PUT", "/server/settings", {"poll": "5m"}) == \
        {"poll_seconds": 300, "poll_default_seconds": 30}
    assert published.rest("PUT", "/devices/dev-1/poll", {"poll": "2h"})["poll_own"] is True
    for _ in range(2):
        assert 6480 <= sleeps(one) <= 7920 and 270 <= sleeps(two) <= 330
        dress(one)  # configData replaces attributes; this is none
        assert 6480 <= sleeps(one) <= 7920
        published.end()
        published.start()
    assert published.rest("GET", "/devices/dev-1")["poll_seconds"] == 7200
    assert published.rest("GET", "/server/settings")["poll_seconds"] == 300
    published.rest("PUT", "/devices/dev-1/poll", {"poll": None})
    assert 270 <= sleeps(one) <= 330
    published.rest("PUT", "/server/settings", {"poll": None})
    assert 27 <= sleeps(one) <= 33 and 27 <= sleeps(two) <= 33


@pytest.mark.parametrize("body", [{}, {"poll": 30}, {"poll": "soon"}, {"poll": "0s"}, {"poll": "999ms"}, {"poll": "24h"},
                                  {"poll": "30s", "more": 1}])
def test_poll__time_out_of_bounds_is_refused_for_all_and_for_one(published, body):
    call = published.own("dev-1", "tok")
    for path in ("/server/settings", "/devices/dev-1/poll"):
        published.rest("PUT", path, body, status=400)
    published.rest("PUT", "/devices/nobody/poll", {"poll": "30s"}, status=404)
    assert 27 <= sleeps(call) <= 33


def test_poll__time_is_set_on_the_command_line(published):
    published.own("dev-1", "tok")
    there = ["--server", published.url, "--token-file", published.admin]
    assert answer("devices", "poll", "dev-1", "45s", *there)[0]["poll_seconds"] == 45
    assert answer("devices", "poll", "1h", *there)[0]["poll_seconds"] == 3600
    assert answer("devices", "show", "dev-1", *there)[0]["poll_seconds"] == 45
    assert answer("devices", "poll", "dev-1", "default", *there)[0]["poll_seconds"] == 3600
    assert answer("devices", "poll", "dev-1", "later", *there, status=2) == []


# ---- a whole life ----

def test_device__lives_a_whole_update(published, engines):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    found = links(call("GET", ""))
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/DEFAULT/controller/v1/dev-1/deploymentBase/\d+\?c=\d+",
                        found["deploymentBase"]) and len(found) == 1
    number = re.search(r"deploymentBase/(\d+)", found["deploymentBase"])[1]
    status, _, data = call("GET", f"/deploymentBase/{number}?c=1")
    body = json.loads(data)
    chunk, = body["deployment"]["chunks"]
    artifact, = chunk["artifacts"]
    plan = engines[1][0][0]
    assert (status, body["id"], body["deployment"]["download"], body["deployment"]["update"]) == \
        (200, number, "forced", "forced")
    assert (chunk["part"], chunk["name"], chunk["version"]) == ("bApp", "small", "1")
    assert artifact["size"] == len(plan) and artifact["hashes"] == {
        "md5": hashlib.md5(plan).hexdigest(), "sha1": hashlib.sha1(plan).hexdigest(),
        "sha256": hashlib.sha256(plan).hexdigest()}
    assert set(artifact["_links"]) == {"download-http", "md5sum-http"}
    pairs = {pair["key"]: pair["value"] for pair in chunk["metadata"]}
    assert pairs["engine.digest"] == artifact["hashes"]["sha256"] and pairs["engine.version"] == "1.7.1.116"

    path = artifact["_links"]["download-http"]["href"].split("/dev-1", 1)[1]
    status, fields, _ = call("HEAD", path)
    assert status == 200 and int(fields["Content-Length"]) == len(plan)
    status, fields, data = call("GET", path)
    assert (status, data) == (200, plan)
    assert fields["ETag"] == f'"{artifact["hashes"]["sha1"]}"' and fields["Accept-Ranges"] == "bytes"
    assert fields["Content-Disposition"] == f"attachment;filename={artifact['filename']}"
    assert call("GET", path + ".MD5SUM")[2].decode() == f"{artifact['hashes']['md5']}  {artifact['filename']}"
    listed = json.loads(call("GET", path.rsplit("/", 1)[0])[2])
    assert [item["filename"] for item in listed] == [artifact["filename"]]

    feedback = f"/deploymentBase/{number}/feedback"
    for execution in ("download", "downloaded", "proceeding", "scheduled", "resumed"):
        assert call("POST", feedback, tell(execution, "none", [execution]))[0] == 200
    assert call("GET", f"/installedBase/{number}")[0] == 404
    status, _, data = call("GET", f"/deploymentBase/{number}?actionHistory=3")
    history = json.loads(data)["actionHistory"]
    assert (history["status"], history["messages"]) == ("RUNNING", ["resumed", "scheduled", "proceeding"])
    closed = call("POST", feedback, tell("closed", "success", ["done"], code=200))
    assert (closed[0], closed[2]) == (200, b"")
    assert call("POST", feedback, tell("closed", "failure"))[0] == 410

    found = links(call("GET", ""))
    assert set(found) == {"installedBase", "configData"}
    assert json.loads(call("GET", f"/installedBase/{number}")[2])["deployment"]["chunks"] == [chunk]
    dress(call)
    assert set(links(call("GET", ""))) == {"installedBase"}
    # hawkBit puts a finished action back to "retrieved" when it is looked at
    assert call("GET", f"/deploymentBase/{number}")[0] == 200
    assert published.rest("GET", f"/actions/{number}")["state"] == "finished"
    assert call("GET", path)[2] == plan  # installed: may be had again


def test_cancel__is_offered_alone_and_may_be_confirmed_twice(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    assert call("GET", f"/cancelAction/{number}")[0] == 404
    assert call("GET", f"/deploymentBase/{number}")[0] == 200
    published.rest("POST", f"/actions/{number}/cancel")
    found = links(call("GET", ""))
    # no query, for SWUpdate; a leading zero, for Zephyr
    assert found["cancelAction"].endswith(f"/cancelAction/0{number}") and "deploymentBase" not in found
    gone = call("GET", f"/deploymentBase/{number}")
    assert (gone[0], gone[2]) == (404, b"")
    path = found["cancelAction"].split("/dev-1", 1)[1]
    assert json.loads(call("GET", path)[2]) == {"id": number, "cancelAction": {"stopId": number}}
    for _ in range(2):
        assert call("POST", path + "/feedback", tell("closed", "success"))[0] == 200
    assert published.rest("GET", f"/actions/{number}")["state"] == "canceled"


def test_cancel__before_the_device_has_looked_withdraws_the_action(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    published.rest("POST", f"/actions/{number}/cancel")
    assert not {"deploymentBase", "cancelAction"} & set(links(call("GET", "")))
    assert call("GET", f"/deploymentBase/{number}")[0] == 404
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 410


def test_cancel__that_a_device_refuses_leaves_the_update_to_it(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    assert call("GET", f"/deploymentBase/{number}")[0] == 200
    published.rest("POST", f"/actions/{number}/cancel")
    assert call("POST", f"/cancelAction/{number}/feedback", tell("rejected", "none", ["too late"]))[0] == 200
    assert "deploymentBase" in links(call("GET", ""))
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 200


# ---- confirmations ----

def waiting(call):
    """The number of the action that waits for the device's word; nothing else may be offered with it."""
    offered = links(call("GET", ""))
    assert "deploymentBase" not in offered and "cancelAction" not in offered
    return re.search(r"/dev-1/confirmationBase/(\d+)\?c=\d+$", offered["confirmationBase"])[1]


@pytest.fixture
def asked(published):
    """A device that is asked before."""
    call = published.own("dev-1", "tok")
    dress(call)
    assert deploy(published, confirm=True)["confirm"] is True
    return published, call


def test_confirmation__as_the_transcript_has_it(asked, engines):
    published, call = asked
    number = waiting(call)
    assert published.rest("GET", f"/actions/{number}")["state"] == "wait_for_confirmation"
    base = json.loads(call("GET", "/confirmationBase")[2])
    assert base["autoConfirm"] == {"active": False, "activatedAt": 0}
    assert set(base["_links"]) == {"activateAutoConfirm", "confirmationBase"}
    assert base["_links"]["activateAutoConfirm"]["href"].endswith("/DEFAULT/controller/v1/dev-1/confirmationBase/activateAutoConfirm")
    assert base["_links"]["confirmationBase"]["href"] == links(call("GET", ""))["confirmationBase"]
    shown = json.loads(call("GET", f"/confirmationBase/{number}?actionHistory=5")[2])
    assert shown["id"] == number and shown["actionHistory"]["status"] == "WAIT_FOR_CONFIRMATION"
    assert (shown["confirmation"]["download"], shown["confirmation"]["update"]) == ("forced", "forced")
    assert shown["confirmation"]["chunks"][0]["artifacts"][0]["hashes"]["sha256"] == engines[1][0][1]["digest"]
    feedback = f"/confirmationBase/{number}/feedback"
    assert call("POST", feedback, {"confirmation": "denied", "details": ["not at night"], "code": 7})[0] == 200
    assert waiting(call) == number, "it waits on"
    assert call("POST", feedback, {"confirmation": "confirmed", "details": ["ok"]})[0] == 200
    assert set(links(call("GET", ""))) & {"confirmationBase", "deploymentBase"} == {"deploymentBase"}
    assert [call(method, path, body)[0] for method, path, body in [
        ("GET", f"/confirmationBase/{number}", None), ("POST", feedback, {"confirmation": "confirmed"})]] == [404, 404]
    assert call("GET", f"/deploymentBase/{number}")[0] == 200
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 200
    assert call("POST", feedback, {"confirmation": "confirmed"})[0] == 410
    history = published.rest("GET", f"/actions/{number}")["history"]
    assert [row["details"] for row in history][:2] == ["denied\nnot at night", "confirmed\nok"] and history[0]["code"] == 7


def test_confirmation__until_then_nothing_of_it_can_be_done(asked):
    published, call = asked
    number = waiting(call)
    assert call("GET", f"/deploymentBase/{number}")[0] == 404
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 404
    assert call("GET", f"/cancelAction/{number}")[0] == 404
    for wrong in ({}, {"confirmation": "perhaps"}, {"confirmation": 1}):
        assert call("POST", f"/confirmationBase/{number}/feedback", wrong)[0] == 400
    assert call("POST", "/confirmationBase/4711/feedback", {"confirmation": "confirmed"})[0] == 404
    published.own("dev-2", "tok-2")
    assert published.call("POST", f"/DEFAULT/controller/v1/dev-2/confirmationBase/{number}/feedback",
                          {"confirmation": "confirmed"}, "TargetToken tok-2")[0] == 404
    assert waiting(call) == number
    assert published.rest("GET", f"/actions/{number}")["history"] == []


def test_confirmation__survives_a_kill_and_a_canceled_one_is_gone(asked):
    published, call = asked
    number = waiting(call)
    call("POST", "/confirmationBase/" + number + "/feedback", {"confirmation": "denied"})
    published.kill()
    published.start()
    assert waiting(call) == number
    published.rest("POST", f"/actions/{number}/cancel")
    assert not set(links(call("GET", ""))) & {"confirmationBase", "deploymentBase", "cancelAction"}
    assert call("GET", f"/confirmationBase/{number}")[0] == 404
    assert call("POST", f"/confirmationBase/{number}/feedback", {"confirmation": "confirmed"})[0] == 410


def test_confirmation__of_everything_is_the_devices_own_and_lasts(asked):
    published, call = asked
    number = waiting(call)
    for _ in range(2):
        assert call("POST", "/confirmationBase/activateAutoConfirm", {"initiator": "me", "remark": "night"})[0] == 200
    base = json.loads(call("GET", "/confirmationBase")[2])
    assert base["autoConfirm"]["active"] is True and base["autoConfirm"]["activatedAt"] > 1_700_000_000_000
    assert set(base["_links"]) == {"deactivateAutoConfirm"}
    assert re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1] == number, "what waited as well"
    published.kill()
    published.start()
    assert published.rest("GET", "/devices/dev-1")["auto_confirm"]
    published.rest("POST", "/deployments/1/state", {"state": "stopped"})
    deploy(published, confirm=True)
    assert "deploymentBase" in links(call("GET", "")), "what comes is confirmed, too"
    assert call("POST", "/confirmationBase/deactivateAutoConfirm")[0] == 200
    assert published.rest("GET", "/devices/dev-1")["auto_confirm"] is None
    published.rest("POST", "/deployments/2/state", {"state": "stopped"})
    deploy(published, confirm=True)
    assert int(waiting(call)) > int(number)


def test_confirmation__a_deployment_that_does_not_ask_takes_the_place_of_one_that_does(asked):
    """The way out for a client that does not know the question."""
    published, call = asked
    number = waiting(call)
    deploy(published)
    offered = links(call("GET", ""))
    assert "confirmationBase" not in offered and "deploymentBase" in offered
    assert published.rest("GET", f"/actions/{number}")["state"] == "withdrawn"


def test_confirmation__is_what_deploy_says(published):
    call = published.own("dev-1", "tok")
    dress(call)
    there = ["--server", published.url, "--token-file", published.admin]
    made, = answer("deploy", "small@stable", "--confirm", *there)
    assert made["confirm"] is True and waiting(call)
    assert run("deployments", "stop", str(made["id"]), *there).returncode == 0
    assert not set(links(call("GET", ""))) & {"confirmationBase", "deploymentBase"}
    assert answer("deploy", "small@stable", *there)[0]["confirm"] is False
    assert "deploymentBase" in links(call("GET", ""))


# ---- soft and download-only ----

def given(call):
    """The link to the deployment that the device is offered, its number, and how it is to be handled."""
    href = links(call("GET", ""))["deploymentBase"].split("/dev-1", 1)[1]
    deployment = json.loads(call("GET", href)[2])["deployment"]
    return href, re.search(r"deploymentBase/(\d+)", href)[1], (deployment["download"], deployment["update"])


def test_soft__is_an_attempt_until_it_is_forced_and_then_has_another_link(published):
    call = published.own("dev-1", "tok")
    dress(call)
    there = ["--server", published.url, "--token-file", published.admin]
    deployment, = answer("deploy", "small@stable", "--type", "soft", *there)
    assert deployment["type"] == "soft"
    soft, number, handling = given(call)
    assert handling == ("attempt", "attempt") and given(call)[0] == soft
    assert answer("deployments", "force", str(deployment["id"]), *there)[0]["type"] == "forced"
    forced, again, handling = given(call)
    assert (again, handling) == (number, ("forced", "forced")) and forced != soft
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 200
    published.rest("POST", "/deployments/99/force", status=404)


def test_download_only__ends_when_the_file_is_there_and_installs_nothing(published, engines):
    call = published.own("dev-1", "tok")
    dress(call)
    deployment = deploy(published, type="download-only")
    _, number, handling = given(call)
    assert handling == ("forced", "skip")
    feedback = f"/deploymentBase/{number}/feedback"
    assert call("POST", feedback, tell("download", "none"))[0] == 200
    assert call("POST", feedback, tell("downloaded", "success", ["got it"]))[0] == 200
    assert call("POST", feedback, tell("downloaded", "success"))[0] == 410
    action = published.rest("GET", f"/actions/{number}")
    assert (action["state"], action["type"]) == ("downloaded", "download-only")
    device = published.rest("GET", "/devices/dev-1")
    assert device["installed"] is None and device["models"] == [] and device["state"] == "registered"
    assert published.rest("GET", f"/deployments/{deployment['id']}")["finished"] == 1
    assert set(links(call("GET", ""))) == {"configData"}
    assert call("GET", f"/installedBase/{number}")[0] == 404
    published.rest("POST", f"/deployments/{deployment['id']}/force", status=400)
    deploy(published)
    _, number, handling = given(call)
    assert handling == ("forced", "forced")
    assert call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "success"))[0] == 200
    assert published.rest("GET", "/devices/dev-1")["installed"]["digest"] == engines[1][0][1]["digest"]


def test_deployment__of_an_unknown_type_is_refused(published):
    published.rest("POST", "/deployments", {"model": "small", "type": "timeforced"}, status=400)
    assert published.rest("GET", "/deployments")["items"] == []


# ---- what a device declares ----

def test_declared__release_counts_as_installed_where_one_engine_fits(published, engines):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    words = {"name": "small", "version": "1"}
    assert [call("PUT", "/installedBase", words)[::2] for _ in range(2)] == [(201, b""), (200, b"")]
    device = published.rest("GET", "/devices/dev-1")
    assert device["installed"]["digest"] == engines[1][0][1]["digest"] and device["declared"] is None
    assert (device["installed"]["type"], device["installed"]["deployment"]) == ("declared", None)
    found = links(call("GET", ""))
    assert set(found) == {"installedBase"}
    base = json.loads(call("GET", found["installedBase"].split("/dev-1", 1)[1])[2])
    artifact, = base["deployment"]["chunks"][0]["artifacts"]
    assert call("GET", artifact["_links"]["download-http"]["href"].split("/dev-1", 1)[1])[2] == engines[1][0][0]
    published.end()
    published.start()
    assert call("PUT", "/installedBase", words)[0] == 200


def test_declared__release_without_a_known_engine_is_kept_as_words(published):
    call = published.own("dev-1", "tok")
    assert [call("PUT", "/installedBase", {"name": "small", "version": "1"})[0] for _ in range(2)] == [201, 200]
    device = published.rest("GET", "/devices/dev-1")
    assert device["declared"] == {"model": "small", "version": "1"} and device["installed"] is None
    shown = run("devices", "show", "dev-1", "--server", published.url, "--token-file", published.admin).stdout
    assert re.search(r"says it runs +model=small\n +version=1", shown)
    assert "installedBase" not in links(call("GET", ""))


@pytest.mark.parametrize("body, status", [({"name": "other", "version": "1"}, 404), ({"name": "small", "version": "9"}, 404),
                                          ({"name": "small", "version": "1", "digest": "0" * 64}, 404),
                                          ({"name": "small"}, 400), ({"name": 1, "version": "1"}, 400), (b"{", 400)])
def test_declared__what_is_not_known_here_is_refused(published, body, status):
    call = published.own("dev-1", "tok")
    dress(call)
    got, _, data = call("PUT", "/installedBase", body)
    assert got == status and json.loads(data)["errorCode"] == {
        400: "hawkbit.server.error.rest.body.notReadable", 404: "hawkbit.server.error.repo.entityNotFound"}[status]
    device = published.rest("GET", "/devices/dev-1")
    assert device["installed"] is None and device["declared"] is None


# ---- ranges and resume ----

@pytest.fixture
def download(published, engines):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    href = links(call("GET", ""))["deploymentBase"].split("/dev-1", 1)[1]
    artifact = json.loads(call("GET", href)[2])["deployment"]["chunks"][0]["artifacts"][0]
    path = artifact["_links"]["download-http"]["href"].split("/dev-1", 1)[1]
    return (lambda **headers: call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})), \
        engines[1][0][0], f'"{artifact["hashes"]["sha1"]}"'


def test_ranges__give_the_bytes_that_were_asked_for(download):
    get, plan, etag = download
    size = len(plan)
    for header, first, last in (("0-99", 0, 99), (f"{size - 10}-", size - 10, size - 1), ("-10", size - 10, size - 1),
                                ("5-5", 5, 5), (f"0-{size * 2}", 0, size - 1)):
        status, fields, data = get(Range=f"bytes={header}")
        assert (status, data) == (206, plan[first:last + 1])
        assert fields["Content-Range"] == f"bytes {first}-{last}/{size}" and fields["ETag"] == etag
    status, fields, data = get(Range=f"bytes={size}-")
    assert (status, data, fields["Content-Range"], fields["ETag"]) == (416, b"", f"bytes */{size}", etag)
    assert get(Range="bytes=0-9,20-29")[0] == 200
    assert get(If_Match='"nope"')[0] == 412
    assert get(If_Match=etag, Range="bytes=0-0")[0] == 206
    assert get(If_None_Match=etag)[0] == 304
    assert get(If_Range=etag, Range="bytes=1-2")[2] == plan[1:3]
    assert get(If_Range='"old"', Range="bytes=1-2")[2] == plan


def test_download__is_put_together_from_pieces_of_any_size(download):
    get, plan, etag = download
    whole, step = b"", 1
    while len(whole) < len(plan):
        status, _, data = get(Range=f"bytes={len(whole)}-{len(whole) + step - 1}", If_Range=etag)
        assert status == 206
        whole, step = whole + data, step * 3
    assert whole == plan


# ---- what is not its own ----

def test_device__gets_nothing_of_another(published):
    one, two = published.own("dev-1", "tok-1"), published.own("dev-2", "tok-2")
    dress(one)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(one("GET", ""))["deploymentBase"])[1]
    artifact = json.loads(one("GET", f"/deploymentBase/{number}")[2])["deployment"]["chunks"][0]["artifacts"][0]
    path = artifact["_links"]["download-http"]["href"].split("/dev-1", 1)[1]
    before = published.rest("GET", f"/actions/{number}")
    for method, where, body in (("GET", f"/deploymentBase/{number}", None), ("GET", path, None), ("HEAD", path, None),
                                ("GET", path + ".MD5SUM", None), ("GET", path.rsplit("/", 1)[0], None),
                                ("GET", f"/cancelAction/{number}", None), ("GET", f"/installedBase/{number}", None),
                                ("POST", f"/deploymentBase/{number}/feedback", tell("closed", "failure")),
                                ("POST", f"/cancelAction/{number}/feedback", tell("closed", "success"))):
        assert two(method, where, body)[0] == 404, (method, where)
    assert published.rest("GET", f"/actions/{number}") == before


def test_errors__have_hawkbits_shape(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    feedback = f"/deploymentBase/{number}/feedback"
    unreadable = "hawkbit.server.error.rest.body.notReadable"
    for method, path, body, status, code in (
            ("GET", "/deploymentBase/999999", None, 404, "hawkbit.server.error.repo.entityNotFound"),
            ("GET", "/deploymentBase/abc", None, 400, unreadable),
            ("GET", "/deploymentBase/-1", None, 400, unreadable),
            ("POST", feedback, tell("bogus", "none"), 400, unreadable),
            ("POST", feedback, tell("closed", "maybe"), 400, unreadable),
            ("POST", feedback, b"not json!", 400, unreadable),
            ("POST", feedback, b"[1]", 400, unreadable),
            ("POST", feedback, b'{"status":{},"status":{}}', 400, unreadable),
            ("PUT", "/configData", {"mode": "merge"}, 400, unreadable),
            ("PUT", "/configData", {"mode": "bogus", "data": {}}, 400, unreadable),
            ("PUT", "/configData", {"data": {"k": "v" * 200}}, 400,
             "hawkbit.server.error.repo.invalidTargetAttributes"),
            ("PUT", "/configData", {"data": {"k": [5]}}, 400, "hawkbit.server.error.repo.invalidTargetAttributes"),
            ("PUT", "/configData", {"data": {f"k{i}": "v" for i in range(300)}}, 403,
             "hawkbit.server.error.quota.tooManyEntries"),
            ("GET", "/softwaremodules/999/artifacts", None, 404, "hawkbit.server.error.repo.entityNotFound")):
        got, fields, data = call(method, path, body)
        assert (got, json.loads(data)["errorCode"]) == (status, code), (method, path, body)
        assert json.loads(data)["message"] and fields["Content-Type"] == "application/hal+json"
    assert call("PUT", "/configData", {"data": {"x" * 40: "1"}, "time": "x", "status": {}})[0] == 200
    assert call("PUT", "/configData", {"data": {"x": "y" * 128}})[0] == 200


def test_bad_input__is_refused_with_its_status_and_changes_nothing(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    before = published.rest("GET", f"/devices/dev-1")
    feedback = f"/deploymentBase/{number}/feedback"
    big = tell("closed", "success", ["x" * 1000] * 200)
    assert call("POST", feedback, big)[0] == 413
    for path in ("/softwaremodules/1/artifacts/..%2f..%2ftenond.db", "/softwaremodules/1/artifacts/../../../x",
                 "/softwaremodules/1/artifacts/%2e%2e", "/deploymentBase/1/../../dev-2", "/%00", "/deploymentBase/1%00"):
        assert call("GET", path)[0] == 404, path
    assert call("DELETE", "")[0] == 405
    assert call("GET", "/deploymentBase/" + "1" * 3000)[0] == 414
    after = published.rest("GET", f"/devices/dev-1")
    for one in (before, after):
        for name in ("seen", "seen_ms"):
            one.pop(name, None)
    assert before == after


def test_feedback__is_kept_in_bounds(published):
    call = published.own("dev-1", "tok")
    dress(call)
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    for i in range(130):
        assert call("POST", f"/deploymentBase/{number}/feedback", tell("proceeding", "none", [f"step {i}"]))[0] == 200
    history = published.rest("GET", f"/actions/{number}")["history"]
    assert len(history) <= 100 and history[-1]["details"] == "step 129"


# ---- what the clients rely on (facts of their sources: each plays by the rules of one) ----

def assigned(server, engines, name="dev-1", **more):
    """A device with an action that it has not read yet: its calls, the action's number."""
    call = server.own(name, "tok")
    dress(call)
    deploy(server, **more)
    return call, re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]


def artifact_of(call, number, name="dev-1"):
    artifact = json.loads(call("GET", f"/deploymentBase/{number}")[2])["deployment"]["chunks"][0]["artifacts"][0]
    return artifact, artifact["_links"]["download-http"]["href"].split(f"/{name}", 1)[1]


def test_zephyr__finds_everything_where_it_looks(published, engines):
    name = "frdm_k64f-0123456789abcdef"
    token = f"GatewayToken {published.gateway()}"

    def zephyr(method, path, body=None):
        """200 alone is good; it reads as many bytes as Content-Length says, and knows no chunks."""
        status, fields, data = published.call(method, path, body, token, OPEN)
        assert status == 200 and "Transfer-Encoding" not in fields
        assert int(fields["Content-Length"]) == len(data) or (method == "HEAD" and not data)
        return data
    base = f"/default/controller/v1/{name}"  # in lower case
    assert len(json.loads(zephyr("GET", base))["config"]["polling"]["sleep"]) == 8
    zephyr("PUT", base + "/configData", {"data": Device(type("", (), {}), "x", BOARD, "").facts})
    deploy(published)
    href = json.loads(zephyr("GET", base))["_links"]["deploymentBase"]["href"]
    tail = href[href.index("deploymentBase/"):]
    assert href.startswith(f"{published.url}/") and len(tail) < 50
    reply = json.loads(zephyr("GET", f"{base}/{tail}"))
    assert 0 < int(reply["id"]) < 2 ** 31
    chunk, = reply["deployment"]["chunks"]
    artifact, = chunk["artifacts"]
    assert chunk["part"] == "bApp" and re.fullmatch("[0-9a-f]{64}", artifact["hashes"]["sha256"])
    assert type(artifact["size"]) is int and artifact["size"] < 2 ** 31
    href = artifact["_links"]["download-http"]["href"]
    path = href[href.index("/DEFAULT/controller/v1"):]  # in upper case, though it polls in lower
    assert href == published.url + path and len(path) < 200
    assert zephyr("GET", path) == engines[1][0][0]
    for execution, finished in (("proceeding", "none"), ("closed", "success")):
        zephyr("POST", f"{base}/deploymentBase/{reply['id']}/feedback", {"id": reply["id"], "status": {
            "result": {"finished": finished}, "execution": execution}})
    assert published.rest("GET", f"/actions/{reply['id']}")["state"] == "finished"


def test_zephyr__that_drops_the_first_digit_of_a_cancel_still_names_it(published, engines):
    call, number = assigned(published, engines)
    assert call("GET", f"/deploymentBase/{number}")[0] == 200
    published.rest("POST", f"/actions/{number}/cancel")
    href = links(call("GET", ""))["cancelAction"]
    assert "?" not in href and len(href[href.index("cancelAction/"):]) < 50
    assert href[href.index("cancelAction/") + len("cancelAction/") + 1:] == number


def test_rauc_updater__is_answered_200_at_every_step(published, engines):
    """It builds the addresses of feedback itself and takes 201 or 204 for a failure."""
    call = published.own("dev-1", "tok")
    told = {"time": "20261122T231105", "status": {"result": {"finished": "success"}, "execution": "closed"}}
    dress(call)
    assert call("PUT", "/configData", {**told, "data": {"product": "device", "hw_revision": "1"}})[0] == 200
    kept = published.rest("GET", "/devices/dev-1")["attributes"]
    assert kept["product"] == "device" and kept["gpu.compute_capability"]  # without a mode it is a merge
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    status, fields, data = call("GET", f"/deploymentBase/{number}", headers={"Accept": "application/json;charset=UTF-8"})
    assert (status, fields["Content-Type"]) == (200, "application/json;charset=UTF-8")
    deployment = json.loads(data)["deployment"]
    assert set(deployment) >= {"download", "update", "chunks"} and len(deployment["chunks"]) == 1
    artifact, path = artifact_of(call, number)
    whole = b""
    while len(whole) < artifact["size"]:  # RAUC streams: many ranges, each with the token
        status, _, data = call("GET", path, headers={"Range": f"bytes={len(whole)}-{len(whole) + 1023}"})
        assert status == 206
        whole += data
    assert hashlib.sha1(whole).hexdigest() == artifact["hashes"]["sha1"]
    for i in range(23):
        body = {"id": number, "time": "20261122T231105", "status": {"result": {"finished": "none"}, "execution": "proceeding",
                                                                     "details": [f"{i * 4}% Installing"]}}
        assert call("POST", f"/deploymentBase/{number}/feedback", body)[0] == 200
    published.rest("POST", f"/actions/{number}/cancel")
    stop = json.loads(call("GET", links(call("GET", ""))["cancelAction"].split("/dev-1", 1)[1])[2])["cancelAction"]["stopId"]
    assert call("POST", f"/cancelAction/{stop}/feedback", {**told, "id": stop})[0] == 200
    assert published.rest("GET", f"/actions/{number}")["state"] == "canceled"


def test_swupdate__bodies_and_headers_as_it_sends_them_are_understood(published, engines):
    call, number = assigned(published, engines)
    details = ", ".join(f'"[INFO ] : line {i}"' for i in range(60))
    body = (f'{{ "id": {number}, "time": "20261122T230944", "status": {{ "result": {{ "progress": {{ "cnt" : 1, "of" : 0 }}, '
            f'"finished": "none" }}, "execution": "proceeding", "details" : [ {details} ] }} }}').encode()
    link = http.client.HTTPConnection("127.0.0.1", published.port, timeout=30)
    link.putrequest("POST", f"/DEFAULT/controller/v1/dev-1/deploymentBase/{number}/feedback")
    for field, value in (("Authorization", "TargetToken tok"), ("Content-Type", "application/json"), ("charsets", "utf-8"),
                         ("charsets", "utf-8"), ("Accept", "application/json"), ("Content-Length", str(len(body)))):
        link.putheader(field, value)
    link.endheaders(body)
    assert link.getresponse().status == 200
    kept = published.rest("GET", f"/actions/{number}")["history"][-1]["details"].split("\n")
    assert kept == [f"[INFO ] : line {i}" for i in range(60)]
    artifact, path = artifact_of(call, number)
    fields = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
    assert int(call("HEAD", path, headers=fields)[1]["Content-Length"]) == artifact["size"]
    assert type(artifact["size"]) is int and all(type(text) is str for text in (artifact["filename"], *artifact["hashes"].values()))


def test_downloads__leave_no_rows_in_the_history(published, engines):
    call, number = assigned(published, engines)
    _, path = artifact_of(call, number)
    for method, headers in (("HEAD", {}), ("GET", {}), ("GET", {}), ("GET", {"Range": "bytes=0-9"})):
        assert call(method, path, headers=headers)[0] in (200, 206)
    assert published.rest("GET", f"/actions/{number}")["history"] == []


def test_artifact__of_an_action_that_ended_without_it_is_not_assigned_any_more(published, engines):
    call, number = assigned(published, engines)
    _, path = artifact_of(call, number)
    closed = call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "failure"))
    again = call("POST", f"/deploymentBase/{number}/feedback", tell("closed", "failure"))
    assert (closed[0], again[0], again[2]) == (200, 410, b"")
    for where in (path, path + ".MD5SUM", path.rsplit("/", 1)[0]):
        status, _, data = call("GET", where)
        assert (status, json.loads(data)["errorCode"]) == (404, "hawkbit.server.error.repo.entityNotFound")


def test_attributes__have_bounds_and_scalars_become_text(published):
    call = published.own("dev-1", "tok")
    invalid = "hawkbit.server.error.repo.invalidTargetAttributes"
    assert call("PUT", "/configData", {"mode": "replace", "data": {"n": 8, "r": 8.9, "b": True, "x" * 128: "y"}})[0] == 200
    kept = published.rest("GET", "/devices/dev-1")["attributes"]
    assert kept == {"n": "8", "r": "8.9", "b": "true", "x" * 128: "y"}
    for data in ({"x" * 129: "1"}, {"": "1"}, {"k": "v" * 129}, {"k": None}, {"k": ["1"]}, {"k": {"a": "1"}}):
        status, _, reply = call("PUT", "/configData", {"data": data})
        assert (status, json.loads(reply)["errorCode"]) == (400, invalid), data
    assert published.rest("GET", "/devices/dev-1")["attributes"] == kept


# ---- SWUpdate ----

SWU_CONFIG = """
globals : { public-key-file = "%(folder)s/cert.pem"; verbose = true; loglevel = 5; };
suricatta : { polldelay = 1; };
"""
SWU_DESCRIPTION = """
software = { version = "1.0"; hardware-compatibility: [ "1.0" ];
  files: ( { filename = "payload"; path = "%(folder)s/installed/payload"; sha256 = "%(digest)s";
             properties: { create-destination = "true"; atomic-install = "true"; } } ); }
"""


def make_swu(folder, payload):
    """A signed image as Debian's SWUpdate wants it: cpio -H crc of description, signature, payload."""
    (folder / "payload").write_bytes(payload)
    (folder / "sw-description").write_text(SWU_DESCRIPTION % {"folder": folder, "digest": hashlib.sha256(payload).hexdigest()})
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem", "-subj", "/CN=tenon test", "-days", "3650", "-addext",
                    "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=emailProtection"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "cms", "-sign", "-in", folder / "sw-description", "-out", folder / "sw-description.sig",
                    "-signer", folder / "cert.pem", "-inkey", folder / "key.pem", "-outform", "DER", "-nosmimecap",
                    "-binary"], check=True, capture_output=True)
    names = "\n".join(["sw-description", "sw-description.sig", "payload"])
    image = subprocess.run(["cpio", "-o", "-H", "crc"], input=names.encode(), cwd=folder, check=True,
                           capture_output=True).stdout
    (folder / "swupdate.cfg").write_text(SWU_CONFIG % {"folder": folder})
    return image


@pytest.mark.skipif(not shutil.which("swupdate"), reason="needs Debian's swupdate (tools/packages test)")
def test_swupdate__unmodified_installs_the_container_of_an_engine(published, engines, tmp_path):
    payload = engines[1][0][0]
    image = make_swu(tmp_path, payload)
    file = published.put_blob(image)
    digest = engines[1][0][1]["digest"]
    published.rest("PUT", f"/engines/{digest}/attachments/swupdate", {"file": file, "name": "small.swu"})
    call = published.own("swu-1", "tok-swu")
    dress(call)
    published.rest("PUT", "/devices/swu-1/labels", {"delivery": "swupdate"})
    deploy(published)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    (tmp_path / "tmp").mkdir()

    def start(*more):
        return subprocess.Popen(
            ["swupdate", "-f", tmp_path / "swupdate.cfg", "-H", "tenon:1.0", "-u",
             " ".join(["-t DEFAULT", f"-u {published.url}", "-i swu-1", "-k tok-swu", "-p 1", "-x", *more])],
            stdout=open(tmp_path / "swupdate.log", "a"), stderr=subprocess.STDOUT, cwd=tmp_path,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(tmp_path / "tmp")})

    def state():
        return published.rest("GET", f"/actions/{number}")
    try:
        client = start()
        until(lambda: "All Chunks Installed." in json.dumps(state()["history"]), "SWUpdate to install")
        assert (tmp_path / "installed/payload").read_bytes() == payload
        client.terminate()
        client.wait(20)
        client = start("-c 2")  # what the device does after its reboot
        until(lambda: state()["state"] == "finished", "SWUpdate to confirm")
    finally:
        client.terminate()
        client.wait(20)


# ---- RAUC ----

RAUC_SYSTEM = """
[system]
compatible=tenon-test
bootloader=noop
bundle-formats=plain verity
mountprefix=%(folder)s/mnt
statusfile=%(folder)s/status
[keyring]
path=%(folder)s/cert.pem
[slot.engine.0]
device=%(folder)s/slot0
type=raw
bootname=A
[slot.engine.1]
device=%(folder)s/slot1
type=raw
bootname=B
"""
RAUC_MANIFEST = """
[update]
compatible=tenon-test
version=1
[bundle]
format=plain
[image.engine]
filename=engine.img
"""
RAUC_CLIENT = """
[client]
hawkbit_server=127.0.0.1:%(port)d
ssl=false
tenant_id=DEFAULT
target_name=rauc-1
auth_token=tok-rauc
bundle_download_location=%(folder)s/download.raucb
log_level=message
[device]
product=a device with RAUC
"""
RAUC_RUN = """
export DBUS_STARTER_BUS_TYPE=session
rauc --conf=%(folder)s/system.conf --override-boot-slot=A service & service=$!
until rauc status || ! kill -0 $service; do sleep 0.1; done >/dev/null 2>&1
rauc-hawkbit-updater --config-file=%(folder)s/client.conf --run-once; status=$?
kill $service; wait $service
exit $status
"""
needs_rauc = pytest.mark.skipif(
    not all(map(shutil.which, ("rauc", "rauc-hawkbit-updater", "mksquashfs", "dbus-run-session"))) or os.geteuid() != 0,
    reason="needs rauc, rauc-hawkbit-updater (Debian 12 has none), mksquashfs, dbus-run-session, and root for a loop mount")


def make_raucb(folder, payload):
    """A signed bundle with slots that are ordinary files: no partition is touched."""
    (folder / "in").mkdir()
    (folder / "in/engine.img").write_bytes(payload)
    (folder / "in/manifest.raucm").write_text(RAUC_MANIFEST)
    for slot in ("slot0", "slot1"):
        (folder / slot).write_bytes(bytes(len(payload)))
    (folder / "system.conf").write_text(RAUC_SYSTEM % {"folder": folder})
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem", "-subj", "/CN=tenon test", "-days", "3650"], check=True, capture_output=True)
    subprocess.run(["rauc", "bundle", "--cert", folder / "cert.pem", "--key", folder / "key.pem", folder / "in",
                    folder / "small.raucb"], check=True, capture_output=True)
    return (folder / "small.raucb").read_bytes()


@needs_rauc
@pytest.mark.parametrize("kind, whole, state, last", [
    ("forced", True, "finished", ("closed", "success")), ("soft", True, "finished", ("closed", "success")),
    ("download-only", True, "downloaded", ("downloaded", "success")), ("forced", False, "error", ("closed", "failure"))])
def test_rauc_updater__unmodified_does_what_the_deployment_says(published, engines, tmp_path, kind, whole, state, last):
    payload = engines[1][0][0]
    bundle = make_raucb(tmp_path, payload)
    (tmp_path / "client.conf").write_text(RAUC_CLIENT % {"folder": tmp_path, "port": published.port})
    file = published.put_blob(bundle if whole else b"no bundle" * 1000)
    published.rest("PUT", f"/engines/{engines[1][0][1]['digest']}/attachments/rauc", {"file": file, "name": "small.raucb"})
    call = published.own("rauc-1", "tok-rauc")

    def once():
        done = subprocess.run(["unshare", "-m", "dbus-run-session", "--", "sh", "-c", RAUC_RUN % {"folder": tmp_path}],
                              cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr
    assert once()[0] == 0  # nothing to do yet but to say what it is
    assert published.rest("GET", "/devices/rauc-1")["attributes"] == {"product": "a device with RAUC"}
    facts = Device(type("", (), {}), "x", BOARD, "").facts
    assert call("PUT", "/configData", {"data": {**facts, "delivery": "rauc"}})[0] == 200
    deploy(published, type=kind)
    number = re.search(r"deploymentBase/(\d+)", links(call("GET", ""))["deploymentBase"])[1]
    status, said = once()
    action = published.rest("GET", f"/actions/{number}")
    assert action["state"] == state, said
    assert (action["history"][-1]["execution"], action["history"][-1]["finished"]) == last
    assert (status == 0) == whole
    assert ((tmp_path / "slot1").read_bytes() == payload) == (state == "finished")
