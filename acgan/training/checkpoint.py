"""Checkpoints: the full state of a run, written atomically; the newest two are kept."""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

CHECKPOINT_SCHEMA_VERSION = 1
KEPT = 2


def save_checkpoint(folder: Path, nimg: int, state: dict[str, Any]) -> Path:
    """Write the state of a run that has seen `nimg` pictures; drops all but the newest two."""
    path = folder / f"{nimg:010d}.pt"
    buffer = io.BytesIO()  # torch hides a full disk behind its own error when it writes itself
    torch.save({"schema_version": CHECKPOINT_SCHEMA_VERSION, **state}, buffer)
    write_bytes(path, buffer.getvalue())
    for old in sorted(folder.glob("*.pt"))[:-KEPT]:
        old.unlink()
    return path


def load_newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest readable checkpoint on the CPU, or None; a damaged one is passed over."""
    for path in sorted(folder.glob("*.pt"), reverse=True):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
            log.warning("%s is damaged (%s); trying the one before", path, type(error).__name__)
            continue
        if not isinstance(state, dict) or state.get("schema_version") != CHECKPOINT_SCHEMA_VERSION:
            raise UserError("a checkpoint of another schema version", where=str(path))
        return state
    return None
