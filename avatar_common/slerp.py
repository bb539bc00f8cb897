"""Spherical interpolation: how latents are walked between, for people and for scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def slerp(a: npt.ArrayLike, b: npt.ArrayLike, t: float) -> npt.NDArray[np.float32]:
    """Between two latents along the sphere, the length changing evenly (Shoemake 1985).

    Straight where the two point the same way or opposite ways.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if t <= 0 or t >= 1 or length_a == 0 or length_b == 0:
        return ((1 - t) * a + t * b).astype(np.float32)
    unit_a, unit_b = a / length_a, b / length_b
    angle = np.arccos(np.clip(unit_a @ unit_b, -1, 1))
    if np.sin(angle) < 1e-4:
        return ((1 - t) * a + t * b).astype(np.float32)
    unit = (np.sin((1 - t) * angle) * unit_a + np.sin(t * angle) * unit_b) / np.sin(angle)
    return np.asarray(unit * ((1 - t) * length_a + t * length_b), np.float32)
