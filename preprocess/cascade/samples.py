"""Training faces: read crops and boxed pictures, and draw jittered views of them."""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from manifest.errors import UserError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# A crop file is nearly its own box: a cascade cut it, and looser tools leave a little air.
_CROP_INSET = (0.03, 0.035, 0.94, 0.94)
# Side of the intermediate view: views shrink from here by averaging, as a working picture does.
_FINE_SIDE_PX = 64
# Share of the face pictures that nothing is fitted on.
_RAMP = np.arange(256) / 255
_HELD_SHARE = 0.12
_FEWEST_FACES = 20

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class BoxedPicture:
    """A picture in RGB and the boxes (xywh) of every face in it."""

    name: str
    rgb: np.ndarray
    faces: tuple[Box, ...]


@dataclass(frozen=True)
class Jitter:
    """How far views stray from the box; all shares are 0..1, spreads are standard deviations."""

    shift: float = 0.025
    scale: float = 0.05
    rotation_deg: float = 8.0
    squeeze_share: float = 0.15
    """Views narrowed towards a face turned to the side."""
    occluder_share: float = 0.1
    gray_share: float = 0.1
    min_side_px: int = 24
    """Views pass through a random size between this and 64 px, as small faces do."""


def read_crops(source: Path) -> list[BoxedPicture]:
    """Read a zip or folder of face crops, one face each; unreadable files are left out."""
    pictures = []
    for name, data in _files(source):
        rgb = _decode(data)
        if rgb is not None:
            height, width = rgb.shape[:2]
            x, y, w, h = _CROP_INSET
            box = (x * width, y * height, w * width, h * height)
            pictures.append(BoxedPicture(name, rgb, (box,)))
    if not pictures:
        raise UserError("no pictures here", where=str(source), hint="give a zip or folder of crops")
    return pictures


def read_boxed(folder: Path, max_side_px: int = 1200) -> list[BoxedPicture]:
    """Read a folder with boxes.csv (file,x,y,w,h; empty numbers: no face), shrunk to a side."""
    table = folder / "boxes.csv"
    faces = read_boxes(table)
    pictures = []
    for name, boxes in faces.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"lists {name}, which is not there", where=str(table))
        rgb = _decode(path.read_bytes())
        if rgb is None:
            continue
        scale = min(1.0, max_side_px / max(rgb.shape[:2]))
        if scale < 1:
            rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        scaled = tuple((x * scale, y * scale, w * scale, h * scale) for x, y, w, h in boxes)
        pictures.append(BoxedPicture(name, rgb, scaled))
    return pictures


def read_boxes(table: Path) -> dict[str, list[Box]]:
    """Boxes by file name of a CSV with columns file, x, y, w, h."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(
            "no such table", where=str(table), hint="columns file,x,y,w,h, one row a face"
        ) from None
    boxes: dict[str, list[Box]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            mine = boxes.setdefault(row["file"], [])
            cells = [row[c] for c in ("x", "y", "w", "h")]
            if any(cells):
                x, y, w, h = (float(c) for c in cells)
                mine.append((x, y, w, h))
        except (KeyError, TypeError, ValueError):
            raise UserError(
                "not a box", where=f"{table}:{line}", hint="columns file,x,y,w,h"
            ) from None
    return boxes


def split_faces(
    picture_sets: list[list[BoxedPicture]], seed: int
) -> tuple[list[BoxedPicture], list[BoxedPicture]]:
    """Pictures with a face: those to fit on, and those held back to set thresholds and measure."""
    with_face = [p for pictures in picture_sets for p in pictures if p.faces]
    if len(with_face) < _FEWEST_FACES:
        raise UserError(
            f"{len(with_face)} pictures with a face are too few to train on",
            hint=f"give at least {_FEWEST_FACES} with --crops or --pictures",
        )
    order = np.random.default_rng(seed).permutation(len(with_face))
    cut = max(1, int(len(with_face) * _HELD_SHARE))
    return [with_face[i] for i in order[cut:]], [with_face[i] for i in order[:cut]]


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.suffix.lower() in _SUFFIXES):
            yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    try:
        with zipfile.ZipFile(source) as archive:
            for name in sorted(archive.namelist()):
                if Path(name).suffix.lower() in _SUFFIXES:
                    yield name, archive.read(name)
    except (OSError, zipfile.BadZipFile):
        raise UserError("neither a folder nor a zip of pictures", where=str(source)) from None


def _decode(data: bytes) -> np.ndarray | None:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def draw_view(
    rgb: np.ndarray, box: Box, side_px: int, jitter: Jitter, rng: np.random.Generator
) -> np.ndarray:
    """A jittered view uint8 [S, S, 3] of one box, half of them mirrored."""
    view = _warp(rgb, box, jitter, rng)
    if rng.random() < jitter.occluder_share:
        _occlude(view, rng)
    middle = round(math.exp(rng.uniform(math.log(jitter.min_side_px), math.log(_FINE_SIDE_PX))))
    view = cv2.resize(view, (middle, middle), interpolation=cv2.INTER_AREA)
    view = cv2.resize(view, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
    return _retone(view, jitter.gray_share, rng)


def _warp(rgb: np.ndarray, box: Box, jitter: Jitter, rng: np.random.Generator) -> np.ndarray:
    x, y, w, h = box
    side = max(w, h) * np.exp(rng.normal(0, jitter.scale))
    cx = x + w / 2 + rng.normal(0, jitter.shift) * w
    cy = y + h / 2 + rng.normal(0, jitter.shift) * h
    angle = np.deg2rad(rng.normal(0, jitter.rotation_deg))
    zoom = _FINE_SIDE_PX / side
    zoom_x = zoom * (rng.uniform(0.7, 1.0) if rng.random() < jitter.squeeze_share else 1.0)
    zoom_x = -zoom_x if rng.random() < 0.5 else zoom_x
    linear = np.array(
        [
            [np.cos(angle) * zoom_x, -np.sin(angle) * zoom],
            [np.sin(angle) * zoom_x, np.cos(angle) * zoom],
        ]
    )
    offset = np.full(2, (_FINE_SIDE_PX - 1) / 2) - linear @ (cx - 0.5, cy - 0.5)
    matrix = np.column_stack([linear, offset])
    size = (_FINE_SIDE_PX, _FINE_SIDE_PX)
    shrunk, matrix = _preshrink(rgb, matrix, zoom)
    return cv2.warpAffine(shrunk, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _preshrink(rgb: np.ndarray, matrix: np.ndarray, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """Average a much larger picture down first, so that the warp does not alias."""
    if zoom > 0.6:
        return rgb, matrix
    shrunk = cv2.resize(rgb, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    back = np.array([rgb.shape[1] / shrunk.shape[1], rgb.shape[0] / shrunk.shape[0]])
    scaled = matrix.copy()
    scaled[:, 2] += matrix[:, :2] @ (back / 2 - 0.5)
    scaled[:, :2] *= back
    return shrunk, scaled


def _occlude(view: np.ndarray, rng: np.random.Generator) -> None:
    side = len(view)
    w, h = rng.integers(side // 8, side // 2, 2)
    x, y = rng.integers(-w // 2, side - w // 2), rng.integers(-h // 2, side - h // 2)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    cv2.rectangle(view, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)


def _retone(view: np.ndarray, gray_share: float, rng: np.random.Generator) -> np.ndarray:
    """Another exposure and light: one table per channel, or gray altogether."""
    gamma, gain, room = np.exp(rng.normal(0, 0.25)), rng.uniform(0.6, 1.1), rng.random()
    ramp = _RAMP**gamma * gain + room * max(1 - gain, 0)
    if rng.random() < gray_share:
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        tint = np.ones(3)
    else:
        tint = np.exp(rng.normal(0, 0.1, 3))
    table = np.clip(ramp[:, None] * tint * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(view, table[None])
