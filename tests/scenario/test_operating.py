"""docs/operating.md is run as it stands: every `sh` block, in order, in one shell, on an empty machine's folder."""
import os
import pathlib
import re
import socket
import subprocess

from conftest import ROOT, RTX, TENON, needs_rtx
from fleet import TENOND, needs_tenond

pytestmark = [needs_rtx, needs_tenond]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


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
