"""Negative windows: what a partial cascade still takes for a face where there is none.

OpenCV itself runs the partial cascade, one window size at a time over pictures that we resize, so
each hit is exactly the 24 x 24 pixels it decided on.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from preprocess.boxes import Box
from preprocess.detector_training.samples import BoxedPicture
from preprocess.detector_training.xml import Cascade, write_xml

_log = logging.getLogger(__name__)

# A window overlapping a face more than this is neither face nor background.
_MAX_FACE_IOU = 0.3
_MAX_HITS_PER_SCENE = 100
_MOSAIC_ROWS = 4


@dataclass(frozen=True)
class Scene:
    """A gray picture to scan, and the faces (xywh) in it to leave alone."""

    gray: np.ndarray
    faces: np.ndarray


class Backgrounds:
    """Draws scenes at random: boxed pictures, mosaics of head crops, drawn clutter."""

    def __init__(
        self,
        picture_sets: list[list[BoxedPicture]],
        crops: list[BoxedPicture],
        rng: np.random.Generator,
    ) -> None:
        self._sets = [[_gray(p) for p in pictures] for pictures in picture_sets]
        self._crops = [_gray(c) for c in crops]
        self._rng = rng

    def scene(self) -> Scene:
        """One random scene, resized, mirrored and retoned at random."""
        kind = self._rng.random()
        if kind < 0.1 or not (self._sets or self._crops):
            return Scene(clutter(self._rng), np.empty((0, 4)))
        if self._crops and (kind < 0.45 or not self._sets):
            return self._mosaic()
        pictures = self._sets[self._rng.integers(len(self._sets))]
        gray, faces = pictures[self._rng.integers(len(pictures))]
        long_side = np.exp(self._rng.uniform(np.log(100), np.log(900)))
        return self._resized(gray, faces, long_side / max(gray.shape))

    def _mosaic(self) -> Scene:
        """Sixteen head crops side by side: a scan of many tiny pictures is all overhead."""
        rng, cell = self._rng, 96
        side = cell * _MOSAIC_ROWS
        gray, faces = np.zeros((side, side), np.uint8), []
        for i, k in enumerate(rng.integers(len(self._crops), size=_MOSAIC_ROWS**2)):
            crop, boxes = self._crops[k]
            x, y = i % _MOSAIC_ROWS * cell, i // _MOSAIC_ROWS * cell
            gray[y : y + cell, x : x + cell] = cv2.resize(crop, (cell, cell))
            faces += [(x + b[0], y + b[1], b[2], b[3]) for b in boxes * (cell / len(crop))]
        return self._resized(gray, np.array(faces), float(np.exp(rng.uniform(-0.7, 1.6))))

    def _resized(self, gray: np.ndarray, faces: np.ndarray, scale: float) -> Scene:
        rng = self._rng
        interpolation = cv2.INTER_AREA if rng.random() < 0.5 and scale < 1 else cv2.INTER_LINEAR
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=interpolation)
        faces = faces * scale
        if rng.random() < 0.5:
            gray = gray[:, ::-1]
            faces = faces.copy()
            faces[:, 0] = gray.shape[1] - faces[:, 0] - faces[:, 2]
        x, y = rng.integers(0, 2, 2)  # OpenCV steps two pixels: reach the odd places too
        table = np.clip(255 * (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.2)), 0, 255)
        gray = cv2.LUT(np.ascontiguousarray(gray[y:, x:]), table.astype(np.uint8))
        return Scene(gray, faces - (x, y, 0, 0))


def _gray(picture: BoxedPicture) -> tuple[np.ndarray, np.ndarray]:
    gray = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    return gray, np.array(picture.faces, float).reshape(-1, 4)


def clutter(rng: np.random.Generator, side_px: int = 256) -> np.ndarray:
    """A gray picture of shapes, lines and letters on a gradient, uint8 [S, S]."""
    first, last = rng.uniform(0, 255, 2)
    ramp = np.linspace(first, last, side_px)
    gray = np.repeat(ramp[None], side_px, 0)
    gray = np.clip(gray + rng.normal(0, rng.uniform(0, 30), gray.shape), 0, 255).astype(np.uint8)
    for _ in range(rng.integers(5, 60)):
        x, y, w, h = (int(v) for v in rng.integers(0, side_px, 4))
        shade, line = int(rng.integers(256)), int(rng.integers(-1, 4)) or -1
        match int(rng.integers(4)):
            case 0:
                cv2.ellipse(gray, (x, y), (w // 6 + 1, h // 6 + 1), w, 0, 360, shade, line)
            case 1:
                cv2.rectangle(gray, (x, y), (x + w // 5, y + h // 5), shade, line)
            case 2:
                cv2.line(gray, (x, y), (w, h), shade, abs(line))
            case _:
                word = "".join(chr(c) for c in rng.integers(33, 127, 6))
                cv2.putText(gray, word, (x, y), 0, w / 128 + 0.2, shade, abs(line))
    return gray


def mine(cascade: Cascade, backgrounds: Backgrounds, wanted: int, time_cap_s: float) -> np.ndarray:
    """Up to `wanted` windows uint8 [N, S, S] that pass `cascade`; fewer when time runs out."""
    found: list[np.ndarray] = []
    count, scenes, start = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scanner = _scanner(cascade, Path(folder) / "partial.xml") if cascade.stages else None
        while count < wanted and time.monotonic() - start < time_cap_s:
            scene = backgrounds.scene()
            windows = _hits(scanner, scene, cascade.window_px, backgrounds._rng)
            found.append(windows)
            count, scenes = count + len(windows), scenes + 1
    _log.info("mined %d windows in %d scenes, %.0f s", count, scenes, time.monotonic() - start)
    if not count:
        return np.empty((0, cascade.window_px, cascade.window_px), np.uint8)
    return np.concatenate(found)[:wanted]


def _scanner(cascade: Cascade, path: Path) -> cv2.CascadeClassifier:
    write_xml(cascade, path)
    return cv2.CascadeClassifier(str(path))


def _hits(
    scanner: cv2.CascadeClassifier | None, scene: Scene, side: int, rng: np.random.Generator
) -> np.ndarray:
    height, width = scene.gray.shape
    if min(height, width) <= side:
        return np.empty((0, side, side), np.uint8)
    if scanner is None:
        corners = rng.integers(0, (width - side, height - side), (_MAX_HITS_PER_SCENE, 2))
    else:
        hits = scanner.detectMultiScale(
            scene.gray, 1.1, 0, minSize=(side, side), maxSize=(side, side)
        )
        corners = np.asarray(hits, int).reshape(-1, 4)[:, :2]
    corners = corners[max_iou(corners, side, scene.faces) < _MAX_FACE_IOU]
    if len(corners) > _MAX_HITS_PER_SCENE:
        corners = rng.permutation(corners)[:_MAX_HITS_PER_SCENE]
    views = np.lib.stride_tricks.sliding_window_view(scene.gray, (side, side))
    return views[corners[:, 1], corners[:, 0]]


def max_iou(corners: np.ndarray, side: float, faces: np.ndarray | Sequence[Box]) -> np.ndarray:
    """Greatest overlap [N] of square windows at corners [N, 2] with any face xywh, 0..1."""
    best = np.zeros(len(corners))
    for x, y, w, h in faces:
        across = np.minimum(corners[:, 0] + side, x + w) - np.maximum(corners[:, 0], x)
        down = np.minimum(corners[:, 1] + side, y + h) - np.maximum(corners[:, 1], y)
        shared = np.clip(across, 0, None) * np.clip(down, 0, None)
        best = np.maximum(best, shared / (side * side + w * h - shared))
    return best
