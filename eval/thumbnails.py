"""Faces as 16 px thumbnails: the space in which the same picture is recognised again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from eval.reals import Rows

Features = npt.NDArray[np.float32]

SIDE = 16


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
