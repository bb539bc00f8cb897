"""All that is known about one snapshot, and its form on stdout and in metrics.jsonl."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from eval.accuracy import GroupAccuracy, Reading
from eval.control import Control
from eval.distance import DistanceScores
from eval.diversity import Diversity, PairDistance
from eval.memorisation import Memorisation
from eval.neighbours import ManifoldScores
from eval.strangeness import Strangeness

SCORES_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Subject:
    """What was scored, and with what."""

    snapshot: str
    snapshot_hash: str
    kimg: float
    dataset_id: str
    image_size: int
    n: int
    n_real: int
    seed: int
    judge: str
    judge_side: int


@dataclass(frozen=True)
class Scores:
    """Every number of a report. `second`, `ladder` and `gan_train` are empty in a quick one."""

    subject: Subject
    accuracy: list[GroupAccuracy]
    second: list[GroupAccuracy]
    ladder: dict[int, list[GroupAccuracy]]
    gan_train: dict[str, Reading]
    diversity: Diversity
    pairs: PairDistance
    manifold: ManifoldScores
    distances: list[DistanceScores]
    memorisation: Memorisation
    control: Control
    detail: float
    strangeness: Strangeness
    not_measured: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the report, without its verdicts; NaN becomes null."""
        subject = self.subject
        second = {group.name: group for group in self.second}
        content = {
            "snapshot": subject.snapshot,
            "dataset_id": subject.dataset_id,
            "n": subject.n,
            "accuracy": {
                group.name: {
                    **group.to_json(),
                    **(
                        {"second_judge": second[group.name].brief_json()}
                        if group.name in second
                        else {}
                    ),
                    **_gan_train(self.gan_train.get(group.name)),
                }
                for group in self.accuracy
            },
            "ms_ssim": self.diversity.to_json(),
            "z_sensitivity": self.pairs.sensitivity,
            "pair_distance": {"fake": self.pairs.fake, "real": self.pairs.real},
            "manifold": self.manifold.to_json(),
            "distance": [found.to_json() for found in self.distances],
            "memorisation": self.memorisation.to_json(),
            "control": self.control.to_json(),
            "detail": self.detail,
            "strangeness": self.strangeness.to_json(),
            "ladder": {
                str(side): {group.name: group.brief_json() for group in groups}
                for side, groups in self.ladder.items()
            },
            "ladder_gain": {"fake": self.ladder_gain("fake"), "real": self.ladder_gain("real")},
            "diversity_accuracy_correlation": self.class_correlation,
            "kimg": subject.kimg,
            "n_real": subject.n_real,
            "seed": subject.seed,
            "image_size": subject.image_size,
            "snapshot_hash": subject.snapshot_hash,
            "classifier": subject.judge,
            "classifier_side": subject.judge_side,
            "not_measured": self.not_measured,
        }
        return plain(content)

    def ladder_gain(self, of: Literal["fake", "real"]) -> float:
        """Mean accuracy at full size less that at the smallest side; NaN in a quick report."""
        if not self.ladder:
            return math.nan
        low, full = (
            np.mean([getattr(group, of).accuracy for group in self.ladder[side]])
            for side in (min(self.ladder), max(self.ladder))
        )
        return float(full - low)

    @property
    def class_points(self) -> list[tuple[str, float, float]]:
        """Per class of the first diversity group: name, MS-SSIM of its fakes, accuracy."""
        first = next(
            (group for group in self.accuracy if group.name == self.diversity.groups[0]), None
        )
        if first is None:
            return []
        per_class = dict(zip(first.classes, first.fake.per_class.tolist(), strict=True))
        similar: dict[str, list[float]] = {}
        for found in self.diversity.classes:
            similar.setdefault(found.name.split(" / ")[0], []).append(found.fake)
        return [(name, float(np.mean(row)), per_class[name]) for name, row in similar.items()]

    @property
    def class_correlation(self) -> float:
        """Pearson correlation of accuracy and MS-SSIM over classes; NaN without spread."""
        points = [(x, y) for _, x, y in self.class_points if not math.isnan(y)]
        if len(points) < 3:
            return math.nan
        x, y = np.array(points).T
        if x.std() < 1e-9 or y.std() < 1e-9:
            return math.nan
        return float(np.corrcoef(x, y)[0, 1])


def _gan_train(read: Reading | None) -> dict[str, Any]:
    if read is None:
        return {}
    return {"gan_train": read.accuracy, "gan_train_interval": read.interval}


def plain(value: Any) -> Any:
    """JSON-able all the way down: tuples to lists, numpy to Python, NaN and infinity to null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
