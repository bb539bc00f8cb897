"""From a drawer and real faces to every number of the report; no files, no clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.drawing.best_of import Picker
from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.pictures import PicturesNCHW
from eval.cache import ArrayCache
from eval.drawer import Drawer, draw_all
from eval.metric import Case, Metric, Plan, Results
from eval.metrics import METRICS
from eval.metrics.accuracy import unreadable
from eval.reals import Labels, Reals, asked_columns, scorable_groups
from eval.trained_classifier import TrainedClassifier
from eval.verdicts import Check, without_empty_praise


@dataclass(frozen=True)
class Subject:
    """What was scored."""

    snapshot: str
    snapshot_hash: str
    kimg: float


@dataclass(frozen=True)
class Scores:
    """Every result of a report, the case that they were measured on, and what they say."""

    subject: Subject
    case: Case
    checks: list[Check] = field(default_factory=list)

    @property
    def results(self) -> Results:
        """What was measured."""
        return self.case.results

    def summary(self) -> dict[str, Any]:
        """The few numbers by which models are compared, flat."""
        flat: dict[str, Any] = {}
        for result in self.results:
            flat |= result.summary()
        return flat

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the report, without its verdicts; not yet plain."""
        case = self.case
        return {
            "snapshot": self.subject.snapshot,
            "snapshot_hash": self.subject.snapshot_hash,
            "kimg": self.subject.kimg,
            "dataset_id": case.reals.dataset_id,
            "image_size": case.reals.image_size,
            "n": len(case.pictures),
            "n_real": len(case.reals.test_labels),
            "seed": case.seed,
            "depth": case.plan.depth,
            "conditional": bool(case.scored),
            "classifier": case.classifier.hash if case.classifier else None,
            "classifier_side": case.classifier.net.side if case.classifier else None,
            **{name: result.to_json() for name, result in self.results.found.items()},
            "not_measured": self.results.not_measured,
            "summary": self.summary(),
        }


def rows_in_turn(total: int, count: int, seed: int) -> Labels:
    """`count` of `total` rows, each once before any comes again, in random order.

    A face set may be sorted by class, and its first rows are no sample of it.
    """
    return np.resize(np.random.default_rng(seed).permutation(total), count)


def draw_for(
    drawer: Drawer, reals: Reals, columns: list[int], plan: Plan
) -> tuple[PicturesNCHW, Labels]:
    """Ask for the held-out rows' own labels, round after round with new latents.

    The pictures uint8 [N, 3, S, S] and what they were asked for, in the face set's columns.
    """
    rows = rows_in_turn(len(reals.test_labels), plan.count, plan.seed)
    asked = np.full((plan.count, len(reals.vocabulary)), UNKNOWN, dtype=np.int64)
    asked[:, columns] = reals.test_labels[rows][:, columns]
    z = drawer.random_z(plan.count, plan.seed)
    return draw_all(drawer, z, torch.from_numpy(asked[:, columns])).numpy(), asked


def measure(
    drawer: Drawer,
    reals: Reals,
    classifier: TrainedClassifier | None,
    plan: Plan,
    *,
    name: str,
    kimg: float = 0.0,
    device: torch.device | None = None,
    cache: ArrayCache | None = None,
    used_networks: Mapping[str, str] | None = None,
    picker: Picker | None = None,
    answers: Path | None = None,
    metrics: Sequence[Metric] = METRICS,
    note: Callable[[str], None] = lambda text: None,
) -> Scores:
    """Draw, measure and check. Raises `UserError` when drawer and face set do not fit.

    Without a classifier (a model that takes no labels) the labelled metrics are left out.
    """
    # The model's attributes in the face set's columns, and those with enough known labels to score.
    columns = asked_columns(drawer.info.vocabulary, reals.vocabulary, name)
    scored, left_out = scorable_groups(reals, columns)

    # Ask for the held-out faces' own labels: else a difference in how common classes are would show
    # up as one between the pictures.
    note("draw")
    pictures, labels = draw_for(drawer, reals, columns, plan)
    case = Case(
        drawer=drawer,
        reals=reals,
        plan=plan,
        device=classifier.device if classifier else device or torch.device("cpu"),
        cache=classifier.cache if classifier else cache or ArrayCache(None),
        pictures=pictures,
        labels=labels,
        columns=columns,
        scored=scored if classifier else [],
        classifier=classifier,
        results=Results({}, dict.fromkeys(left_out, "too few known labels")),
        used_networks=used_networks or {},
        picker=picker,
        answers=answers,
        note=note,
    )

    # An attribute that the classifier hardly reads in real faces says nothing of the draws.
    if case.scored:
        blind = unreadable(case)
        case.results.not_measured.update(
            {reals.vocabulary.names[column]: why for column, why in blind.items()}
        )
        case = replace(case, scored=[column for column in scored if column not in blind])

    # Every check sees all results: a verdict may depend on what another metric found.
    _measure_each(metrics, case)
    checks = [check for result in case.results for check in result.checks(case.results)]
    return Scores(
        Subject(name, drawer.info.weights_sha256, kimg), case, without_empty_praise(checks)
    )


def _measure_each(metrics: Sequence[Metric], case: Case) -> None:
    """Add each metric's result to the case's, in order: a later one may need an earlier one."""
    for metric in metrics:
        if (metric.labelled and not case.scored) or (
            metric.depth == "full" and case.plan.depth == "quick"
        ):
            continue
        found = metric.measure(case)
        if isinstance(found, str):
            case.results.not_measured[metric.name] = found
        else:
            case.results.found[metric.name] = found
            case.results.not_measured.update(found.left_out())
