"""`bench drawn-faces`: a face set of drawn characters, every attribute known, framed loosely."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.faces import FaceFolder, FaceRow, split_of
from avatar_common.disk.files import check_folder, write_bytes
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.disk.workspace import Workspace
from bench.options import DrawnFacesOptions
from demo.artist import Attributes, draw_character, random_attributes, random_style
from demo.artist.background import BACKGROUNDS, draw_background
from preprocess.face_set import write_labels
from preprocess.picture import png_bytes

# The face box's side in shares of the picture: `crop` cuts at 0.67, other people's sets wider.
_FACE_SHARE = (0.48, 0.78)
_PLAIN_ODDS = 0.4


def run(options: DrawnFacesOptions) -> None:
    """Draw the faces and write the set's tables."""
    folder = Workspace(options.workspace).face_set(options.name)
    if options.dry_run:
        explain_dry_run(options, [f"draw {options.faces} faces into {folder}"])
        return
    check_folder(folder)
    vocabulary = load_vocabulary()
    rows, labels = [], {}
    with progress("drawing", options.faces, quiet=options.quiet) as advance:
        for number in range(options.faces):
            rng = np.random.default_rng((options.seed, number))
            attributes = random_attributes(rng)
            name = f"{number:06d}.png"
            picture = Image.fromarray(_draw(attributes, options.size, rng))
            write_bytes(FaceFolder(folder).images / name, png_bytes(picture), durable=False)
            side = float(options.size)
            rows.append(FaceRow(name, "", name, 0, 0, side, side, 1.0, 1.0, name, split_of(name)))
            labels[name] = {
                group.name: str(attributes[group.name])
                if group.kind == "one_of"
                else str(int(attributes[group.name]))
                for group in vocabulary
            }
            advance()
    FaceFolder(folder).write_faces(rows, [])
    counts = {"faces": len(rows), "labelled": len(rows)}
    info = {"made_by": "drawn-faces", "image_size": options.size, "counts": counts}
    write_labels(folder, vocabulary, rows, labels, info, "table")
    emit_json({"face_set": str(folder), "faces": len(rows)})


def _draw(attributes: Attributes, size: int, rng: np.random.Generator) -> np.ndarray:
    """One face, uint8 RGB [size, size, 3]."""
    inner = max(2 * size, 192)
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    canvas = draw_background(inner, inner, "plain" if rng.random() < _PLAIN_ODDS else kind, rng)
    style = random_style(attributes, rng)
    centre = inner * (0.5 + rng.normal([0, 0.02], [0.03, 0.04]))
    face = inner * rng.uniform(*_FACE_SHARE)
    draw_character(canvas, attributes, (float(centre[0]), float(centre[1])), face, style, rng)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
