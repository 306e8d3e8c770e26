"""What devices tell of their loads, with the real programs: a library's spool, tenond, Prometheus itself."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import pytest

from conftest import BUILD, ROOT, RTX, answer, needs_rtx, run
from fleet import PATIENCE, Device, Tenond, needs_tenond, until
from test_alerts import DASHBOARDS, expressions, filled, rules

pytestmark = [needs_rtx, needs_tenond]
HERE = pathlib.Path(__file__).parent
RUNTIME = "rtx1.7.1.116"
OUTCOME, OUTCOMES = (jsonschema.Draft202012Validator(json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text()))
                     for name in ("outcome", "outcomes"))
NOTHING_KNOWN = "0" * 63 + "1"
needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="needs prometheus (tools/packages test)")


@pytest.fixture
def server(store, tmp_path, monkeypatch):
    """A tenond, this user logged in, and m@1 published with the engines of two boards."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TENON_SERVER", "TENON_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TENON_TOOLCHAINS", str(BUILD / "toolchains.yaml"))
    subprocess.run([RTX, HERE / "net_models.py", tmp_path], check=True)
    (tmp_path / "small.onnx").rename(tmp_path / "m.onnx")
    it = Tenond(tmp_path, "--poll", "5s")
    answer("login", it.url, "--token-file", it.admin)
    it.gateway = answer("token", "new", "gateway")[0]["token"]
    for board in ("rtx4090", "rtx3060"):
        answer("get", tmp_path / "m.onnx", "--for", f"{board}+{RUNTIME}")
    answer("push", tmp_path / "m.onnx", "--release", "1")
    yield it
    it.end()


def figures(server):
    """(name, labels) -> value of every sample."""
    found = {}
    for line in server.call("GET", "/metrics")[2].decode().splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match:
            found[match[1], frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))] = float(match[3])
    return found


def loads(server, **labels):
    return sum(value for (name, has), value in figures(server).items()
               if name == "tenon_engine_loads_total" and set(labels.items()) <= has)


def tell(device, spool, lines, status=200):
    body = {"spool": spool, "outcomes": lines}
    if status == 200:
        OUTCOMES.validate(body)
        OUTCOME.validate(lines[-1])
    return json.loads(device.call("POST", f"{device.base}/outcomes", body, status=status)[1])


def line(position, digest, **more):
    return {"position": position, "schema": "tenon-outcome/1", "time": "2026-11-23T08:00:00Z", "by": "application",
            "result": "ok", "digest": digest, "seconds": 0.3, "cold": False, "runtime": RUNTIME, **more}


def engine_for(cc):
    [digest] = [one["digest"] for one in answer("engine", "list", "m@1") if one["compute_capability"] == cc or
                cc in one["record"]["facts"]["compute_capabilities"]]
    return digest


# ---- a real spool ----

def spooled(store):
    """What an agent would send: the outcomes of a host's spool, placed by their lines."""
    [file] = store.glob("hosts/*/spool/outcomes.jsonl")
    head, *outcomes = map(json.loads, file.read_text().splitlines())
    assert head["schema"] == "tenon-spool/1" and re.fullmatch("[0-9a-f]{16}", head["spool"])
    return head["spool"], [{**one, "position": number} for number, one in enumerate(outcomes, 1)]


def test_outcomes__of_a_real_spool_count_once_over_a_kill(server, store, tmp_path):
    for _ in range(3):
        subprocess.run([BUILD / "tests/scenario/loader", tmp_path / "m.onnx", f"runtime={RUNTIME}", "ok"], check=True,
                       stdout=subprocess.DEVNULL)
    answer("push", tmp_path / "m.onnx", "--release", "1")
    spool, lines = spooled(store)
    assert len(lines) == 3 and all(one["result"] == "ok" and one["cold"] in (True, False) for one in lines)
    device = Device(server, "edge-1", f"rtx4090+{RUNTIME}", server.gateway)
    device.poll()
    assert tell(device, spool, lines[:2]) == {"position": 2, "counted": 2, "known": 0, "skipped": 0}
    server.kill()
    server.start()
    assert tell(device, spool, lines) == {"position": 3, "counted": 1, "known": 2, "skipped": 0}
    server.kill()
    server.start()
    assert tell(device, spool, lines) == {"position": 3, "counted": 0, "known": 3, "skipped": 0}
    assert loads(server, model="m", release="1", trt="1.7.1.116", by="application", result="ok") == loads(server) == 3
    shown = answer("devices", "show", "edge-1")[0]["load"]
    assert (shown["model"], shown["version"], shown["by"], shown["result"]) == ("m", "1", "application", "ok")
    assert shown["seconds"] == lines[2]["seconds"] and shown["time"] == lines[2]["time"]
    text = run("devices", "show", "edge-1").stdout
    assert re.search(r"last load +(now|\d+ \w+ ago)", text) and re.search(r"loaded by +application", text), text


def test_outcomes__are_refused_as_the_document_says(server):
    device = Device(server, "edge-1", f"rtx4090+{RUNTIME}", server.gateway)
    device.poll()
    digest, path = engine_for("8.9"), f"{device.base}/outcomes"
    many = [line(position, digest) for position in range(1, 502)]
    tell(device, "a", many, status=403)
    tell(device, "a", [line(2, digest), line(1, digest)], status=400)
    tell(device, "a b", [], status=400)
    assert server.call("POST", path, {"spool": "a", "outcomes": []})[0] == 401
    assert server.call("POST", path, {"spool": "a", "outcomes": []}, "TargetToken wrong")[0] == 401
    assert loads(server) == 0
    for first in range(1, 20001, 500):
        tell(device, "a", [line(position, digest) for position in range(first, first + 500)])
    status, fields, _ = server.call("POST", path, {"spool": "a", "outcomes": [line(20001, digest)]},
                                    f"GatewayToken {server.gateway}")
    assert (status, fields["Retry-After"]) == (429, "600")
    assert loads(server) == loads(server, model="m") == 20000


def test_outcomes__lasting_failure_stops_the_engine_for_the_class(server):
    one, two = (Device(server, name, f"rtx4090+{RUNTIME}", server.gateway) for name in ("edge-1", "edge-2"))
    digest = engine_for("8.9")
    answer("channel", "set", "m@stable", "1")
    answer("deploy", "m@stable")
    one.poll()
    two.poll()
    assert one.install()
    tell(one, "a", [line(1, digest, result="failed", lasting=True, **{"class": "plugin-missing"},
                         first_line="IPluginCreator not found")])
    assert two.deployment() is None
    assert loads(server, model="m", result="failed") == 1
    assert "IPluginCreator not found" in run("devices", "show", "edge-1").stdout


def test_outcomes__are_sent_by_hand_as_the_document_says(server, tmp_path):
    [block] = re.findall(r"^```sh\n(curl.*?)^```$", (ROOT / "docs/protocol-ddi.md").read_text(), re.M | re.S)
    device = Device(server, "edge-1", f"rtx4090+{RUNTIME}", server.gateway)
    device.poll()
    done = subprocess.run(["bash", "-euc", block], capture_output=True, text=True, timeout=PATIENCE, env={
        **os.environ, "TOKEN": server.gateway, "device": server.url + device.base, "digest": engine_for("8.9")})
    assert json.loads(done.stdout) == {"position": 1, "counted": 1, "known": 0, "skipped": 0}, done.stderr
    assert loads(server, model="m") == 1


# ---- Prometheus ----

def configuration(port):
    """The one of docs/metrics.md, but for places and pace."""
    [text] = re.findall(r"^```yaml\n(rule_files.*?)^```$", (ROOT / "docs/metrics.md").read_text(), re.M | re.S)
    for old, new in (("/usr/local/share/tenon", str(ROOT / "data")), ("8600", str(port)), ("interval: 15s", "interval: 1s")):
        assert old in text, old
        text = text.replace(old, new)
    return "global: { scrape_timeout: 1s, evaluation_interval: 1s }\n" + text


class Prometheus:
    """Debian's, as it is; scrapes and evaluates every second."""

    def __init__(self, folder, server):
        folder.mkdir()
        (folder / "prometheus.yml").write_text(configuration(server.port))
        self.log = folder / "prometheus.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                 "--web.listen-address=127.0.0.1:0", "--log.level=info"], stdout=log, stderr=log)

        def listening():
            assert self.process.poll() is None, self.log.read_text()
            # it logs the port that it was told, 0: the system knows the one it got
            return port_of(self.process.pid)
        self.port = until(listening, "Prometheus to listen")

    def end(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as refused:
            if refused.code == 503:  # not ready yet
                return None
            raise AssertionError(f"{path} {query}: {refused.read()[:500]}") from refused

    def value(self, expression):
        """The numbers of an expression's result; what is not a number is none."""
        data = self.ask("query", query=expression)
        return [float(one["value"][1]) for one in data["result"] if one["value"][1] != "NaN"] if data else []


def port_of(pid):
    """The TCP port on which a process listens, or None."""
    sockets = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
        try:
            sockets |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
        except OSError:
            pass  # closed meanwhile
    for row in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[3] == "0A" and fields[9] in sockets:
            return int(fields[1].split(":")[1], 16)
    return None


@pytest.fixture
def prometheus(server, tmp_path):
    it = Prometheus(tmp_path / "prometheus", server)
    yield it
    it.end()


def make_fleet(server):
    """Two classes with an engine, one without: a hole."""
    boards = ["rtx4090", "rtx4090", "rtx3060", "rtx5090"]
    devices = [Device(server, f"edge-{number}", f"{board}+{RUNTIME}", server.gateway) for number, board in enumerate(boards, 1)]
    for device in devices:
        device.poll()
    answer("channel", "set", "m@stable", "1")
    answer("deploy", "m@stable")
    return devices


def work(devices, round_):
    """Every device starts its service: each load is told."""
    for device in devices[:3]:
        device.install()
        digest = engine_for(device.facts["gpu.compute_capability"])
        first = 10 * round_
        tell(device, "service", [line(first, digest), line(first + 1, digest, cold=True, seconds=0.7),
                                 line(first + 2, digest, by="trial", seconds=0.4)])
    tell(devices[0], "service", [line(10 * round_ + 3, digest, result="failed", seconds=None, **{"class": "silent"})])


def asked():
    """Every expression that a reader of the dashboards sends, and those of the rules."""
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        yield from ((f"{path.stem}: {expression}", filled(expression)) for expression in expressions(board))
    yield from ((rule["record"], rule["expr"]) for rule in rules() if "record" in rule)


@needs_prometheus
def test_prometheus__scrapes_evaluates_and_answers_every_panel(server, prometheus):
    devices = make_fleet(server)
    until(lambda: prometheus.value('tenon_engine_loads_total{model="m"}'), "the counters of what was given out")
    work(devices, 1)
    until(lambda: prometheus.value("tenon_engine_deserialize_seconds_count"), "the first times")
    # the very first loads are a growth, for the counters were there before
    until(lambda: sum(prometheus.value('increase(tenon_engine_loads_total{result="ok"}[5m])')) >= 9, "the first loads")
    work(devices, 2)
    empty = dict(asked())
    end = time.monotonic() + PATIENCE
    while empty and time.monotonic() < end:
        empty = {name: expression for name, expression in empty.items() if not prometheus.value(expression)}
    assert empty == {}, "no panel is without data where the fleet makes some"
    groups = prometheus.ask("rules")["groups"]
    found = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert {rule.get("alert", rule.get("record")) for rule in rules()} == set(found)
    assert {name: rule["lastError"] for name, rule in found.items() if rule["health"] == "err"} == {}
    # one load in ten failed, and a hole waits: both are seen at once, the hole is not yet worth a word
    until(lambda: prometheus.value('ALERTS{alertname="TenonHoles",alertstate="pending"}'), "the hole")
    until(lambda: prometheus.value('sum(tenon:engine_loads_failed:increase30m) >= 2'), "the failures")
    assert prometheus.value("sum(tenon_devices)") == [4] and prometheus.value("sum(tenon_devices_waiting)") == [1]


@needs_prometheus
def test_prometheus__sees_no_loads_twice_when_the_server_was_killed(server, prometheus):
    devices = make_fleet(server)
    until(lambda: prometheus.value('tenon_engine_loads_total{model="m"}'), "the counters of what was given out")
    work(devices, 1)
    before = figures(server)
    until(lambda: prometheus.value("sum(tenon_engine_loads_total)") == [10], "ten loads")
    server.kill()
    server.start()
    work(devices, 1)
    after = figures(server)
    for name in ("tenon_engine_loads_total", "tenon_engine_deserialize_seconds_sum", "tenon_engine_deserialize_seconds_count"):
        kept = {labels: value for (metric, labels), value in before.items() if metric == name}
        assert kept == {labels: value for (metric, labels), value in after.items() if metric == name} and kept, name
    started = next(value for (name, _), value in after.items() if name == "tenon_start_time_seconds")
    until(lambda: prometheus.value("max(tenon_start_time_seconds)") == [started], "the server that was started again")
    assert prometheus.value("sum(resets(tenon_engine_loads_total[5m]))") == [0]
    assert prometheus.value("sum(tenon_engine_loads_total)") == [10]


def test_labels__are_as_many_for_three_devices_as_for_thirty(server):
    """Nothing in a label is a device's own: a fleet that grows makes no more series."""
    devices = make_fleet(server)
    work(devices, 1)
    figures(server)  # the first scrape is a request of its own
    few = set(figures(server))
    more = [Device(server, f"more-{number}", f"rtx4090+{RUNTIME}", server.gateway) for number in range(27)]
    for number, device in enumerate(more):
        device.poll()
        device.install()
        tell(device, f"spool-{number}", [line(1, engine_for("8.9")) if number else line(1, NOTHING_KNOWN, model="my own")])
    many = set(figures(server))
    new = {name for name in many - few if dict(name[1]).get("model") != "unknown"}
    assert new == set()
    assert not [labels for _, labels in many for _, value in labels if re.search(r"edge-|more-|spool-|my own", value)]
