"""What a drawn character can be: one class per colour group, and the flags."""

import numpy as np

from demo.artist.palette import EYES, HAIR

Attributes = dict[str, str | bool]

HAIR_LENGTHS = ("short", "medium", "long")
FLAGS = (
    "twintails", "ponytail", "drill_hair", "braid", "hair_bun", "wavy_hair", "messy_hair", "ahoge",
    "blunt_bangs", "blush", "smile", "open_mouth", "hat", "ribbon", "hair_ornament", "glasses",
    "dark_skin", "animal_ears",
)  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "hair_color": tuple(HAIR),
    "eye_color": tuple(EYES),
    "hair_length": HAIR_LENGTHS,
    **dict.fromkeys(FLAGS, ()),
}
"""Each group with its classes; a flag has none."""

_HAIR_WEIGHTS = (7, 8, 6, 8, 7, 8, 9, 9, 10, 9, 9, 10)
_EYE_WEIGHTS = (7, 7, 7, 8, 9, 8, 10, 10, 10, 11, 13)
_STYLES = ("twintails", "ponytail", "drill_hair", "braid", "hair_bun", "none")
_STYLE_WEIGHTS = (15, 14, 12, 13, 13, 33)
_FLAG_ODDS = {
    "ahoge": 0.24, "blunt_bangs": 0.32, "blush": 0.42, "smile": 0.5, "open_mouth": 0.36,
    "hat": 0.16, "ribbon": 0.27, "hair_ornament": 0.24, "glasses": 0.2, "dark_skin": 0.16,
    "animal_ears": 0.2,
}  # fmt: skip


def _pick(rng: np.random.Generator, names: tuple[str, ...], weights: tuple[int, ...]) -> str:
    shares = np.asarray(weights, np.float64)
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def random_attributes(rng: np.random.Generator) -> Attributes:
    """A character nobody has seen: mildly unbalanced colours, flags at 10 to 50 %.

    Left out is what could not be seen together: a hat hides animal ears, ahoge and buns, and hair
    is tied in one way at a time.
    """
    attributes: Attributes = dict.fromkeys(GROUPS, False)
    attributes["hair_color"] = _pick(rng, tuple(HAIR), _HAIR_WEIGHTS)
    attributes["eye_color"] = _pick(rng, tuple(EYES), _EYE_WEIGHTS)
    style = _pick(rng, _STYLES, _STYLE_WEIGHTS)
    short = 42 if style in ("none", "ponytail", "hair_bun") else 0
    attributes["hair_length"] = _pick(rng, HAIR_LENGTHS, (short, 30, 36))
    texture = rng.random()
    attributes["wavy_hair"] = bool(texture < 0.2)
    attributes["messy_hair"] = bool(texture > 0.82)
    for flag, odds in _FLAG_ODDS.items():
        attributes[flag] = bool(rng.random() < odds)
    if style == "hair_bun":
        attributes["hat"] = False
    if attributes["hat"]:
        attributes["animal_ears"] = attributes["ahoge"] = False
    if style != "none":
        attributes[style] = True
    return attributes
