"""Pictures in rows and columns on white: sheets, samples and figures are all laid out by this."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]

GAP_PX = 2


def square_columns(count: int) -> int:
    """The number of columns that makes a grid about square."""
    return max(1, math.ceil(math.sqrt(count)))


def grid(pictures: Pictures, columns: int | None = None) -> Pictures:
    """Pictures uint8 [N,H,W,3] row by row on white, uint8 [H',W',3]; about square by default."""
    count, height, width, _ = pictures.shape
    columns = columns or square_columns(count)
    rows = math.ceil(count / columns)
    down, right = height + GAP_PX, width + GAP_PX
    canvas = np.full((rows * down - GAP_PX, columns * right - GAP_PX, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = index // columns * down, index % columns * right
        canvas[y : y + height, x : x + width] = picture
    return canvas
