"""Does a classifier of another kind agree? Logistic regression on fixed patch responses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from eval.cache import content_hash
from eval.metric import Case, Metric, Result, Results
from eval.metrics.accuracy import LIFT_BROKEN, RATIO_FLAWED, SURE_Z, Accuracy
from eval.page_parts import Section, Table, percent, words
from eval.patches import PATCHES_VERSION, PatchClassifier, train_patch_classifier
from eval.reading import GroupAccuracy, group_accuracies
from eval.verdicts import Check, Verdict

CLASSIFIERS_APART = 0.15


@dataclass(frozen=True)
class SecondClassifier(Result):
    """The groups as the patch classifier reads them."""

    groups: list[GroupAccuracy]

    def to_json(self) -> dict[str, Any]:
        return {group.name: group.brief_json() for group in self.groups}

    def checks(self, results: Results) -> list[Check]:
        first = results.get(Accuracy)
        second = {group.name: group for group in self.groups}
        gaps = {
            group.name: group.ratio - second[group.name].ratio
            for group in first.groups
            if group.name in second
            and group.ratio > RATIO_FLAWED
            and group.lift > LIFT_BROKEN
            and second[group.name].z_above_real < -SURE_Z
        }
        name = max(gaps, key=lambda key: gaps[key], default=None)
        verdicts = []
        if name is not None and gaps[name] >= CLASSIFIERS_APART:
            verdicts.append(
                Verdict(
                    "judges_disagree",
                    "flawed",
                    f"A second classifier of another kind does not see {words(name)} as well: its "
                    f"accuracy over that on real faces is {gaps[name]:.2f} lower.",
                    {name: gaps[name]},
                )
            )
        text = ", ".join(f"{words(g.name)} {g.ratio:.2f} of the reals'" for g in self.groups[:3])
        return [
            Check(
                "Does a classifier of another kind agree?",
                text,
                verdicts,
                answerable=first.labels_work and bool(self.groups),
                needs_faces=True,
            )
        ]

    def sections(self, case: Case) -> list[Section]:
        rows = [
            (
                words(g.name),
                percent(g.score(g.fake), 1),
                percent(g.score(g.real), 1),
                f"{g.ratio:.2f}",
            )
            for g in self.groups
        ]
        return [
            Section(
                "A second classifier of another kind",
                "Nothing in its features is learnt by gradient: patches of real faces answer at "
                "every place.",
                tables=[Table(("attribute", "drawn", "real", "ratio"), list(rows))],
            )
        ]


def measure_second_classifier(case: Case) -> Result:
    """Train it (or take it from the cache); let it read fakes and held-out reals."""
    case.note("second classifier")
    reals, cache = case.reals, case.cache
    key = f"patches-v{PATCHES_VERSION}-{reals.key}"
    classifier = PatchClassifier.from_arrays(
        cache.arrays(
            key,
            lambda: train_patch_classifier(
                reals.train_pictures, reals.train_labels, reals.vocabulary.sizes
            ).arrays(),
        )
    )
    fake_read, real_read = (
        cache.arrays(f"{key}-{content_hash(pictures)}", partial(classifier.read, pictures))
        for pictures in (case.pictures, reals.test_pictures)
    )
    groups = group_accuracies(reals, case.scored, case.labels, fake_read, real_read)
    return SecondClassifier([group for group in groups if group.real.is_readable])


METRIC = Metric("second_judge", measure_second_classifier, depth="full", labelled=True)
