"""The face set on disk: `data/faces/<name>/` with its tables, read and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from avatar_common.disk.files import atomic_file, read_csv, read_json, write_csv, write_json
from avatar_common.disk.identity import IMAGES_FOLDER, hash_rows, picture_hashes
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

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
REJECT_COLUMNS = ("picture", "post", "face", "reason", "value")


RejectRow = tuple[str, str, str, str, object]
"""One row of `rejects.csv`, by `REJECT_COLUMNS`."""


@dataclass(frozen=True)
class FaceFolder:
    """The folder of a face set: what lies in it, under which names; nothing is checked."""

    path: Path

    @property
    def info_file(self) -> Path:
        """Who made it, sizes, vocabulary and counts; written last."""
        return self.path / "dataset.json"

    @property
    def faces_table(self) -> Path:
        """A `FaceRow` per face."""
        return self.path / "faces.csv"

    @property
    def labels_table(self) -> Path:
        """Per face a class of each attribute; it may be edited by hand."""
        return self.path / "attributes.csv"

    @property
    def sources_table(self) -> Path:
        """Who gave each label, see `read_label_sources`."""
        return self.path / "label_sources.csv"

    @property
    def rejects_table(self) -> Path:
        """What was left out, and why."""
        return self.path / "rejects.csv"

    @property
    def images(self) -> Path:
        """The faces as PNG."""
        return self.path / IMAGES_FOLDER

    def read_info(self) -> dict[str, Any]:
        """The content of dataset.json. Raises `UserError` where there is none, or another's."""
        return read_json(self.info_file, schema_version=FACES_SCHEMA_VERSION)

    def existing_info(self) -> dict[str, Any]:
        """The content of dataset.json, or an empty one when there is no face set yet."""
        return self.read_info() if self.info_file.is_file() else {}

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Write dataset.json; it comes last, so that what it tells of is there."""
        write_json(self.info_file, info, schema_version=FACES_SCHEMA_VERSION)

    def write_faces(self, faces: Sequence[FaceRow], rejects: Sequence[RejectRow]) -> None:
        """Write faces.csv and rejects.csv, and delete pictures that no row names."""
        write_csv(self.faces_table, FACE_COLUMNS, map(astuple, faces))
        write_csv(self.rejects_table, REJECT_COLUMNS, rejects)
        named = {face.file_name for face in faces}
        for path in self.images.iterdir():
            if path.name not in named:
                path.unlink()

    def forget_labels(self) -> None:
        """Remove the labels, who gave them, and the packed pictures."""
        packed = self.path.glob("packed-*.npy")
        for stale in (self.labels_table, self.sources_table, *packed):
            stale.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove the temporary files that a kill left in the face set and its images."""
        for part in [*self.path.glob(".*.part"), *self.images.glob(".*.part")]:
            part.unlink()


@dataclass(frozen=True)
class FaceSet:
    """A face set with every table read and checked; `labels` is int64 [N, A], -1 for unknown.

    `dataset_id` is the hash of all rows, labels and pictures as they are now, `pictures_id` that of
    the pictures in their order. `info` is what `dataset.json` says, its own id among it.
    """

    path: Path
    dataset_id: str
    pictures_id: str
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
        """The PNG of a row."""
        return FaceFolder(self.path).images / self.file_names[index]


def packed_path(face_set: FaceSet) -> Path:
    """Where all pictures lie in one file for memory mapping: uint8 .npy [N, 3, S, S], row order.

    `preprocess` writes it. The hash of the pictures in its name ties it to their content and order,
    so a file that is there is the right one. A reader that finds none packs `images/` anew.
    """
    return face_set.path / packed_name(face_set.pictures_id)


def packed_name(pictures_id: str) -> str:
    """The packed file's name for these pictures."""
    return f"packed-{pictures_id}.npy"


def write_packed(path: Path, count: int, size: int, parts: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Write `count` pictures of side `size` as one .npy file.

    `parts`, each uint8 [..., 3, S, S], follow one another: they are never all in memory.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    with atomic_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part).tobytes())


def split_of(group: str) -> Split:
    """The split of a near-duplicate group, drawn by hash: it never depends on other rows."""
    draw = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    return "test" if draw < TEST_SHARE else "train"


def dataset_id_of(
    vocabulary: Vocabulary, faces: Iterable[FaceRow], labels: Labels, hashes: Iterable[str]
) -> str:
    """The hash of class names, rows, labels (in the vocabulary's order) and pictures."""
    rows: list[Iterable[object]] = [repr(vocabulary.to_json())]
    rows += [(*vars(face).values(), *labels.get(face.file_name, {}).values()) for face in faces]
    return hash_rows(rows, hashes)


def read_faces(path: Path) -> list[FaceRow]:
    """Read and check `faces.csv`. Raises `UserError` naming file and line."""
    rows = []
    table = FaceFolder(path).faces_table
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
    folder = FaceFolder(path)
    info = folder.read_info()
    for key in ("dataset_id", "image_size", "vocabulary"):
        if key not in info:
            raise UserError(f"{key!r} is missing", where=str(folder.info_file))
    vocabulary = Vocabulary.from_json(info["vocabulary"], str(folder.info_file))
    faces = read_faces(path)
    labels = read_labels(path, vocabulary)
    missing = [face.file_name for face in faces if face.file_name not in labels]
    if missing:
        raise UserError(
            f"{len(missing)} faces have no row, the first is {missing[0]}",
            where=str(folder.labels_table),
            hint="run `python -m preprocess tag` again",
        )
    hashes = picture_hashes(path, [face.file_name for face in faces])
    rows = [vocabulary.encode(labels[face.file_name]) for face in faces]
    return FaceSet(
        path=path,
        dataset_id=dataset_id_of(vocabulary, faces, labels, hashes),
        pictures_id=hash_rows((), hashes),
        image_size=int(info["image_size"]),
        vocabulary=vocabulary,
        file_names=tuple(face.file_name for face in faces),
        splits=np.array([face.split for face in faces], dtype=np.str_),
        labels=np.array(rows, dtype=np.int64).reshape(len(faces), len(vocabulary)),
        info=info,
    )


def find_face_set(folder: Path, dataset_id: str) -> Path | None:
    """The face set in `folder` that has this dataset id now, if there is one."""
    for found in face_folders(folder):
        with suppress(UserError):
            if found.info_file.is_file() and read_face_set(found.path).dataset_id == dataset_id:
                return found.path
    return None


def face_folders(folder: Path) -> list[FaceFolder]:
    """All folders of face sets in `folder`, by name, unfinished ones among them."""
    if not folder.is_dir():
        return []
    return [FaceFolder(path) for path in sorted(folder.iterdir()) if path.is_dir()]


def read_labels(path: Path, vocabulary: Vocabulary) -> dict[str, dict[str, str]]:
    """What `attributes.csv` says, by file name. Raises `UserError` naming file and line."""
    table = FaceFolder(path).labels_table
    if not table.is_file():
        raise UserError("no such file", where=str(table), hint="run `python -m preprocess tag`")
    labels: dict[str, dict[str, str]] = {}
    for line, cells in read_csv(table, ("file_name", *vocabulary.names)):
        name = cells["file_name"]
        try:
            if name in labels:
                raise UserError(f"{name} has a row already", hint="delete one of the two")
            labels[name] = vocabulary.decode(vocabulary.encode(cells))
        except UserError as error:
            raise UserError(error.what, where=f"{table}:{line}", hint=error.hint) from None
    return labels


def read_label_sources(path: Path, labels: Labels) -> dict[str, dict[str, str]]:
    """Who gave each label of `read_labels`: a `LabelSource`, or "" where nobody said anything.

    `label_sources.csv` holds `source:value` per label. Where `attributes.csv` says something else
    by now, a person has edited it (to empty as well). Labels older than the table came from the
    tags or the table that made the set. Raises `UserError` naming file and line.
    """
    table = FaceFolder(path).sources_table
    recorded: dict[str, dict[str, str]] = {}
    if table.is_file():
        for line, cells in read_csv(table, ("file_name",)):
            for cell in list(cells.values())[1:]:
                if cell and cell.partition(":")[0] not in get_args(LabelSource):
                    raise UserError(f"{cell[:40]!r} is not source:value", where=f"{table}:{line}")
            recorded[cells.pop("file_name")] = cells
    info = FaceFolder(path).read_info()
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
        FaceFolder(path).sources_table,
        ("file_name", *vocabulary.names),
        [
            (name, *(_said(sources[name][group], values[group]) for group in vocabulary.names))
            for name, values in labels.items()
        ],
    )


def _said(source: str, value: str) -> str:
    """`source:value`; only a person says of a face that something cannot be known."""
    return f"{source}:{value}" if value or source == "person" else ""
