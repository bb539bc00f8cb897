"""Pictures at a size one can use."""

from __future__ import annotations

from typing import Literal, assert_never

from PIL import Image

from manifest.errors import UserError

ScaleBy = Literal["smooth", "pixels"]
MOST_SIDE_PX = 2048


def resize(image: Image.Image, side: int, by: ScaleBy = "smooth") -> Image.Image:
    """A square picture with `side` px; `pixels` keeps squares, `smooth` is Lanczos's filter.

    Raises `UserError` for a side below 1 or above 2048.
    """
    if not 1 <= side <= MOST_SIDE_PX:
        raise UserError(f"a picture's side must be 1 to {MOST_SIDE_PX} px")
    if side == image.width:
        return image
    match by:
        case "smooth":
            method = Image.Resampling.LANCZOS
        case "pixels":
            method = Image.Resampling.NEAREST
        case _:
            assert_never(by)
    return image.resize((side, side), method)
