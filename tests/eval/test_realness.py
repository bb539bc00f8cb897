"""The student: its file, its reader, and what it is for."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from acgan.nets.realness import Realness, RealnessInfo, find_realness, realness_path
from avatar_common.errors import UserError
from eval.student import Lesson, Student, scaled, to_onnx, train_student
from tests.eval.toy_faces import toy_set

INFO = RealnessInfo(64, "abc", "toys", "a-package", "f" * 64, 0.5)


def test_the_file_says_what_the_net_says(tmp_path: Path) -> None:
    student = Student(64).eval()
    path = realness_path(tmp_path / "0000001000.json")
    assert path.name == "0000001000.realness.onnx"
    path.write_bytes(to_onnx(student, 0.05, INFO))
    assert path.stat().st_size <= 300_000
    pictures = np.random.default_rng(0).integers(0, 256, (70, 3, 64, 64), dtype=np.uint8)
    found = Realness.load(path)
    with torch.inference_mode():
        expected = np.minimum(0.05 - student(scaled(pictures)).numpy(), 0)
    np.testing.assert_allclose(found.score(pictures), expected, atol=1e-4)
    assert found.info == INFO
    assert len(found.score(pictures[:0])) == 0


@pytest.mark.parametrize("side", [16, 32, 96, 128])
def test_other_sizes_stay_small(side: int, tmp_path: Path) -> None:
    info = RealnessInfo(side, "abc", "toys", "p", "f", 0.5)
    path = tmp_path / "x.realness.onnx"
    path.write_bytes(to_onnx(Student(side).eval(), 0.0, info))
    assert path.stat().st_size <= 300_000
    faces = np.zeros((2, 3, side, side), dtype=np.uint8)
    assert Realness.load(path).score(faces).shape == (2,)


def test_under_a_millisecond_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.realness.onnx"
    path.write_bytes(to_onnx(Student(64).eval(), 0.0, INFO))
    found, faces = Realness.load(path), np.zeros((64, 3, 64, 64), dtype=np.uint8)
    found.score(faces)
    started = time.process_time()
    for _ in range(4):
        found.score(faces)
    assert (time.process_time() - started) / 256 < 0.001


def test_it_learns_to_tell_spoilt_faces() -> None:
    """Faces under more and more noise: the ranking of others like them is learnt."""
    reals, _ = toy_set(train=500, test=200, unseen=10)
    rng = np.random.default_rng(0)

    def lesson(faces: np.ndarray) -> Lesson:
        strength = rng.uniform(0, 1, len(faces)).astype(np.float32)
        noise = rng.normal(0, 60, faces.shape) * strength[:, None, None, None]
        return Lesson((faces + noise).clip(0, 255).astype(np.uint8), strength)

    assert isinstance(reals.train_pictures, np.ndarray)
    student = train_student(lesson(reals.train_pictures), 150, 0)
    other = lesson(reals.test_pictures)
    with torch.inference_mode():
        guess = student(scaled(other.pictures)).numpy()
    assert spearmanr(guess, other.distance).statistic > 0.8


def test_a_student_of_other_weights_does_not_choose(tmp_path: Path) -> None:
    snapshot = tmp_path / "1.json"
    assert find_realness(snapshot, "abc") is None
    realness_path(snapshot).write_bytes(to_onnx(Student(64).eval(), 0.0, INFO))
    assert find_realness(snapshot, "abc") is not None
    assert find_realness(snapshot, "other") is None


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no realness net here"):
        Realness.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not an ONNX file"):
        Realness.load(tmp_path / "bad.onnx")
    with pytest.raises(UserError, match="not a realness net of this"):
        RealnessInfo.from_metadata({}, "x")
