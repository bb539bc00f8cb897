"""`bench detector-pictures`: what `train-cascade` and `train-verifier` learn from beside crops."""

from __future__ import annotations

import csv
import os
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import skimage
import sklearn.datasets
from PIL import Image

from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.errors import UserError
from bench.options import DetectorPicturesOptions
from demo.crowd import draw_post
from preprocess.boxes import Box
from preprocess.decode import SUFFIXES
from preprocess.detect import load_cascade

REAL_DATA = Path(os.environ.get("AVATAR_SHARED", Path(__file__).parents[2] / "shared" / "data"))

# Pictures without a face that two libraries ship; held out: those the shuffle below puts first.
_PHOTOS = (
    "brick.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png",
    "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png", "moon.png",
)  # fmt: skip
_MORE_PHOTOS = ("flower.jpg", "china.jpg")
_PHOTO_SIDE_PX, _SEARCHED_SIDE_PX = 1200, 640
_PHOTOS_HELD, _ILLUSTRATIONS_HELD, _DRAWN_HELD_SHARE = 5, 6, 0.3
_HELD_SEED = 3
# A drawn face's tight box, brows to chin, to the box that a cascade would give it.
_GROWTH, _FALL = 1.24, 0.125

Row = tuple[str, Box | None]


def run(options: DetectorPicturesOptions) -> None:
    """Write all folders; existing files are replaced."""
    illustrations = options.illustrations or REAL_DATA / "pictures" / "more"
    cascade = options.cascade or REAL_DATA / "cascade" / "lbpcascade_animeface.xml"
    if options.dry_run:
        explain_dry_run(options, [f"write {options.out} from {illustrations}"])
        return
    if not illustrations.is_dir():
        raise UserError("no such folder", where=str(illustrations), hint="give --illustrations")
    counts = {
        "illustrations": _write_illustrations(illustrations, cascade, options.out),
        "photos": _write_photos(options.out),
        "drawn": _write_drawn(options, "drawn", options.posts, options.seed),
        "drawn-held": _write_drawn(
            options, "drawn-held", round(_DRAWN_HELD_SHARE * options.posts), options.seed + 101
        ),
    }
    emit_json({"out": options.out, **counts})


def _write_illustrations(source: Path, cascade_path: Path, out: Path) -> int:
    cascade = load_cascade(cascade_path)
    rows: list[Row] = []
    paths = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
    for path in paths:
        gray = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        scale = min(1.0, _SEARCHED_SIDE_PX / max(gray.shape))
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes = cascade.detectMultiScale(gray, 1.05, 2, minSize=(24, 24))
        largest = max(boxes, key=lambda box: int(box[2]), default=None)
        if largest is None:
            rows.append((path.name, None))
        else:
            x, y, w, h = (float(v) / scale for v in largest)
            rows.append((path.name, (x, y, w, h)))
    return _write_split(rows, source, out, "illustrations", _ILLUSTRATIONS_HELD)


def _write_photos(out: Path) -> int:
    paths = [Path(skimage.__file__).parent / "data" / name for name in _PHOTOS]
    paths += [Path(sklearn.datasets.__file__).parent / "images" / name for name in _MORE_PHOTOS]
    made = out / "photos.part"
    made.mkdir(parents=True, exist_ok=True)
    for path in paths:
        image = Image.open(path).convert("RGB")
        image.thumbnail((_PHOTO_SIDE_PX, _PHOTO_SIDE_PX))
        image.save(made / f"{path.stem}.png")
    rows: list[Row] = [(f"{path.stem}.png", None) for path in paths]
    count = _write_split(rows, made, out, "photos", _PHOTOS_HELD)
    shutil.rmtree(made)
    return count


def _write_drawn(options: DetectorPicturesOptions, name: str, count: int, seed: int) -> int:
    folder = options.out / name
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with progress(name, count, quiet=options.quiet) as advance:
        for index in range(count):
            post = draw_post(index, seed)
            file = f"{index}.{post.file_ext}"
            (folder / file).write_bytes(post.data)
            for character in post.characters:
                x, y, w, h = character.face_xywh
                spare = (_GROWTH - 1) / 2
                box = (x - spare * w, y + (_FALL - spare) * h, _GROWTH * w, _GROWTH * h)
                rows.append((file, box))
            if not post.characters:
                rows.append((file, None))
            advance()
    _write_boxes(folder, rows)
    return count


def _write_split(rows: list[Row], source: Path, out: Path, name: str, held: int) -> int:
    """Copy the pictures of `rows` to NAME, but some to NAME-held."""
    random.Random(_HELD_SEED).shuffle(rows)
    for folder, part in ((out / f"{name}-held", rows[:held]), (out / name, rows[held:])):
        folder.mkdir(parents=True, exist_ok=True)
        for file, _ in part:
            shutil.copyfile(source / file, folder / file)
        _write_boxes(folder, part)
    return len(rows)


def _write_boxes(folder: Path, rows: Iterable[Row]) -> None:
    with (folder / "boxes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "x", "y", "w", "h"))
        for name, box in rows:
            table.writerow((name, *(("",) * 4 if box is None else (round(v) for v in box))))
