"""Draws anime-style characters whose attributes are known."""

from demo.artist.attributes import FLAGS, GROUPS, Attributes, random_attributes
from demo.artist.scene import (
    Character,
    Illustration,
    draw_character,
    draw_illustration,
    draw_portrait,
)
from demo.artist.style import Style, random_style

__all__ = [
    "FLAGS", "GROUPS", "Attributes", "Character", "Illustration", "Style", "draw_character",
    "draw_illustration", "draw_portrait", "random_attributes", "random_style",
]  # fmt: skip
