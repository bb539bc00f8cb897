"""Numbers that tell a usable face crop from a useless one."""

from __future__ import annotations

import cv2
import numpy as np

from preprocess.decode import RgbArray

MEASURED_SIDE_PX = 64


def sharpness(rgb: RgbArray) -> float:
    """Mean squared Laplacian over the variance of the gray crop at 64 px; blur brings it to 0.

    Dividing by the variance keeps soft colours from counting as blur, and measuring at one size
    makes one threshold fit every crop size. `rgb` is uint8 [S, S, 3]; a flat crop gives 0.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side = (MEASURED_SIDE_PX, MEASURED_SIDE_PX)
    shrink = cv2.INTER_AREA if gray.shape[0] > MEASURED_SIDE_PX else cv2.INTER_LINEAR
    gray = np.asarray(cv2.resize(gray, side, interpolation=shrink), np.float32)
    variance = float(gray.var())
    if variance < 1.0:
        return 0.0
    return float(np.mean(cv2.Laplacian(gray, cv2.CV_32F) ** 2)) / variance


def colourfulness(rgb: RgbArray) -> float:
    """The 90th percentile of (largest - smallest channel), 0..255; about 0 for gray drawings."""
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    return float(np.percentile(spread, 90))
