"""The ladder: snapshots of one run, the earliest first, then real faces. Do the scores climb?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from acgan.nets.snapshot import load_snapshot
from avatar_common.disk.runs import RunFolder
from avatar_common.errors import UserError
from eval.drawer import Drawer
from eval.measure import measure
from eval.metric import Plan
from eval.metrics import outside
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier

FALLS = ("frechet_ratio", "kernel")
RISES = ("precision", "recall", "density", "coverage", "clean")


def climb(
    snapshots: Sequence[Path], reals: Reals, classifier: TrainedClassifier, real: Drawer, plan: Plan
) -> dict[str, Any]:
    """Every headline number of each snapshot and of unseen real faces, and whether all climb.

    Raises `UserError` for fewer than two snapshots, or ones that another network helped to train.
    """
    paths = [path.with_suffix(".json") for one in snapshots for path in snapshots_of(one)]
    loaded = sorted(map(load_snapshot, paths), key=lambda snapshot: snapshot.info.kimg)
    if len(loaded) < 2:
        raise UserError("a ladder needs two snapshots or more")
    steps: list[tuple[str, Drawer, dict[str, str]]] = []
    for snapshot in loaded:
        snapshot.generator.to(memory_format=torch.channels_last)
        used = dict(snapshot.info.extra.get("pretrained", {}))
        steps.append((f"{snapshot.info.kimg:g} kimg", snapshot, used))
    rows = []
    for name, drawer, used in [*steps, ("reals", real, {})]:
        scores = measure(
            drawer, reals, classifier, plan, name=name, used_networks=used, metrics=[outside.METRIC]
        )
        rows.append(scores.results.get(outside.Outside).summary())
    numbered = [key for key in rows[0] if key.partition("_")[2] in (*FALLS, *RISES)]
    numbers = {key: [round(float(row[key]), 4) for row in rows] for key in numbered}
    climbs = {key: is_climbing(key.partition("_")[2], values) for key, values in numbers.items()}
    return {
        "steps": [name for name, *_ in steps] + ["reals"],
        "numbers": numbers,
        "in_order": climbs,
        "ordered": all(climbs.values()),
    }


def snapshots_of(path: Path) -> list[Path]:
    """A run's snapshots, or the one that is named."""
    return RunFolder(path).snapshots() if path.is_dir() else [path]


def is_climbing(name: str, values: Sequence[float]) -> bool:
    """Whether each step is better than the one before."""
    better = [-value for value in values] if name in FALLS else list(values)
    return all(low < high for low, high in pairwise(better))
