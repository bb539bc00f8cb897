"""`python -m preprocess crop`: from a folder of pictures to a set of square faces."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.faces import (
    FaceFolder,
    FaceRow,
    RejectRow,
    dataset_id_of,
    read_faces,
    split_of,
)
from avatar_common.disk.identity import last_hashes, picture_hashes
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.detect import (
    SHIPPED_CASCADE,
    SHIPPED_VERIFIER,
    DetectorConfig,
    FaceDetector,
)
from preprocess.duplicates import group_names, near_pairs, unpack_hashes
from preprocess.face_set import (
    add_said,
    explain_losses,
    reject_counts,
    said_before,
    write_labels,
)
from preprocess.journal import Journal
from preprocess.options import CropOptions
from preprocess.picture import (
    CRASHED,
    CropSettings,
    PictureRecord,
    PictureTask,
    process_picture,
    rejected,
)
from preprocess.sources import crawled_tasks, folder_tasks
from preprocess.workers import run_tasks, worker_count

log = logging.getLogger(__name__)

ROTATIONS_DEG = (-25.0, 25.0)  # added passes of --rotated: the cascade knows upright faces only
# Three window sizes an octave, seven by the detector's own default: far less time for the cascade.
SCALE_FACTOR = 2 ** (1 / 3)
# Bits that may differ: of 256 for two crops of one face, of 64 for two copies of one picture.
MAX_FACE_DISTANCE, MAX_PICTURE_DISTANCE = 40, 4

REMEDIES = {
    "no face": "--working-side-px 512 and --rotated find more; if the pictures are faces already, "
    "--whole always takes them as they are",
    "low score": "a lower --min-score keeps more, false ones among them",
    "small face": "a lower --min-face-px keeps them",
    "reaches past the picture": "--whole auto cuts them without a frame",
    "blurred": "a lower --min-sharpness keeps them",
    "monochrome": "--min-colourfulness 0 keeps them",
    "extreme aspect": "a higher --max-aspect looks into them",
    "too many pixels": "a higher --max-megapixels reads them",
}

WorkOnAll = Callable[[Iterable[PictureTask]], Iterator[PictureRecord]]


def crop(options: CropOptions) -> None:
    """Crop every picture that is not done yet, then write the tables.

    Raises `UserError` for options out of bounds, a folder without pictures, a face set that another
    command made, or when no usable face was found.
    """
    settings = settings_of(options)
    folder = Workspace(options.workspace).face_set(options.name)
    raw = Workspace(options.workspace).raw
    check_owner(folder, "crop")
    tasks = list(
        folder_tasks(options.pictures.resolve())
        if options.pictures
        else crawled_tasks(raw.resolve())
    )
    where = str(options.pictures or raw)
    if not tasks:
        remedy = "unpack archives first" if options.pictures else "run `python -m crawler fetch`"
        raise UserError("no picture here", where=where, hint=remedy)
    if options.dry_run:
        plan = [f"look for faces in {len(tasks)} pictures of {where}", f"write {folder}"]
        explain_dry_run(options, plan)
        return
    FaceDetector(settings.detector)  # a cascade that cannot be read is told before work starts
    FaceFolder(folder).images.mkdir(parents=True, exist_ok=True)
    FaceFolder(folder).remove_leftovers()
    # The journal holds every finished picture, so a kill costs only those under way; a face whose
    # PNG somebody removed is cut again, for which the names on disk are read once.
    images = {path.name for path in FaceFolder(folder).images.iterdir()}
    journal = Journal(folder / "journal.jsonl", describe(settings))
    with closing(journal):
        if journal.had_other_settings:
            # Faces cut in two ways would make a set that no single command can make again.
            log.info("settings changed: cropping all pictures again")
            check_no_word_is_lost(folder)
        todo = [task for task in tasks if not journal.holds(task.key, task.stamp, images)]
        info = FaceFolder(folder).existing_info()
        if not todo and is_finished(folder, info, journal, tasks):
            log.info("all %d pictures are cropped already", len(tasks))
        else:
            if len(todo) < len(tasks):
                log.info("%d of %d pictures are done already", len(tasks) - len(todo), len(tasks))
            with progress("pictures", len(todo), quiet=options.quiet) as advance:
                for record in work_on_all(options, settings, folder)(todo):
                    journal.add(record)
                    advance()
            info = finish(folder, journal, settings, {task.key for task in tasks})
    if options.pictures and not FaceFolder(folder).labels_table.is_file():
        info = write_unlabelled(folder)
    emit_json({"face_set": str(folder), "dataset_id": info["dataset_id"], **info["counts"]})
    explain_losses(folder, info["counts"]["rejects"], len(tasks), REMEDIES)
    if not info["counts"]["faces"]:
        raise UserError(
            f"no usable face in {len(tasks)} pictures",
            where=str(FaceFolder(folder).rejects_table),
            hint="the reasons are there; see --min-score, --min-face-px and --rotated",
        )
    named = "" if options.name == "faces" else f" --name {options.name}"
    # Nobody has tagged a folder's pictures; what can be known of them is in the faces.
    next_step(f"python -m preprocess {'label' if options.pictures else 'tag'}{named}")


def check_no_word_is_lost(folder: Path) -> None:
    """Raise `UserError` where labels that a person gave are of faces to be cut anew."""
    _, speakers = said_before(folder)
    given = sum("person" in row.values() for row in speakers.values())
    if given:
        raise UserError(
            f"{given} faces have labels that a person gave, and other settings cut other faces",
            where=str(folder),
            hint="give another --name, or delete that folder",
        )


def work_on_all(options: CropOptions, settings: CropSettings, folder: Path) -> WorkOnAll:
    """What runs `process_picture` on all tasks: worker processes, or a Ray cluster."""
    images = FaceFolder(folder).images.resolve()  # workers on a cluster start in another folder
    work = functools.partial(process_picture, settings=settings, images=images)
    on_crash = functools.partial(rejected, reason=CRASHED)
    if options.ray is not None:
        from preprocess.cluster import run_on_cluster  # an extra

        return functools.partial(run_on_cluster, work, address=options.ray, on_crash=on_crash)
    return functools.partial(
        run_tasks,
        work,
        workers=worker_count(options.workers),
        on_crash=on_crash,
    )


BOUNDS = {
    "enlarge": (0.5, 10.0),
    "min_score": (0.0, 1.0),
    "min_face_px": (1, 10_000),
    "max_padding": (0.0, 1.0),
    "max_aspect": (1.0, 1000.0),
    "max_megapixels": (0.01, 1000.0),
    "working_side_px": (48, 4096),
    "workers": (0, 256),
}


def check_numbers(options: CropOptions) -> None:
    """Raise `UserError` for an option out of its bounds (`nan` is out of all)."""
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(options, name) <= high:
            where = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{getattr(options, name)} is not between {low:g} and {high:g}", where=where
            )


def settings_of(options: CropOptions) -> CropSettings:
    """What decides the outcome, from the options. Raises `UserError` for a number out of bounds."""
    check_numbers(options)
    return CropSettings(
        size=options.size,
        enlarge=options.enlarge,
        min_score=options.min_score,
        min_face_px=options.min_face_px,
        min_sharpness=options.min_sharpness,
        min_colourfulness=options.min_colourfulness,
        whole=options.whole,
        max_padding=options.max_padding,
        max_aspect=options.max_aspect,
        max_megapixels=options.max_megapixels,
        detector=DetectorConfig(
            # Workers on a cluster start in another folder; a link's own name stays in `describe`.
            cascade=options.cascade and options.cascade.absolute(),
            verifier=options.verifier and options.verifier.absolute(),
            working_side_px=options.working_side_px,
            scale_factor=SCALE_FACTOR,
            min_score=options.min_score / 2,  # what is nearly a face is named in rejects.csv
            rotations_deg=ROTATIONS_DEG if options.rotated else (),
        ),
    )


def describe(settings: CropSettings) -> dict[str, Any]:
    """The settings as JSON, model files by their hash: the same on every machine."""
    detector = settings.detector
    verifier = detector.verifier or (SHIPPED_VERIFIER if detector.cascade is None else None)
    content = asdict(settings)
    content["detector"] |= {
        "cascade": _fingerprint(detector.cascade or SHIPPED_CASCADE),
        "verifier": verifier and _fingerprint(verifier),
        "rotations_deg": list(detector.rotations_deg),
    }
    return content


def _fingerprint(path: Path) -> str:
    if not path.is_file():
        raise UserError("no such file", where=str(path))
    return f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def check_owner(folder: Path, maker: str) -> None:
    """Raise `UserError` when the face set there was made by another command."""
    made_by = FaceFolder(folder).existing_info().get("made_by", maker)
    if made_by != maker:
        raise UserError(
            f"this face set was made by `preprocess {made_by}`",
            where=str(folder),
            hint="give another --name",
        )


def is_finished(
    folder: Path, info: dict[str, Any], journal: Journal, tasks: list[PictureTask]
) -> bool:
    """Whether the tables on disk are the ones of this journal and these pictures."""
    return (
        info.get("journal") == _journal_hash(journal)
        and journal.keys == {task.key for task in tasks}
        and FaceFolder(folder).faces_table.is_file()
        and FaceFolder(folder).rejects_table.is_file()
    )


def _journal_hash(journal: Journal) -> str:
    return hashlib.sha256(journal.path.read_bytes()).hexdigest()[:16]


def finish(
    folder: Path, journal: Journal, settings: CropSettings, keys: set[str]
) -> dict[str, Any]:
    """Write journal, tables and dataset.json from all records.

    Labels become stale and go, unless all records are those of the dataset.json that is there; what
    persons or the reader said of faces that are still the same stays.
    """
    records = [record for record in journal.records() if record.key in keys]
    journal.finish(records)  # sorted: the same bytes whatever order the workers ended in
    faces, rejects = face_rows(records), reject_rows(records)
    stored = FaceFolder(folder).existing_info()
    if stored.get("journal") == _journal_hash(journal):
        FaceFolder(folder).write_faces(faces, rejects)
        return stored
    # Read what was said before the tables go: it is carried over to faces with the same pixels.
    words, speakers = said_before(folder)
    before = last_hashes(folder)
    FaceFolder(folder).forget_labels()
    FaceFolder(folder).write_faces(faces, rejects)
    names = [face.file_name for face in faces]
    hashes = picture_hashes(folder, names)
    same = {name for name, digest in zip(names, hashes, strict=True) if before.get(name) == digest}
    vocabulary = load_vocabulary()
    info = {
        "made_by": "crop",
        "image_size": settings.size,
        "dataset_id": dataset_id_of(vocabulary, faces, {}, hashes),
        "vocabulary": vocabulary.to_json(),
        "settings": describe(settings),
        "journal": _journal_hash(journal),
        "counts": {
            "pictures": len(records),
            "faces": len(faces),
            "test": sum(face.split == "test" for face in faces),
            "groups": len({face.group for face in faces}),
            "rejects": reject_counts(rejects),
        },
    }
    FaceFolder(folder).write_info(info)
    speakers = {name: row for name, row in speakers.items() if name in same}
    if speakers:
        unknown = {name: dict.fromkeys(vocabulary.names, "") for name in names}
        labels, sources = add_said(unknown, "tag", (words, speakers), vocabulary)
        info, _ = write_labels(folder, vocabulary, faces, labels, info, sources)
    return info


def write_unlabelled(folder: Path) -> dict[str, Any]:
    """Make the faces of a folder of pictures, which have no tags, a set of unknown labels."""
    faces, vocabulary, info = (
        read_faces(folder),
        load_vocabulary(),
        FaceFolder(folder).existing_info(),
    )
    info.pop("schema_version")
    labels = {face.file_name: dict.fromkeys(vocabulary.names, "") for face in faces}
    content, _ = write_labels(folder, vocabulary, faces, labels, info, "table")
    return content


def face_rows(records: list[PictureRecord]) -> list[FaceRow]:
    """The rows of faces.csv, near-duplicates and faces of one post grouped."""
    flat = [(record, face) for record in records for face in record.faces]
    if not flat:
        return []
    # Two hashes: faces alike in different pictures, and pictures alike in different sizes. Whatever
    # is linked shares a group, and a group has one split, so no twin of a training face is tested.
    pairs = np.concatenate(
        [
            near_pairs(unpack_hashes([face.face_hash for _, face in flat]), MAX_FACE_DISTANCE),
            near_pairs(
                unpack_hashes([record.picture_hash for record, _ in flat]), MAX_PICTURE_DISTANCE
            ),
        ]
    )
    groups = group_names(
        [face.file_name for _, face in flat], [record.post for record, _ in flat], pairs
    )
    return [
        FaceRow(
            face.file_name,
            record.post,
            record.picture,
            *face.box,
            face.score,
            face.sharpness,
            group,
            split_of(group),
        )
        for (record, face), group in zip(flat, groups, strict=True)
    ]


def reject_rows(records: list[PictureRecord]) -> list[RejectRow]:
    """The rows of rejects.csv."""
    return [
        (record.picture, record.post, face, reason, value)
        for record in records
        for face, reason, value in record.rejects
    ]
