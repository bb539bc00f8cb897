"""`bench edit`: does another hair or eye colour show in real faces, and does the rest stay?

Whoever edits reads the faces with the model's own classifier and looks at them through
EfficientNet-Lite0. Here others judge: the attribute reader of `preprocess label`, and the pooled
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
from acgan.drawing.edit import editable, edited
from acgan.drawing.model import Model, load
from acgan.drawing.recipe import Portrait
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from bench.options import EditOptions
from preprocess.reader.model import AttributeReader

FEWEST_SEEN = 100  # a class of fewer training faces is not asked for
NEARER_THAN = 0.95
FEATURE_SIDE_PX = 128
BATCH = 16
SHEET_COLUMNS, SHEET_ZOOM = 5, 3

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Judges:
    """Those who have no part in the editing."""

    reader: AttributeReader
    features: EfficientNetLite

    def read(self, pictures: Pictures) -> dict[str, list[str]]:
        """Class names per attribute of uint8 [N,S,S,3]."""
        found = self.reader.read(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        classes = {attribute.name: attribute.classes for attribute in self.reader.attributes}
        return {name: [classes[name][c] for c in r.classes] for name, r in found.items()}

    @torch.inference_mode()
    def describe(self, pictures: Pictures) -> torch.Tensor:
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
    pictures: Pictures


def run(options: EditOptions) -> None:
    """Edit held-out faces and judge them; the last line on stdout is one JSON object."""
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
    judges = Judges(AttributeReader(), load_efficientnet_lite("efficientnet-lite2"))
    starts, seconds = [], []
    with progress("faces", len(faces), quiet=options.quiet) as advance:
        for face in faces:
            begun = time.thread_time()
            starts.append(model.find_portrait(Image.fromarray(face)))
            seconds.append(time.thread_time() - begun)
            advance()
    known = {attribute.name for attribute in judges.reader.attributes}
    names = [name for name in editable(model.info) if name in known]
    original = judges.read(faces)
    edits = [edit_all(model, faces, starts, original, name, options.seed) for name in names]
    if options.sheet is not None:
        write_bytes(options.sheet, sheet_of(faces, edits))
    scores = {found.attribute: judged(judges, faces, original, found, names) for found in edits}
    emit_json(
        {
            "snapshot": model.name,
            "data": str(options.data),
            "faces": len(faces),
            "attributes": scores,
            **{
                key: round(float(np.mean([score[key] for score in scores.values()])), 3)
                for key in ("shows", "others_stay", "nearer_to_itself")
            },
            "cpu_seconds_per_face": round(float(np.median(seconds)), 2),
        }
    )


def held_out(data: Path, count: int, seed: int) -> Pictures:
    """Faces that no model of this set was trained on, uint8 [N,S,S,3]."""
    faces = load_faces(data, "test")
    if len(faces) < 2:
        raise UserError("two held-out faces or more are needed", where=str(data))
    rows = np.sort(np.random.default_rng(seed).permutation(len(faces))[:count])
    return np.ascontiguousarray(np.asarray(faces.images[rows]).transpose(0, 2, 3, 1))


def edit_all(
    model: Model,
    faces: Pictures,
    starts: list[Portrait],
    original: dict[str, list[str]],
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
    for face, start, seen in zip(faces, starts, original[name], strict=True):
        others = [c for c in often if c not in (seen, group.classes[start.labels[place]])]
        asked.append(str(chance.choice(others)))
        path = [start, *model.changes(start, [f"{name}={asked[-1]}"])]
        pictures.append(np.asarray(edited(model.painter, Image.fromarray(face), path)))
    return Edits(name, asked, np.stack(pictures))


def judged(
    judges: Judges,
    faces: Pictures,
    original: dict[str, list[str]],
    edits: Edits,
    names: list[str],
) -> dict[str, Any]:
    """How many show what was asked for, keep the other attributes, and stay like themselves."""
    seen = judges.read(edits.pictures)
    shows = np.array([a == b for a, b in zip(seen[edits.attribute], edits.asked, strict=True)])
    others = [name for name in names if name != edits.attribute]
    stays = [np.equal(seen[name], original[name]).mean() for name in others]
    away = torch.cdist(judges.describe(edits.pictures), judges.describe(faces))
    farther = (away > away.diagonal()[:, None]).sum(dim=1) / (len(faces) - 1)
    classes = sorted(set(edits.asked))
    asked = np.array(edits.asked)
    return {
        "shows": round(float(shows.mean()), 3),
        "others_stay": round(float(np.mean(stays)), 3) if stays else 1.0,
        "nearer_to_itself": round(float((farther >= NEARER_THAN).float().mean()), 3),
        "per_class": {c: f"{shows[asked == c].sum()}/{(asked == c).sum()}" for c in classes},
    }


def sheet_of(faces: Pictures, edits: list[Edits]) -> bytes:
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
