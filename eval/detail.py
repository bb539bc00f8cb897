"""Fine detail: blurred pictures have too little of it, noise too much."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def fine_detail(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Mean absolute Laplacian of the luma of uint8 [N, 3, S, S], float32 [N], in grey levels."""
    energy = []
    for start in range(0, len(pictures), 500):
        luma = np.einsum("nchw,c->nhw", pictures[start : start + 500].astype(np.float32), LUMA)
        inner = luma[:, 1:-1, 1:-1]
        around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
        energy.append(np.abs(around - 4 * inner).mean((1, 2)))
    return np.concatenate(energy)


def detail_ratio(fakes: npt.NDArray[np.uint8], reals: npt.NDArray[np.uint8]) -> float:
    """The fakes' median fine detail over the reals'; 1 is as sharp as real."""
    return float(np.median(fine_detail(fakes)) / max(float(np.median(fine_detail(reals))), 1e-6))
