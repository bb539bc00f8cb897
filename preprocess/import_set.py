"""`python -m preprocess import`: faces with labels that someone has already, as a face set."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from avatar_common.commands import emit_json, explain_dry_run, next_step
from avatar_common.disk.faces import (
    FaceFolder,
    FaceRow,
    Labels,
    RejectRow,
    Sources,
    packed_path,
    read_face_set,
    read_faces,
    split_of,
)
from avatar_common.disk.files import write_bytes
from avatar_common.disk.identity import last_hashes, picture_hashes
from avatar_common.disk.vocabulary import DEFAULT_VOCABULARY, Vocabulary, load_vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.archive import Archive, open_archive, plain_text
from preprocess.crop import MAX_FACE_DISTANCE, check_owner
from preprocess.decode import BadPicture, Picture
from preprocess.duplicates import group_names, near_pairs, unpack_hashes
from preprocess.face_set import (
    add_said,
    explain_losses,
    reject_counts,
    said_before,
    write_labels,
)
from preprocess.import_forms import Entry, read_entries
from preprocess.import_pictures import (
    MAX_ASPECT,
    MAX_MEGAPIXELS,
    Imported,
    central_square,
    import_pictures,
)
from preprocess.options import ImportOptions
from preprocess.tag import report_counts

log = logging.getLogger(__name__)

SIDES = (16, 32, 64, 96, 128, 256)
SIZE_SAMPLE, ORIGIN_SAMPLE = 200, 20
REMEDIES = {
    "small picture": "a smaller --size takes them in",
    "a Git LFS pointer": "the file itself was not fetched: git lfs pull",
    "not a picture": "was the download complete?",
    "bad row": "their pictures have unknown labels",
}


def import_set(options: ImportOptions) -> None:
    """Take in faces, labelled or not; a second run on the same source and options only says so."""
    source = open_archive(options.source)
    folder = Workspace(options.workspace).face_set(options.name or name_of(options.source))
    check_owner(folder, "import")
    vocabulary = load_vocabulary(options.vocabulary or DEFAULT_VOCABULARY)
    import_id = _import_id(options, source)
    info = FaceFolder(folder).existing_info()
    if info.get("import_id") == import_id and _is_whole(folder):
        log.info("%s is imported already", options.source)
        _close(folder, info, Vocabulary.from_json(info["vocabulary"], str(folder)), options)
        return
    check_same_origin(folder, source)
    rejects: list[RejectRow] = []
    vocabulary, entries = read_entries(source, options, vocabulary, rejects)
    if not entries:
        raise UserError("no usable row", where=str(options.source), hint="see the label table")
    size = options.size or _own_size(source, entries)
    if options.dry_run:
        plan = [f"take in {len(entries)} pictures at {size} px", f"write {folder}"]
        explain_dry_run(options, plan)
        return
    said, before = said_before(folder), last_hashes(folder)
    FaceFolder(folder).images.mkdir(parents=True, exist_ok=True)
    imported = import_pictures(source, entries, size, folder, options)
    kept = _kept(imported, rejects, options.source)
    faces = face_rows(kept)
    FaceFolder(folder).write_faces(faces, rejects)
    given = {done.file_name: dict(done.entry.values) for done in kept}
    standing = still_true(folder, said, before, info.get("image_size") == size, given)
    labels, sources = add_said(given, "table", standing, vocabulary)
    vocabulary = known_groups(vocabulary, labels.values())
    content = {
        "made_by": "import",
        "image_size": size,
        "import_id": import_id,
        "counts": {
            "pictures": len(imported),
            "faces": len(faces),
            "test": sum(face.split == "test" for face in faces),
            "groups": len({face.group for face in faces}),
            "labelled": sum(any(values.values()) for values in labels.values()),
            "rejects": reject_counts(rejects),
        },
    }
    labels, sources = _in_full(labels, vocabulary), _in_full(sources, vocabulary)
    info, _ = write_labels(folder, vocabulary, faces, labels, content, sources)
    _close(folder, info, vocabulary, options)


def _kept(imported: Sequence[Imported], rejects: list[RejectRow], source: Path) -> list[Imported]:
    """The pictures that can be used; the others join `rejects`. Raises `UserError` without any."""
    rejects += [
        (plain_text(done.entry.picture), "", "", *done.reject)
        for done in imported
        if done.reject is not None
    ]
    kept = [done for done in imported if done.reject is None]
    if not kept:
        raise UserError(
            f"none of {len(imported)} pictures can be used, the first is: "
            f"{imported[0].entry.picture} {imported[0].reject}",
            where=str(source),
        )
    return kept


def name_of(source: Path) -> str:
    """The face set's name after its source. Raises `UserError` where none can be made."""
    path = source.resolve()
    stem = unicodedata.normalize("NFC", path.name if path.is_dir() else path.stem)
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-._")
    if not name:
        raise UserError(
            "no face set name can be made from this one",
            where=str(source),
            hint="give --name",
        )
    return name[:60]


def check_same_origin(folder: Path, source: Archive) -> None:
    """Raise `UserError` where the face set there is of other pictures than these.

    Told by some of its faces: is the picture that each was made of still in the source? Its name
    alone would not tell, as many sets count from 1.
    """
    if not FaceFolder(folder).existing_info():
        return
    images = FaceFolder(folder).images
    faces = [face for face in read_faces(folder) if (images / face.file_name).is_file()]
    sample = faces[:: max(1, len(faces) // ORIGIN_SAMPLE)][:ORIGIN_SAMPLE]
    names = {plain_text(name): name for name in source.names}
    same = sum(
        face.picture in names and _is_of(images / face.file_name, source, names[face.picture])
        for face in sample
    )
    if 2 * same < len(sample):
        raise UserError(
            f"holds another set: of {len(sample)} of its faces, {same} are in {source.path}",
            where=str(folder),
            hint="give another --name, or delete that folder",
        )


def _is_of(face: Path, source: Archive, name: str) -> bool:
    """Whether this face was made of that picture."""
    try:
        with Image.open(face) as image:
            stored = np.asarray(image)
        picture = Picture(source.read(name), max_megapixels=MAX_MEGAPIXELS, max_aspect=MAX_ASPECT)
        return np.array_equal(stored, np.asarray(central_square(picture.full(), len(stored))))
    except (BadPicture, UserError, OSError, ValueError, SyntaxError):
        return False


def still_true(
    folder: Path,
    said: tuple[Labels, Sources],
    before: Mapping[str, str],
    same_size: bool,
    labels: Labels,
) -> tuple[Labels, Sources]:
    """What was said of faces whose pictures are the same.

    The old table is kept if a person's word is lost.
    """
    words, speakers = said
    there = [name for name in speakers if name in labels]
    hashes = dict(zip(there, picture_hashes(folder, there), strict=True))
    kept = {
        name: row
        for name, row in speakers.items()
        if name in hashes and (not same_size or before.get(name) == hashes[name])
    }
    lost = [name for name in speakers if name not in kept and "person" in speakers[name].values()]
    if lost:
        old = folder / "attributes-before.csv"
        write_bytes(old, FaceFolder(folder).labels_table.read_bytes())
        log.warning(
            "%d faces that a person labelled have other pictures now, or none: the old table is %s",
            len(lost),
            old,
        )
    return words, kept


def _in_full(
    table: Mapping[str, Mapping[str, str]], vocabulary: Vocabulary
) -> dict[str, dict[str, str]]:
    """The same cells with one for every attribute, empty where nothing was said."""
    return {
        name: {group.name: values.get(group.name, "") for group in vocabulary}
        for name, values in table.items()
    }


def _close(
    folder: Path, info: dict[str, Any], vocabulary: Vocabulary, options: ImportOptions
) -> None:
    counts = info["counts"]
    labelled = counts.get("labelled", counts["faces"])
    if labelled:
        report_counts(vocabulary, info["class_counts"], rare=options.rare, crawled=False)
        for group in vocabulary:
            known = {name: n for name, n in info["class_counts"][group.name].items() if name and n}
            if len(known) == 1:
                (name,) = known
                log.warning(
                    "%s: every known label is %s, so nothing can be learnt from it",
                    group.name,
                    name,
                )
    emit_json({"face_set": str(folder), "dataset_id": info["dataset_id"], **counts})
    explain_losses(folder, counts["rejects"], counts["pictures"], REMEDIES)
    if labelled < counts["faces"]:
        log.info("%d of %d faces have no label", counts["faces"] - labelled, counts["faces"])
    label = f"python -m preprocess label --name {folder.name}"
    next_step("python -m acgan train" if labelled == counts["faces"] else label)


def _import_id(options: ImportOptions, source: Archive) -> str:
    asked = (
        options.table,
        options.encoding,
        options.group,
        options.size,
        options.skip_bad_rows,
        options.unlabelled,
    )
    words = (options.vocabulary or DEFAULT_VOCABULARY).read_text(encoding="utf-8")
    return hashlib.sha256(repr((source.identity, asked, words)).encode()).hexdigest()[:16]


def _is_whole(folder: Path) -> bool:
    """Whether the face set has its tables, its packed file and every picture."""
    try:
        faces = read_face_set(folder)
    except UserError:
        return False
    there = {entry.name for entry in os.scandir(FaceFolder(folder).images)}
    return packed_path(faces).is_file() and there.issuperset(faces.file_names)


def _own_size(source: Archive, entries: Sequence[Entry]) -> int:
    """The commonest side among the first pictures, or the next smaller one that we make."""
    sides = Counter[int]()
    for entry in entries[:SIZE_SAMPLE]:
        try:
            picture = Picture(
                source.read(entry.picture), max_megapixels=MAX_MEGAPIXELS, max_aspect=MAX_ASPECT
            )
        except (BadPicture, UserError):
            continue
        sides[min(picture.width, picture.height)] += 1
    commonest = max(sides, key=lambda side: (sides[side], side), default=64)
    return max((side for side in SIDES if side <= commonest), default=SIDES[0])


def face_rows(kept: Sequence[Imported]) -> list[FaceRow]:
    """The rows of faces.csv; near-duplicates and faces of one group of the source share a group."""
    pairs = near_pairs(unpack_hashes([done.face_hash for done in kept]), MAX_FACE_DISTANCE)
    owners = [done.entry.group or done.file_name for done in kept]
    groups = group_names(owners, owners, pairs)
    return [
        FaceRow(
            done.file_name,
            "",
            plain_text(done.entry.picture),
            0.0,
            0.0,
            float(done.side),
            float(done.side),
            1.0,
            done.sharpness,
            group,
            split_of(group),
        )
        for done, group in zip(kept, groups, strict=True)
    ]


def known_groups(vocabulary: Vocabulary, labels: Iterable[dict[str, str]]) -> Vocabulary:
    """The vocabulary cut down to the groups that some face has a label for; whole without any."""
    known = {name for values in labels for name, value in values.items() if value}
    return vocabulary.only(known) if known else vocabulary
