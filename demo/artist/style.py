"""Everything about a drawing that is not one of its attributes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from demo.artist import palette
from demo.artist.attributes import Attributes
from demo.artist.palette import Color

Bangs = Literal["blunt", "pointed", "swept", "parted", "between"]
Outfit = Literal["sailor", "shirt", "hoodie", "dress", "jacket"]


@dataclass(frozen=True)
class Style:
    """How a character is drawn."""

    hair: Color
    eye: Color
    skin: Color
    ink: Color
    cloth: Color
    accent: Color
    """Ribbons, ties, hats."""
    second_accent: Color
    """Hair ornaments and details; stands out against the hair."""
    bangs: Bangs
    outfit: Outfit
    side: int
    """-1 or 1: the side of whatever comes once (ponytail, hairclip)."""
    variant: float
    """0..1: which of several forms hats, ears, braids and ornaments take."""
    tilt_deg: float = 0.0
    turn: float = 0.0
    line: float = 1.0
    """Line width over the default."""
    eye_width: float = 1.0
    eye_height: float = 1.0
    eye_slant: float = 0.0
    """Positive: the outer corners are higher."""
    look: float = 0.0
    """Sideways gaze."""
    chin: float = 0.0
    """-1 round .. 1 pointed."""
    volume: float = 1.0
    """Size of the hair over the skull."""
    shading: float = 1.0
    """0 flat .. 1 full cel shade."""
    boy: bool = False


def random_style(attributes: Attributes, rng: np.random.Generator) -> Style:
    """A style that suits the attributes."""
    hair = palette.jitter(palette.HAIR[str(attributes["hair_color"])], rng)
    skins = palette.DARK_SKINS if attributes["dark_skin"] else palette.FAIR_SKINS
    girlish = ("twintails", "drill_hair", "braid", "hair_bun", "ribbon", "ponytail", "blunt_bangs")
    plain = attributes["hair_length"] == "short" and not any(attributes[f] for f in girlish)
    boy = bool(rng.random() < 0.5 and plain)
    loose: tuple[Bangs, ...] = ("pointed", "swept", "parted", "between", "pointed")
    bangs: Bangs = loose[int(rng.integers(len(loose)))]
    if attributes["blunt_bangs"]:
        bangs = "blunt"
    outfits: tuple[Outfit, ...] = ("sailor", "shirt", "hoodie", "dress", "jacket")
    outfit = outfits[int(rng.integers(5))]
    if boy and outfit in ("sailor", "dress"):
        outfit = "hoodie"
    return Style(
        hair=hair,
        eye=palette.jitter(palette.EYES[str(attributes["eye_color"])], rng),
        skin=palette.jitter(skins[int(rng.integers(len(skins)))], rng, 0.5),
        ink=palette.mix(palette.INK, hair, 0.12),
        cloth=palette.jitter(palette.CLOTH[int(rng.integers(len(palette.CLOTH)))], rng),
        accent=palette.far_from(hair, palette.ACCENTS, rng),
        second_accent=palette.far_from(hair, palette.ACCENTS, rng),
        bangs=bangs,
        outfit=outfit,
        side=1 if rng.random() < 0.5 else -1,
        variant=float(rng.random()),
        tilt_deg=float(np.clip(rng.normal(0, 6), -15, 15)),
        turn=float(np.clip(rng.normal(0, 0.4), -1, 1)),
        line=float(rng.uniform(0.75, 1.45)),
        eye_width=float(rng.uniform(0.93, 1.08)),
        eye_height=float(rng.uniform(0.92, 1.12)) * (0.94 if boy else 1.0),
        eye_slant=float(rng.uniform(-0.1, 0.16)),
        look=float(rng.normal(0, 0.25)),
        chin=float(rng.uniform(-0.6, 1)),
        volume=float(rng.uniform(0.97, 1.06)),
        shading=float(rng.uniform(0.8, 1)),
        boy=boy,
    )
