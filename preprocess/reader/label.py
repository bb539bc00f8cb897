"""`label`: what the faces themselves say fills the cells that nobody has filled."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.faces import (
    FaceFolder,
    read_face_set,
    read_faces,
    read_label_sources,
    read_labels,
)
from avatar_common.disk.files import read_csv
from avatar_common.disk.vocabulary import (
    DEFAULT_VOCABULARY,
    UNKNOWN,
    Group,
    Vocabulary,
    load_vocabulary,
)
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.audit import packed_pictures
from preprocess.face_set import write_labels
from preprocess.reader.model import AttributeReader, Readable, Reading, classes_within
from preprocess.reader.options import LabelOptions

log = logging.getLogger(__name__)

Cells = dict[str, dict[str, str]]
"""Per file name and attribute: a class, or who gave it."""


@dataclass(frozen=True)
class Tables:
    """A face set's labels with all attributes that can be read or chosen, and who gave them."""

    folder: Path
    vocabulary: Vocabulary
    labels: Cells
    sources: Cells


def label(options: LabelOptions) -> None:
    """Write what the reader reads with confidence, or serve the page for looking it over."""
    folder = (
        Workspace(options.workspace).face_set(options.name)
        if options.name
        else Workspace(options.workspace).newest_face_set(labelled=False)
    )
    if not FaceFolder(folder).existing_info():
        hint = "run `python -m preprocess crop` or `import`"
        raise UserError("no such face set", where=str(folder), hint=hint)
    if options.min_confidence is not None and not 0 <= options.min_confidence <= 1:
        raise UserError("--min-confidence must be 0 to 1")
    reader = AttributeReader(options.reader)
    general = load_vocabulary(options.vocabulary or DEFAULT_VOCABULARY)
    if options.review:
        from preprocess.reader.review import review

        review(options, folder, reader, general)
        return
    attributes = asked(reader, options.attributes)
    tables = read_tables(folder, [found.group for found in attributes], general)
    open_rows = {found.name: open_faces(tables, found.name, options.refill) for found in attributes}
    if options.dry_run:
        plan = [f"read {name} of {len(rows)} faces" for name, rows in open_rows.items()]
        explain_dry_run(options, [*plan, f"write {FaceFolder(folder).labels_table}"])
        return
    readings = read_faces_of(folder, reader, quiet=options.quiet) if any(open_rows.values()) else {}
    counts = {}
    for found in attributes:
        rows = open_rows[found.name]
        least = found.min_confidence if options.min_confidence is None else options.min_confidence
        written = fill(tables, found, rows, readings, least) if rows else 0
        unknown = sum(values[found.name] == "" for values in tables.labels.values())
        counts[found.name] = {"written": written, "unknown": unknown}
        already = len(tables.labels) - written - unknown
        log.info(
            "%s: %d written, %d unknown, %d known before", found.name, written, unknown, already
        )
    write_tables(tables)
    emit_json({"face_set": str(folder), "faces": len(tables.labels), **counts})
    log.info("look them over: python -m preprocess label --review --name %s", folder.name)
    next_step("python -m acgan train, or with few faces: python -m acgan train --from drawn64")


def open_faces(tables: Tables, attribute: str, refill: bool) -> list[int]:
    """The rows whose cell nobody has filled, or only a reader that may be asked again."""
    fillable = ("", "reader") if refill else ("",)
    given = [values[attribute] for values in tables.sources.values()]
    return [row for row, source in enumerate(given) if source in fillable]


def fill(
    tables: Tables,
    found: Readable,
    rows: Sequence[int],
    readings: Mapping[str, Reading],
    least: float,
) -> int:
    """Write the confident readings into the cells of these rows, empty the others; how many."""
    reading = readings[found.name]
    place = classes_within(found, tables.vocabulary.group(found.name))
    classes = tables.vocabulary.group(found.name).classes
    names = list(tables.labels)
    written = 0
    for row in rows:
        theirs = int(place[reading.classes[row]])
        sure = bool(reading.confidence[row] >= max(least, 1e-9)) and theirs != UNKNOWN
        tables.labels[names[row]][found.name] = classes[theirs] if sure else ""
        tables.sources[names[row]][found.name] = "reader" if sure else ""
        written += sure
    return written


def write_tables(tables: Tables) -> None:
    """Write the labels; attributes that no face has a label of are left out."""
    info = FaceFolder(tables.folder).existing_info()
    info.pop("schema_version", None)
    counts = dict(info.get("counts", {}))
    counts["labelled"] = sum(any(values.values()) for values in tables.labels.values())
    said = [(tables.labels[name], tables.sources[name]) for name in tables.labels]
    used = [g.name for g in tables.vocabulary if any(v[g.name] or s[g.name] for v, s in said)]
    vocabulary = tables.vocabulary.only(used) if used else tables.vocabulary
    write_labels(
        tables.folder,
        vocabulary,
        read_faces(tables.folder),
        _cut(tables.labels, vocabulary),
        {**info, "counts": counts},
        _cut(tables.sources, vocabulary),
    )


def _cut(cells: Cells, vocabulary: Vocabulary) -> Cells:
    return {name: {g: row[g] for g in vocabulary.names} for name, row in cells.items()}


def asked(reader: AttributeReader, names: Sequence[str]) -> tuple[Readable, ...]:
    """The reader's attributes, or those of these names. Raises `UserError` for another name."""
    known = {found.name: found for found in reader.attributes}
    for name in names:
        if name not in known:
            raise UserError(
                f"the reader does not read {name!r}", hint=f"it reads: {', '.join(known)}"
            )
    return tuple(known[name] for name in (names or known))


def read_tables(folder: Path, groups: Sequence[Group], general: Vocabulary) -> Tables:
    """The set's tables; those of `groups` that it lacks are added, unknown for every face."""
    info = FaceFolder(folder).existing_info()
    own = Vocabulary.from_json(info["vocabulary"], str(FaceFolder(folder).info_file))
    labels = read_labels(folder, own)
    _check_columns(folder, own)
    sources = read_label_sources(folder, labels)
    if not any(any(row.values()) for row in (*labels.values(), *sources.values())):
        own = own.only(())  # nothing is labelled: the attributes are those that will be
    wider = with_groups(own, groups, general)
    names = [face.file_name for face in read_faces(folder)]
    missing = [name for name in names if name not in labels]
    if missing:
        raise UserError(
            f"{len(missing)} faces have no row, the first is {missing[0]}",
            where=str(FaceFolder(folder).labels_table),
        )
    return Tables(
        folder,
        wider,
        {name: {group: labels[name].get(group, "") for group in wider.names} for name in names},
        {name: {group: sources[name].get(group, "") for group in wider.names} for name in names},
    )


def _check_columns(folder: Path, own: Vocabulary) -> None:
    """Raise `UserError` for a column that a person added: the next writing would drop it."""
    table = FaceFolder(folder).labels_table
    for _, cells in read_csv(table, ("file_name",)):
        added = [name for name in cells if name not in ("file_name", *own.names)]
        if added:
            raise UserError(
                f"the set has no attribute {added[0]!r}, and writing would lose the column",
                where=f"{table}:1",
                hint="delete it, or keep it in a labels.csv and import the faces with that",
            )
        return


def with_groups(own: Vocabulary, groups: Sequence[Group], general: Vocabulary) -> Vocabulary:
    """The set's own groups, then those it lacks.

    These as the general vocabulary has them, in its order, or else as they are given.
    """
    lacking = {group.name: group for group in groups if group.name not in own.names}
    known = [group for group in general if lacking.pop(group.name, None) is not None]
    wider = [*own.groups, *known, *lacking.values()]
    if set(own.names) <= set(general.names):
        places = {name: number for number, name in enumerate(general.names)}
        wider.sort(key=lambda group: places.get(group.name, len(places)))
    return Vocabulary(tuple(wider), own.several_people_tags, own.thorough_tags)


def read_faces_of(
    folder: Path, reader: AttributeReader, *, quiet: bool = False
) -> dict[str, Reading]:
    """What the reader says of all faces of a set, in their order, by attribute."""
    faces = read_face_set(folder)
    with progress("faces", len(faces), quiet=quiet) as advance:
        return reader.read(packed_pictures(faces), advance)
