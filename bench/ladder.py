"""The ladder: snapshots of one run, the earliest first, then real faces. Do the scores climb?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from acgan.nets.snapshot import load_snapshot
from avatar_common.commands import progress
from avatar_common.disk.runs import RunFolder
from avatar_common.errors import UserError
from eval.drawer import Drawer
from eval.intervals import Z_95, Value
from eval.measure import measure
from eval.metric import Plan
from eval.metrics import outside
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier

FALLS = ("frechet_ratio", "kernel")
HEADLINE = (*FALLS, "recall")
SATURATING = ("precision", "coverage", "clean")
"""These come near the reals' own value within minutes, and a model that leaves out what it draws
badly lies above it. They may stand still, but not fall."""

REST = ("density",)
"""Shown, and not judged: it falls as variety grows, since it counts how crowded fakes lie where
reals are most."""


def climb(
    snapshots: Sequence[Path],
    reals: Reals,
    classifier: TrainedClassifier,
    real: Drawer,
    plan: Plan,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Every number of each snapshot and of unseen real faces, and whether they come out in order.

    The headline numbers must climb in every step, saturating ones must not fall by more than
    chance. Raises `UserError` for fewer than two snapshots, or ones that a scoring network
    helped to train.
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
    with progress("ladder", len(steps) + 1, quiet=quiet) as advance:
        for name, drawer, used in [*steps, ("reals", real, {})]:
            scores = measure(
                drawer,
                reals,
                classifier,
                plan,
                name=name,
                used_networks=used,
                metrics=[outside.METRIC],
            )
            rows.append(scores.results.get(outside.Outside).networks)
            advance(1, name)
    numbers: dict[str, list[Value]] = {}
    for networks in zip(*rows, strict=True):
        for name in (*HEADLINE, *SATURATING, *REST):
            numbers[f"{networks[0].network.name}_{name}"] = [one.values[name] for one in networks]
    in_order = {}
    for key, values in numbers.items():
        name = key.partition("_")[2]
        drawn = [value.drawn for value in values]
        if name in HEADLINE:
            in_order[key] = is_climbing(name, drawn)
        elif name in SATURATING:
            in_order[key] = is_kept(values)
    return {
        "steps": [name for name, *_ in steps] + ["reals"],
        "numbers": {
            key: [round(value.drawn, 4) for value in values] for key, values in numbers.items()
        },
        "in_order": in_order,
        "ordered": all(in_order.values()),
    }


def snapshots_of(path: Path) -> list[Path]:
    """A run's snapshots, or the one that is named."""
    return RunFolder(path).snapshots() if path.is_dir() else [path]


def is_climbing(name: str, values: Sequence[float]) -> bool:
    """Whether each step is better than the one before."""
    better = [-value for value in values] if name in FALLS else list(values)
    return all(low < high for low, high in pairwise(better))


def is_kept(values: Sequence[Value]) -> bool:
    """Whether no step falls by more than chance (95%), and the last lies above the first."""
    falls = [
        one.drawn - after.drawn > Z_95 * math.hypot(error_of(one), error_of(after))
        for one, after in pairwise(values)
    ]
    return not any(falls) and values[-1].drawn > values[0].drawn


def error_of(value: Value) -> float:
    """The standard error behind a 95% interval."""
    return (value.high - value.low) / (2 * Z_95)
