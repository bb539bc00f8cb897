"""`python -m preprocess export`: a face set for other programs."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.faces import FaceSet, read_face_set, read_faces
from avatar_common.disk.files import atomic_file, read_json, write_bytes, write_csv, write_json
from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.options import ExportOptions

log = logging.getLogger(__name__)

STYLEGAN_FOLDER_SIZE = 1000
IMAGEFOLDER_MARKER, MARKER_SCHEMA_VERSION = ".preprocess-export.json", 1
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that the same set gives the same bytes


@dataclass(frozen=True)
class ExportedFace:
    """One face: its file, label row (class indices, -1 for unknown), values, split and group."""

    path: Path
    labels: list[int]
    values: Mapping[str, str]
    split: str
    group: str


def export(options: ExportOptions) -> None:
    """Write the face set in another form; an existing outcome is replaced."""
    folder = (
        Workspace(options.workspace).face_set(options.name)
        if options.name
        else Workspace(options.workspace).newest_face_set()
    )
    faces = read_face_set(folder)
    suffix = ".zip" if options.format == "stylegan" else ""
    default = options.workspace / "exports" / f"{folder.name}-{options.format}{suffix}"
    out = options.out or default
    chosen = [face for face in faces_of(faces) if options.split in ("all", face.split)]
    if options.dry_run:
        explain_dry_run(options, [f"write {len(chosen)} faces to {out}"])
        return
    match options.format:
        case "imagefolder":
            export_imagefolder(faces, chosen, out, quiet=options.quiet)
        case "stylegan":
            export_stylegan(faces, chosen, out, quiet=options.quiet)
        case _:
            assert_never(options.format)
    emit_json({"face_set": str(folder), "format": options.format, "faces": len(chosen), "out": out})


def faces_of(faces: FaceSet) -> Iterator[ExportedFace]:
    """Every face of the set, in row order."""
    for index, row in enumerate(read_faces(faces.path)):
        labels = faces.labels[index].tolist()
        values = faces.vocabulary.decode(labels)
        yield ExportedFace(faces.image_path(index), labels, values, row.split, row.group)


def export_imagefolder(
    faces: FaceSet, chosen: list[ExportedFace], out: Path, *, quiet: bool
) -> None:
    """Hugging Face's imagefolder: train/ and test/, each with pictures and a metadata.csv."""
    if not _may_write(out):
        raise UserError(
            "exists and is not an imagefolder that this command wrote",
            where=str(out),
            hint="give another --out, or delete it",
        )
    if (out / IMAGEFOLDER_MARKER).is_file():
        marker = read_json(out / IMAGEFOLDER_MARKER, schema_version=MARKER_SCHEMA_VERSION)
        check_same_set(str(marker.get("face_set")), faces, out)
    marker = {"made_by": "preprocess export", "face_set": faces.path.name}
    write_json(out / IMAGEFOLDER_MARKER, marker, schema_version=MARKER_SCHEMA_VERSION)
    columns = ("file_name", *faces.vocabulary.names, "group")
    with progress("faces", len(chosen), quiet=quiet) as advance:
        for split in ("train", "test"):
            rows = []
            for face in chosen:
                if face.split == split:
                    data = _read(face.path)
                    write_bytes(out / split / face.path.name, data, durable=False)
                    rows.append((face.path.name, *face.values.values(), face.group))
                    advance()
            table = out / split / "metadata.csv"
            if rows:
                write_csv(table, columns, rows)
            else:
                table.unlink(missing_ok=True)
            named = {row[0] for row in rows} | {table.name}
            for stale in (out / split).glob("*"):
                if stale.is_file() and stale.name not in named:
                    stale.unlink()


def _may_write(out: Path) -> bool:
    """Whether `out` is new, empty, or marked as ours, so that stale files may be removed."""
    if not out.is_dir():
        return not out.exists()
    return (out / IMAGEFOLDER_MARKER).is_file() or not any(out.iterdir())


def check_same_set(name: str, faces: FaceSet, out: Path) -> None:
    """Raise `UserError` where the outcome of another face set would be replaced."""
    if name != faces.path.name:
        raise UserError(
            f"holds the export of the face set {name}",
            where=str(out),
            hint="give another --out, or delete it",
        )


def stylegan_set_of(path: Path) -> str:
    """The face set that a zip of `export_stylegan` was made of. Raises `UserError` for others."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read("dataset.json"))
        return str(content["face_set"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            "exists and is not an export that this command wrote",
            where=str(path),
            hint="give another --out, or delete it",
        ) from None


def export_stylegan(faces: FaceSet, chosen: list[ExportedFace], out: Path, *, quiet: bool) -> None:
    """StyleGAN's zip: numbered folders of PNGs and dataset.json with a label vector per picture.

    The vector is the attributes' one-hot codes side by side, zeros for unknown. StyleGAN reads the
    key "labels" only; "vocabulary" and "groups" beside it say what the numbers mean, and "face_set"
    whose they are.
    """
    if out.exists():
        check_same_set(stylegan_set_of(out), faces, out)
    labels, groups = [], {}
    with (
        atomic_file(out) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        progress("faces", len(chosen), quiet=quiet) as advance,
    ):
        for number, face in enumerate(chosen):
            name = f"{number // STYLEGAN_FOLDER_SIZE:05d}/img{number:08d}.png"
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), _read(face.path))
            labels.append([name, one_hot(face.labels, faces.vocabulary.sizes)])
            groups[name] = face.group
            advance()
        content = {
            "labels": labels,
            "vocabulary": faces.vocabulary.to_json(),
            "groups": groups,
            "face_set": faces.path.name,
        }
        archive.writestr(zipfile.ZipInfo("dataset.json", ZIP_TIME), json.dumps(content))


def one_hot(labels: list[int], sizes: tuple[int, ...]) -> list[float]:
    """Class indices to one-hot codes side by side; an unknown is all zeros."""
    code: list[float] = []
    for label, size in zip(labels, sizes, strict=True):
        part = [0.0] * size
        if label != UNKNOWN:
            part[label] = 1.0
        code += part
    return code


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError("a picture of the face set is gone", where=str(path)) from None
