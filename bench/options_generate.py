"""Options of `bench generate`; light, so that `--help` needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(CommonOptions):
    """Time one picture, and 16, on one CPU core: PyTorch beside ONNX Runtime. With --pairs, also
    how even a morph between two seeds is in the features of the independent classifier."""

    snapshot: Path | None = None
    """A snapshot's JSON or a run's folder; the workspace's newest, else the one shipped."""

    repeats: int = 60
    """How often to draw one picture; the median counts."""

    pairs: int = 0
    """Morphs to walk, each between two seeds; needs the snapshot's classifier."""

    frames: int = 60
    """Pictures in a morph."""
