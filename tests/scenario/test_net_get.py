"""tenon get MODEL@RELEASE --remote URL: engines and models of a server, fetched, verified, trusted no further."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import RTX, TENON, answer, needs_rtx, run
from rogue import Rogue

pytestmark = needs_rtx
HERE = pathlib.Path(__file__).parent
FOR = ("--for", "rtx4090+rtx1.7.1.116")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with one engine of small.onnx for the default list of compute capabilities."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([RTX, HERE / "net_models.py", folder], check=True)
    engine = answer("get", folder / "small.onnx", "--store", folder / "store", "--runtime", "rtx1.7.1.116")[0]
    return folder, engine


@pytest.fixture
def rogue(store, tmp_path, monkeypatch):
    server = Rogue()
    token = tmp_path / "token"
    token.write_text(server.token)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TENON_TOKEN_FILE", str(token))
    yield server
    server.close()


@pytest.fixture
def published(rogue, built):
    folder, engine = built
    done = answer("push", folder / "small.onnx", "--release", "1", "--server", rogue.url, "--store", folder / "store")
    assert [done[0]["engines"], done[0]["engines_added"]] == [1, 1]
    return rogue


def test_get__fetches_the_engine_of_a_release_and_then_has_it(published, built):
    first = answer("get", "small@1", "--remote", published.url)[0]
    assert (first["source"], first["digest"], first["model"]) == ("remote", built[1]["digest"], "small")
    assert pathlib.Path(first["path"]).read_bytes() == pathlib.Path(built[1]["path"]).read_bytes()
    before = published.count("GET", "blobs")
    again = answer("get", "small@1", "--remote", published.url)[0]
    assert (again["source"], published.count("GET", "blobs")) == ("store", before)


def test_get__follows_a_channel_and_says_when_there_is_none(published):
    published.channels["1"] = ["stable"]
    assert answer("get", "small@stable", "--remote", published.url)[0]["source"] == "remote"
    done = run("get", "small@beta", "--remote", published.url)
    assert done.returncode == 66 and "small@beta" in done.stderr
    assert run("get", "other@1", "--remote", published.url).returncode == 66


def test_get__of_a_file_takes_the_remotes_engine_instead_of_building(published, built):
    done = answer("get", built[0] / "small.onnx", "--runtime", "rtx1.7.1.116", "--remote", published.url)[0]
    assert (done["source"], done["digest"]) == ("remote", built[1]["digest"])


def test_get__goes_on_without_the_server_when_the_engine_is_here(published):
    answer("get", "small@1", "--remote", published.url)
    published.close()
    done = answer("get", "small@1", "--remote", published.url)[0]
    assert done["source"] == "store"
    assert any("what it said last" in warning for warning in done["warnings"])


def test_get__of_a_server_that_is_away_says_so(rogue):
    rogue.close()
    done = run("get", "small@1", "--remote", rogue.url)
    assert done.returncode == 75 and "is tenond running" in done.stderr


def test_get__of_a_release_without_a_server_says_how_to_name_one(rogue):
    done = run("get", "small@1")
    assert done.returncode == 2 and "--remote" in done.stderr and "tenon login" in done.stderr


def test_get__builds_from_the_releases_model_when_no_engine_fits(published, store):
    done = answer("get", "small@1", "--remote", published.url, "--for", "rtx3060+rtx1.7.1.116", "--retry")[0]
    assert done["source"] in ("remote", "built")
    for path in list(published.put):
        if "/engines/" in path:
            del published.put[path]
    shutil.rmtree(store)
    built = answer("get", "small@1", "--remote", published.url, *FOR)[0]
    assert (built["source"], built["model"]) == ("built", "small")
    assert answer("get", "small@1", "--remote", published.url, *FOR)[0]["source"] == "store"


def test_get__of_a_model_in_pieces_builds_what_its_maker_would_have_built(rogue, built, store):
    folder, _ = built
    answer("push", folder / "split.onnx", "--release", "1", "--server", rogue.url, "--no-engines")
    far = answer("get", "split@1", "--remote", rogue.url, "--runtime", "rtx1.7.1.116")[0]
    assert far["source"] == "built"
    near = answer("get", folder / "split.onnx", "--runtime", "rtx1.7.1.116")[0]
    assert (near["key"], near["source"]) == (far["key"], "store")


def damage(rogue, digest):
    data = bytearray(rogue.blobs[digest])
    data[len(data) // 2] ^= 1
    rogue.blobs[digest] = bytes(data)


def test_get__refuses_bytes_that_are_not_those_of_the_digest(published, built, store):
    damage(published, built[1]["digest"])
    done = run("get", "small@1", "--remote", published.url, "--no-build")
    assert done.returncode == 1 and "not what it was asked for" in done.stderr
    assert not list(store.glob("objects/sha256/*/*/plan"))
    assert not list(store.glob("tmp/fetch-*/plan")), "wrong bytes are kept to be gone on with"


def test_get__refuses_an_engine_whose_record_claims_another(published, built, store):
    """A record that says another TensorRT than the bytes do: its key is right, the engine is not."""
    (path, record), = ((p, r) for p, r in published.put.items() if "/engines/" in p)
    record["recipe"]["trt.version"] = "1.6.0.1"
    text = "tenon-recipe/1\n" + "".join(f"{name}={record['recipe'][name]}\n" for name in FIELDS)
    import hashlib
    record["key"] = hashlib.sha256(text.encode()).hexdigest()
    done = run("get", "small@1", "--remote", published.url, "--no-build", "--for", "rtx4090+rtx1.6.0.1")
    assert done.returncode == 1 and "its record says" in done.stderr, done.stderr
    assert not list(store.glob("objects/sha256/*/*/plan"))


FIELDS = ["model.digest", "model.precision", "derived.by", "flavor", "trt.version", "platform", "class", "precision",
          "shapes", "tf32", "flags", "hw-compat", "ccs", "dla", "workspace", "opt-level", "plugins",
          "calibration.digest", "timing-cache.digest"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..", ""])
def test_get__writes_no_file_outside_its_folder_whatever_a_release_says(published, name, store):
    for path in list(published.put):
        if "/engines/" in path:
            del published.put[path]
    published.put["/api/v1/models/small/releases/1"]["variants"][0]["name"] = name
    done = run("get", "small@1", "--remote", published.url)
    assert done.returncode == 65 and "has a file" in done.stderr, done.stderr
    assert not list(store.parent.rglob("*evil*"))


def test_get__goes_on_where_a_download_broke_even_in_another_process(published, built, store):
    """Half of it comes and then silence; the next call asks for the rest."""
    digest = built[1]["digest"]
    data = published.blobs[digest]
    half = len(data) // 2

    def broken(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:half])
        handler.wfile.flush()
        client.wait_for_half()
        client.kill()
        handler.close_connection = True
    published.fault("GET", "blobs", broken)

    class Client:
        def start(self):
            self.process = subprocess.Popen([TENON, "get", "small@1", "--remote", published.url, "--no-build"],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def wait_for_half(self):
            part = store / f"tmp/fetch-{digest}/plan"
            while not (part.exists() and part.stat().st_size == half):
                assert self.process.poll() is None
                os.sched_yield()

        def kill(self):
            self.process.kill()
    client = Client()
    client.start()
    client.process.wait(60)
    done = answer("get", "small@1", "--remote", published.url, "--no-build")[0]
    assert (done["source"], done["digest"]) == ("remote", digest)
    ranges = [headers.get("Range") for method, path, headers in published.requests if method == "GET" and "blobs" in path]
    assert ranges == [None, f"bytes={half}-"]


def test_get__warm_starts_no_helper_and_opens_no_connection(published, built, tmp_path):
    """A hit of a file asks nobody, though servers are known."""
    config = pathlib.Path(os.environ["XDG_CONFIG_HOME"]) / "tenon"
    config.mkdir(parents=True)
    (config / "config.yaml").write_text(f"servers:\n  - url: {published.url}\n")
    answer("get", built[0] / "small.onnx", "--runtime", "rtx1.7.1.116")
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-e", "trace=execve,connect,socket", "-o", trace, TENON, "get", "-q",
                    built[0] / "small.onnx", "--runtime", "rtx1.7.1.116"], check=True, capture_output=True,
                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # no leak check where another one traces
    calls = [line for line in trace.read_text().splitlines() if "exited" not in line]
    assert len(calls) == 1 and "execve" in calls[0], calls
