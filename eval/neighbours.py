"""Nearest neighbours and what they tell: precision, recall, density and coverage."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]

CHUNK = 1000
NEAREST_K = 5


def squared_distances(left: Features, right: Features) -> npt.NDArray[np.float64]:
    """Squared Euclidean distances float64 [N, M] of rows float32 [N, F] and [M, F]."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    found = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
    return np.maximum(found, 0, out=found)


def nearest(queries: Features, references: Features) -> tuple[Features, npt.NDArray[np.int64]]:
    """Distance [N] to, and row number [N] of, the nearest reference of each query."""
    distances = np.full(len(queries), np.inf, dtype=np.float32)
    rows = np.zeros(len(queries), dtype=np.int64)
    norms = (references * references).sum(1)
    for start in range(0, len(queries), CHUNK):
        piece = queries[start : start + CHUNK]
        scores = norms[None, :] - 2 * piece @ references.T
        best = scores.argmin(1)
        rows[start : start + CHUNK] = best
        # From the difference itself: the expanded square loses small distances to rounding.
        distances[start : start + CHUNK] = np.linalg.norm(piece - references[best], axis=1)
    return distances, rows


@dataclass(frozen=True)
class Manifold:
    """Kynkäänniemi et al. 2019 (precision, recall) and Naeem et al. 2020 (density, coverage)."""

    precision: float
    recall: float
    density: float
    coverage: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure_manifold(real: Features, fake: Features, k: int = NEAREST_K) -> Manifold:
    """Both sets as features float32 [N, F]; distances are taken in chunks of `CHUNK` reals."""
    k = min(k, len(real) - 1, len(fake) - 1)
    real_radius, fake_radius = _radius(real, k), _radius(fake, k)
    inside_count = np.zeros(len(fake))
    recalled = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for start in range(0, len(real), CHUNK):
        part = slice(start, start + CHUNK)
        between = np.sqrt(squared_distances(real[part], fake))
        inside_count += (between < real_radius[part, None]).sum(0)
        recalled[part] = (between < fake_radius[None, :]).any(1)
        covered[part] = between.min(1) < real_radius[part]
    return Manifold(
        precision=float((inside_count > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside_count.mean() / k),
        coverage=float(covered.mean()),
    )


def _radius(features: Features, k: int) -> npt.NDArray[np.float64]:
    """Distance of each row to its k-th nearest other row."""
    radius = np.empty(len(features))
    for start in range(0, len(features), CHUNK):
        distances = squared_distances(features[start : start + CHUNK], features)
        radius[start : start + CHUNK] = np.sqrt(np.partition(distances, k, axis=1)[:, k])
    return radius


@dataclass(frozen=True)
class ManifoldScores:
    """Fakes against one half of the held-out reals, and the other half against it, same counts."""

    fake: Manifold
    real: Manifold
    count: int

    def ratio(self, name: str) -> float:
        """The fakes' value over the reals' own."""
        own = getattr(self.real, name)
        return float(getattr(self.fake, name) / own) if own else float("nan")

    def to_json(self) -> dict[str, object]:
        return {
            "fake": self.fake.to_json(),
            "real": self.real.to_json(),
            "count": self.count,
            "k": NEAREST_K,
        }


def real_halves(
    count: int, fakes: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of two disjoint halves of the reals, and as many rows of the fakes: equal counts."""
    rng = np.random.default_rng(seed)
    half = min(count // 2, fakes)
    rows = rng.permutation(count)
    return rows[:half], rows[half : 2 * half], rng.permutation(fakes)[:half]


def compare_manifolds(real: Features, fake: Features, seed: int) -> ManifoldScores:
    """The four numbers for the fakes beside the reals' own, all three sets of one size."""
    first, second, drawn = real_halves(len(real), len(fake), seed)
    return ManifoldScores(
        fake=measure_manifold(real[first], fake[drawn]),
        real=measure_manifold(real[first], real[second]),
        count=len(first),
    )
