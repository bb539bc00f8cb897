from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.make.snapshots import make_snapshot

ROOT = Path(__file__).resolve().parents[2]
START_S = 120


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two runs; read only."""
    root = tmp_path_factory.mktemp("workspace")
    make_snapshot(root / "runs" / "00001-tiny" / "snapshots" / "0000001000")
    make_snapshot(root / "runs" / "00002-other" / "snapshots" / "0000001000", seed=1)
    return root


@dataclass(frozen=True)
class Served:
    url: str
    pid: int


@pytest.fixture(scope="session")
def served(workspace: Path) -> Iterator[Served]:
    """The page, served by the real command."""
    pytest.importorskip("gradio", reason="the extra `ui` is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "acgan", "serve", "--port", str(port), "--device", "cpu"]
    server = subprocess.Popen(
        [*command, "--workspace", str(workspace)], cwd=ROOT, env={**os.environ},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(START_S * 5):
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert server.poll() is None, "the server stopped"
                time.sleep(0.2)
        yield Served(url, server.pid)
    finally:
        server.terminate()
        server.wait(20)
