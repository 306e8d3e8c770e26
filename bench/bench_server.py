"""Measures tenond against nginx in one run: CPU seconds of the server process, real HTTP on loopback.

usage: bench_server.py BUILD_FOLDER [DEVICES]

Ratios are medians of interleaved rounds. The machine's other load hits both sides alike; CPU seconds are the process's own.
"""
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
DEVICES = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = os.environ.get("TENON_RTX_PYTHON", str(ROOT / "venv/rtx-1.7/bin/python"))
BOARD = "rtx4090+rtx1.7.1.116"
ROUNDS = 5
FILE_BYTES = 100_000_000
# 0.2 CPU s per 1,000 was set on a machine where nginx took 12 to 14 ms per 1,000 requests for its file: 14.3 to 16.7 times
# that. The stricter end holds on a machine of any speed.
DEPLOYMENT_MOST = 14.3
rows = []

NGINX = """
daemon off; master_process off; error_log stderr crit; pid %(folder)s/nginx.pid; worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off; sendfile on; keepalive_requests 100000000; open_file_cache max=100;
  client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server { listen 127.0.0.1:%(port)d; root %(folder)s/www; }
}
"""
WRK = """
math.randomseed(%(seed)d)
request = function()
  return wrk.format("GET", "/default/controller/v1/d" .. math.random(0, %(last)d), {["Authorization"] = "TargetToken tok"})
end
"""


def row(what, measured, must, good):
    rows.append(good)
    print(f"{what:<56} {measured:<50} {must:<26} {'ok' if good else 'MISSED'}", flush=True)


def cpu(pid):
    """Seconds on a CPU, of all threads, to the nanosecond."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.start()
        self.admin = (folder / "data/admin.token").read_text()

    def start(self):
        with open(self.folder / "log", "w") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen([BUILD / "tenond", "--data", self.folder / "data", "--listen",
                                             f"127.0.0.1:{self.port}", "--connections", "12000"], stderr=log)
            while "event=listening" not in (self.folder / "log").read_text():
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.002)
            self.start_seconds = time.monotonic() - begin
        self.pid = self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def rest(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        link.request(method, "/api/v1" + path, data, {"Authorization": f"Bearer {self.admin}"})
        reply = link.getresponse()
        text = reply.read()
        assert reply.status < 300, (path, reply.status, text)
        return json.loads(text) if text else None


def many(port, requests, links=32, depth=16):
    """Sends requests over `links` connections, `depth` in a row on each; the bodies of the replies, all of which must be 200s."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(links)]
    readers = [link.makefile("rb") for link in sockets]
    replies = []
    for at in range(0, len(requests), links * depth):
        batch = requests[at:at + links * depth]
        for number, link in enumerate(sockets):
            link.sendall(b"".join(batch[number * depth:(number + 1) * depth]))
        for number in range(len(batch)):
            reader = readers[number // depth]
            status, length = reader.readline(), 0
            assert status.startswith(b"HTTP/1.1 20"), status
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            replies.append(reader.read(length))
    for link in sockets:
        link.close()
    return replies


def message(method, path, body=None, token="TargetToken tok"):
    data = json.dumps(body).encode() if body is not None else b""
    return (f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {token}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


def register(server, first, last, prefix="d"):
    many(server.port, [message("PUT", f"/api/v1/devices/{prefix}{i}", {"token": "tok"}, f"Bearer {server.admin}")
                       for i in range(first, last)])


def wrk(url, pid, script=None, seconds=4):
    """CPU seconds of `pid` per 1,000 requests."""
    before = cpu(pid)
    done = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", *(["-s", script] if script else []), url],
                          capture_output=True, text=True, check=True).stdout
    used = cpu(pid) - before
    assert "Non-2xx" not in done, done
    return used / int(re.search(r"(\d+) requests in", done)[1]) * 1000


def bench_poll(server, nginx, folder):
    ours, theirs = [], []
    for number in range(ROUNDS):
        script = folder / "poll.lua"
        script.write_text(WRK % {"seed": number, "last": DEVICES - 1})
        ours.append(wrk(f"http://127.0.0.1:{server.port}/", server.pid, script))
        theirs.append(wrk(f"http://127.0.0.1:{nginx[0]}/small", nginx[1]))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    nginx_ms = statistics.median(theirs) * 1e3
    row(f"idle poll, {DEVICES} devices, against nginx 200 B file",
        f"{ratio:.2f} x ({statistics.median(ours) * 1e3:.1f} / {nginx_ms:.1f} ms per 1,000)",
        "<= 1.0 x", ratio <= 1.0)
    return nginx_ms


def fetch(url, pid, token=None):
    before = cpu(pid)
    for _ in range(10):
        subprocess.run(["curl", "-sf", "-o", "/dev/null", *(["-H", f"Authorization: {token}"] if token else []), url], check=True)
    return (cpu(pid) - before) / (10 * FILE_BYTES / 1e9)


def bench_download(server, nginx, digest):
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(fetch(f"http://127.0.0.1:{server.port}/api/v1/blobs/sha256/{digest}", server.pid,
                          f"Bearer {server.admin}"))
        theirs.append(fetch(f"http://127.0.0.1:{nginx[0]}/large", nginx[1]))
    ratio = statistics.median(ours) / statistics.median(theirs)
    row("download of 100 MB against nginx sendfile", f"{ratio:.2f} x ({statistics.median(ours):.3f} / "
        f"{statistics.median(theirs):.3f} CPU s per GB)", "<= 1.2 x", ratio <= 1.2)


def attributes():
    facts = json.loads(subprocess.run([BUILD / "tenon", "device", "--device", BOARD, "--json"], capture_output=True,
                                      text=True, check=True).stdout)
    flat = {name: facts[name] for name in ("os", "arch", "platform", "driver", "cuda")}
    flat.update({f"gpu.{name}": value for name, value in facts["gpus"][0].items() if name != "index"})
    flat.update({f"runtime.{runtime['kind']}": runtime["version"] for runtime in facts["runtimes"]})
    return {name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in flat.items() if value is not None}


def publish(server, folder):
    subprocess.run([PYTHON, ROOT / "tests/scenario/net_models.py", folder], check=True)
    done = json.loads(subprocess.run([BUILD / "tenon", "get", folder / "small.onnx", "--store", folder / "store", "--for",
                                      BOARD, "--json"], capture_output=True, text=True, check=True).stdout)
    plan = pathlib.Path(done["path"]).resolve()
    model = (folder / "small.onnx").read_bytes()
    record = json.loads(plan.with_name("record.json").read_text())
    for data in (model, plan.read_bytes()):
        server.rest("PUT", f"/blobs/sha256/{hashlib.sha256(data).hexdigest()}", data)
    server.rest("PUT", "/models/small/releases/1", {"variants": [
        {"precision": "fp32", "digest": hashlib.sha256(model).hexdigest(), "bytes": len(model), "name": "small.onnx"}]})
    server.rest("PUT", f"/models/small/releases/1/engines/{record['digest']}", record)
    server.rest("PUT", "/models/small/channels/stable", {"version": "1"})


def bench_deployment(server, nginx_ms, count):
    base = [f"/default/controller/v1/u{i}" for i in range(count)]
    register(server, 0, count, "u")
    facts = attributes()
    many(server.port, [message("PUT", path + "/configData", {"data": facts}) for path in base])
    many(server.port, [message("PUT", f"/api/v1/devices/u{i}/labels", {"bench": "yes"}, f"Bearer {server.admin}")
                       for i in range(count)])
    begin = time.monotonic()
    done = server.rest("POST", "/deployments", {"model": "small", "channel": "stable", "to": "bench = yes"})
    seconds = time.monotonic() - begin
    assert done["assigned"] == count, done
    row(f"deploy to {count} of {DEVICES + count} devices, assigned and durable", f"{seconds * 1000:.0f} ms", "<= 100 ms",
        seconds <= 0.1)
    before = cpu(server.pid)
    polls = many(server.port, [message("GET", path) for path in base])
    actions = [re.search(rb"deploymentBase/(\d+)", text)[1].decode() for text in polls]
    many(server.port, [message("GET", f"{path}/deploymentBase/{action}") for path, action in zip(base, actions)])
    for execution, finished in (("proceeding", "none"), ("closed", "success")):
        many(server.port, [message("POST", f"{path}/deploymentBase/{action}/feedback",
                                   {"id": action, "status": {"execution": execution, "result": {"finished": finished},
                                                             "details": ["bench"]}})
                           for path, action in zip(base, actions)])
    used = (cpu(server.pid) - before) / count * 1000
    row("completed deployment (4 requests), durable", f"{used:.3f} CPU s per 1,000", "<= 0.2", used <= 0.2)
    ratio = used * 1000 / nginx_ms
    row("completed deployment against nginx 200 B file", f"{ratio:.1f} x ({used * 1000:.0f} / {nginx_ms:.1f} ms per 1,000)",
        f"<= {DEPLOYMENT_MOST} x", ratio <= DEPLOYMENT_MOST)


# What bench_match measures, and the most that it may be. Deploying is linear: 100,000 devices may take a hundred times
# the 0.1 s of 1,000, and little more than ten times the CPU of 10,000.
MATCH_LIMITS = {
    "deploy to 1,000 devices, durable": 0.1,
    "deploy to 10,000 devices, durable": 1,
    "deploy to 100,000 devices, durable": 10,
    "deploy to 100,000 devices against 10,000": 12,
    "match a device of a known class, 10,000 engines of 100 models": 20,
    "match a device after every release changed": 20,
    "match the first device of a new class": 20,
}


def bench_match(folder):
    done = subprocess.run([BUILD / "bench/bench_match", folder / "match"], capture_output=True, text=True, check=True)
    found = {one["what"]: one for one in map(json.loads, done.stdout.splitlines())}
    for what, most in MATCH_LIMITS.items():
        value, unit = found[what]["value"], found[what]["unit"]
        row(what, f"{value:.3g} {unit}", f"<= {most:g} {unit}", value <= most)


def bench_start(folder):
    with tempfile.TemporaryDirectory() as other:
        server = Server(pathlib.Path(other))
        register(server, 0, 10_000)
        server.stop()
        server.start()
        row("start with 10,000 devices", f"{server.start_seconds * 1000:.0f} ms", "<= 200 ms", server.start_seconds <= 0.2)
        links = []
        for count, most in ((1_000, 50), (10_000, 120)):
            while len(links) < count:
                link = socket.create_connection(("127.0.0.1", server.port))
                link.sendall(message("GET", f"/default/controller/v1/d{len(links)}"))
                assert link.recv(4096).startswith(b"HTTP/1.1 200")
                links.append(link)
            size = resident(server.pid) / 1e6
            row(f"resident with {count} connections, 10,000 devices", f"{size:.0f} MB", f"<= {most} MB", size <= most)
        server.stop()


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "www").mkdir()
        (folder / "www/small").write_bytes(b"x" * 200)
        data = os.urandom(FILE_BYTES)
        (folder / "www/large").write_bytes(data)
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX % {"folder": folder, "port": port})
        nginx = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        os.chmod(folder, 0o755)
        server = Server(folder)
        try:
            bench_start(folder)
            register(server, 0, DEVICES)
            many(server.port, [message("PUT", f"/default/controller/v1/d{i}/configData", {"data": {"a": "b"}})
                               for i in range(DEVICES)])
            nginx_ms = bench_poll(server, (port, nginx.pid), folder)
            digest = hashlib.sha256(data).hexdigest()
            server.rest("PUT", f"/blobs/sha256/{digest}", data)
            bench_download(server, (port, nginx.pid), digest)
            publish(server, folder)
            bench_deployment(server, nginx_ms, 1_000)
            bench_match(folder)
        finally:
            nginx.terminate()
            nginx.wait()
            server.stop()
    return 0 if all(rows) else 1


sys.exit(main())
