from __future__ import annotations

from pathlib import Path

import pytest

from acgan.drawing.painter import Painter
from acgan.nets.snapshot import load_snapshot
from tests.drawing.snapshots import make_snapshot


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one run and its snapshot; read only."""
    root = tmp_path_factory.mktemp("workspace")
    make_snapshot(root / "runs" / "00001-tiny" / "snapshots" / "0000001000")
    return root


@pytest.fixture(scope="session")
def painter(workspace: Path) -> Painter:
    return Painter(load_snapshot(workspace / "runs/00001-tiny/snapshots/0000001000.json"))
