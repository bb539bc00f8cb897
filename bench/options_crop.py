"""Options of `bench crop`; light, so that `--help` needs no OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class CropOptions(CommonOptions):
    """Crop the same pictures with the tutorials' loop and with this project, side by side."""

    pictures: Path | None = None
    """Folder of pictures; default: pictures/full of the real data beside the checkout."""

    boxes: Path | None = None
    """Their faces (file,x,y,w,h); default: boxes.csv in the folder."""

    naive_cascade: Path | None = None
    """The loop's cascade; default: the field's, from the real data beside the checkout."""

    count: int = 450
    """Pictures to crop: the folder's, repeated."""

    workers: int = 0
    """Our worker processes; 0 is one per core."""
