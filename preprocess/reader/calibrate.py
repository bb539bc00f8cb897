"""How often a reading of some confidence is right, measured on faces that were not learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from preprocess.reader.model import Floats, Readable, reading_of, softmax

BINS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FEWEST_OF_A_CLASS = 5


@dataclass(frozen=True)
class Checked:
    """One attribute of one source: logits [N, C] of the faces and their mirrors, labels [N]."""

    source: str
    upright: Floats
    mirrored: Floats
    labels: npt.NDArray[np.int64]


def calibrated(found: Readable, checked: Sequence[Checked], coverage: float) -> Readable:
    """The attribute with the temperature that fits best, every source counting the same.

    And with the confidence that `coverage` of the faces reach; as it was where nothing was checked.
    """
    if not checked:
        return found

    def surprise(log_temperature: float) -> float:
        losses = []
        for source in checked:
            odds = softmax((source.upright + source.mirrored) / 2 / np.exp(log_temperature))
            right = odds[np.arange(len(odds)), source.labels]
            losses.append(-np.log(np.maximum(right, 1e-9)).mean())
        return float(np.mean(losses))

    best = minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded").x
    temperature = round(float(np.exp(best)), 3)
    reached = [
        np.quantile(reading_of(s.upright, s.mirrored, temperature).confidence, 1 - coverage)
        for s in checked
    ]
    least = math.floor(1000 * float(np.mean(reached))) / 1000  # never above what was reached
    return replace(found, temperature=temperature, min_confidence=least)


def figures(found: Readable, checked: Sequence[Checked]) -> list[dict[str, Any]]:
    """How much of each source is written and how much of that is right.

    Per source the share of faces written and the share right among them, in all and as the mean
    over classes; then [least confidence, faces, share right] of all faces by confidence.
    """
    rows = []
    for source in checked:
        reading = reading_of(source.upright, source.mirrored, found.temperature)
        right = reading.classes == source.labels
        written = reading.confidence >= found.min_confidence
        by_class = [
            right[written & (source.labels == number)].mean()
            for number in range(len(found.classes))
            if (written & (source.labels == number)).sum() >= FEWEST_OF_A_CLASS
        ]
        place = np.clip(np.digitize(reading.confidence, BINS) - 1, 0, len(BINS) - 2)
        rows.append(
            {
                "set": source.source,
                "faces": len(right),
                "written": _share(written),
                "right": _share(right[written]),
                "mean_over_classes": _share(np.array(by_class)),
                "by_confidence": [
                    [BINS[n], int((place == n).sum()), _share(right[place == n])]
                    for n in range(len(BINS) - 1)
                    if (place == n).any()
                ],
            }
        )
    return rows


def is_read(rows: Sequence[dict[str, Any]], least: float) -> bool:
    """Whether the attribute was checked at all, and every source that can tell is read so well."""
    told = [row["mean_over_classes"] for row in rows if row["mean_over_classes"] is not None]
    return bool(told) and min(told) >= least


def _share(values: npt.NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
