"""One training face, seen as another source might have drawn, cut and stored it.

Sources differ in framing, ground, sharpness, contrast and tint, and none of that may change what
is read. Hues turn by no more than a light tint would turn them: they are the answer.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from preprocess.reader.model import INPUT_SIDE_PX

_ZOOM = (0.65, 1.3)
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)
_BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)


def varied_view(face: np.ndarray, ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A view, uint8 RGB [64, 64, 3], of a face [S, S, 3]; `ground` is any other picture."""
    view = _framed(face, ground, rng)
    view = _blurred(view, rng)
    if rng.random() < 0.85:
        view = _recoloured(view, rng)
    if rng.random() < 0.25:
        noise = rng.normal(0, rng.uniform(1, 9), view.shape)
        view = np.clip(view + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        _cover(view, rng)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 92))]
        stored = cv2.imencode(".jpg", view, quality)[1]
        view = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return view


def _framed(face: np.ndarray, ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nearer or farther, moved, tilted, mirrored; what lies beyond the picture is made up."""
    side, out = face.shape[0], INPUT_SIDE_PX
    zoom = math.exp(rng.uniform(math.log(_ZOOM[0]), math.log(_ZOOM[1]))) * out / side
    tilt, stretch = rng.normal(0, 0.09), math.exp(rng.normal(0, 0.04))
    turn = np.array([[math.cos(tilt) * stretch, -math.sin(tilt)], [math.sin(tilt), math.cos(tilt)]])
    turn *= zoom
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    middle = out / 2 * (1 + rng.normal(0, 0.07, 2)) - 0.5 - turn @ np.full(2, side / 2 - 0.5)
    to_view = np.concatenate([turn, middle[:, None]], axis=1).astype(np.float32)
    if zoom < 0.8:  # bilinear sampling alone would alias
        face = cv2.GaussianBlur(face, (0, 0), 0.45 / zoom)
    kind = rng.random()
    if kind < 0.6:
        return cv2.warpAffine(face, to_view, (out, out), borderMode=_BORDERS[int(kind > 0.4)])
    if kind < 0.8:
        flat = (255, 255, 255) if rng.random() < 0.4 else tuple(map(int, rng.integers(0, 256, 3)))
        return cv2.warpAffine(face, to_view, (out, out), borderValue=flat)
    behind = np.ascontiguousarray(cv2.resize(ground, (out, out))[::-1])
    return cv2.warpAffine(face, to_view, (out, out), dst=behind, borderMode=cv2.BORDER_TRANSPARENT)


def _blurred(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stored smaller, out of focus, sharpened, or as it is."""
    kind = rng.random()
    if kind < 0.2:
        small = cv2.resize(view, [int(rng.integers(26, 56))] * 2, interpolation=cv2.INTER_AREA)
        how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(2))]
        return cv2.resize(small, view.shape[:2], interpolation=how)
    if kind < 0.3:
        return cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.1))
    if kind < 0.4:
        return cv2.addWeighted(view, 1.6, cv2.GaussianBlur(view, (0, 0), 1.0), -0.6, 0)
    return view


def _recoloured(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other saturation, gamma, contrast, brightness and a light tint."""
    x = view.astype(np.float32)
    gray = (x @ _GRAY)[..., None]
    x = gray + (x - gray) * np.clip(math.exp(rng.normal(0, 0.22)), 0.55, 1.7)
    if rng.random() < 0.6:
        x = 255 * (np.clip(x, 0, 255) / 255) ** np.float32(math.exp(rng.normal(0, 0.2)))
    x = (x - 128) * math.exp(rng.normal(0, 0.12)) + 128 + rng.normal(0, 10) + rng.normal(0, 5, 3)
    return np.asarray(np.clip(x, 0, 255).astype(np.uint8))


def _cover(view: np.ndarray, rng: np.random.Generator) -> None:
    """Put a flat patch somewhere."""
    height, width = rng.integers(6, 20, 2)
    top, left = rng.integers(0, INPUT_SIDE_PX - height), rng.integers(0, INPUT_SIDE_PX - width)
    view[top : top + height, left : left + width] = rng.integers(0, 256, 3)
