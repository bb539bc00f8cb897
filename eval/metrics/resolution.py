"""Does fine detail carry the attributes? Accuracy after shrinking (Odena et al. 2017, 4.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from avatar_common.pictures import PicturesNCHW
from eval.figures import Series, chart
from eval.metric import Case, Metric, Result
from eval.page_parts import Section
from eval.reading import GroupAccuracy, group_accuracies

MAX_PER_RUNG = 1000


@dataclass(frozen=True)
class Resolution(Result):
    """The groups' accuracies by the side to which faces were shrunk."""

    rungs: dict[int, list[GroupAccuracy]]

    def to_json(self) -> dict[str, Any]:
        return {
            "sides": {
                str(side): {group.name: group.brief_json() for group in groups}
                for side, groups in self.rungs.items()
            },
            "gain": {"fake": self.gain("fake"), "real": self.gain("real")},
        }

    def mean(self, side: int, of: Literal["fake", "real"]) -> float:
        """Mean accuracy at one side."""
        found = [getattr(group, of).accuracy for group in self.rungs[side]]
        return float(np.mean(found)) if found else math.nan

    def gain(self, of: Literal["fake", "real"]) -> float:
        """Mean accuracy at full size less that at the smallest side."""
        return self.mean(max(self.rungs), of) - self.mean(min(self.rungs), of)

    def sections(self, case: Case) -> list[Section]:
        sides: tuple[tuple[str, Literal["fake", "real"]], ...] = (
            ("drawn", "fake"),
            ("real", "real"),
        )
        lines = [
            Series(name, [(rung, self.mean(side, of)) for rung, side in enumerate(self.rungs)], of)
            for name, of in sides
        ]
        drawn = chart(
            lines,
            x_ticks=[(rung, str(side)) for rung, side in enumerate(self.rungs)],
            x_title="side in pixels to which the pictures were shrunk",
            y_title="mean accuracy",
            joined=True,
        )
        return [
            Section(
                "Does sharpness carry the attribute?",
                "Mean accuracy after shrinking and enlarging again. It must rise to the right for "
                "drawn faces as it does for real ones.",
                charts=[drawn],
            )
        ]


def rungs(image_size: int) -> list[int]:
    """8, 16, 32, ... below the pictures' side, and the side itself."""
    sides = [side for side in (8, 16, 32, 64, 128, 256) if side < image_size]
    return [*sides, image_size]


def at_resolution(pictures: PicturesNCHW, side: int) -> PicturesNCHW:
    """Shrunk to `side` and enlarged again, bilinear, uint8 (Odena et al. 2017, section 4.1)."""
    full = pictures.shape[-1]
    if side == full:
        return pictures
    scaled = torch.from_numpy(np.ascontiguousarray(pictures)).to(torch.float32)
    small = functional.interpolate(
        scaled, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
    large = functional.interpolate(small, size=(full, full), mode="bilinear", align_corners=False)
    return large.round_().clamp_(0, 255).to(torch.uint8).numpy()


def measure(case: Case) -> Result:
    """What a picture gains by its resolution must show in fakes as in reals."""
    case.note("resolution")
    reals, classifier = case.reals, case.reader
    fakes, fake_labels = case.pictures[:MAX_PER_RUNG], case.labels[:MAX_PER_RUNG]
    rows = np.random.default_rng(0).permutation(len(reals.test_labels))[:MAX_PER_RUNG]
    real, real_labels = reals.test_pictures[rows], reals.test_labels[rows]
    found = {}
    for side in rungs(reals.image_size):
        found[side] = group_accuracies(
            reals,
            case.scored,
            fake_labels,
            classifier.read_kept(at_resolution(fakes, side))[1],
            classifier.read_kept(at_resolution(real, side))[1],
            real_labels,
        )
    return Resolution(found)


METRIC = Metric("resolution", measure, depth="full", labelled=True)
