"""The student: its file, its reader, and what it is for."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from acgan.drawing.snapshots import shipped_snapshots
from acgan.nets.realness import (
    PACKAGED,
    PACKAGED_HASH,
    Realness,
    RealnessInfo,
    find_realness,
    realness_path,
)
from acgan.nets.snapshot import Snapshot
from avatar_common.disk.runs import SnapshotInfo, read_snapshot_info
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError
from eval.report import used_networks
from eval.student import Lesson, Student, passing_share, scaled, to_onnx, train_student
from tests.eval.toy_faces import toy_set

INFO = RealnessInfo(64, "abc", "toys", "a-package", "f" * 64, 0.5)


def weights(sha256: str, extra: dict[str, Any] | None = None) -> SnapshotInfo:
    """A snapshot's description that says hardly more than its weights' hash."""
    return SnapshotInfo({}, Vocabulary(()), 64, 8, "toys", 1.0, sha256, {}, [], extra or {})


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


def test_rare_kinds_of_faces_pass() -> None:
    """Three in four draws are alike, and the others, thought to be far off, are the variety."""
    random = np.random.default_rng(0)
    draws, reals = random.normal(size=(2, 800, 4)).astype(np.float32)
    guess = random.normal(size=800).astype(np.float32)
    assert passing_share(guess, draws, reals, 0.65) == 0.65  # by chance: nothing rare is lost
    alike = np.arange(800) < 600
    draws[alike] *= 0.01
    share = passing_share(np.where(alike, -1, 1).astype(np.float32), draws, reals, 0.65)
    assert 0.8 < share < 1


def test_a_student_of_other_weights_does_not_choose(tmp_path: Path) -> None:
    snapshot = tmp_path / "1.json"
    assert find_realness(snapshot, weights("abc")) is None
    realness_path(snapshot).write_bytes(to_onnx(Student(64).eval(), 0.0, INFO))
    assert find_realness(snapshot, weights("abc")) is not None
    assert find_realness(snapshot, weights("other")) is None


def test_only_the_packaged_student_is_taken(tmp_path: Path) -> None:
    """A package names its file's hash, whatever weights that knows; older ones name none."""
    snapshot, packaged = tmp_path / "tiny.json", tmp_path / PACKAGED
    packaged.write_bytes(to_onnx(Student(64).eval(), 0.0, INFO))
    own = {PACKAGED_HASH: hashlib.sha256(packaged.read_bytes()).hexdigest()}
    assert find_realness(snapshot, weights("halved", own)) is not None
    packaged.write_bytes(to_onnx(Student(64).eval(), 0.1, INFO))
    with pytest.raises(UserError, match=r"realness\.onnx: not the realness net that this model"):
        find_realness(snapshot, weights("halved", own))
    assert find_realness(snapshot, weights("halved")) is not None


@pytest.mark.parametrize("snapshot", shipped_snapshots())
def test_shipped_students_are_the_packaged_ones(snapshot: Path) -> None:
    info = read_snapshot_info(snapshot)
    if (snapshot.parent / PACKAGED).is_file():
        assert len(info.extra[PACKAGED_HASH]) == 64
        assert find_realness(snapshot, info) is not None


def test_what_the_student_learnt_from_may_not_score() -> None:
    """Beside what trained the model, even where both are of one package."""
    info = weights("abc", {"pretrained": {INFO.network: "e" * 64}})
    snapshot = cast(Snapshot, SimpleNamespace(info=info))
    student = cast(Realness, SimpleNamespace(info=INFO))
    assert set(used_networks(snapshot, student).values()) == {"e" * 64, "f" * 64}
    assert set(used_networks(snapshot, None).values()) == {"e" * 64}


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no realness net here"):
        Realness.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not an ONNX file"):
        Realness.load(tmp_path / "bad.onnx")
    with pytest.raises(UserError, match="not a realness net of this"):
        RealnessInfo.from_metadata({}, "x")
