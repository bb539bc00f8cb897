"""What a classifier read in faces that were asked for something: counts, shares, intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from avatar_common.disk.vocabulary import UNKNOWN
from eval.intervals import Z_95, wilson_interval
from eval.reals import Labels, Reals

MIN_ROOM = 0.2  # of the way from chance to 1: below it the reals themselves cannot be read
FLAG = ("0", "1")


def confusion_matrix(
    asked: npt.NDArray[np.int64], read: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts [asked class, read class]; rows whose asked label is unknown are left out."""
    known = asked != UNKNOWN
    cells = asked[known] * classes + read[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Reading:
    """One group read in one set of pictures, as counts [asked class, read class]."""

    confusion: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many were read."""
        return int(self.confusion.sum())

    @property
    def hits(self) -> int:
        """How many are read as asked."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share read as asked."""
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% Wilson interval of the accuracy."""
        return wilson_interval(self.hits, self.count)

    @property
    def per_class(self) -> npt.NDArray[np.float64]:
        """The share read right of each class; NaN for a class that was never asked."""
        asked = self.confusion.sum(1)
        with np.errstate(invalid="ignore"):
            return np.where(asked > 0, np.diag(self.confusion) / np.maximum(asked, 1), np.nan)

    @property
    def balanced(self) -> float:
        """The mean over the asked classes of the share read right."""
        per_class = self.per_class
        return float(np.nanmean(per_class)) if self.count else math.nan

    @property
    def majority(self) -> float:
        """The accuracy of always naming the class asked most often."""
        return float(self.confusion.sum(1).max() / self.count) if self.count else math.nan

    @property
    def chance(self) -> float:
        """The balanced accuracy of guessing."""
        return 1 / max(int((self.confusion.sum(1) > 0).sum()), 1)

    @property
    def is_readable(self) -> bool:
        """Of real faces: whether the classifier reads them clearly better than by guessing."""
        return self.count > 0 and self.balanced - self.chance >= MIN_ROOM * (1 - self.chance)

    @property
    def balanced_variance(self) -> float:
        """The sampling variance of `balanced`."""
        asked = self.confusion.sum(1)
        known = asked > 0
        if not known.any():
            return 0.0
        share, count = self.per_class[known], asked[known]
        return float((share * (1 - share) / count).sum() / known.sum() ** 2)

    @property
    def association(self) -> float:
        """Mutual information of asked and read class over the asked entropy, 0..1.

        Near 0 when the labels have no effect; high with a low accuracy when they are mixed up.
        """
        if self.count == 0:
            return math.nan
        joint = self.confusion / self.count
        asked, read = joint.sum(1), joint.sum(0)
        entropy = -float(np.sum(asked[asked > 0] * np.log(asked[asked > 0])))
        expected = asked[:, None] * read[None, :]
        there = joint > 0
        information = float(np.sum(joint[there] * np.log(joint[there] / expected[there])))
        return information / entropy if entropy > 0 else 0.0


def read_group(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> Reading:
    """One group's labels int64 [N] against class probabilities [N, classes]."""
    return Reading(
        confusion_matrix(labels, probabilities.argmax(1).astype(np.int64), probabilities.shape[1])
    )


@dataclass(frozen=True)
class GroupAccuracy:
    """One attribute: fakes asked for the held-out labels beside the held-out reals.

    A yes-or-no attribute is scored by balanced accuracy: where 90% have no hat, never drawing one
    would be 90% right. All others are scored by the share that is right.
    """

    name: str
    classes: tuple[str, ...]
    fake: Reading
    real: Reading

    @property
    def is_flag(self) -> bool:
        """Whether it is a yes or no."""
        return self.classes == FLAG

    def score(self, reading: Reading) -> float:
        """The number by which this attribute is scored."""
        return reading.balanced if self.is_flag else reading.accuracy

    def interval(self, reading: Reading) -> tuple[float, float]:
        """Its 95% interval: Wilson's, or the normal one of a mean of two shares."""
        if not self.is_flag:
            return reading.interval
        spread = Z_95 * math.sqrt(reading.balanced_variance)
        return max(0.0, reading.balanced - spread), min(1.0, reading.balanced + spread)

    @property
    def ratio(self) -> float:
        """The fakes' score over the reals'."""
        real = self.score(self.real)
        return self.score(self.fake) / real if real else math.nan

    @property
    def lift(self) -> float:
        """Balanced accuracy of the fakes from chance (0) to the reals' (1)."""
        room = self.real.balanced - self.real.chance
        return (self.fake.balanced - self.real.chance) / room if room > 0 else math.nan

    @property
    def z_above_real(self) -> float:
        """The z score of the fakes' score above the reals'."""
        fake, real = self.fake, self.real
        gap = self.score(fake) - self.score(real)
        if self.is_flag:
            variance = fake.balanced_variance + real.balanced_variance
        else:
            pooled = (fake.hits + real.hits) / max(fake.count + real.count, 1)
            variance = pooled * (1 - pooled) * (1 / max(fake.count, 1) + 1 / max(real.count, 1))
        return gap / math.sqrt(variance) if variance > 0 else 0.0

    def brief_json(self) -> dict[str, Any]:
        """The numbers of the whole group, without classes."""
        return {
            "fake": self.score(self.fake),
            "real": self.score(self.real),
            "ratio": self.ratio,
            "fake_interval": self.interval(self.fake),
            "real_interval": self.interval(self.real),
        }

    def to_json(self) -> dict[str, Any]:
        """As metrics.jsonl holds it."""
        return {
            **self.brief_json(),
            "judged_by": "balanced accuracy" if self.is_flag else "accuracy",
            "fake_balanced": self.fake.balanced,
            "real_balanced": self.real.balanced,
            "majority": self.real.majority,
            "n_fake": self.fake.count,
            "n_real": self.real.count,
            "association": self.fake.association,
            "per_class": {
                name: {"fake": fake, "real": real, "n_fake": int(n_fake), "n_real": int(n_real)}
                for name, fake, real, n_fake, n_real in zip(
                    self.classes,
                    self.fake.per_class.tolist(),
                    self.real.per_class.tolist(),
                    self.fake.confusion.sum(1),
                    self.real.confusion.sum(1),
                    strict=True,
                )
            },
            "confusion": self.fake.confusion.tolist(),
        }


def group_accuracies(
    reals: Reals,
    scored: list[int],
    fake_labels: Labels,
    fake_read: list[npt.NDArray[np.float32]],
    real_read: list[npt.NDArray[np.float32]],
    real_labels: Labels | None = None,
) -> list[GroupAccuracy]:
    """One classifier's readings, group by group. `*_read` are probabilities per column."""
    real_labels = reals.test_labels if real_labels is None else real_labels
    return [
        GroupAccuracy(
            name=reals.vocabulary.names[column],
            classes=reals.vocabulary.groups[column].classes,
            fake=read_group(fake_labels[:, column], fake_read[column]),
            real=read_group(real_labels[:, column], real_read[column]),
        )
        for column in scored
    ]
