"""95% intervals: Wilson's for a share of counted cases, the bootstrap for all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

Z_95 = 1.959964
RESAMPLES = 200


@dataclass(frozen=True)
class Value:
    """One number of the fakes with its 95% interval, and the reals' own."""

    drawn: float
    low: float
    high: float
    real: float

    def to_json(self) -> dict[str, float]:
        """As metrics.jsonl holds it."""
        return {"drawn": self.drawn, "low": self.low, "high": self.high, "real": self.real}


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927); (0, 1) when nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    found = binomtest(hits, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def bootstrap(
    sizes: Sequence[int],
    statistic: Callable[..., float],
    seed: int,
    resamples: int = RESAMPLES,
) -> npt.NDArray[np.float64]:
    """The statistic on rows drawn with replacement from each of several sets (Efron 1979).

    `statistic` takes one array of rows per set and gives a number.
    """
    rng = np.random.default_rng(seed)
    return np.array(
        [statistic(*(rng.integers(0, size, size) for size in sizes)) for _ in range(resamples)]
    )


def around(value: float, resampled: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The interval `value` -+ 1.96 bootstrap deviations, for numbers that resampling shifts.

    Distances between crowds grow when rows repeat, so the percentiles lie beside the value.
    """
    spread = Z_95 * float(resampled.std(ddof=1))
    return value - spread, value + spread


def of_mean(values: npt.NDArray[np.floating], seed: int) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean."""
    return between(bootstrap([len(values)], lambda rows: float(values[rows].mean()), seed))


def between(resampled: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of a resampled number."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
