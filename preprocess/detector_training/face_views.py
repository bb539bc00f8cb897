"""Faces to learn from, more various than the crops one has: redrawn, turned, on other grounds.

A cascade cuts only what it finds: open eyes seen from the front, in a picture of its own. Closed
eyes, laughing mouths, narrow eyes and heads turned aside are therefore drawn into the crops, and
the crops are laid over other grounds, so that a view may show what surrounds a face.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from preprocess.boxes import Box
from preprocess.detect import CROP_SIDE_PX
from preprocess.detector_training.samples import (
    FINE_SIDE_PX,
    BoxedPicture,
    Jitter,
    finished,
    sampled,
    view_matrix,
)

FACE_JITTER = Jitter(
    shift=0.07, scale=0.14, rotation_deg=11, squeeze_share=0.18, occluder_share=0.22,
    gray_share=0.15, dim_share=0.2, min_side_px=14,
)  # fmt: skip
# Views too far off to be called face or not; they teach only where the face is.
_ASTRAY = Jitter(
    shift=0.13, scale=0.24, rotation_deg=11, occluder_share=0.1, gray_share=0.15, dim_share=0.2,
    min_side_px=14,
)  # fmt: skip
ASTRAY_SHARE = 0.15
# Odds of each change to a face.
_CLOSED_EYES, _OPEN_MOUTH, _BLUSH, _GLASSES, _TURNED, _NARROW_EYES, _INKED = (
    0.2, 0.15, 0.1, 0.04, 0.25, 0.2, 0.03,
)  # fmt: skip
_TILTED, _MAX_TILT_DEG = 0.25, 45.0
_GROUND_SHARE = 0.7
# Where things are in a face box, as shares of its side: the mean of 1,500 crops.
_EYE_X, _EYE_Y, _MOUTH_Y = 0.18, 0.39, 0.65

Ground = Callable[[np.random.Generator], np.ndarray]
"""A view uint8 [64, 64, 3] of something that is no face."""


@dataclass(frozen=True)
class Patch:
    """A face cut out of its picture with some of what surrounds it."""

    rgb: np.ndarray
    box: Box
    alone: bool
    """Whether the picture ends where the face does."""


@dataclass(frozen=True)
class FaceView:
    """What the network is shown, and what it should answer."""

    rgb: np.ndarray
    """uint8 [S, S, 3]."""
    offset: np.ndarray
    """Of the face from the view, float [3]: right and down in sides of the view, log of sides."""
    astray: bool
    """Too far off to count as a face."""


def face_patch(picture: BoxedPicture, box: Box) -> Patch:
    """The face and half its side all around, the face at most 96 px wide."""
    x, y, w, h = box
    left, top = max(int(x - w / 2), 0), max(int(y - h / 2), 0)
    rgb = picture.rgb[top : math.ceil(y + 1.5 * h), left : math.ceil(x + 1.5 * w)]
    alone = w > 0.85 * rgb.shape[1]
    scale = min(96 / max(w, h), 1.0)
    if scale < 1:
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = ((x - left) * scale, (y - top) * scale, w * scale, h * scale)
    return Patch(rgb.copy(), moved, alone)


def draw_face(patch: Patch, ground: Ground, rng: np.random.Generator) -> FaceView:
    """One view of the face, changed in many ways at random."""
    astray = rng.random() < ASTRAY_SHARE
    jitter = _ASTRAY if astray else FACE_JITTER
    rgb = redrawn(patch.rgb, patch.box, rng)
    matrix = view_matrix(patch.box, jitter, rng)
    if rng.random() < _TILTED:
        matrix = _tilted(matrix, patch.box, rng.uniform(-_MAX_TILT_DEG, _MAX_TILT_DEG))
    view = sampled(rgb, matrix)
    if patch.alone and rng.random() < _GROUND_SHARE:
        mask = sampled(head_outline(rgb.shape[:2], rng), matrix, cv2.BORDER_CONSTANT)
        view = laid_over(view, mask, ground(rng))
    offset = _offset_of(patch.box, matrix)
    return FaceView(finished(view, CROP_SIDE_PX, jitter, rng), offset, astray)


def _tilted(matrix: np.ndarray, box: Box, angle_deg: float) -> np.ndarray:
    """The map turned around the face's centre as well."""
    x, y, w, h = box
    centre = matrix @ (x + w / 2, y + h / 2, 1.0)
    turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle_deg, 1.0)
    return np.asarray(turn[:, :2] @ matrix + np.column_stack([np.zeros((2, 2)), turn[:, 2]]))


def _offset_of(box: Box, matrix: np.ndarray) -> np.ndarray:
    x, y, w, h = box
    centre = matrix @ (x + w / 2 - 0.5, y + h / 2 - 0.5, 1.0)
    side = max(w, h) * float(np.hypot(matrix[0, 1], matrix[1, 1]))
    across, down = (centre - (FINE_SIDE_PX - 1) / 2) / FINE_SIDE_PX
    return np.array([across, down, math.log(side / FINE_SIDE_PX)])


def laid_over(view: np.ndarray, mask: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The view [h, w, 3] where the mask [h, w] is 1, the ground where it is 0."""
    share = mask[..., None]
    return np.asarray(view * share + ground * (1 - share)).astype(np.uint8)


def head_outline(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """How much of each pixel belongs to the head, float [h, w] 0..1: an oval with a soft edge."""
    height, width = shape
    mask = np.zeros(shape, np.float32)
    axes = (int(width * rng.uniform(0.34, 0.55)), int(height * rng.uniform(0.38, 0.55)))
    cv2.ellipse(mask, (width // 2, int(0.48 * height)), axes, 0, 0, 360, 1.0, -1)
    blur = width * rng.uniform(0.005, 0.05)
    return cv2.GaussianBlur(mask, (0, 0), blur)


def redrawn(rgb: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
    """The picture with another expression, other eyes, or another pose of the face in the box."""
    rgb = rgb.copy()
    pen = _Pen(rgb, box, rng)
    if rng.random() < _CLOSED_EYES:
        pen.close_eyes()
        if rng.random() < 0.5:
            pen.open_mouth()
    elif rng.random() < _OPEN_MOUTH:
        pen.open_mouth()
    if rng.random() < _BLUSH:
        pen.blush()
    turned, narrow = rng.random() < _TURNED, rng.random() < _NARROW_EYES
    if turned or narrow:
        rgb = _remapped(rgb, box, turned=turned, narrow=narrow, rng=rng)
    if rng.random() < _GLASSES:
        _Pen(rgb, box, rng).glasses()
    return _inked(rgb, rng) if rng.random() < _INKED else rgb


def _remapped(
    rgb: np.ndarray, box: Box, *, turned: bool, narrow: bool, rng: np.random.Generator
) -> np.ndarray:
    """The face turned aside (one half narrower), and its eyes less high."""
    x, y, w, h = box
    height, width = rgb.shape[:2]
    columns, rows = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    if turned:
        middle = rng.uniform(0.22, 0.4)
        middle = middle if rng.random() < 0.5 else 1 - middle
        here = x + w * np.array([-0.5, 0, middle, 1, 1.5])
        columns = np.interp(columns, here, x + w * np.array([-0.5, 0, 0.5, 1, 1.5]))
    if narrow:
        half = 0.13 * rng.uniform(0.35, 0.8)
        here = y + h * np.array([-0.5, 0, _EYE_Y - half, _EYE_Y + half, 1, 1.5])
        there = y + h * np.array([-0.5, 0, _EYE_Y - 0.13, _EYE_Y + 0.13, 1, 1.5])
        rows = np.interp(rows, here, there)
    map_x, map_y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return cv2.remap(rgb, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _inked(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A drawing in ink: only the lines, on paper."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    ground = cv2.GaussianBlur(gray, (0, 0), rng.uniform(2, 5))
    lines = np.clip(gray.astype(np.float32) / (ground + 1.0) * 255, 0, 255)
    lines = np.clip((lines - 128) * rng.uniform(1.0, 2.0) + 128, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(lines, cv2.COLOR_GRAY2RGB))


class _Pen:
    """Draws into a face in place; positions are shares of its box."""

    def __init__(self, rgb: np.ndarray, box: Box, rng: np.random.Generator) -> None:
        self._rgb, self._box, self._rng = rgb, box, rng

    @functools.cached_property
    def _skin(self) -> np.ndarray:
        """The colour between the eyes and the mouth."""
        x0, y0 = self._at(0.42, 0.42)
        x1, y1 = self._at(0.58, 0.56)
        skin = self._rgb[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1].reshape(-1, 3)
        return np.median(skin, axis=0) if len(skin) else np.full(3, 220.0)

    @functools.cached_property
    def _ink(self) -> tuple[int, ...]:
        """The darkest colour of the picture, or darker."""
        dark = np.percentile(self._rgb[::3, ::3].reshape(-1, 3), 4, axis=0)
        return tuple(int(v) for v in dark * self._rng.uniform(0.4, 1.0))

    def _at(self, u: float, v: float) -> tuple[int, int]:
        x, y, w, h = self._box
        return round(x + u * w), round(y + v * h)

    def _px(self, share: float) -> int:
        return max(1, round(share * self._box[2]))

    def _line(self, points: np.ndarray, width: int, colour: tuple[int, ...] | None = None) -> None:
        """A line through points [N, 2] in shares of the box."""
        places = np.array([self._at(u, v) for u, v in points], np.int32)
        cv2.polylines(self._rgb, [places], False, colour or self._ink, width, cv2.LINE_AA)

    def _wash(self, centre: tuple[float, float], radii: tuple[float, float], colour: np.ndarray,
              strength: float = 1.0) -> None:  # fmt: skip
        """An oval of colour with a soft edge."""
        x, y = self._at(*centre)
        rx, ry = self._px(radii[0]), self._px(radii[1])
        top, left = max(y - 2 * ry, 0), max(x - 2 * rx, 0)
        part = self._rgb[top : y + 2 * ry + 1, left : x + 2 * rx + 1]
        if part.size == 0:
            return
        oval = np.zeros(part.shape[:2], np.float32)
        cv2.ellipse(oval, (x - left, y - top), (rx, ry), 0, 0, 360, strength, -1)
        mask = cv2.GaussianBlur(oval, (0, 0), max(0.2 * rx, 0.5))[..., None]
        part[:] = (part * (1 - mask) + colour * mask).astype(np.uint8)

    def close_eyes(self) -> None:
        """Skin over the eyes, and a line for each: an arch, a bowl, a dash or an angle."""
        rng = self._rng
        kind, width = int(rng.integers(5)), self._px(rng.uniform(0.015, 0.05))
        apart, v = _EYE_X + rng.uniform(-0.02, 0.05), _EYE_Y + rng.uniform(-0.02, 0.06)
        reach, rise = rng.uniform(0.07, 0.12), rng.uniform(0.03, 0.07)
        for side in (-1, 1):
            self._wash((0.5 + side * _EYE_X, _EYE_Y), (0.14, 0.13), self._skin)
        for side in (-1, 1):
            u = 0.5 + side * apart
            t = np.linspace(-1, 1, 9)
            arch = np.stack([u + reach * t, v - rise * (1 - t**2)], axis=1)
            match kind:
                case 0:
                    self._line(arch, width)
                case 1:
                    self._line(arch * (1, -1) + (0, 2 * v), width)
                case 2:
                    self._line(np.array([(u - reach, v), (u + reach, v + 0.3 * rise)]), width)
                case 3:
                    tip, back = u - side * reach, u + side * reach
                    self._line(np.array([(back, v - rise), (tip, v), (back, v + rise)]), width)
                case _:
                    for lift in (0.0, 0.8):
                        ends = [(u - reach, v - lift * rise), (u + reach, v - lift * rise)]
                        self._line(np.array(ends), width)

    def open_mouth(self) -> None:
        """A laughing or crying mouth."""
        rng = self._rng
        centre = self._at(0.5 + rng.uniform(-0.04, 0.04), _MOUTH_Y + rng.uniform(-0.04, 0.03))
        axes = (self._px(rng.uniform(0.05, 0.14)), self._px(rng.uniform(0.05, 0.13)))
        self._wash((0.5, _MOUTH_Y), (0.1, 0.05), self._skin)
        red = rng.uniform(110, 235)
        inside = (int(red), int(red * rng.uniform(0.15, 0.6)), int(red * rng.uniform(0.15, 0.6)))
        start, end = ((0, 180), (0, 360), (180, 360))[int(rng.integers(3))]
        cv2.ellipse(self._rgb, centre, axes, 0, start, end, inside, -1, cv2.LINE_AA)
        if rng.random() < 0.7:
            cv2.ellipse(self._rgb, centre, axes, 0, start, end, self._ink, 1, cv2.LINE_AA)

    def blush(self) -> None:
        """Rosy cheeks."""
        rng = self._rng
        rose = self._skin * (1.0, rng.uniform(0.5, 0.85), rng.uniform(0.5, 0.85))
        radii, v = (rng.uniform(0.05, 0.1), rng.uniform(0.03, 0.06)), rng.uniform(0.5, 0.57)
        for side in (-1, 1):
            self._wash((0.5 + side * rng.uniform(0.19, 0.25), v), radii, rose, rng.uniform(0.4, 1))

    def glasses(self) -> None:
        """Two rims and a bridge."""
        rng = self._rng
        width, round_rims = self._px(0.02), rng.random() < 0.5
        axes = (self._px(rng.uniform(0.1, 0.14)), self._px(rng.uniform(0.07, 0.12)))
        rim = self._ink if rng.random() < 0.7 else tuple(int(c) for c in rng.integers(0, 256, 3))
        for side in (-1, 1):
            x, y = self._at(0.5 + side * _EYE_X, _EYE_Y + 0.03)
            if round_rims:
                cv2.ellipse(self._rgb, (x, y), axes, 0, 0, 360, rim, width, cv2.LINE_AA)
            else:
                low, high = (x - axes[0], y - axes[1]), (x + axes[0], y + axes[1])
                cv2.rectangle(self._rgb, low, high, rim, width, cv2.LINE_AA)
        inner = 0.5 - _EYE_X + axes[0] / self._box[2]
        self._line(np.array([(inner, _EYE_Y + 0.02), (1 - inner, _EYE_Y + 0.02)]), width, rim)
