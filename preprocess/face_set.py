"""Writing a face set: tables, dataset id, packed pictures.

`avatar_common.disk.faces` has the contract.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from avatar_common.disk.faces import (
    FACES_SCHEMA_VERSION,
    FaceFolder,
    FaceRow,
    Labels,
    LabelSource,
    RejectRow,
    Sources,
    dataset_id_of,
    packed_name,
    read_label_sources,
    read_labels,
    write_label_sources,
    write_packed,
)
from avatar_common.disk.files import write_csv
from avatar_common.disk.identity import hash_rows, picture_hashes
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

MUCH_LOST, WORTH_A_LINE = 0.1, 0.02


def said_before(folder: Path) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """The set's labels that persons gave or the reader read, and which of the two, by file name.

    Tags and tables can be read again, these not.
    """
    info = FaceFolder(folder).existing_info()
    if not info or not FaceFolder(folder).labels_table.is_file():
        return {}, {}
    labels = read_labels(folder, Vocabulary.from_json(info["vocabulary"], str(folder)))
    sources = {
        name: {group: source for group, source in row.items() if source in ("reader", "person")}
        for name, row in read_label_sources(folder, labels).items()
    }
    sources = {name: row for name, row in sources.items() if row}
    return {name: labels[name] for name in sources}, sources


def add_said(
    labels: Labels, source: LabelSource, said: tuple[Labels, Sources], vocabulary: Vocabulary
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """New labels together with what was said before; returns labels and their sources.

    A person's word stands, the reader's where there is no other.
    """
    words, speakers = said
    merged = {name: dict(values) for name, values in labels.items()}
    sources: dict[str, dict[str, str]] = {
        name: {group: source if value else "" for group, value in values.items()}
        for name, values in labels.items()
    }
    for name, groups in speakers.items():
        for group, speaker in groups.items():
            word = words[name][group]
            fits = group in vocabulary.names and word in ("", *vocabulary.group(group).classes)
            if fits and name in merged and (speaker == "person" or not merged[name].get(group)):
                merged[name][group], sources[name][group] = word, speaker
    return merged, sources


def write_labels(
    folder: Path,
    vocabulary: Vocabulary,
    faces: Sequence[FaceRow],
    labels: Labels,
    info: Mapping[str, Any],
    source: LabelSource | Sources,
) -> tuple[dict[str, Any], bool]:
    """Write attributes.csv, label_sources.csv, the packed pictures and dataset.json.

    `labels` holds, per file name, a value ("" for unknown) for every group, in the vocabulary's
    order; `source` says where they come from, each of them or all. Returns dataset.json's content,
    and whether anything had to be written.
    """
    if isinstance(source, str):
        said = dict.fromkeys(vocabulary.names, source)
        source = {face.file_name: said for face in faces}
    file_names = [face.file_name for face in faces]
    hashes = picture_hashes(folder, file_names)
    dataset_id = dataset_id_of(vocabulary, faces, labels, hashes)
    counts = class_counts(vocabulary, labels)
    content = {
        **info,
        "dataset_id": dataset_id,
        "vocabulary": vocabulary.to_json(),
        "class_counts": counts,
    }
    packed = folder / packed_name(hash_rows((), hashes))
    stored = FaceFolder(folder).existing_info()
    if (
        {"schema_version": FACES_SCHEMA_VERSION, **content} == stored
        and packed.is_file()
        and FaceFolder(folder).labels_table.is_file()
    ):
        write_label_sources(folder, vocabulary, labels, source)
        return content, False
    if not packed.is_file():
        for old in folder.glob("packed-*.npy"):
            old.unlink()
        pack(folder, file_names, int(info["image_size"]), packed)
    rows = [(face.file_name, *labels[face.file_name].values()) for face in faces]
    write_csv(FaceFolder(folder).labels_table, ("file_name", *vocabulary.names), rows)
    write_label_sources(folder, vocabulary, labels, source)
    FaceFolder(folder).write_info(content)
    return content, True


def pack(folder: Path, file_names: Sequence[str], size: int, out: Path) -> None:
    """All pictures in one .npy file, uint8 [N, 3, S, S] in row order, written picture by picture.

    Raises `UserError` naming a picture that is gone, broken, or of another size.
    """
    pictures = (_pixels(FaceFolder(folder).images / name, size) for name in file_names)
    write_packed(out, len(file_names), size, pictures)


def _pixels(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """One picture, uint8 [3, S, S]."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        raise UserError("not a readable picture", where=str(path)) from None
    if pixels.shape != (size, size, 3):
        raise UserError(f"the face set's pictures are {size} px wide", where=str(path))
    return pixels.transpose(2, 0, 1)


def class_counts(vocabulary: Vocabulary, labels: Labels) -> dict[str, dict[str, int]]:
    """Per group, how many faces each class has; "" counts the unknown."""
    counts = {group.name: dict.fromkeys((*group.classes, ""), 0) for group in vocabulary}
    for group in vocabulary:
        found = Counter(values[group.name] for values in labels.values())
        counts[group.name].update(found)
    return counts


def reject_counts(rejects: Sequence[RejectRow]) -> dict[str, int]:
    """How often each reason occurs, most frequent first."""
    return dict(Counter(row[3] for row in rejects).most_common())


def explain_losses(
    folder: Path, rejects: Mapping[str, int], pictures: int, remedies: Mapping[str, str]
) -> None:
    """Where over a tenth is left out: say why, and which option changes it."""
    if sum(rejects.values()) <= MUCH_LOST * pictures:
        return
    for reason, count in rejects.items():
        if count >= WORTH_A_LINE * pictures:
            remedy = f"; {remedies[reason]}" if reason in remedies else ""
            log.warning("%s: %d of %d pictures%s", reason, count, pictures, remedy)
    log.warning("what was left out is in %s, with its reason", FaceFolder(folder).rejects_table)
