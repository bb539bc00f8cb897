"""Morphs: the way from portrait to portrait in steps that look equally large."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from acgan.drawing.painter import Painter
from acgan.drawing.path import even_path
from acgan.drawing.recipe import Portrait
from avatar_common.pictures import PicturesNHWC

LOOK_PX = 16


def morph(
    painter: Painter,
    keys: Sequence[Portrait],
    frames: int,
    advance: Callable[..., None] = lambda *_: None,
) -> list[Portrait]:
    """Portraits on the way through all keys, in steps that look equally large."""

    def features(portraits: Sequence[Portrait]) -> npt.NDArray[np.floating]:
        return coarse_look(painter.draw(portraits, advance))

    distribution = painter.info.extra.get("z_distribution", "normal")
    return even_path(keys, frames, features, distribution)


def coarse_look(pictures: PicturesNHWC) -> npt.NDArray[np.float32]:
    """Pictures uint8 [N,S,S,3] -> features [N,F]: colours of a coarse raster.

    Fine lines that shift by a pixel count little, a change of shape or colour counts in full.
    """
    count, size = pictures.shape[:2]
    cell = max(1, size // LOOK_PX)
    side = size // cell
    cells = pictures[:, : side * cell, : side * cell].astype(np.float32)
    means = cells.reshape(count, side, cell, side, cell, 3).mean(axis=(2, 4))
    return np.asarray(means.reshape(count, -1), np.float32)
