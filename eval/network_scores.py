"""What one network says of a crowd of pictures, beside two halves of the reals."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from avatar_common.frechet import frechet_distance
from avatar_common.neighbours import NEAREST_K, mean_nearest, memberships, real_halves
from avatar_common.pictures import PicturesNCHW
from eval.distance import (
    kernel_distance,
    kernel_distance_of_subsets,
    leading_directions,
)
from eval.intervals import Value, around, between, bootstrap, of_mean
from eval.metric import Case
from eval.networks import Features, Network
from eval.page_parts import Row, number, percent
from eval.twins import without_twins

CLEAN_QUANTILE = 0.95  # of other reals' distances
BROKEN_QUANTILE = 0.99
JPEG_QUALITY = 50  # poor
FRECHET_RESAMPLES = 40
MIN_PER_CLASS = 40
MOST_IN_HALF = 1300
CARRIED_TO = 1000
TITLES = {
    "frechet": "Fréchet distance",
    "frechet_ratio": "Fréchet distance over the reals' own",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "clean": "clean: as close to reals as 95% of reals",
}
DIGITS = {"frechet": 1, "frechet_ratio": 1}


@dataclass(frozen=True)
class NetworkScores:
    """What one network says.

    `to_reals` float64 [N] is each fake's mean distance to the 5 nearest reals of one half, `own`
    that of each real of the other half.
    """

    network: Network
    values: dict[str, Value]
    broken: float
    saved_again: dict[str, float]
    alike: dict[str, float]
    per_class: dict[str, dict[str, dict[str, float]]]
    to_reals: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    count: int

    def drawn(self, name: str) -> float:
        """The fakes' value."""
        return self.values[name].drawn

    @property
    def sure_ratio(self) -> float:
        """The least that the Fréchet ratio, both saved alike, surely is, at `CARRIED_TO` faces."""
        value = self.values["frechet_ratio"]
        least = self.alike["frechet_ratio"] * value.low / value.drawn
        return carried(max(1.0, least), self.count)

    def to_json(self) -> dict[str, Any]:
        """As metrics.jsonl holds it."""
        return {
            "network": self.network.title,
            "package": self.network.package,
            "sha256": self.network.sha256,
            "resize": self.network.resize,
            **{name: value.to_json() for name, value in self.values.items()},
            "broken": self.broken,
            "reals_saved_again": self.saved_again,
            "all_saved_alike": self.alike | {"sure_ratio": self.sure_ratio},
            "per_class": self.per_class,
            "n_drawn": len(self.to_reals),
            "half_count": self.count,
            "k": NEAREST_K,
        }

    def summary(self) -> dict[str, float]:
        """The numbers of the row, each under the network's name."""
        flat = {}
        for name, value in self.values.items():
            flat[f"{self.network.name}_{name}"] = value.drawn
            flat[f"{self.network.name}_{name}_real"] = value.real
        return flat

    def rows(self) -> list[Row]:
        """Lines of the page's table of numbers."""
        how = f"{self.network.title} ({self.network.sha256[:8]})"
        found = []
        for name, value in self.values.items():
            drawn, low, high, real = (
                f"{x:.3g}" if name == "kernel" else number(x, DIGITS.get(name, 2))
                for x in (value.drawn, value.low, value.high, value.real)
            )
            found.append(Row(TITLES[name], f"{drawn} ({low} to {high})", real, how))
        alike, again = (
            f"{number(pair['frechet_ratio'], 1)}, {percent(pair['clean'])}"
            for pair in (self.alike, self.saved_again)
        )
        return [
            *found,
            Row(
                f"ratio and clean, both saved as JPEG {JPEG_QUALITY}",
                alike,
                f"1.0, {percent(CLEAN_QUANTILE)}",
                f"{how}: what is left when the file format is the same",
            ),
            Row(
                f"ratio and clean of real faces saved as JPEG {JPEG_QUALITY}",
                "–",
                again,
                f"{how}: what a file format alone does",
            ),
        ]


@dataclass(frozen=True)
class Crowds:
    """What every network looks at.

    `rows` are the held-out faces without twins, `halves` two halves of these and as many rows of
    the fakes; all held-out faces, and those fakes, saved as poor JPEGs.
    """

    rows: npt.NDArray[np.int64]
    halves: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
    reals_again: PicturesNCHW
    fakes_again: PicturesNCHW


def crowds_of(case: Case) -> Crowds:
    """The crowds of a case, drawn by its seed."""
    reals = case.reals.test_pictures
    rows = without_twins(reals, case.cache)
    halves = real_halves(len(rows), min(len(case.pictures), MOST_IN_HALF), case.seed)
    return Crowds(
        rows,
        halves,
        saved_again(reals, JPEG_QUALITY),
        saved_again(case.pictures[halves[2]], JPEG_QUALITY),
    )


def score_crowd(case: Case, network: Network, crowds: Crowds) -> NetworkScores:
    """One network on all fakes and on the held-out faces."""
    cache, seed, rows = case.cache, case.seed, crowds.rows
    fake = network.features(case.pictures, cache)
    real = network.features(case.reals.test_pictures, cache)[rows]
    first, second, drawn = crowds.halves
    base = frechet_distance(real[second], real[first])
    halves = Halves(real[first], real[second])
    again = network.features(crowds.reals_again, cache)[rows]
    fake_again = network.features(crowds.fakes_again, cache)
    to_reals, own = mean_nearest(fake, halves.first), mean_nearest(halves.second, halves.first)
    limit = float(np.quantile(own, CLEAN_QUANTILE))
    values = {
        **crowd_distances(fake, real, fake[drawn], halves, base, seed),
        **shares(fake[drawn], halves, seed),
        "clean": clean_value(to_reals, own, seed),
    }
    return NetworkScores(
        network,
        values,
        float((to_reals > np.quantile(own, BROKEN_QUANTILE)).mean()),
        ratio_and_clean(again[second], halves),
        ratio_and_clean(fake_again, Halves(again[first], again[second])),
        by_class(case, fake, real, rows, to_reals <= limit),
        to_reals,
        own,
        len(first),
    )


@dataclass(frozen=True)
class Halves:
    """Features of two disjoint halves of the reals, float32 [n, F] each."""

    first: Features
    second: Features


def carried(ratio: float, count: int) -> float:
    """A Fréchet ratio at `count` faces a side, carried to `CARRIED_TO`.

    The distance of two crowds of real faces falls as one over their count, that of two kinds of
    faces does not: so the ratio's excess over 1 grows with the count.
    """
    return 1 + (ratio - 1) * CARRIED_TO / count


def ratio_and_clean(crowd: Features, halves: Halves) -> dict[str, float]:
    """The two numbers that a verdict rests on, of any crowd against two halves of the reals."""
    base = max(frechet_distance(halves.second, halves.first), 1e-12)
    own = mean_nearest(halves.second, halves.first)
    return {
        "frechet_ratio": frechet_distance(crowd, halves.first) / base,
        "clean": clean_share(mean_nearest(crowd, halves.first), own),
        "jpeg_quality": JPEG_QUALITY,
    }


def crowd_distances(
    fake: Features, real: Features, drawn: Features, halves: Halves, base: float, seed: int
) -> dict[str, Value]:
    """Fréchet distance of all fakes to all reals, over the halves' own at equal counts; kernel.

    The ratio's interval comes from resampled rows in the directions in which the reals vary most.
    """
    ratio = frechet_distance(drawn, halves.first) / max(base, 1e-12)
    low, high = around_ratio(ratio, resampled_log_ratios(drawn, halves, seed))
    frechet = frechet_distance(fake, real)
    kernel, error, _ = kernel_distance_of_subsets(fake, real, seed)
    size = 1000
    return {
        "frechet_ratio": Value(ratio, low, high, 1.0),
        "frechet": Value(frechet, frechet * low / ratio, frechet * high / ratio, base),
        "kernel": Value(
            kernel,
            kernel - 1.96 * error,
            kernel + 1.96 * error,
            kernel_distance(halves.second[:size], halves.first[:size]),
        ),
    }


def around_ratio(ratio: float, logs: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The 95% interval of the Fréchet ratio, symmetric in its logarithm, resampled as `logs`."""
    low, high = around(float(np.log(max(ratio, 1e-12))), logs)
    return float(np.exp(low)), float(np.exp(high))


def resampled_log_ratios(drawn: Features, halves: Halves, seed: int) -> npt.NDArray[np.float64]:
    """The logarithm of the Fréchet ratio on resampled rows; a seed resamples equal counts alike."""
    directions = leading_directions(halves.first)
    fake, first, second = (part @ directions for part in (drawn, halves.first, halves.second))

    def statistic(
        a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], c: npt.NDArray[np.int64]
    ) -> float:
        over = max(frechet_distance(second[c], first[b]), 1e-12)
        return float(np.log(max(frechet_distance(fake[a], first[b]), 1e-12) / over))

    sizes = (len(fake), len(first), len(second))
    return bootstrap(sizes, statistic, seed, FRECHET_RESAMPLES)


def shares(drawn: Features, halves: Halves, seed: int) -> dict[str, Value]:
    """Precision, recall, density and coverage against the first half, the second half's beside."""
    own = memberships(halves.first, halves.second).parts()
    found = memberships(halves.first, drawn).parts()
    return {
        name: Value(float(values.mean()), *of_mean(values, seed), float(own[name].mean()))
        for name, values in found.items()
    }


def clean_value(
    to_reals: npt.NDArray[np.float64], own: npt.NDArray[np.float64], seed: int
) -> Value:
    """The share within the reals' 95% quantile; fakes and reals are resampled for the interval."""
    low, high = between(resampled_clean(to_reals, own, seed))
    return Value(clean_share(to_reals, own), low, high, clean_share(own, own))


def clean_share(to_reals: npt.NDArray[np.float64], own: npt.NDArray[np.float64]) -> float:
    """The share of distances [N] within the quantile of the reals' own [M]."""
    return float((to_reals <= np.quantile(own, CLEAN_QUANTILE)).mean())


def resampled_clean(
    to_reals: npt.NDArray[np.float64], own: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.float64]:
    """`clean_share` on resampled rows of both; a seed resamples equal counts alike."""
    sizes = (len(to_reals), len(own))
    return bootstrap(sizes, lambda a, b: clean_share(to_reals[a], own[b]), seed)


def by_class(
    case: Case,
    fake: Features,
    real: Features,
    rows: npt.NDArray[np.int64],
    clean: npt.NDArray[np.bool_],
) -> dict[str, dict[str, dict[str, float]]]:
    """Per group and class: clean share, and Fréchet distance over the class's own halves."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    real_labels = case.reals.test_labels[rows]
    for column in case.scored:
        group = case.reals.vocabulary.groups[column]
        for index, name in enumerate(group.classes):
            own = np.flatnonzero(real_labels[:, column] == index)
            drawn = np.flatnonzero(case.labels[:, column] == index)
            if min(len(own), len(drawn)) < MIN_PER_CLASS:
                continue
            first, second, some = real_halves(len(own), len(drawn), case.seed)
            half, base = real[own[first]], real[own[second]]
            found.setdefault(group.name, {})[name] = {
                "frechet_ratio": frechet_distance(fake[drawn[some]], half)
                / max(frechet_distance(base, half), 1e-12),
                "clean": float(clean[drawn].mean()),
                "count": float(len(first)),
            }
    return found


def saved_again(pictures: PicturesNCHW, quality: int) -> PicturesNCHW:
    """uint8 [N, 3, S, S] through JPEG: what the file format alone changes."""
    found = np.empty_like(pictures)
    for place, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        found[place] = np.asarray(Image.open(file)).transpose(2, 0, 1)
    return found
