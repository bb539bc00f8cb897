"""Near-twins among real faces: the same picture twice flatters whatever compares reals with reals.

4% of a public set's held-out faces are copies of others. One of each group of twins is kept, so
none stands on both sides of a comparison.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from avatar_common.neighbours import squared_distances
from avatar_common.pictures import PicturesNCHW
from eval.cache import ArrayCache, content_hash
from eval.reals import Rows

Features = npt.NDArray[np.float32]

SIDE = 16
TWIN_DISTANCE = 0.05  # root mean square of 16 px thumbnails in 0..1
TWIN_SHARE = 0.4  # of the median distance to the nearest other face: sets of plain drawings
CHUNK = 1000
VERSION = 1


def thumbnails(pictures: Rows, side: int = SIDE, chunk: int = 1000) -> Features:
    """Area-averaged pictures as rows float32 [N, 3 * side * side] in 0..1."""
    rows = []
    for start in range(0, len(pictures), chunk):
        piece = torch.from_numpy(np.ascontiguousarray(pictures[start : start + chunk]))
        small = functional.adaptive_avg_pool2d(piece.to(torch.float32) / 255, side)
        rows.append(small.flatten(1).numpy())
    return np.concatenate(rows)


def mirrored(rows: Features) -> Features:
    """The thumbnails of the mirrored pictures."""
    turned = rows.reshape(-1, 3, SIDE, SIDE)[..., ::-1].reshape(len(rows), -1)
    return np.ascontiguousarray(turned)


def twin_limit(nearest: npt.NDArray[np.floating]) -> float:
    """Below which distance two faces are twins.

    `nearest` is each face's root mean square distance to the nearest other, float [N] in 0..1.
    """
    return min(TWIN_DISTANCE, TWIN_SHARE * float(np.median(nearest)))


def without_twins(pictures: PicturesNCHW, cache: ArrayCache) -> npt.NDArray[np.int64]:
    """Rows of uint8 [N, 3, S, S], in order, of which no two are near-twins (mirrored or not)."""
    key = f"twins-v{VERSION}-{content_hash(pictures)}"
    return cache.arrays(key, lambda: [_first_of_each(pictures)])[0]


def _first_of_each(pictures: PicturesNCHW) -> npt.NDArray[np.int64]:
    small = thumbnails(pictures)
    turned = mirrored(small)
    nearest = np.full(len(small), np.inf)
    close: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
    for start in range(0, len(small), CHUNK):
        part = small[start : start + CHUNK]
        both = np.minimum(squared_distances(part, small), squared_distances(part, turned))
        apart = np.sqrt(both / (3 * SIDE * SIDE))
        apart[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        nearest[start : start + CHUNK] = apart.min(1)
        left, right = np.nonzero(apart < TWIN_DISTANCE)
        close.append((left + start, right, apart[left, right]))
    limit = twin_limit(nearest)
    dropped = np.zeros(len(small), dtype=bool)
    for left, right, apart in close:
        later = (apart < limit) & (right < left)  # an earlier face stands for this one
        dropped[left[later]] = True
    return np.flatnonzero(~dropped)
