"""`python -m preprocess tag`: the crawl's tags become the face set's attribute table."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from avatar_common.commands import emit_json, explain_dry_run, next_step
from avatar_common.disk.faces import REJECT_COLUMNS, FaceFolder, FaceRow, read_faces
from avatar_common.disk.files import read_csv
from avatar_common.disk.raw import downloaded_pictures
from avatar_common.disk.vocabulary import DEFAULT_VOCABULARY, Group, Vocabulary, load_vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.face_set import (
    add_said,
    said_before,
    write_labels,
)
from preprocess.options import TagOptions

log = logging.getLogger(__name__)


def tag(options: TagOptions) -> None:
    """Label every face of a cropped set from its post's tags."""
    folder = (
        Workspace(options.workspace).face_set(options.name)
        if options.name
        else Workspace(options.workspace).newest_face_set(labelled=False)
    )
    info = FaceFolder(folder).existing_info()
    if not info:
        raise UserError(
            "no such face set", where=str(folder), hint="run `python -m preprocess crop`"
        )
    if info.get("made_by") != "crop":
        raise UserError(
            "these faces were not cropped from a crawl, so there are no tags",
            where=str(folder),
            hint="give --name of a crawled set, or read labels from the faces: "
            "python -m preprocess label",
        )
    vocabulary = load_vocabulary(options.vocabulary or DEFAULT_VOCABULARY)
    faces = read_faces(folder)
    if options.dry_run:
        plan = [f"label {len(faces)} faces", f"write {FaceFolder(folder).labels_table}"]
        explain_dry_run(options, plan)
        return
    posts = {face.post for face in faces}
    raw = Workspace(options.workspace).raw
    tags = {
        picture.post: picture.general_tags
        for picture in downloaded_pictures(raw)
        if picture.post in posts
    }
    if faces and not tags:
        raise UserError(
            "none of these faces comes from the crawl, so there are no tags",
            where=str(FaceFolder(folder).faces_table),
            hint="read them from the faces: `python -m preprocess label`",
        )
    labels = face_labels(faces, tags, faces_found(folder), vocabulary)
    info.pop("schema_version", None)
    labels, sources = add_said(labels, "tag", said_before(folder), vocabulary)
    content, written = write_labels(folder, vocabulary, faces, labels, info, sources)
    if not written:
        log.info("labelled already, nothing has changed")
    report_counts(vocabulary, content["class_counts"], rare=options.rare, crawled=True)
    emit_json(
        {
            "face_set": str(folder),
            "dataset_id": content["dataset_id"],
            "faces": len(faces),
            "labelled": sum(any(values.values()) for values in labels.values()),
        }
    )
    next_step("python -m acgan train")


def faces_found(folder: Path) -> dict[str, int]:
    """How many faces each picture holds: the kept ones and those set aside for their quality."""
    found = Counter(face.picture for face in read_faces(folder))
    for _, row in read_csv(FaceFolder(folder).rejects_table, REJECT_COLUMNS):
        if row["face"] and row["reason"] != "low score":
            found[row["picture"]] += 1
    return dict(found)


def face_labels(
    faces: Sequence[FaceRow],
    tags: Mapping[str, Iterable[str]],
    found: Mapping[str, int],
    vocabulary: Vocabulary,
) -> dict[str, dict[str, str]]:
    """Attribute values per file name, "" for unknown.

    Tags describe a whole picture: with several faces in it, nobody can tell whose they are.
    """
    unknown = dict.fromkeys(vocabulary.names, "")
    return {
        face.file_name: dict(unknown)
        if found.get(face.picture, 1) > 1
        else vocabulary.read_tags(tags.get(face.post, ()))
        for face in faces
    }


def report_counts(
    vocabulary: Vocabulary,
    counts: Mapping[str, Mapping[str, int]],
    *,
    rare: int,
    crawled: bool,
) -> None:
    """Log the number of faces per class, and name the rare ones.

    Of a crawl with the query that finds more, else in one line.
    """
    for group in vocabulary:
        shown = ", ".join(f"{name or 'unknown'} {n}" for name, n in counts[group.name].items())
        log.info("%s: %s", group.name, shown)
    found = rare_classes(vocabulary, counts, rare=rare)
    for group, name, count in found if crawled else ():
        log.warning(
            "%s=%s is rare: %d faces; more: %s", group.name, name, count, crawl_query(group, name)
        )
    if found and not crawled:
        few = ", ".join(f"{group.name}={name} {count}" for group, name, count in found)
        log.info("under %d faces: %s", rare, few)


def rare_classes(
    vocabulary: Vocabulary, counts: Mapping[str, Mapping[str, int]], *, rare: int
) -> list[tuple[Group, str, int]]:
    """The classes with fewer than `rare` faces; a flag's "0" is not a class to look for."""
    return [
        (group, name, counts[group.name][name])
        for group in vocabulary
        for name in group.classes
        if counts[group.name][name] < rare and not (group.kind == "flag" and name == "0")
    ]


def crawl_query(group: Group, name: str) -> str:
    """The crawl command that finds more faces of a class."""
    known = load_vocabulary()
    tags = group.tags.get(name, ())
    if not tags and group.name in known.names:  # face sets record no tags
        tags = known.group(group.name).tags.get(name, ())
    tag = tags[0] if tags else group.name if group.kind == "flag" else name
    return f"python -m crawler fetch --also {shlex.quote(tag)}"
