"""Options of `bench detector-pictures`; light, so that `--help` needs no OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class DetectorPicturesOptions(CommonOptions):
    """Make the folders of pictures, each with a boxes.csv, that the detector is trained on."""

    out: Path
    """Folder to write drawn, photos, illustrations and a *-held beside each."""

    illustrations: Path | None = None
    """A folder of pictures with one face each; default: pictures/more of the real data."""

    cascade: Path | None = None
    """Boxes the illustrations; look at the outcome. Default: the field's, from the real data."""

    posts: int = 400
    """Posts drawn to train on; three in ten more are drawn to be held out."""

    seed: int = 101
    """Draws other posts."""
