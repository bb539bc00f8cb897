"""Sheets: several pictures in rows and columns, with names where they help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from acgan.drawing.recipe import Recipe, png_bytes
from avatar_common.grid import GAP_PX, grid
from avatar_common.pictures import PicturesNHWC

WHITE = 255
TEXT_PX = 11
MARGIN_PX = 4


def sheet(
    pictures: PicturesNHWC,
    columns: int,
    *,
    column_names: Sequence[str] = (),
    row_names: Sequence[str] = (),
) -> PicturesNHWC:
    """Pictures uint8 [N,H,W,3] on white, uint8 [H',W',3]; names above columns and before rows."""
    count, height, width, _ = pictures.shape
    rows = math.ceil(count / columns)
    left = MARGIN_PX + _text_width(row_names) if any(row_names) else 0
    top = TEXT_PX + MARGIN_PX if any(column_names) else 0
    canvas = np.pad(grid(pictures, columns), ((top, 0), (left, 0), (0, 0)), constant_values=WHITE)
    image = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_PX)
    for column, name in enumerate(column_names[:columns]):
        x = left + column * (width + GAP_PX) + width / 2
        pen.text((x, 0), name, "black", font, anchor="ma")
    for row, name in enumerate(row_names[:rows]):
        y = top + row * (height + GAP_PX) + height / 2
        pen.text((left - MARGIN_PX, y), name, "black", font, anchor="rm")
    return np.array(image)


def drawn_sheet(pictures: PicturesNHWC, recipe: Recipe, content: dict[str, Any]) -> bytes:
    """The sheet of a recipe as a PNG that carries it."""
    names = {"column_names": recipe.column_names, "row_names": recipe.row_names}
    return png_bytes(sheet(pictures, recipe.columns or 1, **names), content)


def _text_width(names: Sequence[str]) -> int:
    font = ImageFont.load_default(TEXT_PX)
    return max(math.ceil(font.getlength(name)) for name in names)
