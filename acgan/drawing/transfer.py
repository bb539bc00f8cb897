"""A change of colour carried from a generator's drawings into a picture that it cannot draw.

The generator draws the found face before and after the change. Where the two differ (hair, say) the
picture takes over the new hue and the difference in lightness, through a guided filter (He et al.
2013, doi:10.1109/TPAMI.2012.213): within a small window that is an affine function of the picture's
own colours, so it ends at the picture's edges, not at those of the drawing. All else, lines and
shading too, stays the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

RADIUS = 2  # of the window, in the generator's px
SMOOTHNESS = 1e-3  # variances of the guide below it count as flat
LUMA = (0.299, 0.587, 0.114)
TOP_SHARE = 0.98
FADE = (0.3, 0.6)  # shares of the largest change between which a change counts more and more


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
    mask = changed(before, after)[None, None]
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
    low, high = FADE
    ramp = ((share - low) / (high - low)).clamp(0, 1)
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
