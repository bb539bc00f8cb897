"""Fine detail: blurred pictures have too little of it, noise too much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.metric import Case, Metric, Result, Results
from eval.page_parts import Row, number, percent
from eval.verdicts import Check, Verdict

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SOFT, SOFT_BROKEN = 0.75, 0.6  # fine detail over the reals'
NOISY, NOISY_BROKEN = 1.8, 2.5


@dataclass(frozen=True)
class Sharpness(Result):
    """The fakes' median fine detail over the reals'; 1 is as sharp as real."""

    ratio: float

    def summary(self) -> dict[str, float]:
        return {"sharpness": self.ratio}

    def checks(self, results: Results) -> list[Check]:
        verdicts = []
        if self.ratio > NOISY:
            verdicts.append(
                Verdict(
                    "noise",
                    "broken" if self.ratio > NOISY_BROKEN else "flawed",
                    f"Its pictures are noise or full of it: {self.ratio:.1f} times the fine detail "
                    "of real faces.",
                    {"sharpness": self.ratio},
                )
            )
        elif self.ratio < SOFT:
            verdicts.append(
                Verdict(
                    "blurred",
                    "broken" if self.ratio < SOFT_BROKEN else "flawed",
                    f"Its faces are blurred: {percent(self.ratio)} of the fine detail of real "
                    "faces.",
                    {"sharpness": self.ratio},
                )
            )
        text = f"{percent(self.ratio)} of the fine detail of real faces"
        return [Check("Are they as sharp?", text, verdicts, needs_faces=True)]

    def rows(self) -> list[Row]:
        return [
            Row("fine detail, over the reals'", number(self.ratio), "1.00", "Laplacian of luma")
        ]


def fine_detail(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Mean absolute Laplacian of the luma of uint8 [N, 3, S, S], float32 [N], in grey levels."""
    energy = []
    for start in range(0, len(pictures), 500):
        luma = np.einsum("nchw,c->nhw", pictures[start : start + 500].astype(np.float32), LUMA)
        inner = luma[:, 1:-1, 1:-1]
        around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
        energy.append(np.abs(around - 4 * inner).mean((1, 2)))
    return np.concatenate(energy)


def measure_sharpness(case: Case) -> Result:
    """The median fine detail of the fakes over the reals'."""
    fake, real = (
        float(np.median(fine_detail(p))) for p in (case.pictures, case.reals.test_pictures)
    )
    return Sharpness(fake / max(real, 1e-6))


METRIC = Metric("sharpness", measure_sharpness)
