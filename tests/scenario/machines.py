"""Machines that have GPUs and TensorRTs as a test wants them: a driver that a file describes (fake_cuda.c), and
trtexec's stand-in for each release. The program, its helpers and its children are the real ones, as real processes.
"""
import json
import os
import pathlib
import shutil
import subprocess

from conftest import ROOT, TENON

BUILD = pathlib.Path(TENON).parent
ATTRIBUTES = {"core_khz": 13, "sm_count": 16, "integrated": 18, "ecc": 32, "memory_khz": 36, "bus_bits": 37, "l2_bytes": 38}
HELPERS = ("tenon", "tenon-gpu", "tenon-start", "tenon-probe")
SHAPES = "x=1x3:2x3:4x3"
DRIVER = "580.159.04"


def field(number, value):
    """One field of a protobuf message: an integer, or bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def onnx_bytes(weight=b"\0\0\x80?"):
    """y = x + w, x of batch x 3, in fp32."""
    def tensor(name):
        batch, three = field(1, field(2, b"batch")), field(1, field(1, 3))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, batch + three)))
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Add")
    initializer = field(1, 1) + field(2, 1) + field(8, b"w") + field(9, weight)
    graph = field(1, node) + field(2, b"net") + field(5, initializer) + field(11, tensor(b"x")) + field(12, tensor(b"y"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def uuid_of(number, kind="GPU"):
    return f"{kind}-{number:08x}-89ab-cdef-0123-456789abcdef"


def board(product, uuid, free=None, **changes):
    """The lines of a GPU that is a bundled board."""
    facts = json.loads(subprocess.run([TENON, "device", "--device", product, "--json"], capture_output=True, text=True,
                                      check=True).stdout)["gpus"][0]
    facts["memory_bytes"] = facts["memory_bytes"] or 23609475072  # not known of every board; an L4's
    facts.update(changes)
    major, minor = facts["compute_capability"].split(".")
    lines = ["[gpu]", f"name = {facts['name']}", f"uuid = {uuid}", f"memory = {facts['memory_bytes']}",
             f"free = {facts['memory_bytes'] if free is None else free}", f"attribute.75 = {major}", f"attribute.76 = {minor}"]
    lines += [f"{key} = {facts[key]}" for key in ("context", "by-uuid") if key in facts]
    return lines + [f"attribute.{number} = {int(facts[key])}" for key, number in ATTRIBUTES.items()
                    if facts[key] is not None]


class TensorRT:
    """One installed release whose trtexec is the stand-in."""

    def __init__(self, machine, version):
        self.home = machine.folder / f"TensorRT-{version}"
        self.version = version
        (self.home / "bin").mkdir(parents=True)
        library = self.home / "lib"
        library.mkdir()
        (library / f"libnvinfer.so.{version.rsplit('.', 1)[0]}").write_bytes(b"")
        for name in ("libcuda.so.1", "gpus.txt"):  # its children see nothing of the caller's LD_LIBRARY_PATH
            (library / name).symlink_to(machine.driver / name)
        standin = (ROOT / "tests/unit/toolchain/trtexec_standin.py").read_text()
        (self.home / "bin/trtexec").write_text("#!/usr/bin/python3 -IB\n" + standin)
        (self.home / "bin/trtexec").chmod(0o700)
        self.does()

    def does(self, **setup):
        (self.home / "bin/standin.json").write_text(json.dumps({
            "release": [int(part) for part in self.version.split(".")], "maker": str(BUILD / "tests/make-plan"),
            "behave": "", "load": "", **setup}))

    def runs(self):
        """"build" and "load" of each time that it was started."""
        path = self.home / "bin/runs.txt"
        return path.read_text().split() if path.exists() else []

    def asked(self):
        return (self.home / "bin/asked.txt").read_text().split("\n")


class Machine:
    def __init__(self, folder):
        self.folder = folder
        self.driver = folder / "driver"
        self.driver.mkdir()
        self.bin = folder / "bin"  # away from the toolchains.yaml of the build
        self.bin.mkdir()
        for name in HELPERS:
            shutil.copy(BUILD / name, self.bin)
        shutil.copy(ROOT / "workers/tenon_worker.py", self.bin)
        self.opened = folder / "cuda.log"
        self.releases = []
        self.init = 0
        self.gpus = []
        self.model = folder / "net.onnx"
        self.model.write_bytes(onnx_bytes())
        self.install_driver(DRIVER)

    def has(self, *gpus):
        self.gpus = list(gpus)
        self.write()

    def write(self):
        lines = [f"driver = {self.version}", "cuda = 13000", f"init = {self.init}", f"log = {self.opened}"]
        (self.driver / "gpus.txt").write_text("\n".join(lines + [line for gpu in self.gpus for line in gpu]) + "\n")

    def install_driver(self, version):
        """As an upgrade does: new files take the places of the old ones."""
        self.version = version
        for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
            shutil.copy(BUILD / "tests/fake-cuda.so", self.driver / "new")
            (self.driver / "new").rename(self.driver / name)
        self.write()

    def tensorrt(self, version):
        self.releases.append(TensorRT(self, version))
        lines = [f"  - {{ kind: trtexec, trtexec: {one.home}/bin/trtexec, library: {one.home}/lib }}\n" for one in self.releases]
        (self.folder / "toolchains.yaml").write_text("toolchains:\n" + "".join(lines))
        return self.releases[-1]

    def run(self, *args, env=None):
        clean = {name: value for name, value in os.environ.items() if name not in (
            "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "TENON_RUNTIME", "TENON_LIBEXEC")}
        clean.update(TENON_STORE=str(self.folder / "store"), TENON_TOOLCHAINS=str(self.folder / "toolchains.yaml"),
                     LD_LIBRARY_PATH=str(self.driver), PATH="/usr/bin:/bin", **(env or {}))
        return subprocess.run([self.bin / "tenon", *map(str, args)], capture_output=True, text=True, timeout=300, env=clean)

    def answer(self, *args, status=0, env=None):
        done = self.run(*args, "--json", env=env)
        assert done.returncode == status, done.stderr + done.stdout
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        return objects[0] if len(objects) == 1 else objects

    def get(self, *args, **kwargs):
        return self.answer("get", self.model, "--shapes", SHAPES, *args, **kwargs)

    def cuda_starts(self):
        """Programs that started CUDA."""
        return [line.split()[1] for line in self.opened.read_text().splitlines()] if self.opened.exists() else []
