"""Curves in face units and the pen that fills them on a canvas.

Face units: the origin is the centre of the face box, its side is 2, y points down.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import cv2
import numpy as np

from demo.artist.palette import Color

Point = tuple[float, float]
Points = np.ndarray | Sequence[Point]
_SHIFT = 4  # cv2's fixed-point bits: polygons land on sixteenths of a pixel


def smooth(points: Points, *, closed: bool = False, steps: int = 8) -> np.ndarray:
    """A Catmull-Rom curve through the points: [N,2] -> [M,2]."""
    p = np.asarray(points, np.float64)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None, :] for i in range(4))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-2:-1]])


def ellipse(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0) -> np.ndarray:
    """An ellipse as [28,2] points, rotated by turn radians."""
    angle = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    u, v = rx * np.cos(angle), ry * np.sin(angle)
    c, s = math.cos(turn), math.sin(turn)
    return np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)


def ribbon_of(
    spine: np.ndarray, widths: Sequence[float], *, wave: float = 0.0, phase: float = 0.0
) -> np.ndarray:
    """The outline of a strand: half-widths spread along a spine [N,2], optionally wavy.

    `wave` is how far (in face units) the spine swings to the sides along its length.
    """
    spine = np.asarray(spine, np.float64)
    direction = np.gradient(spine, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    along = np.linspace(0, 1, len(spine))
    half = np.interp(along, np.linspace(0, 1, len(widths)), widths)[:, None]
    if wave:
        length = np.linalg.norm(np.diff(spine, axis=0), axis=1).sum()
        fade = np.minimum(along * 4, 1)
        swing = wave * fade * np.sin(along * length * 2 * math.pi / 0.62 + phase)
        spine = spine + normal * swing[:, None]
    return np.concatenate([spine + normal * half, (spine - normal * half)[::-1]])


@dataclass(frozen=True)
class Pen:
    """Draws shapes given in face units onto an RGB canvas (changed in place)."""

    canvas: np.ndarray
    center_xy: tuple[float, float]
    """Where the face's centre is on the canvas, in pixels."""
    unit_px: float
    """Pixels per face unit: half the face box's side."""
    tilt_deg: float = 0.0
    turn: float = 0.0
    """-1..1: how far the front of the head has moved sideways."""
    line_px: float = 1.0
    """Width of an ordinary outline."""

    def place(self, points: Points) -> np.ndarray:
        """Face units [N,2] -> canvas pixels [N,2]."""
        p = np.array(points, np.float64)
        if self.turn:
            p[:, 0] += 0.17 * self.turn * np.clip(1 - p[:, 0] ** 2 / 1.7, 0, 1)
        angle = math.radians(self.tilt_deg)
        c, s = math.cos(angle) * self.unit_px, math.sin(angle) * self.unit_px
        x = self.center_xy[0] + c * p[:, 0] - s * p[:, 1]
        y = self.center_xy[1] + s * p[:, 0] + c * p[:, 1]
        return np.stack([x, y], axis=1)

    def _fixed(self, points: Points) -> np.ndarray:
        return np.round(self.place(points) * (1 << _SHIFT)).astype(np.int32)

    def fill(
        self, points: Points, color: Color, line: Color | None = None, width: float = 1.0
    ) -> None:
        """Fill a polygon and, with `line`, draw its outline `width` times the line width."""
        fixed = self._fixed(points)
        cv2.fillPoly(self.canvas, [fixed], color, cv2.LINE_AA, _SHIFT)
        if line is not None:
            thick = max(1, round(self.line_px * width))
            cv2.polylines(self.canvas, [fixed], True, line, thick, cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, color: Color, width: float = 1.0) -> None:
        """An open line of even width."""
        thick = max(1, round(self.line_px * width))
        fixed = self._fixed(points)
        cv2.polylines(self.canvas, [fixed], False, color, thick, cv2.LINE_AA, _SHIFT)

    def stroke(self, points: Points, color: Color, width: float = 1.0) -> None:
        """A line that is thin at both ends, like one drawn with a brush."""
        half = 0.5 * max(1.0, self.line_px * width) / self.unit_px
        self.fill(ribbon_of(np.asarray(points, np.float64), [0.2 * half, half, 0.2 * half]), color)

    @contextmanager
    def inside(self, points: Points) -> Iterator["Pen"]:
        """A pen whose drawing shows only inside the polygon."""
        placed = self.place(points)
        height, width = self.canvas.shape[:2]
        x0, y0 = np.clip(np.floor(placed.min(axis=0)).astype(int), 0, [width, height])
        x1, y1 = np.clip(np.ceil(placed.max(axis=0)).astype(int) + 1, 0, [width, height])
        if x1 <= x0 or y1 <= y0:
            yield replace(self, canvas=np.zeros((1, 1, 3), np.uint8))
            return
        region = self.canvas[y0:y1, x0:x1]
        layer = region.copy()
        center = (self.center_xy[0] - x0, self.center_xy[1] - y0)
        yield replace(self, canvas=layer, center_xy=center)
        mask = np.zeros(region.shape[:2], np.uint8)
        fixed = np.round((placed - (x0, y0)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(layer, mask, region)

    def glow(self, x: float, y: float, rx: float, ry: float, color: Color, alpha: float) -> None:
        """A soft spot that fades to nothing at its rim."""
        px, py = self.place([(x, y)])[0]
        half_w, half_h = rx * self.unit_px, ry * self.unit_px
        reach = math.hypot(half_w, half_h)
        height, width = self.canvas.shape[:2]
        x0, x1 = max(0, int(px - reach)), min(width, int(px + reach) + 1)
        y0, y1 = max(0, int(py - reach)), min(height, int(py + reach) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        angle = math.radians(self.tilt_deg)
        dx = np.arange(x0, x1, dtype=np.float32)[None, :] - px
        dy = np.arange(y0, y1, dtype=np.float32)[:, None] - py
        u = (math.cos(angle) * dx + math.sin(angle) * dy) / half_w
        v = (math.cos(angle) * dy - math.sin(angle) * dx) / half_h
        weight = (alpha * np.clip(1 - u * u - v * v, 0, 1))[..., None].astype(np.float32)
        region = self.canvas[y0:y1, x0:x1]
        region[:] = region + weight * (np.asarray(color, np.float32) - region) + 0.5
