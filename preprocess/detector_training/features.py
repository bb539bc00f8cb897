"""Multi-block local binary patterns: nine equal blocks, eight comparisons with the middle one.

Source: Zhang et al., "Face Detection Based on Multi-Block LBP Representation" (ICB 2007); bit order
as OpenCV evaluates it, so that codes here and in `cv2.CascadeClassifier` are the same number.
"""

from __future__ import annotations

import numpy as np

WINDOW_PX = 24
# Blocks clockwise from the top left, as (column, row), with the bit each sets.
_NEIGHBOURS = ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def all_features(window_px: int = WINDOW_PX) -> np.ndarray:
    """Every feature of a square window: int32 [F, 4], x, y and size of the top left block."""
    spans = [
        (start, block)
        for start in range(window_px)
        for block in range(1, (window_px - start) // 3 + 1)
    ]
    return np.array([(x, y, w, h) for x, w in spans for y, h in spans], np.int32)


def integrals(windows: np.ndarray) -> np.ndarray:
    """Integral images of uint8 windows [N, S, S] as uint16 [(S + 1)^2, N], modulo 2^16.

    A block of a 24 px window sums to at most 64 * 255, so the differences of the wrapped
    corners are still exact; windows lie in the last axis so that one corner is one run of memory.
    """
    count, side = len(windows), windows.shape[1]
    table = np.zeros((side + 1, side + 1, count), np.uint16)
    pixels = windows.transpose(1, 2, 0).astype(np.uint16)
    table[1:, 1:] = pixels.cumsum(axis=0, dtype=np.uint16).cumsum(axis=1, dtype=np.uint16)
    return table.reshape(-1, count)


def feature_codes(table: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Codes uint8 [F, N] of features [F, 4] over `integrals` [(S + 1)^2, N]."""
    stride = round(len(table) ** 0.5)
    codes = np.empty((len(features), table.shape[1]), np.uint8)
    for i, (x, y, w, h) in enumerate(features):
        _one_code(table, stride, (int(x), int(y), int(w), int(h)), codes[i])
    return codes


def _one_code(
    table: np.ndarray, stride: int, feature: tuple[int, int, int, int], out: np.ndarray
) -> None:
    x, y, w, h = feature
    corners = [[table[(y + r * h) * stride + x + c * w] for c in range(4)] for r in range(4)]
    # Bands first: each of the four corner columns is used by two blocks.
    bands = [[corners[r + 1][c] - corners[r][c] for c in range(4)] for r in range(3)]
    blocks = [[bands[r][c + 1] - bands[r][c] for c in range(3)] for r in range(3)]
    middle = blocks[1][1]
    out[:] = 0
    for bit, (column, row) in enumerate(_NEIGHBOURS):
        out |= (blocks[row][column] >= middle).view(np.uint8) << (7 - bit)
