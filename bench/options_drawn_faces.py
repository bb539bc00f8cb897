"""Options of `bench drawn-faces`; light, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass

from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class DrawnFacesOptions(CommonOptions):
    """Draw characters whose attributes are known into a face set, for `train-reader`."""

    name: str = "drawn-characters"
    """The face set: data/faces/NAME."""

    faces: int = 6000
    """How many."""

    size: int = 64
    """Side of a face picture, px."""

    seed: int = 7
    """Seed of every random choice."""
