"""`bench edit`: does another hair or eye colour show in real faces, and does the rest stay?

Whoever edits reads the faces with the model's own classifier and looks at them through
EfficientNet-Lite0. Here others look: the attribute reader of `preprocess label`, and the pooled
features of EfficientNet-Lite2.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import interpolate

from acgan.dataset import load_faces
from acgan.drawing.edit import editable
from acgan.drawing.model import Model, load
from acgan.drawing.recipe import Portrait
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC
from bench.options import EditOptions
from preprocess.reader.model import AttributeReader

FEWEST_SEEN = 100  # a class of fewer training faces is not asked for
NEARER_THAN = 0.95
FEATURE_SIDE_PX = 128
BATCH = 16
SHEET_COLUMNS, SHEET_ZOOM = 5, 3


@dataclass(frozen=True)
class Readings:
    """What the reader sees of an attribute in N faces."""

    classes: npt.NDArray[np.str_]
    """The likeliest class [N]."""
    sure: npt.NDArray[np.bool_]
    """Where `preprocess label` would write it down [N]."""


@dataclass(frozen=True)
class Observers:
    """Those who have no part in the editing."""

    reader: AttributeReader
    features: EfficientNetLite

    def read(self, pictures: PicturesNHWC) -> dict[str, Readings]:
        """Class names per attribute of uint8 [N,S,S,3], and where the reader is sure of them."""
        found = self.reader.read(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        return {
            attribute.name: Readings(
                np.array(attribute.classes)[found[attribute.name].classes],
                found[attribute.name].confidence >= attribute.min_confidence,
            )
            for attribute in self.reader.attributes
        }

    @torch.inference_mode()
    def describe(self, pictures: PicturesNHWC) -> torch.Tensor:
        """Pooled features [N,F] of uint8 [N,S,S,3]."""
        parts = []
        for start in range(0, len(pictures), BATCH):
            images = torch.from_numpy(pictures[start : start + BATCH]).permute(0, 3, 1, 2)
            images = interpolate(
                images.float() / 127.5 - 1, (FEATURE_SIDE_PX,) * 2, mode="bilinear", antialias=True
            )
            parts.append(self.features(images)[0].mean(dim=(2, 3)))
        return torch.cat(parts)


@dataclass(frozen=True)
class Edits:
    """One edit of one attribute for each face."""

    attribute: str
    asked: list[str]
    pictures: PicturesNHWC


def run(options: EditOptions) -> None:
    """Edit held-out faces and measure them; the last line on stdout is one JSON object."""
    if not 2 <= options.count <= 100_000:
        raise UserError("--count must be 2 to 100000")
    if options.dry_run:
        plan = f"change each colour of {options.count} held-out faces of {options.data}"
        explain_dry_run(options, [plan])
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    model = load(options.snapshot, workspace=options.workspace)
    faces = held_out(options.data, options.count, options.seed)
    observers = Observers(AttributeReader(), load_efficientnet_lite("efficientnet-lite2"))
    starts, seconds = [], []
    with progress("faces", len(faces), quiet=options.quiet) as advance:
        for face in faces:
            begun = time.thread_time()
            starts.append(model.find_portrait(Image.fromarray(face)))
            seconds.append(time.thread_time() - begun)
            advance()
    known = {attribute.name for attribute in observers.reader.attributes}
    names = [name for name in editable(model.info) if name in known]
    original = observers.read(faces)
    edits = [edit_all(model, faces, starts, original, name, options.seed) for name in names]
    if options.sheet is not None:
        write_bytes(options.sheet, sheet_of(faces, edits))
    scores = {found.attribute: scored(observers, faces, original, found, names) for found in edits}
    emit_json(
        {
            "snapshot": model.name,
            "data": str(options.data),
            "faces": len(faces),
            "attributes": scores,
            **{
                key: mean_of([score[key] for score in scores.values()])
                for key in ("shows", "others_stay", "nearer_to_itself")
            },
            "cpu_seconds_per_face": round(float(np.median(seconds)), 2),
        }
    )


def mean_of(shares: list[float | None]) -> float | None:
    """The mean of what was measured."""
    known = [found for found in shares if found is not None]
    return round(sum(known) / len(known), 3) if known else None


def held_out(data: Path, count: int, seed: int) -> PicturesNHWC:
    """Faces that no model of this set was trained on, uint8 [N,S,S,3]."""
    faces = load_faces(data, "test")
    if len(faces) < 2:
        raise UserError("two held-out faces or more are needed", where=str(data))
    rows = np.sort(np.random.default_rng(seed).permutation(len(faces))[:count])
    return np.ascontiguousarray(np.asarray(faces.images[rows]).transpose(0, 2, 3, 1))


def edit_all(
    model: Model,
    faces: PicturesNHWC,
    starts: list[Portrait],
    original: dict[str, Readings],
    name: str,
    seed: int,
) -> Edits:
    """Each face with another class of one attribute, none that anyone sees in it already."""
    group = model.info.vocabulary.group(name)
    place = model.info.vocabulary.names.index(name)
    counts = model.info.class_counts[name]
    often = [c for c, n in zip(group.classes, counts, strict=True) if n >= FEWEST_SEEN]
    chance = np.random.default_rng([seed, place])
    asked, pictures = [], []
    for face, start, seen in zip(faces, starts, original[name].classes, strict=True):
        others = [c for c in often if c not in (seen, group.classes[start.labels[place]])]
        asked.append(str(chance.choice(others)))
        edited = model.recolour(Image.fromarray(face), start, [f"{name}={asked[-1]}"])
        pictures.append(np.asarray(edited))
    return Edits(name, asked, np.stack(pictures))


def scored(
    observers: Observers,
    faces: PicturesNHWC,
    original: dict[str, Readings],
    edits: Edits,
    names: list[str],
) -> dict[str, Any]:
    """How many show what was asked for, keep the other attributes, and stay like themselves."""
    seen, asked = observers.read(edits.pictures), np.array(edits.asked)
    shows = seen[edits.attribute].classes == asked
    others = [name for name in names if name != edits.attribute]
    stays = [seen[name].classes == original[name].classes for name in others]
    sure = [original[name].sure for name in others]
    away = torch.cdist(observers.describe(edits.pictures), observers.describe(faces))
    farther = (away > away.diagonal()[:, None]).sum(dim=1) / (len(faces) - 1)
    return {
        "shows": share(shows),
        "others_stay": share(*(same[known] for same, known in zip(stays, sure, strict=True))),
        "others_stay_unsure_too": share(*stays),
        "nearer_to_itself": share((farther >= NEARER_THAN).numpy()),
        "per_class": {
            name: f"{shows[asked == name].sum()}/{(asked == name).sum()}"
            for name in sorted(set(edits.asked))
        },
    }


def share(*true: npt.NDArray[np.bool_]) -> float | None:
    """How many are true; None of nothing."""
    flat = np.concatenate(true) if true else np.empty(0, bool)
    return round(float(flat.mean()), 3) if len(flat) else None


def sheet_of(faces: PicturesNHWC, edits: list[Edits]) -> bytes:
    """Every face followed by its edits, as a PNG to look at."""
    rows = np.concatenate([faces, *(found.pictures for found in edits)], axis=2)
    rows = rows[: len(rows) // SHEET_COLUMNS * SHEET_COLUMNS or len(rows)]
    columns = SHEET_COLUMNS if len(rows) % SHEET_COLUMNS == 0 else 1
    lines = [
        np.concatenate(list(part), axis=1) for part in rows.reshape(-1, columns, *rows.shape[1:])
    ]
    image = Image.fromarray(np.concatenate(lines))
    image = image.resize((image.width * SHEET_ZOOM, image.height * SHEET_ZOOM))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
