"""MS-SSIM of many pairs of pictures, kept by content."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from acgan.msssim import MsSsimSetting, ms_ssim
from eval.cache import ArrayCache, content_hash

MS_SSIM_VERSION = 1  # raise it when `acgan/msssim.py` gives other numbers
BATCH_PIXELS = 64 * 64 * 16
ENLARGED = MsSsimSetting(side=256, window=11, scales=5)


def pair_scores(
    pictures: npt.NDArray[np.uint8],
    pairs: npt.NDArray[np.int64],
    setting: MsSsimSetting,
    *,
    device: torch.device,
    cache: ArrayCache,
) -> npt.NDArray[np.float32]:
    """MS-SSIM float32 [P] of the picture pairs [P, 2], kept by content."""
    place = f"{setting.side}-{setting.window}-{setting.scales}-v{MS_SSIM_VERSION}"
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
    """In batches that fit the processor's cache."""
    batch = max(1, BATCH_PIXELS // setting.side**2)
    scores = []
    for start in range(0, len(pairs), batch):
        piece = pairs[start : start + batch]
        left, right = (torch.from_numpy(pictures[piece[:, side]]).to(device) for side in (0, 1))
        scores.append(ms_ssim(left, right, setting).cpu().numpy())
    return np.concatenate(scores) if scores else np.empty(0, np.float32)
