"""What holds for the whole suite."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import avatar_common.commands  # noqa: F401  (sets how threads wait, before torch is imported)

# A suite started in the background of a shell ignores Ctrl-C, and its children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHIPPED = Path(__file__).resolve().parents[1] / "acgan" / "models"


@pytest.fixture(scope="session", autouse=True)
def shipped_models_stay() -> Iterator[None]:
    """No test writes to the models that come with the project."""

    def content() -> dict[Path, str]:
        files = (path for path in SHIPPED.rglob("*") if path.is_file())
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = content()
    yield
    assert content() == before
