"""One tiny face set in a workspace, and one BLAS thread (a test must not fight for cores)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.face_set import make_face_set


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_face_set(tmp_path / "data" / "faces" / "tiny")
    return tmp_path
