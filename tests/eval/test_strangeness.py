"""The net that knows odd faces: taught by spoiled ones only, it must know other kinds of odd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.planted import Material
from eval.judge import TrainedJudge
from eval.reals import Reals
from eval.spoiled import lay_grid, mix, shuffle_blocks, smear, spoil, warp
from eval.strangeness import measure_strangeness

Toys = tuple[Reals, TrainedJudge, Material]


def share(toys: Toys, pictures: np.ndarray) -> float:
    reals, judge, _ = toys
    return measure_strangeness(pictures, reals, device=judge.device, cache=judge.cache).share


@pytest.mark.parametrize("side", [8, 16, 64])
@pytest.mark.parametrize("way", [warp, mix, shuffle_blocks, smear, lay_grid, spoil])
def test_spoiling_keeps_the_shape_and_follows_the_seed(way: object, side: int) -> None:
    faces = torch.rand(12, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, second = (way(faces, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first.shape == faces.shape
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)
    assert (first - faces).abs().mean() > 0.01


def test_unseen_faces_are_not_odd(toys: Toys) -> None:
    assert share(toys, toys[2].unseen.pictures) < 0.12


def test_odd_faces_of_other_kinds_are(toys: Toys) -> None:
    """The mean face, faces upside down, a quarter of a face as large as a whole one."""
    faces = toys[2].unseen.pictures[:200]
    mean = np.repeat(faces.mean(0, keepdims=True), 20, 0).astype(np.uint8)
    big = functional.interpolate(torch.from_numpy(faces[:, :, 8:24, 8:24]).float(), scale_factor=2)
    assert share(toys, mean) > 0.9
    assert share(toys, faces[:, :, ::-1].copy()) > 0.3
    assert share(toys, big.to(torch.uint8).numpy()) > 0.3
