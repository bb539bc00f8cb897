"""Fréchet distance of two crowds of features: training chooses by it, the report scores by it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.floating]


def frechet_distance(left: Features, right: Features) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features [N, F] and [M, F].

    Heusel et al. 2017 (1706.08500, eq. 6).
    """
    a, b = left.astype(np.float64), right.astype(np.float64)
    gap = a.mean(0) - b.mean(0)
    if min(len(a), len(b)) < a.shape[1]:
        # Fewer faces than features: the same sum from the crowds' inner products, much faster.
        first, second = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
        singular = np.linalg.svd(first @ second.T, compute_uv=False)
        spread = (first * first).sum() + (second * second).sum()
        return float(max(0.0, gap @ gap + spread - 2 * singular.sum()))
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The product's eigenvalues are those of the symmetric S C2 S with S = C1^(1/2): no complex
    # numbers, and a singular covariance (few faces) is no special case.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(max(0.0, gap @ gap + np.trace(first) + np.trace(second) - 2 * shared))
