"""Signed releases and engines: keys, push --sign, what tenond refuses, what tenon get takes."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import ROOT, RTX, TENON, answer, needs_rtx, run
from fleet import TENOND, Tenond, free_port, needs_tenond, until
from rogue import Rogue

pytestmark = [needs_rtx, needs_tenond]
HERE = pathlib.Path(__file__).parent
BOARD = ("--for", "rtx4090+rtx1.7.1.116")
RUNTIME = ("--runtime", "rtx1.7.1.116")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A model with one engine in a store that this host built."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([RTX, HERE / "net_models.py", folder], check=True)
    engine = answer("get", folder / "small.onnx", "--store", folder / "store", *RUNTIME)[0]
    return folder, engine


class Keys:
    """Private keys in one folder, the public halves of those that count in another."""

    def __init__(self, folder):
        self.folder, self.trusted = folder, folder / "trusted"
        self.trusted.mkdir(parents=True)

    def new(self, name, trust=False):
        made = answer("key", "new", self.folder / name, "--comment", f"key {name}")[0]
        if trust:
            self.trust(name)
        return self.folder / name, made["keyid"]

    def trust(self, name):
        shutil.copy(self.folder / f"{name}.pub", self.trusted)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@pytest.fixture
def serve(tmp_path, monkeypatch, store):
    """Starts a tenond; pushes and asks as its admin."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    running = []

    def start(*options):
        folder = tmp_path / f"server{len(running)}"
        folder.mkdir()
        tenond = Tenond(folder, *options)
        running.append(tenond)
        monkeypatch.setenv("TENON_SERVER", tenond.url)
        monkeypatch.setenv("TENON_TOKEN_FILE", str(tenond.admin))
        return tenond

    yield start
    for tenond in running:
        tenond.end()


def push_line(built, *options):
    return ("push", built[0] / "small.onnx", "--release", "1", "--store", built[0] / "store", *options)


def push(built, *options):
    return answer(*push_line(built, *options))[0]


def get(tenond, keys, *options, model="small@1"):
    return run("get", model, "--remote", tenond.url, "--no-build", "--json", *BOARD, "--require-signature",
               "--trusted-keys", keys.trusted, *options)


def rest(tenond, method, path, body=None):
    status, _, data = tenond.call(method, path, body, f"Bearer {tenond.admin.read_text()}")
    return status, json.loads(data)


def listed():
    return answer("engine", "list", "small@1")[0], answer("releases")[0]


# ---- the whole way ----

def test_sign__push_list_and_get_with_a_trusted_key(built, keys, serve):
    key, keyid = keys.new("release", trust=True)
    tenond = serve("--trusted-keys", keys.trusted, "--require-signatures")
    assert push(built, "--sign", key)["signed"] is True
    engine, release = listed()
    for thing in (engine, release):
        assert [(s["keyid"], s["trusted"]) for s in thing["signatures"]] == [(keyid, True)]
        assert thing["signed"] == "trusted"
    assert "trusted" in run("engine", "list", "small@1").stdout and "trusted" in run("releases").stdout
    done = get(tenond, keys)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert (first["source"], first["digest"]) == ("remote", built[1]["digest"])


def test_get__decides_by_the_store_alone_once_the_engine_is_here(built, keys, serve, store):
    key, keyid = keys.new("release", trust=True)
    tenond = serve()
    push(built, "--sign", key)
    assert get(tenond, keys).returncode == 0
    tenond.end()
    mark, = store.glob("marks/*.json")
    assert [s["keyid"] for s in json.loads(mark.read_text())["signatures"]] == [keyid]
    note, = store.glob("hosts/*/plans/*.json")
    assert json.loads(note.read_text())["signed_by"]["keyid"] == keyid
    warm = ("get", "small", "--no-build", *BOARD, "--require-signature", "--trusted-keys", keys.trusted)
    assert answer(*warm)[0]["source"] == "store"
    mark.unlink()  # it was verified once, and that is noted
    assert answer(*warm)[0]["source"] == "store"
    (keys.trusted / "release.pub").unlink()  # ... but a key that counts no more vouches for nothing
    done = run(*warm)
    assert done.returncode == 77 and "not trusted" in done.stderr, done.stderr
    assert run("get", "small", "--no-build", *BOARD).returncode == 0


def test_get__of_a_spec_that_requires_a_signature_reads_the_keys_of_the_configuration(
        built, keys, serve, store, tmp_path):
    key, _ = keys.new("release")
    tenond = serve()
    push(built, "--sign", key)
    spec = tmp_path / "model.yaml"
    spec.write_text(f"name: small\nvariants: {{ fp32: {built[0] / 'small.onnx'} }}\n"
                    "policy: { signature: required, build: forbidden }\n")
    asked = ("get", spec, "--remote", tenond.url, *RUNTIME)
    done = run(*asked)
    assert done.returncode == 77, done.stderr
    assert "is not trusted here" in done.stderr and "trusted-keys" in done.stderr, "no cause or no cure"
    assert not list(store.glob("objects/sha256/*/*/plan")), "fetched although nobody vouches for it"
    keys.trust("release")
    config = tmp_path / "config/tenon/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"trusted-keys: {keys.trusted}\n")
    assert answer(*asked)[0]["source"] == "remote"
    config.write_text(f"trusted-keys: {keys.folder / 'none'}\n")
    assert run(*asked).returncode == 66  # a folder that is named and not there is a mistake


def test_get__takes_what_this_host_built_and_nothing_that_it_only_found(built, keys, store):
    asked = ("--no-build", *RUNTIME, "--require-signature", "--trusted-keys", keys.trusted)
    assert answer("get", built[0] / "small.onnx", "--store", built[0] / "store", *asked)[0]["source"] == "store"
    shutil.copytree(built[0] / "store", store)
    for hosts in store.glob("hosts"):
        shutil.rmtree(hosts)
    done = run("get", built[0] / "small.onnx", *asked)
    assert done.returncode == 77 and "it is not signed" in done.stderr, done.stderr
    again = answer("get", built[0] / "small.onnx", *RUNTIME, "--require-signature", "--trusted-keys", keys.trusted)[0]
    assert again["source"] == "built"


# ---- the store ----

def test_key__signs_and_verifies_an_engine_of_the_store_and_openssl_agrees(built, keys, store, tmp_path):
    shutil.copytree(built[0] / "store", store)
    key, keyid = keys.new("release", trust=True)
    digest = built[1]["digest"]
    assert run("key", "verify", digest[:12], "--trusted-keys", keys.trusted).returncode == 77
    made = answer("key", "sign", digest[:12], "--key", key)[0]
    assert made["keyid"] == keyid
    found = answer("key", "verify", digest[:12], "--trusted-keys", keys.trusted)[0]
    assert (found["trust"], found["sig"], found["digest"]) == ("trusted", made["sig"], digest)
    text, sig = tmp_path / "text", tmp_path / "sig"
    text.write_text(run("key", "text", digest).stdout)
    sig.write_bytes(bytes.fromhex(made["sig"]))
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{key}.pub", "-rawin", "-in", text,
                    "-sigfile", sig], check=True, stdout=subprocess.DEVNULL)
    assert json.loads(text.read_text())["record"]["digest"] == digest
    # TUF's way to name the key
    public = answer("key", "show", f"{key}.pub")[0]["public"]
    form = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    assert hashlib.sha256(form.encode()).hexdigest() == keyid


def test_key__verify_sees_a_record_that_was_changed_after_it_was_signed(built, keys, store):
    shutil.copytree(built[0] / "store", store)
    key, _ = keys.new("release", trust=True)
    digest = built[1]["digest"]
    answer("key", "sign", digest, "--key", key)
    path, = store.glob("objects/sha256/*/*/record.json")
    record = json.loads(path.read_text())
    record["built"]["host"] = "elsewhere"
    path.chmod(0o644)
    path.write_text(json.dumps(record))
    done = run("key", "verify", digest, "--trusted-keys", keys.trusted)
    assert done.returncode == 77 and done.stdout.startswith("wrong"), done
    assert "is of other content" in done.stderr


def test_push__sends_the_signatures_that_the_store_holds(built, keys, serve, store):
    key, keyid = keys.new("release", trust=True)
    shutil.copytree(built[0] / "store", store)
    answer("key", "sign", built[1]["digest"], "--key", key)
    serve("--trusted-keys", keys.trusted)
    answer("push", built[0] / "small.onnx", "--release", "1")
    engine, release = listed()
    assert [s["keyid"] for s in engine["signatures"]] == [keyid] and engine["signed"] == "trusted"
    assert release["signed"] == "no"


# ---- what the server refuses ----

def test_tenond__refuses_a_signature_of_other_content(built, keys, serve):
    key, keyid = keys.new("release", trust=True)
    tenond = serve()
    push(built, "--sign", key)
    signed = rest(tenond, "GET", "/api/v1/models/small/releases/1")[1]
    strict = serve("--trusted-keys", keys.trusted)
    push(built, "--sign", key)
    manifest = {**signed["manifest"], "version": "2", "signatures": signed["signatures"]}
    status, problem = rest(strict, "PUT", "/api/v1/models/small/releases/2", manifest)
    assert status == 403 and keyid in problem["detail"] and "push --sign" in problem["detail"], problem
    assert rest(strict, "GET", "/api/v1/models/small/releases/2")[0] == 404
    rest(strict, "PUT", "/api/v1/models/small/releases/2", {**manifest, "signatures": []})
    engine = signed["engines"][0]
    path = f"/api/v1/models/small/releases/2/engines/{engine['digest']}"
    record = {**engine["record"], "signatures": engine["signatures"]}
    record["built"] = {**record["built"], "host": "elsewhere"}
    status, problem = rest(strict, "PUT", path, record)
    assert status == 403 and keyid in problem["detail"], problem
    assert rest(strict, "GET", "/api/v1/models/small/releases/2/engines")[1]["items"] == []
    flipped = "0" if engine["signatures"][0]["sig"][0] != "0" else "1"
    record = {**engine["record"], "signatures": [{"keyid": keyid,
                                                  "sig": flipped + engine["signatures"][0]["sig"][1:]}]}
    assert rest(strict, "PUT", path, record)[0] == 403
    record["signatures"][0]["sig"] = "zz"
    assert rest(strict, "PUT", path, record)[0] == 400
    assert rest(strict, "PUT", path, {**engine["record"], "signatures": engine["signatures"]})[0] == 201


def test_tenond__keeps_an_unknown_keys_signature_and_trusts_it_once_the_key_comes(built, keys, serve):
    keys.new("other", trust=True)
    key, keyid = keys.new("release")
    tenond = serve("--trusted-keys", keys.trusted)
    push(built, "--sign", key)
    engine, release = listed()
    assert engine["signed"] == release["signed"] == "untrusted"
    assert [(s["keyid"], s["trusted"]) for s in engine["signatures"]] == [(keyid, False)]
    keys.trust("release")
    tenond.process.send_signal(signal.SIGHUP)
    until(lambda: listed()[0]["signed"] == "trusted", "the new key to count")
    assert listed()[1]["signed"] == "trusted"
    tenond.kill()
    tenond.start()
    assert listed()[0]["signatures"][0]["keyid"] == keyid and listed()[1]["signed"] == "trusted"


def test_tenond__keeps_its_keys_when_the_folder_cannot_be_read_anew(built, keys, serve):
    key, _ = keys.new("release", trust=True)
    tenond = serve("--trusted-keys", keys.trusted)
    push(built, "--sign", key)
    (keys.trusted / "broken.pub").write_text("no key")
    tenond.process.send_signal(signal.SIGHUP)
    until(lambda: "trusted_keys_not_read" in tenond.log.read_text(), "the failure in the log")
    assert listed()[0]["signed"] == "trusted"


def test_tenond__that_requires_signatures_refuses_the_unsigned_and_the_unknown(built, keys, serve):
    keys.new("other", trust=True)
    key, keyid = keys.new("release")
    serve("--trusted-keys", keys.trusted, "--require-signatures")
    done = run(*push_line(built))
    assert done.returncode == 77 and "push --sign" in done.stderr, done
    done = run(*push_line(built, "--sign", key))
    assert done.returncode == 77 and keyid in done.stderr and "folder of trusted keys" in done.stderr, done
    assert answer("releases") == []


def test_tenond__adds_signatures_to_what_was_published_without(built, keys, serve):
    key, keyid = keys.new("release", trust=True)
    second, second_id = keys.new("second", trust=True)
    tenond = serve("--trusted-keys", keys.trusted)
    push(built)
    assert [thing["signed"] for thing in listed()] == ["no", "no"]
    done = push(built, "--sign", key)
    assert (done["release"], done["engines_added"]) == ("there", 0)
    push(built, "--sign", second)
    for thing in listed():
        assert [s["keyid"] for s in thing["signatures"]] == [keyid, second_id]
    whats = [line["what"] for line in rest(tenond, "GET", "/api/v1/audit")[1]["items"]]
    assert whats.count("engine-sign") == 2 and whats.count("release-sign") == 2


# ---- what get refuses ----

def test_get__refuses_a_release_without_a_trusted_signature(built, keys, serve, store):
    key, keyid = keys.new("release")
    tenond = serve()
    push(built)
    done = get(tenond, keys)
    assert done.returncode == 77 and "release small@1" in done.stderr and "it is not signed" in done.stderr, done
    push(built, "--sign", key)
    done = get(tenond, keys)
    assert done.returncode == 77 and keyid in done.stderr and "--trusted-keys" in done.stderr, done
    assert not list(store.glob("objects/sha256/*/*/plan"))
    keys.trust("release")
    assert get(tenond, keys).returncode == 0


def test_get__refuses_a_trusted_engine_of_another_model_under_the_releases_name(built, keys, serve, store):
    """A server may mix what was signed: the engine of one model in the release of another."""
    key, _ = keys.new("release", trust=True)
    tenond = serve()
    push(built, "--sign", key)
    answer("push", built[0] / "big.onnx", "--release", "1", "--no-engines", "--sign", key)
    token = tenond.admin.read_text()
    rogue = Rogue()
    rogue.token = token
    mixed = rest(tenond, "GET", "/api/v1/models/big/releases/1")[1]
    engine = rest(tenond, "GET", "/api/v1/models/small/releases/1/engines")[1]["items"][0]
    path = "/api/v1/models/big/releases/1"
    rogue.put[path] = {**mixed["manifest"], "signatures": mixed["signatures"]}
    rogue.put[f"{path}/engines/{engine['digest']}"] = {**engine["record"], "signatures": engine["signatures"]}
    rogue.blobs[engine["digest"]] = pathlib.Path(built[1]["path"]).read_bytes()
    try:
        loose = run("get", "big@1", "--remote", rogue.url, "--no-build", *BOARD)
        assert loose.returncode == 0, loose.stderr  # without signatures nobody promised anything
        shutil.rmtree(store)
        done = get(rogue, keys, model="big@1")
        assert done.returncode == 77 and "does not hold" in done.stderr, done
    finally:
        rogue.close()


# ---- the document ----

def test_signing__every_command_of_the_document_works(store, tmp_path, monkeypatch):
    for tool in ("jq", "basenc", "openssl", "curl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    text = (ROOT / "docs/signing.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) >= 7
    subprocess.run([RTX, HERE / "net_models.py", tmp_path], check=True)
    (tmp_path / "small.onnx").rename(tmp_path / "model.onnx")
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
    for name in ("TENON_SERVER", "TENON_TOKEN_FILE", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folders = {str(pathlib.Path(TENON).parent), str(TENOND.parent)}
    done = subprocess.run(["bash", "-xc", script.replace("8600", str(free_port()))], cwd=tmp_path, text=True,
                          capture_output=True, timeout=120,
                          env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"),
                               "PATH": ":".join([*folders, os.environ["PATH"]])})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.count("Signature Verified Successfully") == 2
    assert "is not trusted here" in done.stderr
