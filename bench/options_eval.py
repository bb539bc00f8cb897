"""Options of `python -m bench eval`. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli import CommonOptions


@dataclass(frozen=True, kw_only=True)
class EvalOptions(CommonOptions):
    data: Path | None = None
    """A face set; without one, faces are drawn."""

    faces: int = 7000
    """How many faces to draw when no face set is given."""

    image_size: int = 64
    """Side of the drawn faces."""

    count: int = 600
    """How many faces each planted generator is asked for."""

    timed_count: int = 5000
    """Faces in the timed full report; 0 leaves it out."""

    ladder: tuple[Path, ...] = ()
    """Runs, or snapshots of one run: their scores must climb with training, reals on top."""

    cache: Path | None = None
    """Keep what is measured here for the next call; a temporary folder unless told otherwise."""

    threads: int | None = None
    """CPU threads; all cores unless told otherwise."""

    seed: int = 0
    """Fixes everything random."""
