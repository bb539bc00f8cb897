"""Scores of an unconditional model: how its faces as a crowd compare with the real ones."""

from __future__ import annotations

from typing import Any

import torch

from eval.distance import measure_distance
from eval.drawer import Drawer, draw_all
from eval.judge import TrainedJudge
from eval.neighbours import compare_manifolds
from eval.reals import Reals
from eval.summary import summarise_crowd


def measure_crowd(
    drawer: Drawer, reals: Reals, judge: TrainedJudge, *, count: int, seed: int
) -> dict[str, Any]:
    """Distances and manifold of `count` faces in the judge's features, as the report has them.

    What is read by label (accuracy, variety within a label, control) does not apply.
    """
    nothing_asked = torch.zeros(count, 0, dtype=torch.int64)
    pictures = draw_all(drawer, drawer.random_z(count, seed), nothing_asked).numpy()
    fake, _ = judge.read_kept(pictures)
    real, _ = judge.read_kept(reals.test_pictures)
    distance = measure_distance(
        real,
        fake,
        seed=seed,
        **judge.features,
    ).to_json()
    manifold = compare_manifolds(real, fake, seed).to_json()
    return {
        "dataset_id": reals.dataset_id,
        "n": count,
        "n_real": len(real),
        "conditional": False,
        "distance": [distance],
        "manifold": manifold,
        "summary": summarise_crowd(distance, manifold),
    }
