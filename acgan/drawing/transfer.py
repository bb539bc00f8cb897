"""A change of colour carried from a generator's drawings into a picture that it cannot draw.

The generator draws the found face before and after the change. Where the two differ (hair, say) the
picture takes over the new hue and the difference in lightness, through a guided filter (He et al.
2013, doi:10.1109/TPAMI.2012.213): within a small window that is an affine function of the picture's
own colours, so it ends at the picture's edges, not at those of the drawing. All else, lines and
shading too, stays the picture's.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

RADIUS = 2  # of the window, in the generator's px
SMOOTHNESS = 1e-3  # variances of the guide below it count as flat
LUMA = (0.299, 0.587, 0.114)
TOP_SHARE = 0.98
FADE = (0.3, 0.6)  # shares of the largest change between which a change counts more and more
UNLIKE = (0.3, 0.55)  # distances of a drawing from the picture between which it counts less
SMALL_SHARE = 0.1  # of the picture: a change below it (eyes) is moved to where it belongs
MOST_OFFSET_PX = 4
COST_PER_PX = 0.006


@dataclass(frozen=True)
class ColourChange:
    """What a picture [3,H,W] takes over from two drawings."""

    change: Tensor
    """To the second drawing, in lightness from the first one [3,H,W]."""
    shift: Tensor
    """How much lighter the first drawing is on the whole than the picture [1,H,W]."""

    def on(self, picture: Tensor, strength: float = 1.0) -> Tensor:
        """The picture with the change, or more than it; values in 0..1."""
        return (picture + strength * self.change + self.shift).clamp(0, 1)


def colour_change(picture: Tensor, before: Tensor, after: Tensor) -> ColourChange:
    """How a picture [3,H,W] changes with a drawing, from one [3,S,S] to another; all in 0..1."""
    side = before.shape[-1]
    small = shrunk(picture, side)[None]
    mask = changed(before, after)
    if mask.mean() < SMALL_SHARE:
        before, after, mask = aligned(small[0], before, after, mask)
    mask = (mask * alike(small[0], before))[None, None]
    away = before - small[0]
    lighter = (away * torch.tensor(LUMA, device=away.device)[:, None, None]).sum(dim=0)
    # The hue becomes the second drawing's; lightness changes by as much as between the drawings, so
    # that the picture's lines stay where they are and not where the drawing has them.
    change = after - before + (away - lighter)
    wanted = torch.cat([change[None] * mask, mask], dim=1)
    slopes, offsets = guided_filter(small, wanted, RADIUS, SMOOTHNESS)
    soft = apply_filter(small, slopes, offsets)[:, 3:].clamp(0, 1)
    shift = (lighter * soft).sum() / soft.sum().clamp(min=1e-3)
    slopes, offsets = (_resized(t, picture.shape[1:]) for t in (slopes, offsets))
    filtered = apply_filter(picture[None], slopes, offsets)[0]
    return ColourChange(filtered[:3], shift * filtered[3:].clamp(0, 1))


def shrunk(picture: Tensor, side: int) -> Tensor:
    """A picture [3,H,W] with another side, [3,side,side]."""
    return interpolate(picture[None], (side, side), mode="bilinear", antialias=True)[0]


def changed(before: Tensor, after: Tensor) -> Tensor:
    """Where two drawings [3,S,S] differ: 0 (hardly) to 1 [S,S]."""
    size = box_mean((after - before).abs().amax(dim=0)[None, None], 1)[0, 0]
    share = size / size.flatten().quantile(TOP_SHARE).clamp(min=1e-6)
    return smooth_step(share, *FADE)


def alike(picture: Tensor, drawing: Tensor) -> Tensor:
    """Where a drawing [3,S,S] shows about what the picture [3,S,S] shows: 1 to 0 (not at all).

    Where it does not, it has nothing to say: eyes drawn on a cheek would colour the cheek.
    """
    away = box_mean((picture - drawing).abs().amax(dim=0)[None, None], RADIUS)[0, 0]
    return 1 - smooth_step(away, *UNLIKE)


def aligned(
    picture: Tensor, before: Tensor, after: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Drawings [3,S,S] and mask [S,S] with what changes moved to where the picture shows it.

    Some pixels at most, and left and right of the middle on their own: eyes.
    """
    columns = torch.arange(mask.shape[1], device=mask.device)
    middle = (mask.sum(dim=0) * columns).sum() / mask.sum().clamp(min=1e-6)
    moved_mask, (moved_before, moved_after) = torch.zeros_like(mask), (before, after)
    for half in (columns <= middle, columns > middle):
        offset = best_offset(picture, before, mask * half)
        moved = torch.roll(mask * half, offset, (0, 1))
        here = moved > 0
        moved_mask = torch.maximum(moved_mask, moved)
        moved_before = torch.where(here, torch.roll(before, offset, (1, 2)), moved_before)
        moved_after = torch.where(here, torch.roll(after, offset, (1, 2)), moved_after)
    return moved_before, moved_after, moved_mask


def best_offset(picture: Tensor, drawing: Tensor, mask: Tensor) -> tuple[int, int]:
    """By how many rows and columns a masked part of a drawing must move to be most alike."""
    total = mask.sum().clamp(min=1e-6)

    def cost(offset: tuple[int, int]) -> float:
        away = (picture - torch.roll(drawing, offset, (1, 2))).abs().mean(dim=0)
        unlike = (away * torch.roll(mask, offset, (0, 1))).sum() / total
        return float(unlike) + COST_PER_PX * math.hypot(*offset)

    steps = range(-MOST_OFFSET_PX, MOST_OFFSET_PX + 1)
    return min(itertools.product(steps, steps), key=cost)


def smooth_step(x: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, smooth in between."""
    ramp = ((x - low) / (high - low)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def guided_filter(
    guide: Tensor, wanted: Tensor, radius: int, smoothness: float
) -> tuple[Tensor, Tensor]:
    """Slopes [1,3,C,H,W] and offsets [1,C,H,W] by which a guide [1,3,H,W] tells `wanted` [1,C,H,W].

    Least squares in each window, regularised by `smoothness`; the mean over those at a place.
    """
    height, width = guide.shape[-2:]
    mean_guide, mean_wanted = box_mean(guide, radius), box_mean(wanted, radius)
    square = (guide[:, :, None] * guide[:, None]).flatten(1, 2)
    variance = box_mean(square, radius).view(1, 3, 3, height, width)
    variance = variance - mean_guide[:, :, None] * mean_guide[:, None]
    product = (guide[:, :, None] * wanted[:, None]).flatten(1, 2)
    covariance = box_mean(product, radius).view(1, 3, -1, height, width)
    covariance = covariance - mean_guide[:, :, None] * mean_wanted[:, None]
    system = variance.permute(0, 3, 4, 1, 2) + smoothness * torch.eye(3, device=guide.device)
    solved = torch.linalg.solve(system, covariance.permute(0, 3, 4, 1, 2))
    slopes = solved.permute(0, 3, 4, 1, 2)
    offsets = mean_wanted - (slopes * mean_guide[:, :, None]).sum(dim=1)
    return box_mean(slopes.flatten(1, 2), radius).view_as(slopes), box_mean(offsets, radius)


def apply_filter(guide: Tensor, slopes: Tensor, offsets: Tensor) -> Tensor:
    """The filtered picture [1,C,H,W] of a guide [1,3,H,W]."""
    return (slopes * guide[:, :, None]).sum(dim=1) + offsets


def box_mean(x: Tensor, radius: int) -> Tensor:
    """The mean over windows of 2 radius + 1, [N,C,H,W] -> the same; the edge is repeated."""
    padded = pad(x, (radius, radius, radius, radius), mode="replicate")
    return avg_pool2d(padded, 2 * radius + 1, stride=1)


def _resized(filters: Tensor, size: tuple[int, ...]) -> Tensor:
    flat = filters.flatten(1, -3)
    large = interpolate(flat, tuple(size), mode="bilinear", align_corners=False)
    return large.view(*filters.shape[:-2], *size)
