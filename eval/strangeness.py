"""Do single pictures look like no real face? What real faces cannot explain of their patches.

The responses of the second judge's fixed patches are projected on the main directions of real train
faces; what is left over is small for a real face and large for mush, noise and checkerboards. No
classifier is asked, so a weak one on a small face set does no harm here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from eval.patches import SEED, cut_filters, patch_features
from eval.reals import Pictures

MAX_TRAIN = 1000
MAX_JUDGED = 500
DIRECTIONS = 64
QUANTILE = 0.95


@dataclass(frozen=True)
class Strangeness:
    """`share` of the fakes lies above the `QUANTILE` of held-out reals: 0.05 is as good as real."""

    share: float
    ratio: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure_strangeness(
    fakes: Pictures, train: Pictures, held_out: Pictures, seed: int
) -> Strangeness:
    """All uint8 [N, 3, S, S]; `ratio` is the fakes' median over the reals'."""
    rng = np.random.default_rng(seed)
    filters, bias = cut_filters(train, torch.Generator().manual_seed(SEED))

    def features(pictures: Pictures, limit: int) -> npt.NDArray[np.float32]:
        rows = np.sort(rng.permutation(len(pictures))[:limit])
        return patch_features(pictures[rows], filters, bias).numpy()

    known = features(train, MAX_TRAIN)
    mean, scale = known.mean(0), known.std(0) + 1e-3
    directions = _main_directions((known - mean) / scale)

    def left_over(pictures: Pictures) -> npt.NDArray[np.float32]:
        rows = (features(pictures, MAX_JUDGED) - mean) / scale
        return (rows * rows).sum(1) - ((rows @ directions) ** 2).sum(1)

    fake, real = left_over(fakes), left_over(held_out)
    return Strangeness(
        float((fake > np.quantile(real, QUANTILE)).mean()),
        float(np.median(fake) / np.median(real)),
    )


def _main_directions(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The leading right singular vectors [F, K] of rows [N, F]."""
    count = max(1, min(DIRECTIONS, len(rows) // 4))
    values, vectors = np.linalg.eigh(rows @ rows.T)
    leading = slice(-count, None)
    return rows.T @ (vectors[:, leading] / np.sqrt(np.maximum(values[leading], 1e-6)))
