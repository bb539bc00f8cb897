"""The face set on disk: `data/faces/<name>/` with its tables, read and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from manifest.errors import UserError
from manifest.files import atomic_file, read_csv, read_json, write_csv
from manifest.vocabulary import Vocabulary

FACES_SCHEMA_VERSION = 1
Split = Literal["train", "test"]
LabelSource = Literal["tag", "table", "reader", "person"]
"""Who gave a label: the post's tags, a table that came with the pictures, the program's own reader
of faces, or a person, in `preprocess label --review` or by editing attributes.csv."""
Labels = Mapping[str, Mapping[str, str]]
"""Per file name and attribute a class name, "" for unknown."""
Sources = Mapping[str, Mapping[str, str]]
"""Per file name and attribute a `LabelSource`, "" where nobody has said anything."""
TEST_SHARE = 0.15


@dataclass(frozen=True)
class FaceRow:
    """One row of `faces.csv`. The box is in source-picture pixels, after the 1.5x enlargement."""

    file_name: str
    post: str
    picture: str
    box_x: float
    box_y: float
    box_w: float
    box_h: float
    score: float
    sharpness: float
    group: str
    split: Split


FACE_COLUMNS = tuple(field.name for field in fields(FaceRow))
SOURCES_TABLE = "label_sources.csv"
REJECT_COLUMNS = ("picture", "post", "face", "reason", "value")


@dataclass(frozen=True)
class FaceSet:
    """A face set with every table read and checked; `labels` is int64 [N, A], -1 for unknown."""

    path: Path
    dataset_id: str
    image_size: int
    vocabulary: Vocabulary
    file_names: tuple[str, ...]
    splits: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    info: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.file_names)

    def indices(self, split: Split) -> npt.NDArray[np.int64]:
        """The row numbers of one split, in file order."""
        return np.flatnonzero(self.splits == split)

    def image_path(self, index: int) -> Path:
        return self.path / "images" / self.file_names[index]


def packed_path(face_set: FaceSet) -> Path:
    """Where all pictures lie in one file for memory mapping: uint8 .npy [N, 3, S, S], row order.

    `preprocess tag` and `import` write it. The dataset id in its name ties it to the pictures, the
    digits behind that to the rows and their order (somebody may sort or cut `faces.csv`), so a
    file that is there is the right one. A reader that finds none packs `images/` anew.
    """
    return face_set.path / packed_name(face_set.dataset_id, face_set.file_names)


def packed_name(dataset_id: str, file_names: Iterable[str]) -> str:
    """The packed file's name for these rows."""
    return f"packed-{dataset_id}-{hash_rows([file_names], ())[:8]}.npy"


def write_packed(path: Path, count: int, size: int, parts: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write `count` pictures of side `size` as one .npy file; `parts`, each uint8 [..., 3, S, S],
    follow one another, so that they are never all in memory."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    with atomic_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part).tobytes())


def split_of(group: str) -> Split:
    """The split of a near-duplicate group, drawn by hash: it never depends on other rows."""
    draw = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    return "test" if draw < TEST_SHARE else "train"


def hash_rows(rows: Iterable[Iterable[object]], picture_hashes: Iterable[str]) -> str:
    """The dataset id: 16 hex digits over all rows (faces and attributes) and pictures, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(("\x1f".join(map(str, row)) + "\n").encode())
    for picture_hash in picture_hashes:
        digest.update(picture_hash.encode())
    return digest.hexdigest()[:16]


def read_faces(path: Path) -> list[FaceRow]:
    """Read and check `faces.csv`. Raises `UserError` naming file and line."""
    rows = []
    table = path / "faces.csv"
    for line, cells in read_csv(table, FACE_COLUMNS):
        where = f"{table}:{line}"
        if cells["split"] not in get_args(Split):
            raise UserError(f"split {cells['split']!r} is not train or test", where=where)
        if Path(cells["file_name"]).name != cells["file_name"] or not cells["file_name"]:
            raise UserError(f"{cells['file_name']!r} is not a plain file name", where=where)
        try:
            numbers = {
                name: float(cells[name])
                for name in ("box_x", "box_y", "box_w", "box_h", "score", "sharpness")
            }
        except ValueError as error:
            raise UserError(str(error), where=where) from None
        texts = {name: cells[name] for name in ("file_name", "post", "picture", "group", "split")}
        rows.append(FaceRow(**texts, **numbers))  # type: ignore[arg-type]
    return rows


def read_face_set(path: Path) -> FaceSet:
    """Read a face set. Raises `UserError` naming file and line of whatever is wrong."""
    if not path.is_dir():
        raise UserError("no such face set", where=str(path), hint="run `python -m preprocess crop`")
    info = read_json(path / "dataset.json", schema_version=FACES_SCHEMA_VERSION)
    for key in ("dataset_id", "image_size", "vocabulary"):
        if key not in info:
            raise UserError(f"{key!r} is missing", where=str(path / "dataset.json"))
    vocabulary = Vocabulary.from_json(info["vocabulary"], str(path / "dataset.json"))
    faces = read_faces(path)
    labels_by_name = _read_attributes(path, vocabulary)
    missing = [face.file_name for face in faces if face.file_name not in labels_by_name]
    if missing:
        raise UserError(
            f"{len(missing)} faces have no row, the first is {missing[0]}",
            where=str(path / "attributes.csv"),
            hint="run `python -m preprocess tag` again",
        )
    return FaceSet(
        path=path,
        dataset_id=str(info["dataset_id"]),
        image_size=int(info["image_size"]),
        vocabulary=vocabulary,
        file_names=tuple(face.file_name for face in faces),
        splits=np.array([face.split for face in faces], dtype=np.str_),
        labels=np.array([labels_by_name[face.file_name] for face in faces], dtype=np.int64).reshape(
            len(faces), len(vocabulary)
        ),
        info=info,
    )


def _read_attributes(path: Path, vocabulary: Vocabulary) -> dict[str, list[int]]:
    table = path / "attributes.csv"
    if not table.is_file():
        raise UserError("no such file", where=str(table), hint="run `python -m preprocess tag`")
    labels: dict[str, list[int]] = {}
    for line, cells in read_csv(table, ("file_name", *vocabulary.names)):
        try:
            labels[cells["file_name"]] = vocabulary.encode(cells)
        except UserError as error:
            raise UserError(error.what, where=f"{table}:{line}", hint=error.hint) from None
    return labels


def read_labels(path: Path, vocabulary: Vocabulary) -> dict[str, dict[str, str]]:
    """What `attributes.csv` says, by file name. Raises `UserError` naming file and line."""
    return {
        name: vocabulary.decode(row) for name, row in _read_attributes(path, vocabulary).items()
    }


def read_label_sources(path: Path, labels: Labels) -> dict[str, dict[str, str]]:
    """Who gave each label of `read_labels`: a `LabelSource`, or "" where nobody said anything.

    `label_sources.csv` holds `source:value` per label. Where `attributes.csv` says something else
    by now, a person has edited it (to empty as well). Labels older than the table came from the
    tags or the table that made the set. Raises `UserError` naming file and line.
    """
    table = path / SOURCES_TABLE
    recorded: dict[str, dict[str, str]] = {}
    if table.is_file():
        for line, cells in read_csv(table, ("file_name",)):
            for cell in list(cells.values())[1:]:
                if cell and cell.partition(":")[0] not in get_args(LabelSource):
                    raise UserError(f"{cell[:40]!r} is not source:value", where=f"{table}:{line}")
            recorded[cells.pop("file_name")] = cells
    info = read_json(path / "dataset.json", schema_version=FACES_SCHEMA_VERSION)
    first: LabelSource = "tag" if info.get("made_by") == "crop" else "table"
    return {
        name: {
            group: _source_of(value, recorded.get(name, {}).get(group), first)
            for group, value in values.items()
        }
        for name, values in labels.items()
    }


def _source_of(value: str, recorded: str | None, first: LabelSource) -> str:
    if recorded is None:
        return first if value else ""
    source, _, said = recorded.partition(":")
    return source if said == value else "person"


def write_label_sources(
    path: Path, vocabulary: Vocabulary, labels: Labels, sources: Sources
) -> None:
    """Write `label_sources.csv` beside `attributes.csv`; see `read_label_sources`."""
    write_csv(
        path / SOURCES_TABLE,
        ("file_name", *vocabulary.names),
        [
            (name, *(_said(sources[name][group], values[group]) for group in vocabulary.names))
            for name, values in labels.items()
        ],
    )


def _said(source: str, value: str) -> str:
    """`source:value`; only a person says of a face that something cannot be known."""
    return f"{source}:{value}" if value or source == "person" else ""
