"""Control: change one attribute with z fixed, and walk between two latents."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.slerp import slerp
from eval.drawer import Drawer, draw_all
from eval.metric import Case, Metric, Result, Results
from eval.metrics.latent import PairDistance, mean_difference
from eval.page_parts import Section, Table, number, percent, words
from eval.verdicts import Check, Verdict

Labels = npt.NDArray[np.int64]
Reader = Callable[
    [npt.NDArray[np.uint8]], tuple[npt.NDArray[np.float32], list[npt.NDArray[np.float32]]]
]

SWITCHES = 120
WALKS = 12
STEPS = 16
KEPT_LOW = 0.7
CHANGED_ENOUGH = 0.4  # below it there is no control whose side effects could be measured


@dataclass(frozen=True)
class Switch:
    """One attribute changed: how often the classifier reads the new class, and the others stay."""

    name: str
    changed: float
    kept: float
    picture_change: float


def measure_switches(
    drawer: Drawer,
    asked: Labels,
    columns: dict[int, int],
    read: Reader,
    *,
    seed: int,
) -> list[Switch]:
    """For each group, `SWITCHES` rows get another class that the rows hold somewhere, same z.

    `asked` is int64 [N, A] in the drawer's groups; `columns` maps its columns to the classifier's.
    """
    rng = np.random.default_rng(seed)
    z = drawer.random_z(SWITCHES, seed + 2)
    found = []
    for own, column in columns.items():
        known = np.flatnonzero(asked[:, own] != UNKNOWN)
        classes = np.unique(asked[known, own])
        if len(classes) < 2:
            continue
        before = asked[rng.choice(known, SWITCHES)]
        after = before.copy()
        # Another class than the present one: an offset of 1..C-1 among the classes.
        place = np.searchsorted(classes, before[:, own])
        after[:, own] = classes[(place + rng.integers(1, len(classes), SWITCHES)) % len(classes)]
        pictures = [draw_all(drawer, z, torch.from_numpy(rows)).numpy() for rows in (before, after)]
        first, second = (read(faces)[1] for faces in pictures)
        kept = [
            np.mean((first[other].argmax(1) == second[other].argmax(1))[was_asked])
            for other_own, other in columns.items()
            # What was left open may change.
            if other != column and (was_asked := before[:, other_own] != UNKNOWN).any()
        ]
        found.append(
            Switch(
                drawer.info.vocabulary.names[own],
                float(np.mean(second[column].argmax(1) == after[:, own])),
                float(np.mean(kept)) if kept else float("nan"),
                mean_difference(*pictures),
            )
        )
    return found


@dataclass(frozen=True)
class Smoothness:
    """Walks between latents in the classifier's features; 1 is even, `STEPS` - 1 a single jump."""

    largest_over_mean: float
    path_over_straight: float


def measure_smoothness(drawer: Drawer, asked: Labels, read: Reader, *, seed: int) -> Smoothness:
    """`WALKS` walks of `STEPS` pictures, labels fixed along each."""
    rng = np.random.default_rng(seed)
    ends = drawer.random_z(2 * WALKS, seed + 3).numpy()
    rows = torch.from_numpy(asked[rng.integers(0, len(asked), WALKS)])
    z = torch.from_numpy(
        np.stack(
            [
                slerp(start, end, t)
                for start, end in zip(ends[:WALKS], ends[WALKS:], strict=True)
                for t in np.linspace(0, 1, STEPS)
            ]
        )
    )
    pictures = draw_all(drawer, z, rows.repeat_interleave(STEPS, 0)).numpy()
    features = read(pictures)[0].reshape(WALKS, STEPS, -1)
    steps = np.linalg.norm(np.diff(features, axis=1), axis=2)
    straight = np.linalg.norm(features[:, -1] - features[:, 0], axis=1)
    moving = (steps.mean(1) > 1e-9) & (straight > 1e-9)
    if not moving.any():
        return Smoothness(float("nan"), float("nan"))
    return Smoothness(
        float((steps.max(1) / steps.mean(1).clip(1e-12))[moving].mean()),
        float((steps.sum(1) / straight.clip(1e-12))[moving].mean()),
    )


@dataclass(frozen=True)
class Control(Result):
    """Both parts, with the change of pictures under labels over that under z."""

    switches: list[Switch]
    smoothness: Smoothness
    label_effect: float

    def to_json(self) -> dict[str, Any]:
        return {
            "switch": {
                switch.name: {"changed": switch.changed, "others_kept": switch.kept}
                for switch in self.switches
            },
            "label_effect": self.label_effect,
            "interpolation": {
                "largest_over_mean_step": self.smoothness.largest_over_mean,
                "path_over_straight": self.smoothness.path_over_straight,
                "steps": STEPS,
            },
        }

    def checks(self, results: Results) -> list[Check]:
        """Does changing one attribute leave the others alone?"""
        kept = [switch.kept for switch in self.switches if not math.isnan(switch.kept)]
        if not kept:
            return []
        mean_kept = float(np.mean(kept))
        changed = float(np.mean([switch.changed for switch in self.switches]))
        measurable = changed >= CHANGED_ENOUGH
        verdicts = []
        if measurable and mean_kept < KEPT_LOW:
            verdicts.append(
                Verdict(
                    "entangled",
                    "flawed",
                    f"Changing one attribute often changes others too (kept {percent(mean_kept)}).",
                    {"others_kept": mean_kept, "changed": changed},
                )
            )
        text = (
            f"{percent(mean_kept)} of the others stay; the changed one shows in {percent(changed)}"
        )
        question = "Do the others stay when one attribute changes?"
        return [Check(question, text, verdicts, answerable=measurable, needs_faces=True)]

    def sections(self, case: Case) -> list[Section]:
        table = Table(
            ("changed with z fixed", "shows the new class", "others stay"),
            [(words(s.name), percent(s.changed, 1), percent(s.kept, 1)) for s in self.switches],
        )
        walk = (
            "Walks between two latents: largest step "
            f"{number(self.smoothness.largest_over_mean)} times the mean step (1: even, "
            f"{STEPS - 1}: one jump). Changing a label changes the picture "
            f"{number(self.label_effect)} times as much as changing z."
        )
        return [Section("Control", tables=[table], outro=walk)]


def measure_control(
    drawer: Drawer,
    asked: Labels,
    columns: dict[int, int],
    read: Reader,
    z_distance: float,
    *,
    seed: int,
) -> Control:
    """`z_distance` is the mean change of a picture when only z changes (`PairDistance.fake`)."""
    switches = measure_switches(drawer, asked, columns, read, seed=seed)
    change = float(np.mean([switch.picture_change for switch in switches])) if switches else 0.0
    smoothness = measure_smoothness(drawer, asked, read, seed=seed)
    return Control(switches, smoothness, change / max(z_distance, 1e-6))


def measure(case: Case) -> Result:
    """What changing one attribute changes, and how smooth walks are."""
    case.note("control")
    return measure_control(
        case.drawer,
        case.asked,
        case.own_columns,
        case.reader.read,
        case.results.get(PairDistance).fake,
        seed=case.seed,
    )


METRIC = Metric("control", measure, labelled=True)
