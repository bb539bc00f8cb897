"""What choosing brings, and what it costs in variety: a further row, never the score.

All other numbers are of raw draws. Here each label row is drawn `N_DRAWN` times and one is kept as
`generate --best-of` keeps it (`Picker`): those whose known labels the classifier reads right come
first, then those that the realness net finds real. The networks that neither has seen say how much
cleaner that is. Accuracy is not reported: the classifier that would measure it has chosen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from acgan.drawing.best_of import Picker
from avatar_common.frechet import frechet_distance
from avatar_common.neighbours import mean_nearest, memberships, real_halves
from avatar_common.pictures import PicturesNCHW, PicturesNHWC
from eval.cache import content_hash
from eval.drawer import draw_all
from eval.intervals import around, between, bootstrap
from eval.metric import Case, Metric, Result
from eval.metrics.outside import allowed_networks
from eval.network_scores import (
    TITLES,
    Halves,
    around_ratio,
    clean_share,
    resampled_clean,
    resampled_log_ratios,
)
from eval.networks import Features
from eval.page_parts import Section, Table, number
from eval.twins import without_twins

BEST_OF_VERSION = 2
N_DRAWN = 8
MOST = 1000  # label rows; each costs N_DRAWN draws
SEED_APART = 500_000  # no other metric's latents

Interval = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """One number of raw and of chosen draws of the same label rows, with 95% intervals.

    The interval of the difference, best - raw, is paired: both are resampled by the same rows.
    """

    raw: float
    best: float
    raw_interval: Interval
    best_interval: Interval
    difference_interval: Interval

    @property
    def difference(self) -> float:
        """What choosing adds."""
        return self.best - self.raw

    @property
    def times(self) -> float:
        """The chosen over the raw; NaN over nothing."""
        return self.best / self.raw if self.raw else float("nan")

    @property
    def share_of_missing(self) -> float:
        """How much of what raw draws lack of 1 choosing brings; NaN where nothing is lacking."""
        return self.difference / (1 - self.raw) if self.raw < 1 else float("nan")

    def to_json(self) -> dict[str, Any]:
        """As metrics.jsonl holds it."""
        return asdict(self) | {"difference": self.difference}


@dataclass(frozen=True)
class BestOf(Result):
    """Per network, each number of the chosen and of as many raw draws."""

    count: int
    values: dict[str, dict[str, Pair]]

    def to_json(self) -> dict[str, Any]:
        return {
            "drawn_each": N_DRAWN,
            "n": self.count,
            **{
                network: {
                    **{name: pair.to_json() for name, pair in found.items()},
                    "share_of_missing": found["clean"].share_of_missing,
                    "recall_kept": found["recall"].times,
                }
                for network, found in self.values.items()
            },
        }

    def summary(self) -> dict[str, float]:
        return {
            f"{network}_{name}_best_of_{N_DRAWN}": found[name].best
            for network, found in self.values.items()
            for name in ("clean", "recall")
        }

    def sections(self, case: Case) -> list[Section]:
        rows = [
            (
                f"{network}: {TITLES[name]}",
                _with_interval(pair.raw, pair.raw_interval),
                _with_interval(pair.best, pair.best_interval),
                _with_interval(pair.difference, pair.difference_interval),
                number(pair.times),
            )
            for network, found in self.values.items()
            for name, pair in found.items()
        ]
        head = ("measure", "raw draws", f"best of {N_DRAWN}", "difference", "times")
        return [
            Section(
                "What choosing brings",
                f"{self.count} faces, each chosen among {N_DRAWN} draws with the same labels as "
                "`generate --best-of` chooses: first those that the classifier reads as asked, "
                "then the first that the snapshot's realness net finds good, which learnt from "
                "another network than those that score here. Choosing costs variety: see recall. "
                "In brackets 95% intervals; that of the difference is paired.",
                tables=[Table(head, list(rows))],
            )
        ]


def _with_interval(value: float, interval: Interval) -> str:
    return f"{number(value)} ({number(interval[0])} to {number(interval[1])})"


def measure(case: Case) -> Result | str:
    """The numbers of faces chosen as `generate` chooses them, or why there are none."""
    if case.picker is None or case.picker.realness is None:
        return "the snapshot has no realness net: run `python -m eval realness`"
    count = min(MOST, len(case.pictures))
    case.note(f"best of {N_DRAWN}")
    chosen = chosen_draws(case, case.picker, count)
    rows = without_twins(case.reals.test_pictures, case.cache)
    values = {}
    for network in allowed_networks(case)[0]:
        real = network.features(case.reals.test_pictures, case.cache)[rows]
        raw = network.features(case.pictures, case.cache)[:count]
        best = network.features(chosen, case.cache)
        values[network.name] = compared(raw, best, real, case.seed)
    return BestOf(count, values)


def chosen_draws(case: Case, picker: Picker, count: int) -> PicturesNCHW:
    """The best of `N_DRAWN` draws for each of the report's first `count` label rows.

    All groups count as asked for: one that is unknown in a row is read wrong in all its draws.
    """
    z = case.drawer.random_z(count * N_DRAWN, case.seed + SEED_APART)
    labels = np.repeat(case.labels[:count][:, case.columns], N_DRAWN, axis=0)
    asked = case.drawer.info.vocabulary.names
    made_of = content_hash(case.pictures[:count], labels, z.numpy())

    def draw() -> list[PicturesNCHW]:
        kept = []
        for start in range(0, count * N_DRAWN, 32 * N_DRAWN):
            part = slice(start, start + 32 * N_DRAWN)
            pictures = draw_all(case.drawer, z[part], torch.from_numpy(labels[part])).numpy()
            rows = labels[part].tolist()
            kept.append(pictures[picker.choose(as_nhwc(pictures), rows, asked, N_DRAWN)])
        return [np.concatenate(kept)]

    model = case.drawer.info.weights_sha256[:12]
    key = f"best-of-v{BEST_OF_VERSION}-{picker.key}-{model}-{made_of}"
    return case.cache.arrays(key, draw)[0]


def as_nhwc(pictures: PicturesNCHW) -> PicturesNHWC:
    """uint8 [N, 3, S, S] -> [N, S, S, 3]."""
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))


def compared(raw: Features, best: Features, real: Features, seed: int) -> dict[str, Pair]:
    """Both crowds against one half of the reals, all of one size."""
    first, second, rows = real_halves(len(real), len(raw), seed)
    halves = Halves(real[first], real[second])
    crowds = raw[rows], best[rows]
    parts = [memberships(halves.first, crowd).parts() for crowd in crowds]
    shares = {
        name: pair_of_means(parts[0][name], parts[1][name], seed)
        for name in ("precision", "recall", "coverage")
    }
    return {
        "frechet_ratio": pair_of_ratios(*crowds, halves, seed),
        **shares,
        "clean": pair_of_clean(raw, best, halves, seed),
    }


def pair_of_ratios(raw: Features, best: Features, halves: Halves, seed: int) -> Pair:
    """Fréchet distance to the first half over the second half's; the spread is around the value."""
    base = max(frechet_distance(halves.second, halves.first), 1e-12)
    values, intervals, resampled = [], [], []
    for crowd in (raw, best):
        value = frechet_distance(crowd, halves.first) / base
        logs = resampled_log_ratios(crowd, halves, seed)
        values.append(value)
        intervals.append(around_ratio(value, logs))
        resampled.append(value * np.exp(logs - logs.mean()))
    difference = around(values[1] - values[0], resampled[1] - resampled[0])
    return Pair(values[0], values[1], intervals[0], intervals[1], difference)


def pair_of_means(raw: npt.NDArray[np.float64], best: npt.NDArray[np.float64], seed: int) -> Pair:
    """Of values [N] whose rows belong together."""

    def resampled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return bootstrap([len(values)], lambda rows: float(values[rows].mean()), seed)

    return _paired(float(raw.mean()), float(best.mean()), resampled(raw), resampled(best))


def pair_of_clean(raw: Features, best: Features, halves: Halves, seed: int) -> Pair:
    """The shares within the reals' 95% quantile; faces and reals are resampled."""
    own = mean_nearest(halves.second, halves.first)
    to_reals = [mean_nearest(crowd, halves.first) for crowd in (raw, best)]
    values = [clean_share(distances, own) for distances in to_reals]
    found = [resampled_clean(distances, own, seed) for distances in to_reals]
    return _paired(values[0], values[1], found[0], found[1])


def _paired(
    raw: float,
    best: float,
    raw_resampled: npt.NDArray[np.float64],
    best_resampled: npt.NDArray[np.float64],
) -> Pair:
    """From what the same resampled rows gave for both."""
    return Pair(
        raw,
        best,
        between(raw_resampled),
        between(best_resampled),
        between(best_resampled - raw_resampled),
    )


METRIC = Metric("best_of", measure, depth="full")
