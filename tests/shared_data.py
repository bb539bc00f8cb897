"""Where the optional real data lies: `$AVATAR_SHARED`, else `../shared/data`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """The path of one piece of real data; skips the test where it is absent."""
    path = Path(os.environ.get("AVATAR_SHARED", _BESIDE)) / name
    if not path.exists():
        pytest.skip(f"real data is absent: {path}")
    return path
