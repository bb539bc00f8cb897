"""The real faces that the scores stand on: a train split to learn from, a test split to hold to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from acgan.dataset import PackedRows, load_faces
from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNCHW
from eval.cache import content_hash

Rows = PicturesNCHW | PackedRows
Labels = npt.NDArray[np.int64]

MIN_TEST_FACES = 10
MIN_KNOWN = 20


@dataclass(frozen=True)
class Reals:
    """Pictures uint8 [N, 3, S, S] and labels int64 [N, A] (-1 unknown), in two splits.

    The train split may lie on the disk: it is only ever read some rows at a time.
    """

    dataset_id: str
    vocabulary: Vocabulary
    train_pictures: Rows
    train_labels: Labels
    test_pictures: PicturesNCHW
    test_labels: Labels

    @property
    def image_size(self) -> int:
        """Side in px."""
        return int(self.test_pictures.shape[-1])

    @property
    def key(self) -> str:
        """What a classifier learns from: the faces, their size, and labels edited by hand."""
        return f"{self.dataset_id}@{self.image_size}-{content_hash(self.train_labels)}"

    def check(self) -> None:
        """Raise `UserError` where there are too few faces to say anything."""
        if len(self.test_labels) < MIN_TEST_FACES or len(self.train_labels) < MIN_TEST_FACES:
            raise UserError(
                f"{len(self.train_labels)} train and {len(self.test_labels)} test faces are too "
                f"few to score with",
                where=self.dataset_id,
                hint=f"at least {MIN_TEST_FACES} of each are needed",
            )


def load_reals(path: Path, *, image_size: int | None = None) -> Reals:
    """Read both splits of a face set, resized to `image_size` when it differs."""
    train = load_faces(path, "train", image_size=image_size, in_memory=False)
    test = load_faces(path, "test", image_size=image_size)
    reals = Reals(
        dataset_id=test.dataset_id,
        vocabulary=test.vocabulary,
        train_pictures=train.images,
        train_labels=train.labels,
        test_pictures=np.asarray(test.images),
        test_labels=test.labels,
    )
    reals.check()
    return reals


def asked_columns(drawn: Vocabulary, real: Vocabulary, where: str) -> list[int]:
    """For each group of the snapshot, its column in the face set's labels.

    Raises `UserError` when the face set lacks a group or has other classes for it.
    """
    columns = []
    for group in drawn:
        if group.name not in real.names:
            raise UserError(
                f"the snapshot draws {group.name!r}, which the face set does not label",
                where=where,
                hint="score it with --data and the face set it was trained on",
            )
        column = real.names.index(group.name)
        if real.groups[column].classes != group.classes:
            raise UserError(
                f"the classes of {group.name!r} differ from the snapshot's", where=where
            )
        columns.append(column)
    return columns


def scorable_groups(reals: Reals, columns: list[int]) -> tuple[list[int], list[str]]:
    """Columns with enough known labels on both sides, and the names of those left out."""
    kept, left_out = [], []
    for column in columns:
        known_train = reals.train_labels[:, column] != UNKNOWN
        known_test = reals.test_labels[:, column] != UNKNOWN
        classes = np.unique(reals.train_labels[known_train, column])
        if known_test.sum() >= MIN_KNOWN and known_train.sum() >= MIN_KNOWN and len(classes) > 1:
            kept.append(column)
        else:
            left_out.append(reals.vocabulary.names[column])
    return kept, left_out
