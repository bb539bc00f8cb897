"""One metric, one file: what a module of `eval/metrics` gives, and what it may use.

A module holds a `measure(case) -> Result`, the `Result` with its name in the JSON object, its
checks and sentences and its part of the page, and `METRIC`, which `eval/metrics/__init__.py` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from acgan.drawing.best_of import Picker
from avatar_common.pictures import PicturesNCHW
from eval.cache import ArrayCache
from eval.drawer import Drawer
from eval.options import Depth
from eval.page_parts import Row, Section
from eval.reals import Labels, Reals
from eval.trained_classifier import TrainedClassifier
from eval.verdicts import Check

R = TypeVar("R", bound="Result")


@dataclass(frozen=True)
class Plan:
    """How many faces, from which seed, how deep; where Inception's weights are, if anywhere."""

    count: int = 2000
    seed: int = 0
    depth: Depth = "full"
    inception: Path | None = None


class Result:
    """What one metric found. Each method has an empty default."""

    def to_json(self) -> Any:
        """Its value in the JSON object, under the metric's name; NaN becomes null."""
        return asdict(cast(Any, self))

    def summary(self) -> dict[str, Any]:
        """The few numbers to compare models by, under the same names as in the long form."""
        return {}

    def checks(self, results: Results) -> list[Check]:
        """The questions it answers; a check may look at the results before it."""
        return []

    def left_out(self) -> dict[str, str]:
        """What it could not measure, by name, with the reason."""
        return {}

    def rows(self) -> list[Row]:
        """Lines of the page's table of numbers."""
        return []

    def sections(self, case: Case) -> list[Section]:
        """Parts of the page of its own."""
        return []


@dataclass(frozen=True)
class Results:
    """The results so far, by metric, in the order of the list; and why others are missing."""

    found: dict[str, Result] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)

    def find(self, kind: type[R]) -> R | None:
        """The result of this kind, or None where it was not measured."""
        return next((one for one in self if isinstance(one, kind)), None)

    def get(self, kind: type[R]) -> R:
        """The result of this kind; a metric that needs it stands behind it in the list."""
        found = self.find(kind)
        if found is None:
            raise LookupError(f"{kind.__name__} is not measured before what needs it")
        return found

    def __iter__(self) -> Iterator[Result]:
        return iter(self.found.values())


@dataclass(frozen=True)
class Case:
    """Everything that a metric may use.

    `pictures` are the fakes uint8 [N, 3, S, S] and `labels` int64 [N, A] what they were asked for,
    in the face set's columns. `columns` gives the face set's column of each of the drawer's groups;
    `scored` are the columns with enough known labels. Without labels both are empty and
    `classifier` is None.
    """

    drawer: Drawer
    reals: Reals
    plan: Plan
    device: torch.device
    cache: ArrayCache
    pictures: PicturesNCHW
    labels: Labels
    columns: list[int]
    scored: list[int]
    classifier: TrainedClassifier | None
    results: Results
    used_networks: Mapping[str, str] = field(default_factory=dict)
    """Package -> SHA-256 of the networks that trained the model or choose its pictures."""

    picker: Picker | None = None
    """What chooses among the snapshot's draws, where it has a realness net."""

    answers: Path | None = None
    """The folder of people's answers, where there may be one."""

    note: Callable[[str], None] = lambda text: None

    @property
    def seed(self) -> int:
        """The seed of the draws."""
        return self.plan.seed

    @property
    def reader(self) -> TrainedClassifier:
        """The classifier; only labelled metrics ask for it."""
        assert self.classifier is not None
        return self.classifier

    @property
    def asked(self) -> Labels:
        """The held-out rows' labels in the drawer's own groups, int64 [N, groups]."""
        return self.reals.test_labels[:, self.columns]

    @property
    def own_columns(self) -> dict[int, int]:
        """The drawer's column of each scored group -> the face set's."""
        return {self.columns.index(column): column for column in self.scored}


@dataclass(frozen=True)
class Metric:
    """A name (its key in the JSON object), how to measure it, and when.

    `measure` gives the result, or in one line why there is none.
    """

    name: str
    measure: Callable[[Case], Result | str]
    depth: Depth = "quick"
    """quick: in every report; full: left out of quick ones."""

    labelled: bool = False
    """Whether it needs labels that the model takes and the face set knows."""
