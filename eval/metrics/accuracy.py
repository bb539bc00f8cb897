"""Does it draw what you ask for? An independent classifier reads fakes beside held-out reals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metric import Case, Metric, Result, Results
from eval.metrics.control import Control
from eval.metrics.latent import Z_IGNORED, PairDistance
from eval.page_parts import Bar, Section, Table, percent, words
from eval.reading import GroupAccuracy, group_accuracies, read_group
from eval.verdicts import Check, Verdict

LIFT_BROKEN = 0.25  # share of the way from chance to the reals' balanced accuracy
LABEL_EFFECT = 0.1  # change of a picture under labels over that under z
RATIO_FLAWED = 0.9  # fake over real accuracy
CLASS_LOST = 0.5  # a class read right less often than this share of its real accuracy
CLASSES_LOST_BROKEN = 1 / 3  # share of a group's classes lost
CLASS_MIN = 8  # faces asked of a class before it is scored
CONFUSED = 0.05  # share of a class read as another before the page names it
SURE_Z = 3.0
BLIND = "not measurable"
OVER_EASY, OVER_EASY_Z = 1.015, 4.0  # fake over real accuracy, and its z score


@dataclass(frozen=True)
class Accuracy(Result):
    """Every scored group, without those that the classifier cannot read in real faces."""

    groups: list[GroupAccuracy]

    def to_json(self) -> dict[str, Any]:
        return {group.name: group.to_json() for group in self.groups}

    def summary(self) -> dict[str, float]:
        ratios = {f"accuracy_ratio_{group.name}": group.ratio for group in self.groups}
        mean = float(np.mean(list(ratios.values()))) if ratios else math.nan
        return {"accuracy_ratio": mean, **ratios}

    @property
    def lift(self) -> float:
        """From chance (0) to the reals' accuracy (1), mean over the groups."""
        lifts = [group.lift for group in self.groups if not math.isnan(group.lift)]
        return float(np.mean(np.clip(lifts, -1, 1.5))) if lifts else math.nan

    @property
    def labels_work(self) -> bool:
        """Whether what was asked is in the pictures at all."""
        return self.lift >= LIFT_BROKEN

    def mean(self, of: str) -> float:
        """The mean score over the groups, of "fake" or of "real" faces."""
        found = [group.score(getattr(group, of)) for group in self.groups]
        return float(np.mean(found)) if found else math.nan

    def checks(self, results: Results) -> list[Check]:
        if not self.groups:
            return []
        return [self._asked(results), self._honest(results)]

    def _asked(self, results: Results) -> Check:
        number = (
            f"right for {percent(self.mean('fake'))} of its attributes, "
            f"for {percent(self.mean('real'))} in real faces"
        )
        if self.labels_work:
            verdicts = [*_lost_classes(self.groups), *_missed(self.groups)]
        else:
            verdicts = [_labels_lost(self, label_effect(results))]
        return Check("Does it draw what you ask for?", number, verdicts)

    def _honest(self, results: Results) -> Check:
        """Accuracy above the reals: faces drawn for a classifier, not like the reals."""
        easy = [
            group
            for group in self.groups
            if group.ratio > OVER_EASY and group.z_above_real > OVER_EASY_Z
        ]
        if always_the_same(results):
            easy = []  # the same few pictures again and again: no spread to measure
        verdicts = []
        if easy:
            top = max(easy, key=lambda group: group.ratio)
            fake, real = top.score(top.fake), top.score(top.real)
            verdicts.append(
                Verdict(
                    "over_easy",
                    "flawed",
                    f"Its faces are easier to read than real ones ({words(top.name)} "
                    f"{percent(fake)}, real {percent(real)}): it draws the textbook case of a "
                    "class and leaves out the ambiguous ones.",
                    {group.name: group.ratio for group in easy},
                )
            )
        return Check(
            "Is its accuracy honest?",
            f"{self.summary()['accuracy_ratio']:.2f} of the accuracy on real faces",
            verdicts,
            answerable=bool(verdicts) or self.labels_work,
            needs_faces=True,
        )

    def sections(self, case: Case) -> list[Section]:
        groups = sorted(self.groups, key=lambda group: group.ratio)
        head = (
            "attribute",
            "",
            "drawn",
            "95% interval",
            "real",
            "ratio",
            "measured by",
            "most common class",
        )
        tables = [Table(head, [_line(group) for group in groups])]
        tables += [_classes(group) for group in groups if not group.is_flag]
        blind = [name for name, why in case.results.not_measured.items() if why.startswith(BLIND)]
        outro = (
            "Not measurable, since the classifier cannot read them in real faces, so in no mean "
            f"and no verdict: {words(*blind)}."
        )
        return [
            Section(
                "Attributes, the worst first",
                "Share of faces in which a classifier, trained on real faces only, reads what was "
                "asked; the mark is its share on real faces that it never saw, the ceiling.",
                tables=tables,
                outro=outro if blind else "",
            )
        ]


def label_effect(results: Results) -> float:
    """How much a picture changes with a label, over how much with z."""
    control = results.find(Control)
    return math.nan if control is None else control.label_effect


def always_the_same(results: Results) -> bool:
    """Whether the same labels always give the same picture."""
    pairs = results.find(PairDistance)
    return pairs is not None and pairs.sensitivity < Z_IGNORED


def _labels_lost(found: Accuracy, effect: float) -> Verdict:
    clearest = max(found.groups, key=lambda group: group.real.balanced - group.real.chance)
    example = (
        f"{words(clearest.name)} is right for {percent(clearest.score(clearest.fake))}, "
        f"in real faces for {percent(clearest.score(clearest.real))}"
    )
    numbers = {"lift": found.lift, "label_effect": effect}
    if effect < LABEL_EFFECT:
        return Verdict(
            "ignores_labels",
            "broken",
            "It ignores what you ask for: another label with the same z gives the same picture "
            f"({example}).",
            numbers,
        )
    mixed = max(group.fake.association for group in found.groups)
    how = (
        "asked for one class it reliably shows another"
        if mixed > 0.5
        else "other labels give other pictures, but not what the labels say"
    )
    return Verdict(
        "labels_shuffled",
        "broken",
        f"What it draws has nothing to do with what you ask for: {how} ({example}).",
        {**numbers, "association": mixed},
    )


def lost_classes(group: GroupAccuracy) -> list[str]:
    """Classes that the fakes show less than `CLASS_LOST` as often as the reals do."""
    asked, there = group.fake.confusion.sum(1), group.real.confusion.sum(1)
    fake, real = group.fake.per_class, group.real.per_class
    return [
        name
        for index, name in enumerate(group.classes)
        if min(asked[index], there[index]) >= CLASS_MIN
        and real[index] >= 0.5
        and fake[index] < CLASS_LOST * real[index]
    ]


def _lost_classes(groups: list[GroupAccuracy]) -> list[Verdict]:
    found, flags = [], {}
    for group in groups:
        lost = lost_classes(group)
        if lost and group.is_flag:
            flags[group.name] = float(group.fake.per_class[1])
        elif lost:
            counted = int((group.fake.confusion.sum(1) >= CLASS_MIN).sum())
            found.append(
                Verdict(
                    "classes_missing",
                    "broken" if len(lost) / counted >= CLASSES_LOST_BROKEN else "flawed",
                    f"It cannot draw {len(lost)} of {counted} classes of {words(group.name)}: "
                    f"{words(*lost)}.",
                    {"lost": float(len(lost)), "classes": float(counted)},
                )
            )
    if flags:
        text = f"Asked for with or without, it makes no difference: {words(*flags)}."
        found.append(Verdict("flags_missing", "flawed", text, flags))
    return found


def _missed(groups: list[GroupAccuracy]) -> list[Verdict]:
    missed = [
        group
        for group in sorted(groups, key=lambda group: group.ratio)
        if group.ratio < RATIO_FLAWED and -group.z_above_real > SURE_Z
    ]
    if not missed:
        return []
    worst = missed[0]
    return [
        Verdict(
            "attributes_missed",
            "flawed",
            f"It often misses {words(*(group.name for group in missed))}: "
            f"{words(worst.name)} is right for {percent(worst.score(worst.fake))}, "
            f"in real faces for {percent(worst.score(worst.real))}.",
            {group.name: group.ratio for group in missed},
        )
    ]


def _line(group: GroupAccuracy) -> tuple[str | Bar, ...]:
    fake, real = group.score(group.fake), group.score(group.real)
    low, high = group.interval(group.fake)
    return (
        words(group.name),
        Bar(fake, real),
        percent(fake, 1),
        f"{percent(low, 1)} to {percent(high, 1)}",
        percent(real, 1),
        f"{group.ratio:.2f}",
        "balanced" if group.is_flag else "share right",
        percent(group.real.majority, 1),
    )


def _classes(group: GroupAccuracy) -> Table:
    rows: list[tuple[str | Bar, ...]] = []
    for index, name in enumerate(group.classes):
        cells = group.fake.confusion[index]
        asked, real = int(cells.sum()), int(group.real.confusion[index].sum())
        if not asked:
            continue
        instead = [
            f"{other} {percent(cells[place] / asked)}"
            for place, other in enumerate(group.classes)
            if place != index and cells[place] >= max(1, CONFUSED * asked)
        ]
        shares = (group.fake.per_class[index], group.real.per_class[index])
        rows.append(
            (name, *(percent(share, 1) for share in shares), f"{asked} / {real}", " ".join(instead))
        )
    head = ("asked", "drawn", "real", "faces", "read instead")
    return Table(head, rows, caption=f"{words(group.name)}, class by class", folded=True)


def unreadable(case: Case) -> dict[int, str]:
    """The scored columns that the classifier cannot read in real faces either, and why."""
    read = case.reader.read_kept(case.reals.test_pictures)[1]
    found = {}
    for column in case.scored:
        real = read_group(case.reals.test_labels[:, column], read[column])
        if not real.is_readable:
            found[column] = (
                f"{BLIND}: the classifier reads it in real faces for {percent(real.balanced)} "
                f"(balanced; by chance {percent(real.chance)})"
            )
    return found


def measure_accuracy(case: Case) -> Result:
    """How often the classifier reads what was asked, in fakes and in held-out reals."""
    case.note("read")
    classifier, reals = case.reader, case.reals
    return Accuracy(
        group_accuracies(
            reals,
            case.scored,
            case.labels,
            classifier.read_kept(case.pictures)[1],
            classifier.read_kept(reals.test_pictures)[1],
        )
    )


METRIC = Metric("accuracy", measure_accuracy, labelled=True)
