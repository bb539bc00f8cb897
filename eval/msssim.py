"""MS-SSIM at the sizes that avatars have, where the library's own entry point refuses.

`pytorch_msssim.ms_ssim` asks for more than (window - 1) * 16 pixels whatever the number of scales.
What the measure needs is only that the window fits into the smallest scale, so this uses the
library's single-scale function and goes through the scales itself. Wang, Simoncelli, Bovik 2003.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim
from torch import Tensor
from torch.nn import functional

from eval.cache import ArrayCache, code_hash, content_hash

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SIGMA = 1.5


@dataclass(frozen=True)
class MsSsimSetting:
    """Window, number of scales (the first betas, renormalised) and the side pictures get first."""

    side: int
    window: int
    scales: int

    @property
    def betas(self) -> tuple[float, ...]:
        kept = BETAS[: self.scales]
        return kept if self.scales == len(BETAS) else tuple(beta / sum(kept) for beta in kept)

    def describe(self) -> str:
        return f"{self.side} px, {self.scales} scales, window {self.window}, sigma {SIGMA}"


ENLARGED = MsSsimSetting(side=256, window=11, scales=5)


def native_setting(image_size: int) -> MsSsimSetting:
    """Four scales and a window of 7 from 56 px on; fewer scales below, the full form from 176."""
    if image_size >= 176:
        return MsSsimSetting(image_size, 11, 5)
    for scales in (4, 3, 2):
        if image_size // 2 ** (scales - 1) >= 7:
            return MsSsimSetting(image_size, 7, scales)
    return MsSsimSetting(image_size, min(7, image_size - (image_size + 1) % 2), 1)


def ms_ssim(left: Tensor, right: Tensor, setting: MsSsimSetting) -> Tensor:
    """MS-SSIM float32 [N] of pairs uint8 [N, 3, S, S]; negative contrast terms count as 0."""
    a, b = _prepare(left, setting.side), _prepare(right, setting.side)
    window = _fspecial_gauss_1d(setting.window, SIGMA).repeat(a.shape[1], 1, 1, 1).to(a.device)
    value = a.new_ones(a.shape[:2])
    for level, beta in enumerate(setting.betas):
        similarity, contrast = _ssim(a, b, data_range=1.0, win=window, size_average=False)
        if level < setting.scales - 1:
            value = value * functional.relu(contrast) ** beta
            odd = [side % 2 for side in a.shape[2:]]
            a = functional.avg_pool2d(a, 2, padding=odd)
            b = functional.avg_pool2d(b, 2, padding=odd)
        else:
            value = value * functional.relu(similarity) ** beta
    return value.mean(1)


def _prepare(pictures: Tensor, side: int) -> Tensor:
    scaled = pictures.to(torch.float32) / 255
    if scaled.shape[-1] != side:
        scaled = functional.interpolate(
            scaled, size=(side, side), mode="bicubic", antialias=True, align_corners=False
        ).clamp_(0, 1)
    return scaled


def pair_scores(
    pictures: npt.NDArray[np.uint8],
    pairs: npt.NDArray[np.int64],
    setting: MsSsimSetting,
    *,
    device: torch.device,
    cache: ArrayCache,
) -> npt.NDArray[np.float32]:
    """MS-SSIM float32 [P] of the picture pairs [P, 2], kept by content."""
    place = f"{setting.side}-{setting.window}-{setting.scales}-{code_hash(__file__)}"
    key = f"ms-ssim-{place}-{content_hash(pictures, pairs)}"
    (scores,) = cache.arrays(key, lambda: [_score_pairs(pictures, pairs, setting, device)])
    return scores


@torch.inference_mode()
def _score_pairs(
    pictures: npt.NDArray[np.uint8],
    pairs: npt.NDArray[np.int64],
    setting: MsSsimSetting,
    device: torch.device,
) -> npt.NDArray[np.float32]:
    """In batches of bounded memory."""
    batch = max(4, 64 * 64 * 128 // setting.side**2)
    scores = []
    for start in range(0, len(pairs), batch):
        piece = pairs[start : start + batch]
        left, right = (torch.from_numpy(pictures[piece[:, side]]).to(device) for side in (0, 1))
        scores.append(ms_ssim(left, right, setting).cpu().numpy())
    return np.concatenate(scores) if scores else np.empty(0, np.float32)
