"""Variations: portraits near another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.special import ndtr, ndtri

from acgan.make.recipe import Portrait


def vary(
    portrait: Portrait, count: int, strength: float, seed: int, distribution: str
) -> list[Portrait]:
    """`count` portraits around one; strength 0 is the same, 1 another face of the same labels.

    z turns towards fresh noise and keeps its distribution: cos(a) z + sin(a) noise.
    """
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, len(portrait.z))).astype(np.float32)
    angle = strength * np.pi / 2
    uniform = distribution == "uniform"
    start = ndtri(torch.from_numpy(portrait.z).clip(1e-4, 1 - 1e-4)) if uniform else portrait.z
    turned = np.cos(angle) * np.asarray(start) + np.sin(angle) * noise
    if uniform:
        turned = ndtr(torch.from_numpy(turned)).numpy()
    return [replace(portrait, z=z.astype(np.float32), index=None) for z in turned]
