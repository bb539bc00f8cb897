"""The collapse watch: what it must say of a collapsed generator, and of one that is not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from acgan.dataset import load_faces
from acgan.training.watch import Watch, same_label_pairs
from tests.training.face_set import make_face_set

CPU = torch.device("cpu")


class Drawer(nn.Module):
    """Noise from z, or one face whatever z is."""

    def __init__(self, uses_z: bool) -> None:
        super().__init__()
        self.uses_z = uses_z

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        pictures = torch.zeros(len(z), 3, 16, 16)
        return pictures + (z.repeat(1, 12).view(-1, 3, 16, 16) if self.uses_z else 0)


def make_watch(path: Path) -> Watch:
    faces = load_faces(make_face_set(path), "train")
    return Watch(faces, torch.randn(96, 64), 0, (1.0, 1.0, 1.0))


def test_a_collapsed_generator_is_named(tmp_path: Path) -> None:
    watch = make_watch(tmp_path / "tiny")
    said = " ".join(watch.look(Drawer(uses_z=False), CPU).warnings())
    assert "hardly depend on z" in said
    assert "of one label are alike" in said
    assert watch.look(Drawer(uses_z=True), CPU).warnings() == []


def test_labels_that_are_not_drawn_are_named(tmp_path: Path) -> None:
    watch = make_watch(tmp_path / "tiny")
    guess = 2 * math.log(3) + math.log(2)
    watch.note({"class_g": 2 * guess, "class_d": 0.2})
    said = watch.look(Drawer(uses_z=True), CPU)
    assert "worse than by guessing" in said.warnings()[0]
    assert 0.8 * guess < said.guessing < guess  # a tenth of the labels is unknown
    watch.note({"class_g": 0.3, "class_d": 0.2})
    assert watch.look(Drawer(uses_z=True), CPU).warnings() == []


def test_unknown_labels_are_not_the_same() -> None:
    labels = np.array([[-1, -1], [-1, -1], [0, 1], [0, 1], [0, -1], [0, -1]])
    first, second = same_label_pairs(labels, (3, 3), np.random.default_rng(0))
    assert {*first.tolist(), *second.tolist()} == {2, 3}
