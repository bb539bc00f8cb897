"""Variations: portraits near another one."""

from __future__ import annotations

import numpy as np
import torch
from torch.special import ndtr, ndtri

from acgan.drawing.chance import normals
from acgan.drawing.recipe import Portrait


def vary(
    portrait: Portrait, count: int, strength: float, seed: int, distribution: str
) -> list[Portrait]:
    """`count` portraits around one; strength 0 is the same, 1 another face of the same labels.

    z turns towards fresh noise and keeps its distribution: cos(a) z + sin(a) noise.
    """
    rows = [normals(seed, index, "vary", len(portrait.z)) for index in range(count)]
    noise = np.array(rows, np.float32).reshape(count, len(portrait.z))
    angle = strength * np.pi / 2
    uniform = distribution == "uniform"
    start = ndtri(torch.from_numpy(portrait.z).clip(1e-4, 1 - 1e-4)) if uniform else portrait.z
    turned = np.cos(angle) * np.asarray(start) + np.sin(angle) * noise
    if uniform:
        turned = ndtr(torch.from_numpy(turned)).numpy()
    return [Portrait(z.astype(np.float32), portrait.blend) for z in turned]
