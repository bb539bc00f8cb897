"""Do the faces show what was asked? Accuracy by an independent judge, fakes beside reals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from manifest.vocabulary import UNKNOWN

Z_95 = 1.959964
MIN_ROOM = 0.1


def wilson_interval(hits: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927); (0, 1) when nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    share = hits / count
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    middle = share + z * z / (2 * count)
    scale = 1 + z * z / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def confusion_matrix(
    asked: npt.NDArray[np.int64], read: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts [asked class, read class]; rows whose asked label is unknown are left out."""
    known = asked != UNKNOWN
    cells = asked[known] * classes + read[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Reading:
    """One group read by one judge on one set of pictures, as counts [asked class, read class]."""

    confusion: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def hits(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
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
    def chance(self) -> float:
        """The accuracy of always naming the class asked most often."""
        return float(self.confusion.sum(1).max() / self.count) if self.count else math.nan

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
    """One attribute: fakes asked for the held-out labels beside the held-out reals."""

    name: str
    classes: tuple[str, ...]
    fake: Reading
    real: Reading

    @property
    def ratio(self) -> float:
        return self.fake.accuracy / self.real.accuracy if self.real.accuracy else math.nan

    @property
    def lift(self) -> float:
        """Balanced accuracy of the fakes from chance (0) to the reals' (1); NaN without room."""
        chance = 1 / max(int((self.real.confusion.sum(1) > 0).sum()), 1)
        room = self.real.balanced - chance
        return (self.fake.balanced - chance) / room if room >= MIN_ROOM else math.nan

    @property
    def z_above_real(self) -> float:
        """The two-proportion z score of fake accuracy above real accuracy."""
        fake, real = self.fake, self.real
        pooled = (fake.hits + real.hits) / max(fake.count + real.count, 1)
        variance = pooled * (1 - pooled) * (1 / max(fake.count, 1) + 1 / max(real.count, 1))
        return (fake.accuracy - real.accuracy) / math.sqrt(variance) if variance > 0 else 0.0

    def brief_json(self) -> dict[str, Any]:
        return {
            "fake": self.fake.accuracy,
            "real": self.real.accuracy,
            "ratio": self.ratio,
            "fake_interval": self.fake.interval,
            "real_interval": self.real.interval,
        }

    def to_json(self) -> dict[str, Any]:
        return {
            **self.brief_json(),
            "fake_balanced": self.fake.balanced,
            "real_balanced": self.real.balanced,
            "chance": self.real.chance,
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
