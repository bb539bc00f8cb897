"""`bench edit`: what it counts, with observers whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

pytest.importorskip("cv2")

from bench.edit import Edits, Observers, Readings, mean_of, scored, sheet_of

HAIR, EYES = "hair_color", "eye_color"


@dataclass(frozen=True)
class PlainObservers(Observers):
    """Reads hair off the first pixel, eyes off the second, and takes pixels for features."""

    def read(self, pictures: np.ndarray) -> dict[str, Readings]:
        names = np.array(["black", "red", "blue"])
        sure = pictures[:, 1, 1, 0] == 0
        return {
            HAIR: Readings(names[pictures[:, 0, 0, 0]], np.ones(len(pictures), bool)),
            EYES: Readings(names[pictures[:, 0, 1, 0]], sure),
        }

    def describe(self, pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures[:, 0, 2:]).flatten(1).float()


def faces(hair: list[int], eyes: list[int], self_: list[int], unsure: list[int]) -> np.ndarray:
    pictures = np.zeros((len(hair), 4, 4, 3), np.uint8)
    pictures[:, 0, 0, 0], pictures[:, 0, 1, 0] = hair, eyes
    pictures[:, 0, 2, 0], pictures[:, 1, 1, 0] = self_, unsure
    return pictures


def test_what_is_counted() -> None:
    observers = PlainObservers(None, None)  # type: ignore[arg-type]
    before = faces([0, 0, 0, 0], [0, 1, 2, 2], [0, 50, 100, 150], [0, 0, 0, 1])
    # The second shows another colour, the third has other eyes and looks like the fourth, the
    # fourth has other eyes, too, but nobody was sure of them.
    after = faces([1, 2, 1, 2], [0, 1, 0, 0], [1, 51, 149, 151], [0, 0, 0, 0])
    edits = Edits(HAIR, ["red", "red", "red", "blue"], after)
    found = scored(observers, before, observers.read(before), edits, [HAIR, EYES])
    assert found["shows"] == 0.75
    assert found["others_stay"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["others_stay_unsure_too"] == 0.5
    assert found["nearer_to_itself"] == 0.75
    assert found["per_class"] == {"blue": "1/1", "red": "2/3"}
    alone = scored(observers, before, observers.read(before), edits, [HAIR])
    assert alone["others_stay"] is None
    assert mean_of([None, 0.5, 1.0]) == 0.75
    assert mean_of([None]) is None


def test_the_sheet_shows_every_edit() -> None:
    before = faces([0] * 5, [0] * 5, list(range(5)), [0] * 5)
    edits = [Edits(name, ["red"] * 5, before) for name in (HAIR, EYES)]
    assert sheet_of(before, edits)[:4] == b"\x89PNG"
