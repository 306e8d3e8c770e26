"""A real tenond for scenarios: started, killed, started again on the same port with the same data."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest

from conftest import TENON, answer

TENOND = pathlib.Path(os.environ.get("TENOND", pathlib.Path(TENON).with_name("tenond")))
PATIENCE = 30  # seconds until something that must happen counts as missing

needs_tenond = pytest.mark.skipif(not TENOND.exists(), reason="tenond is not built")


def free_port():
    """One that nothing listens on now; for programs that cannot be asked which one they took."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def until(true, what, patience=PATIENCE):
    """Waits for the thing itself."""
    end = time.monotonic() + patience
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < end, f"waited {patience} s for {what}"
        time.sleep(0.01)


class Tenond:
    through = ()  # words before the program: what it is started through
    surroundings = {}  # variables on top of the environment

    def __init__(self, folder, *options):
        self.folder, self.options, self.port, self.process = folder, options, 0, None
        self.log = folder / "tenond.log"
        self.start()

    def start(self):
        before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([*self.through, TENOND, "--data", self.folder / "data", "--listen",
                                             f"127.0.0.1:{self.port}", *self.options], stdout=log, stderr=log,
                                            env={**os.environ, **self.surroundings})

        def listening():
            assert self.process.poll() is None, self.log.read_text()
            return re.search(r"listening.*127\.0\.0\.1:(\d+)", self.log.read_text()[before:])
        self.port = int(until(listening, "tenond to listen")[1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self):
        return self.folder / "data/admin.token"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            # a leak that a sanitizer found shows here
            assert self.process.wait(PATIENCE) == 0, self.log.read_text()[-3000:]

    def call(self, method, path, body=None, token=None, headers=None):
        """One plain request; (status, headers, bytes)."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        link.request(method, path, data, {"Accept": "application/json",
                                          **({"Authorization": token} if token else {}),
                                          **({"Content-Type": "application/json"} if data else {}), **(headers or {})})
        reply = link.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()


def swu(data):
    """An SWUpdate image as far as a server looks at one: a cpio archive that begins with sw-description."""
    def member(name, content):
        sizes = [0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % size for size in sizes) + name + b"\0"
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    return member(b"sw-description", b"software = { };") + member(b"engine", data) + member(b"TRAILER!!!", b"")


def attributes(board):
    """The flat attributes of a bundled board ("rtx4090+rtx1.7.1.116"), as a device sends them."""
    facts = answer("device", "--device", board)[0]
    flat = {name: facts[name] for name in ("os", "arch", "platform", "driver", "cuda")}
    flat.update({f"gpu.{name}": value for name, value in facts["gpus"][0].items() if name != "index"})
    flat.update({f"runtime.{runtime['kind']}": runtime["version"] for runtime in facts["runtimes"]})
    return {name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in flat.items() if value is not None}


class Device:
    """A client of the device protocol, of the plainest kind."""

    def __init__(self, tenond, name, board, token):
        self.tenond, self.name, self.token = tenond, name, token
        self.facts = attributes(board)
        self.base = f"/default/controller/v1/{name}"

    def call(self, method, href, body=None, headers=None, status=200):
        path = urllib.parse.urlsplit(href)._replace(scheme="", netloc="").geturl()
        got, fields, data = self.tenond.call(method, path, body, f"GatewayToken {self.token}", headers)
        assert got == status, (method, path, got, data[:300])
        return fields, data

    def poll(self):
        links = json.loads(self.call("GET", self.base)[1]).get("_links", {})
        if "configData" in links:
            self.call("PUT", links["configData"]["href"], {"mode": "replace", "data": self.facts})
        return {name: link["href"] for name, link in links.items()}

    def deployment(self):
        href = self.poll().get("deploymentBase")
        return json.loads(self.call("GET", href)[1]) if href else None

    def download(self, deployment):
        artifact = deployment["deployment"]["chunks"][0]["artifacts"][0]
        return artifact, self.call("GET", artifact["_links"]["download-http"]["href"])[1]

    def feedback(self, action, execution, finished, details=(), kind="deploymentBase"):
        self.call("POST", f"{self.base}/{kind}/{action}/feedback",
                  {"id": action, "status": {"execution": execution, "result": {"finished": finished},
                                            "details": list(details)}})

    def install(self):
        """Polls, downloads, confirms; the name of the engine, or None."""
        deployment = self.deployment()
        if not deployment:
            return None
        artifact, data = self.download(deployment)
        assert len(data) == artifact["size"]
        self.feedback(deployment["id"], "closed", "success")
        return artifact["filename"]
