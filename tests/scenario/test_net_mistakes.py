"""What an operator gets wrong with the verbs of a fleet, and what they are told."""
import subprocess

import pytest

from conftest import TENON, answer, needs_rtx, run
from fleet import TENOND, Tenond, needs_tenond, swu
from test_net import RUNTIME, built, enrol, fleet, gateway, published  # fixtures

pytestmark = [needs_rtx, needs_tenond]
assert built and fleet and gateway and published


def tmp_path_of(tmp_path, name):
    (tmp_path / name).mkdir()
    return tmp_path / name


def refused(*args, status=2, says="", **kwargs):
    done = run(*args, **kwargs)
    assert done.returncode == status, (args, done.stderr)
    assert says in done.stderr, (args, done.stderr)
    return done.stderr


# ---- the server's own line ----

@pytest.mark.parametrize("line, says", [
    (["--listen", "127.0.0.1:65536"], "--listen: '127.0.0.1:65536': a port is a number from 0 to 65535"),
    (["--listen", "8600"], "ADDRESS:PORT"),
    (["--trusted-proxy", "proxy.example"], "no address of one machine"),
    (["--trusted-proxy", "0:0::1"], "is written ::1"),
    (["--bogus"], "option '--bogus' is not known"),
    (["--poll"], "option '--poll' needs a value"),
])
def test_tenond__refuses_a_line_before_it_makes_anything(tmp_path, line, says):
    done = subprocess.run([TENOND, "--data", tmp_path / "data", *line], capture_output=True, text=True, timeout=30)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_tenond__makes_another_admin_when_the_last_one_was_revoked(fleet):
    first = fleet.admin.read_text()
    token, = answer("token", "list")
    assert token["revoked"] is None
    assert run("token", "revoke", token["id"]).returncode == 0
    refused("releases", status=77)
    fleet.end()
    fleet.start()
    assert fleet.admin.read_text() != first
    assert "as admin" in run("login", fleet.url, "--token-file", fleet.admin).stdout
    assert [one["revoked"] is None for one in answer("token", "list")] == [False, True]
    assert "ago" in run("token", "list").stdout.splitlines()[1].split("admin", 2)[2]


# ---- names ----

def test_names__that_no_path_can_carry_are_refused_before_anything_is_sent(fleet, built):
    for release in ("a/b", ""):
        refused("push", built / "small.onnx", "--release", release, says="empty or has a '/'")
    assert not [path for path in (fleet.folder / "data/blobs").rglob("*") if path.is_file()]
    for verb in (["devices", "add", "a/b"], ["devices", "show", ""], ["channel", "set", "m@a/b", "1"]):
        refused(*verb, says="empty or has a '/'")


def test_names__of_channels_and_releases_are_different_ones(published, built):
    refused("channel", "set", "small@1", "1", says="small@1 is a release")
    refused("push", built / "small.onnx", "--release", "stable", says="small@stable is a channel")
    assert answer("channel", "set", "small@stable", "1") == [{"channel": "stable", "model": "small", "version": "1"}]


def test_names__that_are_not_there_are_named_in_the_answer(published):
    refused("engine", "list", "small@9", status=66, says="no release or channel small@9")
    refused("map", "small@9", status=66, says="no release or channel small@9")
    refused("deployments", "show", "99", status=66, says="no deployment 99")
    refused("actions", "show", "99", status=66, says="no action 99")
    refused("releases", "other", status=0, says="no releases of other")
    for verb in (["actions", "show"], ["actions", "cancel"], ["deployments", "pause"]):
        refused(*verb, "x", says="'x' is no number of those that")


def test_channel__stands_for_its_release_where_one_is_asked_for(published, gateway):
    enrol(published, gateway, a="rtx4090")
    assert answer("engine", "list", "small@stable") == answer("engine", "list", "small@1")
    assert answer("map", "small@stable") == answer("map", "small@1")


# ---- filters ----

def test_filter__with_a_name_that_nobody_has_says_which(published, gateway):
    enrol(published, gateway, a="rtx4090")
    hint = "no device has an attribute or label 'gpu.compute_capabilty'"
    told = refused("devices", "--where", "gpu.compute_capabilty = 8.9 and gpu = rtx4090", status=0, says=hint)
    assert told.splitlines() == ["no device matches", hint]
    told = refused("deploy", "small", "--to", "gpu.compute_capabilty = 8.9", status=0, says=hint)
    assert told.splitlines() == ["no device matches now; those that will, get it then", hint]
    refused("devices", "--where", "cc = 7.5", status=0, says="no device matches")
    assert "attribute" not in run("devices", "--where", "cc = 7.5").stderr
    assert run("deploy", "small", "--to", "cc = 8.9").stderr == ""


# ---- engines ----

def test_label__that_no_filter_could_name_is_refused(published, gateway):
    enrol(published, gateway, a="rtx4090")
    refused("devices", "label", "a", "a b=c", status=65, says="a filter can name")
    assert run("devices", "label", "a", "site-2=north pole").returncode == 0
    assert [one["id"] for one in answer("devices", "--where", "site-2 = 'north pole'")] == ["a"]


def test_attach__refuses_what_is_no_container_before_it_is_sent(published, tmp_path):
    engine = answer("engine", "list", "small@1")[0]["digest"]
    before = sorted((published.folder / "data/blobs").rglob("*"))
    image = swu(b"x")
    bundle = b"hsqs" + bytes(96) + b"\x30" + bytes(99) + (100).to_bytes(8, "big")
    for name, data, says in (("a.swu", b"", "too short"), ("b.swu", b"not one" * 50, "cpio archive"),
                             ("c.swu", image.replace(b"sw-description", b"sw-descriptioN"), "begins with sw-description"),
                             ("d.raucb", b"", "too short"), ("e.raucb", b"not one" * 50, "ends with its signature"),
                             ("f.raucb", bundle[:-8] + (201).to_bytes(8, "big"), "ends with its signature"),
                             ("g.raucb", bytes(208), "ends with its signature")):
        (tmp_path / name).write_bytes(data)
        refused("engine", "attach", engine, tmp_path / name, status=65, says=says)
    assert sorted((published.folder / "data/blobs").rglob("*")) == before
    for name, data in (("a.swu", image), ("a.raucb", bundle)):
        (tmp_path / name).write_bytes(data)
        done = answer("engine", "attach", engine, tmp_path / name)[0]
        assert done["digest"] == engine and name in [one["name"] for one in done["attachments"]]


def test_engine__verbs_answer_with_the_engine(published, gateway, built):
    enrol(published, gateway, a="rtx4090")
    engine = next(one for one in answer("engine", "list", "small@1") if "_sm89_" in one["name"])
    digest = engine["digest"]
    refused("engine", "allow", digest[:8], "--class", "sm89", status=66, says="'tenon map MODEL --why' names the classes")
    row, = answer("map", "small")
    assert answer("engine", "stop", digest[:8], "--class", row["class_key"])[0]["digest"] == digest
    assert engine["name"] in run("engine", "allow", digest[:8], "--class", row["class_key"]).stdout
    gone, = answer("engine", "revoke", digest[:8], "--why", "wrong weights")
    assert (gone["digest"], gone["state"], gone["revoked_why"]) == (digest, "revoked", "wrong weights")
    assert "wrong weights" in run("engine", "list", "small@1").stdout
    assert "revoked: wrong weights" in run("map", "small", "--why").stdout
    again = ["push", built / "small.onnx", "--release", "1", "--store", built / "store"]
    assert "1 of them revoked" in run(*again).stdout
    assert answer(*again)[0]["engines_revoked"] == 1


# ---- actions, tokens ----

def test_cancel__of_what_has_ended_is_not_for_later(published, gateway):
    enrol(published, gateway, a="rtx4090")
    answer("deploy", "small")
    action = str(answer("actions")[0]["id"])
    assert "canceled before the device had begun" in run("actions", "cancel", action).stdout
    refused("actions", "cancel", action, says=f"action {action} has ended: canceled")


def test_token__that_is_not_enough_is_told_what_is(published, tmp_path):
    answer("token", "new", "viewer", "--name", "eyes", "--output", tmp_path / "viewer")
    refused("channel", "set", "small@stable", "1", status=77, env={"TENON_TOKEN_FILE": str(tmp_path / "viewer")},
            says="token 'eyes' has the role viewer, this needs publisher")


def test_devices_add__takes_the_devices_own_token_from_a_file(published, tmp_path):
    token = tmp_path / "edge.token"
    token.write_text("its-own-token-of-enough-length\n")
    assert answer("devices", "add", "edge", "--device", "t4+trt8.4.1.5", "--token-file", token)[0]["token"] is True
    poll = published.call("GET", "/default/controller/v1/edge", token=f"TargetToken {token.read_text().strip()}")
    assert poll[0] == 200
    refused("devices", "add", "other", "--token-file", published.admin, says="a device needs its own")
    assert [one["id"] for one in answer("devices")] == ["edge"]


def test_devices_show__has_a_line_for_each_attribute_and_its_history(published, gateway):
    devices = enrol(published, gateway, a="rtx4090")
    answer("deploy", "small")
    devices["a"].install()
    lines = run("devices", "show", "a").stdout.splitlines()
    assert any(line.split()[-1] == "gpu.sm_count=128" for line in lines)
    assert any(line.split()[:1] == ["ACTION"] for line in lines) and "finished" in lines[-1]


def test_push__without_an_engine_says_how_to_get_one(fleet, built, tmp_path):
    push = ("push", built / "small.onnx", "--release", "1", "--store", tmp_path / "empty")
    assert f"'tenon get {built / 'small.onnx'} --for BOARD' builds one" in run(*push).stderr
    assert "builds one" not in run(*push, "--no-engines").stderr


def test_releases__of_one_release_says_what_to_ask(published):
    refused("releases", "small@1", says="name a model, as small")


def test_logout__names_the_server_that_counts_from_now_on(fleet, tmp_path):
    other = Tenond(tmp_path_of(tmp_path, "other"))
    assert "as admin" in run("login", other.url, "--token-file", other.admin).stdout
    done = run("logout")
    assert done.stdout == f"logged out of {other.url}\n" and f"now talk to {fleet.url}" in done.stderr
    done = run("logout")
    assert (done.stdout, done.stderr) == (f"logged out of {fleet.url}\n", "")
    other.end()


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_list__whose_reader_has_enough_ends_without_a_word(published, gateway, form):
    for number in range(40):
        assert run("devices", "add", f"edge-{number}", "--device", f"rtx4090+{RUNTIME}").returncode == 0
    done = subprocess.run(["bash", "-c", '"$@" | head -n 1; echo "${PIPESTATUS[0]}"', "-", TENON, "devices", *form],
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and done.stdout.splitlines()[-1] in ("0", "141")


# ---- get ----

def test_get__of_a_release_names_no_rung_before_the_first(published, tmp_path):
    done = run("get", "small@1", "--for", f"rtx4090+{RUNTIME}", "--store", tmp_path / "fresh")
    assert done.returncode == 0 and "null" not in done.stderr, done.stderr
