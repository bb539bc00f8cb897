"""Does z change the picture? Two latents for the same labels, beside two real faces of a class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eval.drawer import Drawer, draw_all
from eval.metric import Case, Metric, Result, Results
from eval.metrics.ms_ssim import Classes, class_of, random_pairs
from eval.page_parts import Row, number, percent
from eval.reals import Labels
from eval.verdicts import Check, Verdict

Z_PAIRS = 200
Z_IGNORED, Z_WEAK = 0.05, 0.5


@dataclass(frozen=True)
class PairDistance(Result):
    """Mean absolute pixel difference (0..1) of two pictures with the same labels."""

    fake: float
    real: float

    @property
    def sensitivity(self) -> float:
        """z-sensitivity: the fakes' over the reals'; 0 for a generator that ignores z."""
        return self.fake / self.real if self.real else math.nan

    def to_json(self) -> dict[str, float]:
        return {"fake": self.fake, "real": self.real, "z_sensitivity": self.sensitivity}

    def summary(self) -> dict[str, Any]:
        return {"z_sensitivity": self.sensitivity}

    def checks(self, results: Results) -> list[Check]:
        numbers = {"z_sensitivity": self.sensitivity}
        text = f"two draws differ {percent(self.sensitivity)} as much as two real faces"
        verdicts = []
        if self.sensitivity < Z_IGNORED:
            sentence = f"The same labels always give the same face: {text} do."
            verdicts.append(Verdict("ignores_z", "broken", sentence, numbers))
        elif self.sensitivity < Z_WEAK:
            sentence = f"Faces with the same labels are too alike: {text} do."
            verdicts.append(Verdict("low_variety", "flawed", sentence, numbers))
        return [Check("Do two draws differ?", text, verdicts, needs_faces=True)]

    def rows(self) -> list[Row]:
        return [
            Row(
                "pixel difference, same labels",
                number(self.fake, 3),
                number(self.real, 3),
                f"ratio {number(self.sensitivity)}",
            )
        ]


def same_label_distance(
    drawer: Drawer,
    asked: Labels,
    reals: npt.NDArray[np.uint8],
    classes: Classes,
    *,
    seed: int,
) -> PairDistance:
    """Two latents for the same label row beside two reals of the same class.

    `asked` is int64 [N, A] in the drawer's own groups.
    """
    rng = np.random.default_rng(seed)
    rows = torch.from_numpy(asked[rng.integers(0, len(asked), Z_PAIRS)])
    z = drawer.random_z(2 * Z_PAIRS, seed + 1)
    left, right = (draw_all(drawer, half, rows).numpy() for half in z.split(Z_PAIRS))
    fake = mean_difference(left, right)
    keys = list(classes.real_rows)
    if not keys:
        return PairDistance(fake, math.nan)
    per_class = max(1, -(-Z_PAIRS // len(keys)))
    pairs = np.concatenate([random_pairs(classes.real_rows[key], per_class, rng) for key in keys])
    return PairDistance(fake, mean_difference(reals[pairs[:, 0]], reals[pairs[:, 1]]))


def mean_difference(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> float:
    """Mean L1 difference of two stacks of pictures, in units of the full range."""
    return float(np.abs(left.astype(np.int16) - right.astype(np.int16)).mean() / 255)


def measure(case: Case) -> Result:
    """The mean distance of two faces with the same labels, beside that of reals."""
    case.note("latent")
    return same_label_distance(
        case.drawer, case.asked, case.reals.test_pictures, class_of(case), seed=case.seed
    )


METRIC = Metric("latent", measure, labelled=True)
