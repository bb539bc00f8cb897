"""What is behind the characters."""

from typing import Literal

import cv2
import numpy as np

from demo.artist import palette
from demo.artist.palette import Color

Background = Literal["plain", "gradient", "stripes", "dots", "scenery", "clutter"]
BACKGROUNDS: tuple[Background, ...] = (
    "plain", "gradient", "stripes", "dots", "scenery", "clutter",
)  # fmt: skip


def _tint(rng: np.random.Generator) -> Color:
    base = (*palette.CLOTH, *palette.ACCENTS)[int(rng.integers(22))]
    return palette.mix(base, (255, 255, 255), float(rng.uniform(0.25, 0.8)))


def draw_background(width: int, height: int, kind: Background,
                    rng: np.random.Generator) -> np.ndarray:  # fmt: skip
    """A fresh canvas, uint8 RGB [height,width,3]."""
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = (252, 252, 252) if kind == "plain" and rng.random() < 0.5 else _tint(rng)
    scale = (width + height) / 2
    match kind:
        case "plain":
            pass
        case "gradient":
            _gradient(canvas, _tint(rng), _tint(rng))
        case "stripes":
            _stripes(canvas, _tint(rng), scale, rng)
        case "dots":
            _dots(canvas, _tint(rng), scale, rng)
        case "scenery":
            _scenery(canvas, scale, rng)
        case "clutter":
            _gradient(canvas, _tint(rng), _tint(rng))
            _clutter(canvas, scale, rng)
    return canvas


def _gradient(canvas: np.ndarray, top: Color, bottom: Color) -> None:
    share = np.linspace(0, 1, canvas.shape[0])[:, None]
    rows = (1 - share) * np.array(top) + share * np.array(bottom)
    canvas[:] = rows[:, None, :].astype(np.uint8)


def _stripes(canvas: np.ndarray, color: Color, scale: float, rng: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    step, lean = int(scale * rng.uniform(0.05, 0.14)), int(height * rng.uniform(-0.8, 0.8))
    for x in range(-abs(lean) - step, width + abs(lean), 2 * step):
        band = np.array([(x, 0), (x + step, 0), (x + step + lean, height), (x + lean, height)])
        cv2.fillPoly(canvas, [band.astype(np.int32)], color, cv2.LINE_AA)


def _dots(canvas: np.ndarray, color: Color, scale: float, rng: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    step = int(scale * rng.uniform(0.07, 0.15))
    radius = int(step * rng.uniform(0.18, 0.34))
    for row, y in enumerate(range(0, height + step, step)):
        for x in range(step // 2 * (row % 2), width + step, step):
            cv2.circle(canvas, (x, y), radius, color, -1, cv2.LINE_AA)


def _scenery(canvas: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    _gradient(canvas, (126, 186, 240), (226, 240, 252))
    if rng.random() < 0.3:
        _gradient(canvas, (88, 70, 140), (250, 170, 120))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(0, width), rng.uniform(0, 0.45 * height)
        for _ in range(5):
            size = scale * rng.uniform(0.03, 0.08)
            center = (int(x + rng.normal(0, 0.07 * scale)), int(y + rng.normal(0, 0.015 * scale)))
            cv2.ellipse(canvas, center, (int(1.6 * size), int(size)), 0, 0, 360,
                        (250, 252, 255), -1, cv2.LINE_AA)  # fmt: skip
    for layer in range(int(rng.integers(1, 4))):
        xs = np.linspace(0, width, 9)
        base = height * (0.55 + 0.14 * layer)
        ys = base + rng.normal(0, 0.05 * scale, 9)
        hill = np.concatenate([np.stack([xs, ys], 1), [(width, height), (0, height)]])
        green = palette.mix((60, 130, 80), (200, 225, 210), float(rng.uniform(0.1, 0.6)))
        cv2.fillPoly(canvas, [hill.astype(np.int32)], green, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 5))):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0.5, 0.9) * height)
        size = int(scale * rng.uniform(0.04, 0.1))
        cv2.rectangle(canvas, (x - size // 6, y), (x + size // 6, y + 2 * size), (110, 80, 60), -1)
        cv2.circle(canvas, (x, y), size, (70, 140, 80), -1, cv2.LINE_AA)


def _clutter(canvas: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    """Boxes, rings and rows of strokes that look like lettering."""
    height, width = canvas.shape[:2]
    for _ in range(int(rng.integers(4, 12))):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        size = int(scale * rng.uniform(0.03, 0.14))
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (x, y), (x + size, y + size), _tint(rng), -1)
        else:
            cv2.circle(canvas, (x, y), size // 2, _tint(rng), max(2, size // 8), cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 4))):
        x, y = int(rng.uniform(-0.1, 0.8) * width), int(rng.uniform(0, 0.95) * height)
        size, ink = max(4, int(scale * rng.uniform(0.015, 0.05))), _tint(rng)
        if rng.random() < 0.6:
            ink = palette.mix(ink, palette.INK, 0.8)
        for i in range(int(rng.integers(4, 14))):
            corner = np.array([x + 1.3 * size * i, y])
            glyph = corner + rng.uniform(0, size, (int(rng.integers(3, 6)), 2))
            cv2.polylines(canvas, [glyph.astype(np.int32)], False, ink, max(1, size // 8),
                          cv2.LINE_AA)  # fmt: skip
