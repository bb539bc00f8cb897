"""The row of chosen draws: chosen as `generate` chooses, with paired intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from acgan.drawing.best_of import Picker, Reader
from acgan.nets.realness import Realness
from bench.planted import Material, real_faces
from eval.cache import ArrayCache
from eval.measure import measure
from eval.metric import Case, Plan
from eval.metrics import best_of
from eval.page_parts import Table
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier

Toys = tuple[Reals, TrainedClassifier, Material]
NAMES = ("hair_color", "eye_color")


class ReadsPixels:
    """A classifier of 2 x 2 classes: the first pixel's red and green say the classes."""

    file_hash = "reader"
    columns = ({0: 0, 1: 1}, {0: 2, 1: 3})
    count_right, score_of = Reader.count_right, Reader.score_of

    def read(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = np.zeros((len(pictures), 4), np.float32)
        for group in (0, 1):
            scores[np.arange(len(pictures)), 2 * group + pictures[:, 0, 0, group]] = 1
        return scores, scores


class LikesBright:
    """Realness by the first pixel's blue."""

    file_hash = "realness"

    def score(self, pictures: np.ndarray) -> np.ndarray:
        return pictures[:, 2, 0, 0].astype(np.float32)


@dataclass(frozen=True)
class Candidates:
    """Draws the candidates of each row as they are listed: (hair, eyes, realness)."""

    listed: Sequence[Sequence[tuple[int, int, int]]]
    info: SimpleNamespace

    def random_z(self, count: int, seed: int) -> torch.Tensor:
        return torch.arange(count).float()[:, None]

    def draw(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        flat = [pixel for row in self.listed for pixel in row]
        chosen = torch.tensor([flat[int(place)] for place in z[:, 0]], dtype=torch.uint8)
        return chosen[:, :, None, None].expand(-1, 3, 4, 4).contiguous()


def picker(reader: Any, realness: Any) -> Picker:
    info = SimpleNamespace(vocabulary=SimpleNamespace(names=NAMES))
    return Picker(cast(Any, info), cast(Reader, reader), cast(Realness, realness))


def chosen(listed: Sequence[Sequence[tuple[int, int, int]]], labels: Any, by: Picker) -> list[Any]:
    vocabulary = SimpleNamespace(names=NAMES)
    drawer = Candidates(listed, SimpleNamespace(vocabulary=vocabulary, weights_sha256="f" * 64))
    case = SimpleNamespace(
        drawer=drawer,
        seed=0,
        labels=np.array(labels),
        columns=[0, 1],
        pictures=np.zeros((len(labels), 3, 4, 4), np.uint8),
        cache=ArrayCache(None),
    )
    found = best_of.chosen_draws(cast(Case, case), by, len(labels))
    return [tuple(picture[:, 0, 0].tolist()) for picture in found]


def test_what_is_asked_comes_before_what_looks_real() -> None:
    """The most real draw has other classes; an attribute left open decides nothing."""
    others = [(1, 1, 200)] * 5
    listed = [
        [(0, 0, 90), *others, (0, 0, 100), (0, 1, 150)],  # both asked
        [(0, 0, 90), *others, (0, 0, 100), (0, 1, 150)],  # the second left open
    ]
    labels = [[0, 0], [0, -1]]
    by_both = picker(ReadsPixels(), LikesBright())
    assert chosen(listed, labels, by_both) == [(0, 0, 100), (0, 1, 150)]
    assert chosen(listed, labels, picker(None, LikesBright())) == [(1, 1, 200)] * 2


def test_another_classifier_is_another_key() -> None:
    """What was chosen is kept in the cache under both networks."""
    keys = {
        picker(*networks).key
        for networks in (
            (ReadsPixels(), LikesBright()),
            (None, LikesBright()),
            (ReadsPixels(), None),
        )
    }
    assert keys == {"realness-reader", "realness-none", "none-reader"}


def test_every_number_has_its_intervals(toys: Toys) -> None:
    reals, classifier, material = toys
    scores = measure(
        *(real_faces(material), reals, classifier, Plan(120, depth="full")),
        name="x",
        picker=picker(None, LikesBright()),
        metrics=[best_of.METRIC],
    )
    row = scores.to_json()["best_of"]
    assert (row["drawn_each"], row["n"]) == (8, 120)
    for network in ("lite2", "resnet"):
        found = row[network]
        for name in ("frechet_ratio", "precision", "recall", "coverage", "clean"):
            pair = found[name]
            for one in ("raw", "best", "difference"):
                low, high = pair[f"{one}_interval"]
                assert low <= pair[one] <= high
            assert pair["difference"] == pytest.approx(pair["best"] - pair["raw"])
        clean, recall = found["clean"], found["recall"]
        lacking = 1 - clean["raw"]
        assert found["share_of_missing"] == pytest.approx(clean["difference"] / lacking)
        assert found["recall_kept"] == pytest.approx(recall["best"] / recall["raw"])
        assert scores.summary()[f"{network}_clean_best_of_8"] == clean["best"]
    (section,) = scores.results.get(best_of.BestOf).sections(scores.case)
    (table,) = section.tables
    assert isinstance(table, Table)
    assert all(len(line) == len(table.head) for line in table.rows)
    assert " to " in str(table.rows[0][1])


def test_a_difference_is_known_better_than_its_parts() -> None:
    """Resampled by the same rows: faces that are alike in both cancel."""
    raw = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    best = raw.copy()
    best[np.flatnonzero(raw == 0)[:10]] = 1
    pair = best_of.pair_of_means(raw, best, 0)
    low, high = pair.difference_interval
    assert low <= 0.05 <= high
    assert high - low < (pair.raw_interval[1] - pair.raw_interval[0]) / 2


def test_without_a_realness_net_there_is_no_row(toys: Toys) -> None:
    reals, classifier, material = toys
    for one in (None, picker(ReadsPixels(), None)):
        scores = measure(
            *(real_faces(material), reals, classifier, Plan(60, depth="full")),
            name="x",
            picker=one,
            metrics=[best_of.METRIC],
        )
        assert "no realness net" in scores.results.not_measured["best_of"]
