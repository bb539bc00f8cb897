"""How far are the fakes from the reals as a crowd? Fréchet and kernel distance of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.neighbours import real_halves

Features = npt.NDArray[np.float32]
ClassRows = dict[str, npt.NDArray[np.int64]]  # the rows of each class

SUBSETS = 20
SUBSET_SIZE = 1000
MIN_PER_CLASS = 40


def frechet_distance(left: Features, right: Features) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features [N, F] (Heusel et al. 2017)."""
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
    return base * base * base


def kernel_distance_of_subsets(
    left: Features, right: Features, seed: int
) -> tuple[float, float, int]:
    """Mean and standard error over random subsets, and their size: bounded memory."""
    rng = np.random.default_rng(seed)
    size = min(SUBSET_SIZE, len(left), len(right))
    subsets = SUBSETS if size == SUBSET_SIZE else 10
    values = [
        kernel_distance(left[rng.permutation(len(left))[:size]], right[_draw(rng, right, size)])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(subsets)), size


def _draw(rng: np.random.Generator, rows: Features, size: int) -> npt.NDArray[np.int64]:
    return rng.permutation(len(rows))[:size]


@dataclass(frozen=True)
class DistanceScores:
    """Distances of fakes to held-out reals beside the reals' two halves to one another."""

    extractor: str
    resize: str
    frechet: float
    frechet_at_half: float
    frechet_real_halves: float
    variance: float
    kernel: float
    kernel_error: float
    kernel_real_halves: float
    kernel_subset: int
    n_fake: int
    n_real: int
    per_class: dict[str, dict[str, float]]

    @property
    def over_real_halves(self) -> float:
        """Fréchet distance over the reals' own at the same counts; 1 is as good as real."""
        return self.frechet_at_half / max(self.frechet_real_halves, 1e-12)

    @property
    def over_variance(self) -> float:
        """Fréchet distance over the reals' total variance; above 0.6 the crowds hardly meet."""
        return self.frechet / max(self.variance, 1e-12)

    def to_json(self) -> dict[str, Any]:
        return {
            "frechet": self.frechet,
            "frechet_over_real_halves": self.over_real_halves,
            "frechet_over_variance": self.over_variance,
            "frechet_real_halves": self.frechet_real_halves,
            "kernel": self.kernel,
            "kernel_error": self.kernel_error,
            "kernel_real_halves": self.kernel_real_halves,
            "kernel_subset": self.kernel_subset,
            "n_fake": self.n_fake,
            "n_real": self.n_real,
            "extractor": self.extractor,
            "resize": self.resize,
            "per_class": self.per_class,
        }


def measure_distance(
    real: Features,
    fake: Features,
    *,
    extractor: str,
    resize: str,
    seed: int,
    fake_classes: ClassRows | None = None,
    real_classes: ClassRows | None = None,
) -> DistanceScores:
    """Both distances in the features of one named extractor; class rows give per-class values."""
    first, second, drawn = real_halves(len(real), len(fake), seed)
    kernel, kernel_error, subset = kernel_distance_of_subsets(fake, real, seed)
    return DistanceScores(
        extractor=extractor,
        resize=resize,
        frechet=frechet_distance(fake, real),
        frechet_at_half=frechet_distance(fake[drawn], real[first]),
        frechet_real_halves=frechet_distance(real[second], real[first]),
        variance=float(real.astype(np.float64).var(0).sum()),
        kernel=kernel,
        kernel_error=kernel_error,
        kernel_real_halves=kernel_distance(real[first][:SUBSET_SIZE], real[second][:SUBSET_SIZE]),
        kernel_subset=subset,
        n_fake=len(fake),
        n_real=len(real),
        per_class=_per_class(real, fake, fake_classes or {}, real_classes or {}, seed),
    )


def _per_class(
    real: Features,
    fake: Features,
    fake_classes: ClassRows,
    real_classes: ClassRows,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Fréchet distance within each class at the counts of the real halves, and over theirs."""
    found = {}
    for name, rows in fake_classes.items():
        own = real_classes.get(name, np.empty(0, np.int64))
        if min(len(own), len(rows)) < MIN_PER_CLASS:
            continue
        first, second, drawn = real_halves(len(own), len(rows), seed)
        value = frechet_distance(fake[rows[drawn]], real[own[first]])
        halves = frechet_distance(real[own[second]], real[own[first]])
        found[name] = {
            "frechet": value,
            "over_real_halves": value / max(halves, 1e-12),
            "count": float(len(first)),
        }
    return found
