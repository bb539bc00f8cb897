"""What choosing by realness brings, and what it costs in variety: a further row, never the score.

All other numbers are of raw draws. Here each label row is drawn `N_DRAWN` times and the snapshot's
realness net keeps one; the networks that it has never seen say how much cleaner that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from acgan.nets.realness import Realness
from avatar_common.frechet import frechet_distance
from avatar_common.pictures import PicturesNCHW
from eval.cache import content_hash
from eval.drawer import draw_all
from eval.metric import Case, Metric, Result
from eval.metrics.outside import allowed_networks
from eval.neighbours import mean_nearest, measure_manifold, real_halves
from eval.network_scores import CLEAN_QUANTILE, TITLES
from eval.networks import Features
from eval.page_parts import Section, Table, number
from eval.twins import without_twins

BEST_OF_VERSION = 1
N_DRAWN = 8
MOST = 1000  # label rows; each costs N_DRAWN draws
SEED_APART = 500_000  # no other metric's latents


@dataclass(frozen=True)
class BestOf(Result):
    """Per network, each number of the chosen and of as many raw draws."""

    count: int
    values: dict[str, dict[str, dict[str, float]]]

    def to_json(self) -> dict[str, Any]:
        return {"drawn_each": N_DRAWN, "n": self.count, **self.values}

    def summary(self) -> dict[str, float]:
        return {
            f"{network}_{name}_best_of_{N_DRAWN}": found[name]["best"]
            for network, found in self.values.items()
            for name in ("clean", "recall")
        }

    def sections(self, case: Case) -> list[Section]:
        rows = [
            (
                f"{network}: {TITLES[name]}",
                number(pair["raw"]),
                number(pair["best"]),
                number(pair["best"] / pair["raw"]) if pair["raw"] else "–",
            )
            for network, found in self.values.items()
            for name, pair in found.items()
        ]
        head = ("measure", "raw draws", f"best of {N_DRAWN}", "times")
        return [
            Section(
                "What choosing brings",
                f"{self.count} faces, each the first good one of {N_DRAWN} draws with the same "
                "labels by the snapshot's realness net, which learnt from another network than "
                "those that score here. Choosing costs variety: see recall.",
                tables=[Table(head, list(rows))],
            )
        ]


def measure(case: Case) -> Result | str:
    """The numbers of faces chosen by the realness net, or why there are none."""
    if case.realness is None:
        return "the snapshot has no realness net: run `python -m eval realness`"
    count = min(MOST, len(case.pictures))
    case.note(f"best of {N_DRAWN}")
    chosen = chosen_draws(case, case.realness, count)
    rows = without_twins(case.reals.test_pictures, case.cache)
    values = {}
    for network in allowed_networks(case)[0]:
        real = network.features(case.reals.test_pictures, case.cache)[rows]
        raw = network.features(case.pictures, case.cache)[:count]
        best = network.features(chosen, case.cache)
        values[network.name] = compared(raw, best, real, case.seed)
    return BestOf(count, values)


def chosen_draws(case: Case, realness: Realness, count: int) -> PicturesNCHW:
    """The most real of `N_DRAWN` draws for each of the report's first `count` label rows."""
    z = case.drawer.random_z(count * N_DRAWN, case.seed + SEED_APART)
    labels = np.repeat(case.labels[:count][:, case.columns], N_DRAWN, axis=0)
    made_of = content_hash(case.pictures[:count], labels, z.numpy())

    def draw() -> list[PicturesNCHW]:
        kept = []
        for start in range(0, count * N_DRAWN, 32 * N_DRAWN):
            part = slice(start, start + 32 * N_DRAWN)
            pictures = draw_all(case.drawer, z[part], torch.from_numpy(labels[part])).numpy()
            scores = realness.score(pictures).reshape(-1, N_DRAWN)
            same = pictures.reshape(-1, N_DRAWN, *pictures.shape[1:])
            kept.append(same[np.arange(len(same)), scores.argmax(1)])
        return [np.concatenate(kept)]

    model = case.drawer.info.weights_sha256[:12]
    key = f"best-of-v{BEST_OF_VERSION}-{realness.file_hash}-{model}-{made_of}"
    return case.cache.arrays(key, draw)[0]


def compared(
    raw: Features, best: Features, real: Features, seed: int
) -> dict[str, dict[str, float]]:
    """Both crowds against one half of the reals, all of one size."""
    first, second, rows = real_halves(len(real), len(raw), seed)
    half, other = real[first], real[second]
    base = max(frechet_distance(other, half), 1e-12)
    limit = np.quantile(mean_nearest(other, half), CLEAN_QUANTILE)
    found: dict[str, dict[str, float]] = {}
    for name, crowd in (("raw", raw), ("best", best)):
        manifold = measure_manifold(half, crowd[rows])
        values = {
            "frechet_ratio": frechet_distance(crowd[rows], half) / base,
            "precision": manifold.precision,
            "recall": manifold.recall,
            "coverage": manifold.coverage,
            "clean": float((mean_nearest(crowd, half) <= limit).mean()),
        }
        for key, value in values.items():
            found.setdefault(key, {})[name] = value
    return found


METRIC = Metric("best_of", measure, depth="full")
