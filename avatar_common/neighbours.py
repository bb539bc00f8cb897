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
    return np.asarray(np.maximum(found, 0, out=found))


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
        """As metrics.jsonl holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Memberships:
    """What the four shares are means of.

    Per fake how many real balls hold it, per real whether a fake's ball holds it and whether its
    own holds a fake.
    """

    inside: npt.NDArray[np.float64]
    recalled: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]
    k: int

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        """Each share as the values that it is the mean of."""
        return {
            "precision": (self.inside > 0).astype(float),
            "recall": self.recalled.astype(float),
            "density": self.inside / self.k,
            "coverage": self.covered.astype(float),
        }


def memberships(real: Features, fake: Features, k: int = NEAREST_K) -> Memberships:
    """Both sets as features float32 [N, F]; distances are taken in chunks of `CHUNK` reals."""
    k = min(k, len(real) - 1, len(fake) - 1)
    real_radius, fake_radius = _radius(real, k), _radius(fake, k)
    inside = np.zeros(len(fake))
    recalled = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for start in range(0, len(real), CHUNK):
        part = slice(start, start + CHUNK)
        between = np.sqrt(squared_distances(real[part], fake))
        inside += (between < real_radius[part, None]).sum(0)
        recalled[part] = (between < fake_radius[None, :]).any(1)
        covered[part] = between.min(1) < real_radius[part]
    return Memberships(inside, recalled, covered, k)


def measure_manifold(real: Features, fake: Features, k: int = NEAREST_K) -> Manifold:
    """The four shares."""
    parts = memberships(real, fake, k).parts()
    return Manifold(**{name: float(values.mean()) for name, values in parts.items()})


def _radius(features: Features, k: int) -> npt.NDArray[np.float64]:
    """Distance of each row to its k-th nearest other row."""
    radius = np.empty(len(features))
    for start in range(0, len(features), CHUNK):
        distances = squared_distances(features[start : start + CHUNK], features)
        radius[start : start + CHUNK] = np.sqrt(np.partition(distances, k, axis=1)[:, k])
    return radius


def mean_nearest(
    queries: Features, references: Features, k: int = NEAREST_K
) -> npt.NDArray[np.float64]:
    """Mean distance [N] of each query to its `k` nearest references: how unlike real one face is.

    The queries must not be among the references.
    """
    k = min(k, len(references))
    found = np.empty(len(queries))
    for start in range(0, len(queries), CHUNK):
        squares = squared_distances(queries[start : start + CHUNK], references)
        found[start : start + CHUNK] = np.sqrt(np.partition(squares, k - 1, axis=1)[:, :k]).mean(1)
    return found


def real_halves(
    count: int, fakes: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of two disjoint halves of the reals, and as many rows of the fakes: equal counts."""
    rng = np.random.default_rng(seed)
    half = min(count // 2, fakes)
    rows = rng.permutation(count)
    return rows[:half], rows[half : 2 * half], rng.permutation(fakes)[:half]
