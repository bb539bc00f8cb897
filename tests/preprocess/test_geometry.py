from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from preprocess.geometry import BoxXywh, Square, enlarged_square
from preprocess.picture import cut_square


@pytest.mark.parametrize(
    ("box", "size", "expected", "padding"),
    [
        ((40, 40, 20, 20), (200, 200), Square(35, 35, 30), 0.0),  # room on all sides
        ((0, 40, 20, 20), (200, 200), Square(0, 35, 30), 0.0),  # shifted right
        ((180, 180, 20, 20), (200, 200), Square(170, 170, 30), 0.0),  # shifted left and up
        ((40, 2, 20, 24), (200, 200), Square(32, 0, 36), 0.0),  # an oblong box: its longer side
        ((5, 40, 20, 20), (24, 200), Square(-3, 35, 30), 0.2),  # wider than the picture: centred
        ((0, 0, 20, 20), (30, 30), Square(0, 0, 30), 0.0),  # exactly as large as the picture
    ],
)
def test_enlarged_square(
    box: BoxXywh, size: tuple[int, int], expected: Square, padding: float
) -> None:
    square = enlarged_square(box, 1.5, *size)
    assert square == expected
    assert square.padding_share(*size) == pytest.approx(padding)


def test_padding_is_one_flat_colour_and_the_rest_stays() -> None:
    pixels = np.full((20, 10, 3), (10, 200, 30), np.uint8)
    pixels[:, 3:7] = (250, 0, 0)
    crop = np.asarray(cut_square(Image.fromarray(pixels), Square(-5, 0, 20), 20))
    assert (crop[:, :5] == (10, 200, 30)).all()
    assert (crop[:, 15:] == (10, 200, 30)).all()
    assert (crop[:, 5:15] == pixels).all()
