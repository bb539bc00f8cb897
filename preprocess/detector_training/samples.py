"""Training faces: read crops and boxed pictures, and draw jittered views of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_common.errors import UserError
from preprocess.archive import open_archive
from preprocess.boxes import Box, read_boxes

log = logging.getLogger(__name__)

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
# A crop file is nearly its own box: a cascade cut it, and looser tools leave a little air.
_CROP_INSET = (0.03, 0.035, 0.94, 0.94)
# Side of the intermediate view: views shrink from here by averaging, as a working picture does.
FINE_SIDE_PX = 64
_RAMP = np.arange(256) / 255
# Shifts and scales are cut off at so many standard deviations.
_WITHIN = np.array([-2.5, 2.5])
# Share of the face pictures that nothing is fitted on.
_HELD_SHARE = 0.12
_FEWEST_FACES = 20


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
    dim_share: float = 0.0
    """Views of little contrast, or in coloured light."""
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
    pictures = []
    for name, faces in read_boxes(table).items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"lists {name}, which is not there", where=str(table))
        rgb = _decode(path.read_bytes())
        if rgb is None:
            continue
        scale = min(1.0, max_side_px / max(rgb.shape[:2]))
        if scale < 1:
            rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes = [face.box for face in faces]
        scaled = tuple((x * scale, y * scale, w * scale, h * scale) for x, y, w, h in boxes)
        pictures.append(BoxedPicture(name, rgb, scaled))
    return pictures


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
    archive = open_archive(source)
    for name in archive.names if source.is_dir() else sorted(archive.names):
        if Path(name).suffix.lower() in _SUFFIXES:
            try:
                yield name, archive.read(name)
            except UserError as error:
                log.warning("left out: %s", error)


def _decode(data: bytes) -> np.ndarray | None:
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # an empty file, or over OpenCV's limit of pixels
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def draw_view(
    rgb: np.ndarray, box: Box, side_px: int, jitter: Jitter, rng: np.random.Generator
) -> np.ndarray:
    """A jittered view uint8 [S, S, 3] of one box, half of them mirrored."""
    view = sampled(rgb, view_matrix(box, jitter, rng))
    return finished(view, side_px, jitter, rng)


def finished(
    view: np.ndarray, side_px: int, jitter: Jitter, rng: np.random.Generator
) -> np.ndarray:
    """The view [64, 64, 3] at its final size [S, S, 3].

    Perhaps covered in part, as small a face as the jitter allows, in another light.
    """
    if rng.random() < jitter.occluder_share:
        _occlude(view, rng)
    middle = round(math.exp(rng.uniform(math.log(jitter.min_side_px), math.log(FINE_SIDE_PX))))
    view = cv2.resize(view, (middle, middle), interpolation=cv2.INTER_AREA)
    view = cv2.resize(view, (side_px, side_px), interpolation=cv2.INTER_LINEAR)
    return _retone(view, jitter, rng)


def view_matrix(box: Box, jitter: Jitter, rng: np.random.Generator) -> np.ndarray:
    """The affine map [2, 3] from the picture to a jittered view of 64 x 64 px around the box."""
    x, y, w, h = box
    side = max(w, h) * np.exp(np.clip(rng.normal(0, jitter.scale), *_WITHIN * jitter.scale))
    shift_x, shift_y = np.clip(rng.normal(0, jitter.shift, 2), *_WITHIN * jitter.shift)
    cx, cy = x + w / 2 + shift_x * w, y + h / 2 + shift_y * h
    angle = np.deg2rad(rng.normal(0, jitter.rotation_deg))
    zoom = FINE_SIDE_PX / side
    zoom_x = zoom * (rng.uniform(0.7, 1.0) if rng.random() < jitter.squeeze_share else 1.0)
    zoom_x = -zoom_x if rng.random() < 0.5 else zoom_x
    linear = np.array(
        [
            [np.cos(angle) * zoom_x, -np.sin(angle) * zoom],
            [np.sin(angle) * zoom_x, np.cos(angle) * zoom],
        ]
    )
    offset = np.full(2, (FINE_SIDE_PX - 1) / 2) - linear @ (cx - 0.5, cy - 0.5)
    return np.column_stack([linear, offset])


def sampled(
    picture: np.ndarray, matrix: np.ndarray, border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """The picture [h, w, ...] seen through a map of `view_matrix`, [64, 64, ...]."""
    zoom = float(np.hypot(matrix[0, 1], matrix[1, 1]))
    if zoom < 0.6:  # average first: the warp alone would alias
        picture, matrix = _shrunk(picture, matrix, zoom)
    return cv2.warpAffine(picture, matrix, (FINE_SIDE_PX, FINE_SIDE_PX), borderMode=border)


def _shrunk(picture: np.ndarray, matrix: np.ndarray, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the picture that the view shows, averaged down by `zoom`, and its own map."""
    height, width = picture.shape[:2]
    edge = FINE_SIDE_PX + 2
    corners = np.array([(-2, -2, 1), (edge, -2, 1), (-2, edge, 1), (edge, edge, 1)], float)
    reached = corners @ cv2.invertAffineTransform(matrix).T
    low = np.clip(np.floor(reached.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(reached.max(axis=0)) + 1, low + 1, (width, height)).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    size = (max(round(part.shape[1] * zoom), 1), max(round(part.shape[0] * zoom), 1))
    shrunk = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    back = np.array([part.shape[1] / size[0], part.shape[0] / size[1]])
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (low + back / 2 - 0.5)
    moved[:, :2] *= back
    return shrunk, moved


def _occlude(view: np.ndarray, rng: np.random.Generator) -> None:
    side = len(view)
    w, h = rng.integers(side // 8, side // 2, 2)
    x, y = rng.integers(-w // 2, side - w // 2), rng.integers(-h // 2, side - h // 2)
    colour = tuple(int(v) for v in rng.integers(0, 256, 3))
    cv2.rectangle(view, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)


def _retone(view: np.ndarray, jitter: Jitter, rng: np.random.Generator) -> np.ndarray:
    """Another exposure and light: one table per channel, or gray altogether."""
    dim = rng.random() < jitter.dim_share
    gamma, gain = np.exp(rng.normal(0, 0.25)), rng.uniform(0.25 if dim else 0.6, 1.1)
    ramp = _RAMP**gamma * gain + rng.random() * max(1 - gain, 0)
    if rng.random() < jitter.gray_share:
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tint = np.exp(rng.normal(0, 0.35 if dim else 0.1, 3))
    table = np.clip(ramp[:, None] * tint * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(view, table[None])
