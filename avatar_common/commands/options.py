"""The options that every command has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avatar_common.devices import Device


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    workspace: Path = Path()
    """Folder that holds data/ and runs/."""

    dry_run: bool = False
    """Print the resolved options and what would happen, then stop."""

    quiet: bool = False
    """No progress and no notes, only warnings, errors and the result."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(CommonOptions):
    device: Device = "auto"
    """Where to compute; auto takes CUDA, then MPS, then the CPU."""

    threads: int | None = None
    """CPU threads; default: all cores (training takes fewer where that is faster)."""
