"""docs/operating.md is run as it stands: every `sh` block, in order, in one shell, on an empty machine's folder."""
import os
import pathlib
import re
import subprocess

from conftest import ROOT, RTX, TENON, needs_rtx
from fleet import TENOND, Tenond, free_port, needs_tenond

pytestmark = [needs_rtx, needs_tenond]


def test_operating__every_command_of_the_document_works(store, tmp_path, monkeypatch):
    text = (ROOT / "docs/operating.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) >= 12
    subprocess.run([RTX, pathlib.Path(__file__).parent / "net_models.py", tmp_path], check=True)
    (tmp_path / "small.onnx").rename(tmp_path / "model.onnx")
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
    script = script.replace("8600", str(free_port()))
    for name in ("TENON_SERVER", "TENON_TOKEN_FILE", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folders = {str(pathlib.Path(TENON).parent), str(TENOND.parent)}
    done = subprocess.run(["bash", "-xc", script], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"),
                               "PATH": ":".join([*folders, os.environ["PATH"]])})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    for words in ("logged in to", "hole", "edge-1", "1 engine added", "model@stable is 1.0.0 now", "in-sync"):
        assert words in done.stdout, words


def test_readme__commands_of_a_fleet_run_as_they_stand(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TENON_RUNTIME", "rtx1.7.1.116")
    subprocess.run([RTX, pathlib.Path(__file__).parent / "net_models.py", tmp_path], check=True)
    (tmp_path / "yolo.yaml").write_text("name: yolo\nvariants: { fp32: small.onnx }\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build/tenon").symlink_to(TENON)
    text = re.search(r"^## Fleet$.*?^## ", (ROOT / "README.md").read_text() + "\n## ", re.M | re.S)[0]
    lines = re.findall(r"^    (build/tenon .*)$", text, re.M)
    assert len(lines) >= 8
    server = Tenond(tmp_path)
    for line in lines:
        done = subprocess.run(["bash", "-euc", line.replace("8600", str(server.port))], cwd=tmp_path, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    server.end()
