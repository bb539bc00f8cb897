"""`python -m preprocess audit`: labels against the colours in the faces, worst first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.faces import FaceSet, packed_path, read_face_set, read_faces
from avatar_common.disk.files import write_csv, write_text
from avatar_common.disk.vocabulary import UNKNOWN, Group
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.audit_page import render_page
from preprocess.colour import REGIONS, colour_features, out_of_fold
from preprocess.face_set import pack
from preprocess.options import AuditOptions
from preprocess.tag import report_counts

log = logging.getLogger(__name__)

MIN_LABELS = 60
CONFLICT_DOUBT = 0.9
AUDIT_COLUMNS = ("rank", "file_name", "attribute", "label", "suggested", "doubt", "L", "a", "b")


@dataclass(frozen=True)
class AuditedLabel:
    """One label against the colour measured in its face."""

    row: int
    file_name: str
    attribute: str
    label: str
    suggested: str
    """The class that the colour speaks for."""
    doubt: float
    """1 minus the probability of the label, by a model that has not seen this face."""
    lab: tuple[float, float, float]
    """The colour that stands out in the region."""


def is_own(folder: Path) -> bool:
    """Whether the faces were cut from a folder's pictures, and not from a crawl's."""
    return all(face.post.startswith("file:") for face in read_faces(folder))


def audit(options: AuditOptions) -> None:
    """Write audit.csv (every audited label, worst first) and audit.html."""
    folder = (
        Workspace(options.workspace).face_set(options.name)
        if options.name
        else Workspace(options.workspace).newest_face_set()
    )
    faces = read_face_set(folder)
    out = options.out or folder / "audit"
    groups = [group for group in faces.vocabulary if group.name in REGIONS]
    if options.dry_run:
        plan = [f"audit {', '.join(g.name for g in groups)} of {len(faces)} faces", f"write {out}"]
        explain_dry_run(options, plan)
        return
    if not groups:
        raise UserError("the face set has no hair or eye colours to check", where=str(folder))
    pictures = packed_pictures(faces)
    near = near_duplicate_numbers(folder)
    audited: list[AuditedLabel] = []
    with progress("attributes", len(groups), quiet=options.quiet) as advance:
        for group in groups:
            audited += audit_group(
                faces, pictures, near, group, np.random.default_rng(options.seed)
            )
            advance()
    audited.sort(key=lambda found: (-found.doubt, found.file_name, found.attribute))
    _write_table(out / "audit.csv", audited)
    counts = {
        group.name: label_counts(faces.labels[:, number], group)
        for number, group in enumerate(faces.vocabulary)
    }
    crawled = faces.info.get("made_by") == "crop" and not is_own(folder)
    report_counts(faces.vocabulary, counts, rare=options.rare, crawled=crawled)
    rng = np.random.default_rng(options.seed)
    page = render_page(faces, pictures, audited[: options.worst], counts, options, rng)
    write_text(out / "audit.html", page)
    conflicts = [found for found in audited if is_conflict(found)]
    log.info("%d labels are in doubt; look at %s", len(conflicts), out / "audit.html")
    emit_json(
        {
            "face_set": str(folder),
            "faces": len(faces),
            "audited": len(audited),
            "conflicts": {
                group.name: sum(found.attribute == group.name for found in conflicts)
                for group in groups
            },
            "table": str(out / "audit.csv"),
            "page": str(out / "audit.html"),
        }
    )


def _write_table(path: Path, audited: Sequence[AuditedLabel]) -> None:
    rows = (
        (
            rank,
            found.file_name,
            found.attribute,
            found.label,
            found.suggested,
            f"{found.doubt:.6f}",
            *(f"{value:.1f}" for value in found.lab),
        )
        for rank, found in enumerate(audited, start=1)
    )
    write_csv(path, AUDIT_COLUMNS, rows)


def is_conflict(found: AuditedLabel) -> bool:
    """Whether the colour speaks for another class, and clearly so."""
    return found.suggested != found.label and found.doubt >= CONFLICT_DOUBT


def packed_pictures(faces: FaceSet) -> npt.NDArray[np.uint8]:
    """All pictures, uint8 [N, 3, S, S], mapped into memory; the packed file is made when absent."""
    path = packed_path(faces)
    if not path.is_file():
        pack(faces.path, faces.file_names, faces.image_size, path)
    return np.asarray(np.load(path, mmap_mode="r"))


def near_duplicate_numbers(folder: Path) -> npt.NDArray[np.int64]:
    """The number of each face's near-duplicate group, int64 [N]."""
    _, numbers = np.unique([face.group for face in read_faces(folder)], return_inverse=True)
    return np.asarray(numbers, dtype=np.int64).reshape(-1)


def audit_group(
    faces: FaceSet,
    pictures: npt.NDArray[np.uint8],
    near: npt.NDArray[np.int64],
    group: Group,
    rng: np.random.Generator,
) -> list[AuditedLabel]:
    """One `AuditedLabel` per face that has a label of this group; none when there are too few."""
    labels = faces.labels[:, faces.vocabulary.names.index(group.name)]
    rows = np.flatnonzero(labels != UNKNOWN)
    if len(rows) < MIN_LABELS:
        log.warning("%s: %d labels are too few to audit", group.name, len(rows))
        return []
    labels = labels[rows]
    features, measured = colour_features(pictures[rows], REGIONS[group.name])
    probabilities = out_of_fold(features, labels, near[rows], len(group.classes), rng)
    return [
        AuditedLabel(
            int(row),
            faces.file_names[row],
            group.name,
            group.classes[label],
            group.classes[int(probability.argmax())],
            1.0 - float(probability[label]),
            (float(lab[0]), float(lab[1]), float(lab[2])),
        )
        for row, label, probability, lab in zip(rows, labels, probabilities, measured, strict=True)
    ]


def label_counts(labels: npt.NDArray[np.int64], group: Group) -> dict[str, int]:
    """How many faces each class has; "" counts the unknown."""
    counts = {name: int(np.sum(labels == index)) for index, name in enumerate(group.classes)}
    return {**counts, "": int(np.sum(labels == UNKNOWN))}
