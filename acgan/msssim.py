"""MS-SSIM at the sizes that avatars have, where `pytorch_msssim.ms_ssim` refuses.

It asks for more than (window - 1) * 16 pixels whatever the number of scales. What the measure
needs is only that the window fits into the smallest scale. The Gaussian window is a weighted sum of
shifted pictures: on a CPU several times as fast as the library's convolutions, with its values (see
the tests). Wang, Simoncelli, Bovik 2003.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class MsSsimSetting:
    """Window, number of scales (the first betas, renormalised) and the side pictures get first."""

    side: int
    window: int
    scales: int

    @property
    def betas(self) -> tuple[float, ...]:
        """The weight of each scale."""
        kept = BETAS[: self.scales]
        return kept if self.scales == len(BETAS) else tuple(beta / sum(kept) for beta in kept)

    def describe(self) -> str:
        """The settings in words."""
        return f"{self.side} px, {self.scales} scales, window {self.window}, sigma {SIGMA}"


def native_setting(image_size: int) -> MsSsimSetting:
    """Four scales and a window of 7 from 56 px on; fewer scales below, the full form from 176."""
    if image_size >= 176:
        return MsSsimSetting(image_size, 11, 5)
    for scales in (4, 3, 2):
        if image_size // 2 ** (scales - 1) >= 7:
            return MsSsimSetting(image_size, 7, scales)
    return MsSsimSetting(image_size, min(7, image_size - (image_size + 1) % 2), 1)


def window_weights(window: int) -> list[float]:
    """The Gaussian window of `window` pixels, summing to 1."""
    place = torch.arange(window) - window // 2
    weights = torch.exp(-(place**2) / (2 * SIGMA**2))
    return (weights / weights.sum()).tolist()


def blur(maps: Tensor, weights: list[float]) -> Tensor:
    """Window means of maps [..., S, S] at the S - window + 1 places where it fits, both ways."""
    fits = maps.shape[-1] - len(weights) + 1
    for axis in (-1, -2):
        total = maps.narrow(axis, 0, fits) * weights[0]
        for shift, weight in enumerate(weights[1:], start=1):
            total.add_(maps.narrow(axis, shift, fits), alpha=weight)
        maps = total
    return maps


def similarity(a: Tensor, b: Tensor, weights: list[float]) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast term, float32 [N, 3] each, of pictures [N, 3, S, S] in 0..1."""
    mean_a, mean_b, aa, bb, ab = blur(torch.stack([a, b, a * a, b * b, a * b]), weights)
    square_a, square_b, product = mean_a * mean_a, mean_b * mean_b, mean_a * mean_b
    contrast = (2 * (ab - product) + C2) / ((aa - square_a) + (bb - square_b) + C2)
    light = (2 * product + C1) / (square_a + square_b + C1)
    return (light * contrast).mean((-1, -2)), contrast.mean((-1, -2))


def ms_ssim(left: Tensor, right: Tensor, setting: MsSsimSetting) -> Tensor:
    """MS-SSIM float32 [N] of pairs uint8 [N, 3, S, S]; negative contrast terms count as 0."""
    a, b = _prepare(left, setting.side), _prepare(right, setting.side)
    weights = window_weights(setting.window)
    value = a.new_ones(a.shape[:2])
    for level, beta in enumerate(setting.betas):
        whole, contrast = similarity(a, b, weights)
        last = level == setting.scales - 1
        value = value * functional.relu(whole if last else contrast) ** beta
        if not last:
            odd = [side % 2 for side in a.shape[2:]]
            a, b = (functional.avg_pool2d(one, 2, padding=odd) for one in (a, b))
    return value.mean(1)


def _prepare(pictures: Tensor, side: int) -> Tensor:
    scaled = pictures.to(torch.float32) / 255
    if scaled.shape[-1] != side:
        scaled = functional.interpolate(
            scaled, size=(side, side), mode="bicubic", antialias=True, align_corners=False
        ).clamp_(0, 1)
    return scaled
