"""Options of `bench faces`; light, so that `--help` needs no OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class FacesOptions(CommonOptions):
    """Score face detection against boxes drawn by hand."""

    pictures: Path
    """Folder of pictures."""

    boxes: Path
    """Table with columns file,x,y,w,h and perhaps kind; empty numbers: a picture without a face."""

    cascade: Path | None = None
    """Score this bare cascade (no verifier) instead of the shipped detector."""

    min_neighbors: int | None = None
    """Windows that must agree; the shipped default, or 2 with --cascade."""

    equalize: bool = False
    """Equalise the picture's histogram first, as the tutorials do."""

    working_side_px: int | None = None
    """Long side of the searched picture; the shipped default, or 512 with --cascade."""

    min_score: float | None = None
    """Drop detections under this score; the shipped default, or 0 with --cascade."""

    list_misses: bool = False
    """Also print a line for each missed face and each false detection."""
