"""Faces that the frozen network finds odd are left out, in every class alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acgan.training import selection
from acgan.training.selection import densest


class Faces:
    """Plain pictures; every tenth is a checkerboard of noise."""

    def __init__(self, labels: np.ndarray[Any, Any]) -> None:
        rng = np.random.default_rng(0)
        self.labels = labels
        plain = rng.integers(100, 110, (len(labels), 3, 8, 8))
        plain[::10] = rng.integers(0, 256, plain[::10].shape)
        self.images = plain.astype(np.uint8)

    def __len__(self) -> int:
        return len(self.labels)


class Colours(nn.Module):
    """One map: what differs from the mean of the picture, per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return ((images - images.mean((2, 3), keepdim=True)).abs(),)


@pytest.mark.parametrize("conditional", [True, False])
def test_the_odd_ones_go(conditional: bool) -> None:
    labels = np.array([[0]] * 180 + [[1]] * 20) if conditional else np.zeros((200, 0), np.int64)
    kept = densest(Faces(labels), Colours(), 0.9)  # type: ignore[arg-type]
    assert kept.sum() == 180
    assert not kept[::10].any()


def test_no_class_is_lost() -> None:
    labels = np.array([[0]] * 199 + [[1]])
    faces = Faces(labels)
    faces.images[199] = 255 * (np.indices((8, 8)).sum(0) % 2)
    kept = densest(faces, Colours(), 0.5)  # type: ignore[arg-type]
    assert kept[199]
    assert kept[:199].sum() == 100


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = Faces(np.zeros((50, 0), np.int64))
    whole = densest(faces, Colours(), 0.8)  # type: ignore[arg-type]
    monkeypatch.setattr(selection, "BATCH", 7)
    assert (densest(faces, Colours(), 0.8) == whole).all()  # type: ignore[arg-type]
