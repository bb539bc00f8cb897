"""Best of N: of several drawings the one that shows what was asked for and looks most real."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from acgan.nets.realness import PACKAGED, Realness, find_realness, realness_path
from avatar_common.disk.classifiers import ClassifierFile, find_classifier
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC

log = logging.getLogger(__name__)

MOST_DRAWN_EACH = 256
USUALLY_DRAWN_EACH = 4  # by `generate` and the page


class Reader:
    """The classifier that `eval` left in the face set, in the columns of a snapshot.

    `columns`: per attribute, from the place of a class to its column of the scores.
    """

    def __init__(self, path: Path, info: SnapshotInfo) -> None:
        program, self.notes = load_classifier(path)
        self._path = path
        self._net: Callable[..., Any] = program.module()
        self.columns = _columns(
            Vocabulary.from_json(self.notes["vocabulary"], str(path)), info.vocabulary
        )

    @property
    def file_hash(self) -> str:
        """Names the file, as a realness net's `file_hash` does."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]

    @torch.inference_mode()
    def read(
        self, pictures: PicturesNHWC
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Pictures uint8 [N,S,S,3] -> features [N,F] and log-probabilities [N, sum K]."""
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
        features, scores = self._net(batch)
        return features.numpy(), scores.numpy()

    def score_of(
        self, scores: npt.NDArray[np.float32], rows: Sequence[Sequence[int]]
    ) -> npt.NDArray[np.float32]:
        """The log-probability of label rows, unknown ones left out; [N]."""
        total = np.zeros(len(scores), np.float32)
        for place, row in enumerate(rows):
            for group, index in enumerate(row):
                column = self.columns[group].get(index)
                if index != UNKNOWN and column is not None:
                    total[place] += scores[place, column]
        return total

    def count_right(
        self,
        scores: npt.NDArray[np.float32],
        rows: Sequence[Sequence[int]],
        groups: Sequence[int],
    ) -> npt.NDArray[np.int64]:
        """Of how many of these groups the likeliest class is the one of the row; [N]."""
        right = np.zeros(len(scores), np.int64)
        for group in groups:
            classes, columns = list(self.columns[group]), list(self.columns[group].values())
            if classes:
                likeliest = np.array(classes)[scores[:, columns].argmax(axis=1)]
                right += likeliest == [row[group] for row in rows]
        return right

    def odds(
        self, scores: npt.NDArray[np.float32], group: int, index: int
    ) -> npt.NDArray[np.float32]:
        """How likely a class is among those of its group that the classifier knows, [N].

        1 for a class that it does not know.
        """
        columns = self.columns[group]
        if index not in columns:
            return np.ones(len(scores), np.float32)
        known = np.exp(scores[:, list(columns.values())])
        return np.asarray(np.exp(scores[:, columns[index]]) / known.sum(axis=1))


def load_classifier(path: Path) -> tuple[Any, dict[str, Any]]:
    """The exported net in a classifier's file, and its notes. Raises `UserError`."""
    data, notes = ClassifierFile(path).read()
    return torch.export.load(io.BytesIO(data)), notes


def _columns(theirs: Vocabulary, ours: Vocabulary) -> list[dict[int, int]]:
    """Per group of ours, from our class index to the column of the classifier's scores."""
    starts = np.cumsum([0, *theirs.sizes])
    by_name = {
        (group.name, name): int(start) + place
        for group, start in zip(theirs, starts, strict=False)
        for place, name in enumerate(group.classes)
    }
    return [
        {
            place: by_name[group.name, name]
            for place, name in enumerate(group.classes)
            if (group.name, name) in by_name
        }
        for group in ours
    ]


class Picker:
    """Chooses among drawings: those whose asked classes are read right, by how real they look.

    Without a realness net, by how well the classifier reads all labels.
    """

    def __init__(
        self, info: SnapshotInfo, reader: Reader | None, realness: Realness | None
    ) -> None:
        self._names = info.vocabulary.names
        self._reader, self.realness = reader, realness

    @property
    def key(self) -> str:
        """Names both files: pickers of one key choose alike."""
        return "-".join(one.file_hash if one else "none" for one in (self.realness, self._reader))

    def rank(
        self, pictures: PicturesNHWC, rows: Sequence[Sequence[int]], asked: Iterable[str] = ()
    ) -> list[tuple[int, float]]:
        """(asked attributes read right, score) of each picture uint8 [N,S,S,3]; more is better."""
        groups = [self._names.index(name) for name in asked]
        right, scores = np.zeros(len(pictures), np.int64), None
        if self._reader is not None:
            _, found = self._reader.read(pictures)
            right = self._reader.count_right(found, rows, groups)
            scores = self._reader.score_of(found, rows)
        # Realness, where there is a net for it, takes the place of the classifier's confidence:
        # that tells how typical of its class a face is, not how well it is drawn.
        if self.realness is not None:
            scores = self.realness.score(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        return [(int(r), float(s)) for r, s in zip(right, np.asarray(scores), strict=True)]

    def choose(
        self, pictures: PicturesNHWC, rows: Sequence[Sequence[int]], asked: Iterable[str], each: int
    ) -> list[int]:
        """Of every `each` pictures in a row the place of the best; the first among equals."""
        ranks = self.rank(pictures, rows, asked)
        return [
            max(range(start, start + each), key=lambda place: (ranks[place], -place))
            for start in range(0, len(ranks), each)
        ]


def open_picker(snapshot: Path, info: SnapshotInfo, workspace: Path) -> Picker:
    """The networks that choose among a snapshot's draws. Raises `UserError` when there is none."""
    realness = find_realness(snapshot, info)
    try:
        reader = Reader(find_classifier(snapshot, info, workspace), info)
    except UserError:
        if realness is None:
            raise
        reader = None
    return Picker(info, reader, realness)


def realness_file(snapshot: Path, info: SnapshotInfo) -> Path | None:
    """Where the realness net of a snapshot lies, if it has one of its own."""
    if find_realness(snapshot, info) is None:
        return None
    packaged = snapshot.parent / PACKAGED
    return packaged if packaged.is_file() else realness_path(snapshot)


def usually_drawn_each(snapshot: Path, info: SnapshotInfo) -> int:
    """The N of best of N where none is asked for: 1 without a realness net to choose with."""
    return 1 if find_realness(snapshot, info) is None else USUALLY_DRAWN_EACH
