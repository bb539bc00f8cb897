"""Best of N: the independent classifier picks, out of several drawings, what was asked for."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from acgan.make.painter import Painter, Pictures
from acgan.make.recipe import Portrait
from manifest.errors import UserError
from manifest.files import check_schema_version
from manifest.runs import SnapshotInfo
from manifest.vocabulary import UNKNOWN, Vocabulary
from manifest.workspace import Workspace

log = logging.getLogger(__name__)

CLASSIFIER_SCHEMA_VERSION = 1
NOTES_FILE = "classifier.json"
CLASSIFIER_FILE = "classifier.pt2"  # beside a packaged snapshot
MOST_DRAWN_EACH = 256


class Reader:
    """The classifier that `eval` left in the face set, in the columns of a snapshot."""

    def __init__(self, path: Path, info: SnapshotInfo) -> None:
        data, self.notes = _open(path)
        check_schema_version(self.notes, path, CLASSIFIER_SCHEMA_VERSION)
        program = torch.export.load(io.BytesIO(data))
        self._net: Callable[..., Any] = program.module()
        self._columns = _columns(
            Vocabulary.from_json(self.notes["vocabulary"], str(path)), info.vocabulary
        )

    @torch.inference_mode()
    def read(self, pictures: Pictures) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Pictures uint8 [N,S,S,3] -> features [N,F] and log-probabilities [N, sum K]."""
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
        features, scores = self._net(batch)
        return features.numpy(), scores.numpy()

    def score(self, pictures: Pictures, rows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """The log-probability of the labels asked for, unknown ones left out; [N]."""
        _, scores = self.read(pictures)
        total = np.zeros(len(pictures), np.float32)
        for place, row in enumerate(rows):
            for group, index in enumerate(row):
                column = self._columns[group].get(index)
                if index != UNKNOWN and column is not None:
                    total[place] += scores[place, column]
        return total


def _open(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes and its notes, found by name whatever the archive's own folder is."""
    try:
        data = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = next(name for name in archive.namelist() if name.endswith(NOTES_FILE))
            return data, dict(json.loads(archive.read(name)))
    except (zipfile.BadZipFile, StopIteration, ValueError) as error:
        raise UserError(
            f"not a classifier: {type(error).__name__}", where=str(path), hint="delete it"
        ) from None


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


def find_classifier(snapshot: Path, info: SnapshotInfo, workspace: Path) -> Path:
    """The classifier trained on the snapshot's own face set: beside the snapshot, else cached.

    Raises `UserError` when there is none.
    """
    packaged = snapshot.parent / CLASSIFIER_FILE
    if packaged.is_file():
        return packaged
    for table in sorted(Workspace(workspace).faces.glob("*/dataset.json")):
        if f'"{info.dataset_id}"' not in table.read_text(encoding="utf-8"):
            continue
        found = sorted(table.parent.glob("classifier-*.pt2"), key=lambda p: p.stat().st_mtime_ns)
        for path in reversed(found):
            if _open(path)[1].get("image_size") == info.image_size:
                return path
    raise UserError(
        "no classifier is cached for this snapshot's faces",
        hint="run `python -m eval classifier`, or leave out --best-of",
    )


def best_of(
    painter: Painter,
    reader: Reader,
    draws: Sequence[Sequence[Portrait]],
    advance: Callable[..., None] = lambda *_: None,
) -> list[Portrait]:
    """From each list of portraits (one per draw, all with the same labels) the best read one."""
    chosen = []
    for same in draws:
        pictures = painter.draw(same, advance)
        scores = reader.score(pictures, [portrait.labels for portrait in same])
        chosen.append(same[int(scores.argmax())])
    return chosen
