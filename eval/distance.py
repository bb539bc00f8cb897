"""How far are the fakes from the reals as a crowd? Kernel distance; Fréchet's is shared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]

SUBSETS = 10
SUBSET_SIZE = 1000
DIRECTIONS = 96


def leading_directions(features: Features, count: int = DIRECTIONS) -> Features:
    """float32 [F, count]: the directions in which features vary most, to resample cheaply in."""
    centred = features.astype(np.float64) - features.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1][:, :count].astype(np.float32)


def kernel_distance(left: Features, right: Features) -> float:
    """Unbiased squared MMD with the kernel (x.y / F + 1)^3 (Binkowski et al. 2018)."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    own_a, own_b, between = _cubic(a, a), _cubic(b, b), _cubic(a, b)
    n, m = len(a), len(b)
    within_a = (own_a.sum() - np.trace(own_a)) / (n * (n - 1))
    within_b = (own_b.sum() - np.trace(own_b)) / (m * (m - 1))
    return float(within_a + within_b - 2 * between.mean())


def _cubic(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    base = a @ b.T / a.shape[1] + 1
    return np.asarray(base * base * base)


def kernel_distance_of_subsets(
    left: Features, right: Features, seed: int
) -> tuple[float, float, int]:
    """Mean and standard error over random subsets, and their size: bounded memory."""
    rng = np.random.default_rng(seed)
    size = min(SUBSET_SIZE, len(left), len(right))
    values = [
        kernel_distance(
            left[rng.permutation(len(left))[:size]], right[rng.permutation(len(right))[:size]]
        )
        for _ in range(SUBSETS)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(SUBSETS)), size
