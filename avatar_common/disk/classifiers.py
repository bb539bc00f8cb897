"""The classifier as a file of its own: written by `eval`, read wherever pictures are chosen.

The file is an archive of torch.export; nothing here runs what is in it.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_common.disk.files import check_schema_version
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError

CLASSIFIER_SCHEMA_VERSION = 1
NOTES_FILE = "classifier.json"


@dataclass(frozen=True)
class ClassifierFile:
    """A `.pt2` file; its notes say which faces it was trained on and what it reads."""

    path: Path

    def read(self) -> tuple[bytes, dict[str, Any]]:
        """The file's bytes and its notes. Raises `UserError` for another file or version."""
        data, notes = self._open()
        check_schema_version(notes, self.path, CLASSIFIER_SCHEMA_VERSION)
        return data, notes

    def is_of(self, info: SnapshotInfo) -> bool:
        """Whether it was trained on the snapshot's faces at its size. Raises `UserError`."""
        asked = {"dataset_id": info.dataset_id, "image_size": info.image_size}
        return asked.items() <= self._open()[1].items()

    def _open(self) -> tuple[bytes, dict[str, Any]]:
        """Bytes and notes, found by name whatever the archive's own folder is."""
        try:
            data = self.path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                name = next(name for name in archive.namelist() if name.endswith(NOTES_FILE))
                return data, dict(json.loads(archive.read(name)))
        except (zipfile.BadZipFile, StopIteration, ValueError) as error:
            raise UserError(
                f"not a classifier: {type(error).__name__}", where=str(self.path), hint="delete it"
            ) from None


def notes_of(image_size: int, vocabulary: Vocabulary, dataset_id: str) -> str:
    """The notes of a classifier, as `NOTES_FILE` in its archive holds them."""
    notes = {
        "schema_version": CLASSIFIER_SCHEMA_VERSION,
        "dataset_id": dataset_id,
        "image_size": image_size,
        "vocabulary": vocabulary.to_json(),
    }
    return json.dumps(notes)


def packaged_classifier(folder: Path) -> ClassifierFile:
    """The classifier beside a packaged snapshot, whether it is there or not."""
    return ClassifierFile(folder / "classifier.pt2")


def find_classifier(snapshot: Path, info: SnapshotInfo, workspace: Path) -> Path:
    """The classifier trained on the faces and labels that the snapshot learnt from.

    It lies beside the snapshot, else in a face set of the workspace. Raises `UserError` when there
    is none.
    """
    packaged = packaged_classifier(snapshot.parent).path
    if packaged.is_file():
        return packaged
    damaged = None
    found = Workspace(workspace).faces.glob("*/classifier-*.pt2")
    for path in sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            if ClassifierFile(path).is_of(info):
                return path
        except UserError as error:
            damaged = error
    if damaged is not None:
        raise damaged
    raise UserError(
        "no classifier is cached for this snapshot's faces",
        hint="run `python -m eval classifier`, or leave out --best-of",
    )
