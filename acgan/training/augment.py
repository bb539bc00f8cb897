"""Changes of geometry only: hue and saturation would make the colour labels wrong."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import pad

from acgan.training.presets import Augmentation

SHIFT_SHARE = 0.125
CUTOUT_SIDE_SHARE = 0.5


def augment(
    images: Tensor, kind: Augmentation, probability: float, draws: Tensor
) -> tuple[Tensor, Tensor]:
    """Augment pictures [N,3,S,S], differentiably (DiffAugment, 2006.10738).

    `draws` are uniform numbers [N,6]. Also gives bool [N]: whether the picture still shows its
    labels; a cutout can hide the eyes, so class losses skip those.
    """
    match kind:
        case "none":
            return images, torch.ones(len(images), dtype=torch.bool, device=images.device)
        case "translate":
            chosen = draws[:, 0] < probability
            return _translate(images, draws[:, 1:3], chosen), torch.ones_like(chosen)
        case "translate-cutout":
            moved = _translate(images, draws[:, 1:3], draws[:, 0] < probability)
            cut = draws[:, 3] < probability
            return _cutout(moved, draws[:, 4:6], cut), ~cut
        case _:
            assert_never(kind)


def _translate(images: Tensor, draws: Tensor, chosen: Tensor) -> Tensor:
    """Shift by up to an eighth of the side in both directions, grey where nothing is left."""
    size = images.shape[2]
    most = max(1, round(size * SHIFT_SHARE))
    shift = ((draws * (2 * most + 1)).floor().long() - most) * chosen[:, None]
    padded = pad(images, (most, most, most, most))
    along = torch.arange(size, device=images.device)
    rows = (along + most + shift[:, :1])[:, None, :, None]
    columns = (along + most + shift[:, 1:])[:, None, None, :]
    batch = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[batch, channels, rows, columns]


def _cutout(images: Tensor, draws: Tensor, chosen: Tensor) -> Tensor:
    """Grey a square of half the side, its centre anywhere in the picture."""
    size = images.shape[2]
    half = round(size * CUTOUT_SIDE_SHARE) / 2
    along = torch.arange(size, device=images.device) + 0.5
    rows = (along[None] - draws[:, :1] * size).abs() < half
    columns = (along[None] - draws[:, 1:] * size).abs() < half
    inside = rows[:, None, :, None] & columns[:, None, None, :] & chosen[:, None, None, None]
    return images * ~inside
