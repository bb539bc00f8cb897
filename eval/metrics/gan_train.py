"""Would the fakes do to learn from? GAN-train (Shmelkov et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.cache import content_hash
from eval.classifier import ClassifierSettings, classifier_key, read_pictures, train_classifier
from eval.metric import Case, Metric, Result
from eval.metrics.accuracy import Accuracy
from eval.page_parts import Section, Table, percent, words
from eval.reading import Reading, read_group

SETTINGS = ClassifierSettings(images_seen=40_000)


@dataclass(frozen=True)
class GanTrain(Result):
    """How held-out reals are read by a classifier trained on the fakes, per group."""

    groups: dict[str, Reading]
    own: dict[str, Reading]

    def to_json(self) -> dict[str, Any]:
        return {
            name: {"accuracy": read.accuracy, "interval": read.interval}
            for name, read in self.groups.items()
        }

    def sections(self, case: Case) -> list[Section]:
        rows = [
            (words(name), percent(read.accuracy, 1), percent(self.own[name].accuracy, 1))
            for name, read in self.groups.items()
        ]
        head = ("attribute", "learnt from drawn faces", "learnt from real faces")
        return [
            Section(
                "Would they do to learn from?",
                "Held-out real faces read by a classifier that was trained on the drawn ones. Low: "
                "the drawn faces lack what real ones vary in.",
                tables=[Table(head, list(rows))],
            )
        ]


def measure(case: Case) -> Result:
    """The accuracy on held-out reals of a classifier that was trained on the fakes."""
    case.note("GAN-train")
    reals = case.reals

    def train() -> list[np.ndarray]:
        net = train_classifier(
            case.pictures, case.labels, reals.vocabulary.sizes, SETTINGS, device=case.device
        )
        read = read_pictures(net, reals.test_pictures, device=case.device)[1]
        return [
            read_group(reals.test_labels[:, column], read[column]).confusion
            for column in case.scored
        ]

    names = [reals.vocabulary.names[column] for column in case.scored]
    made_of = content_hash(case.pictures, case.labels, reals.test_labels)
    key = (
        f"gan-train-{classifier_key(reals.dataset_id, SETTINGS)}-{'-'.join(map(str, case.scored))}"
    )
    confusions = case.cache.arrays(f"{key}-{made_of}", train)
    read = dict(zip(names, map(Reading, confusions), strict=True))
    own = {group.name: group.real for group in case.results.get(Accuracy).groups}
    return GanTrain({name: read[name] for name in own}, own)


METRIC = Metric("gan_train", measure, depth="full", labelled=True)
