"""Paths between portraits, walked in steps that look equally large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch.special import ndtr, ndtri

from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Portrait
from avatar_common.pictures import PicturesNHWC
from avatar_common.slerp import slerp

Features = Callable[[Sequence[Portrait]], npt.NDArray[np.floating]]
Numbers = npt.NDArray[np.float64]

DENSITY = 4
MOST_ROUNDS = 6


LOOK_PX = 16


def between(a: Portrait, b: Portrait, t: float, distribution: str) -> Portrait:
    """The portrait at t in 0..1: latents by slerp, label rows mixed."""
    if t <= 0 or t >= 1:
        return a if t <= 0 else b
    if distribution == "uniform":  # slerp keeps normal latents likely, so go there and back
        start, end = (ndtri(torch.from_numpy(p.z).clip(1e-4, 1 - 1e-4)) for p in (a, b))
        bent = slerp(start, end, t)
        z = ndtr(torch.from_numpy(bent)).numpy()
    else:
        z = slerp(a.z, b.z, t)
    weights: dict[tuple[int, ...], float] = {}
    for share, portrait in ((1 - t, a), (t, b)):
        for weight, row in portrait.blend:
            weights[row] = weights.get(row, 0.0) + share * weight
    if len(weights) == 1:
        return Portrait(z, ((1.0, next(iter(weights))),))
    return Portrait(z, tuple((weight, row) for row, weight in weights.items()))


def even_path(
    keys: Sequence[Portrait], frames: int, features: Features, distribution: str
) -> list[Portrait]:
    """A path through all keys in `frames` pictures, the features of neighbours equally far apart.

    Every key is a frame; each stretch gets frames by its length in feature space.
    """
    stretches = [_measure(a, b, frames, features, distribution) for a, b in pairwise(keys)]
    steps = share_out([float(lengths[-1]) for _, lengths in stretches], frames - 1)
    path = [keys[0]]
    for (a, b), (places, lengths), count in zip(pairwise(keys), stretches, steps, strict=True):
        even = np.interp(np.linspace(0, lengths[-1], count + 1), lengths, places)
        path += [between(a, b, float(t), distribution) for t in even[1:-1]] + [b]
    return path


def _measure(
    a: Portrait, b: Portrait, frames: int, features: Features, distribution: str
) -> tuple[Numbers, Numbers]:
    """Places 0..1 on a stretch and the length walked up to each; finer where much changes."""
    places = np.linspace(0, 1, DENSITY * 8 + 1)
    found = features([between(a, b, float(t), distribution) for t in places])
    for _ in range(MOST_ROUNDS):
        gaps = np.linalg.norm(np.diff(found, axis=0), axis=1)
        wide = np.flatnonzero(gaps > max(gaps.sum() / (frames * DENSITY / 2), 1e-9))
        if len(wide) == 0 or len(places) > 2 * DENSITY * frames:
            break
        middles = (places[wide] + places[wide + 1]) / 2
        new = features([between(a, b, float(t), distribution) for t in middles])
        places = np.insert(places, wide + 1, middles)
        found = np.insert(found, wide + 1, new, axis=0)
    gaps = np.linalg.norm(np.diff(found, axis=0), axis=1) + 1e-9
    return places, np.concatenate([[0.0], np.cumsum(gaps)])


def share_out(lengths: Sequence[float], steps: int) -> list[int]:
    """Whole numbers that sum to `steps` (or one each), about in proportion to `lengths`."""
    wanted = np.array(lengths) / max(sum(lengths), 1e-12) * steps
    shares = np.maximum(1, np.floor(wanted)).astype(int)
    while shares.sum() < steps:
        shares[int(np.argmax(wanted - shares))] += 1
    while shares.sum() > steps and shares.max() > 1:
        shares[int(np.argmax(np.where(shares > 1, shares - wanted, -np.inf)))] -= 1
    return [int(share) for share in shares]


def largest_step(found: npt.NDArray[np.floating]) -> float:
    """The largest step of a path of features [N,F] over its mean step."""
    gaps = np.linalg.norm(np.diff(found, axis=0), axis=1)
    return float(gaps.max() / max(gaps.mean(), 1e-12))


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
