"""Faces in a decoded picture: a loose LBP cascade proposes, a small network decides and scores.

The picture is brought to a bounded working size first, in raw gray: histogram equalisation lost
faces for every cascade measured (see models/README.md).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from manifest.errors import UserError

MODELS_DIR = Path(__file__).parent / "models"
SHIPPED_CASCADE = MODELS_DIR / "animeface_lbp.xml"
SHIPPED_VERIFIER = MODELS_DIR / "face_verifier.onnx"

Box = tuple[float, float, float, float]

# Views of one proposal (shift x, shift y in box sides, scale) whose logits are averaged.
_Views = tuple[tuple[float, float, float], ...]
_VIEWS: _Views = (
    (0.0, 0.0, 1.0),
    (0.0, 0.0, 0.88),
    (0.0, 0.0, 1.14),
    (0.0, -0.06, 1.0),
    (0.0, 0.06, 1.0),
)


# Boxes whose first view scores lower are given up without another look.
_HOPELESS_LOGIT = -4.0
# How near windows must be to count as one, as a share of their size: OpenCV's own default.
_GROUP_EPS = 0.2
# Log odds of a face = these times (mean logit of the views, log of the windows that agree, 1).
# How they were set, and on which pictures: models/README.md.
_EVIDENCE = (3.0, 1.71, -13.76)


@dataclass(frozen=True)
class Face:
    """One detection."""

    box_xywh: Box
    """Left, top, width, height in pixels of the picture given; may reach past its edge."""
    score: float
    """Probability of a face, 0..1: the verifier's, or the cascade weight squashed without one."""


@dataclass(frozen=True)
class DetectorConfig:
    """How to look for faces; picklable, so that each worker process builds its own detector."""

    cascade: Path | None = None
    """Cascade file in OpenCV's XML format; None is the shipped one."""
    verifier: Path | None = None
    """Verifier in ONNX; None is the shipped one, or none at all behind a cascade of your own."""
    working_side_px: int = 512
    """The picture's long side while searching; larger pictures shrink to it, smaller ones grow."""
    min_neighbors: int | None = None
    """Further windows that must agree before the cascade proposes a box; None is 1 before a
    verifier and 2 without."""
    scale_factor: float = 1.2
    """Step between two window sizes."""
    min_face_px: int = 24
    """Smallest box side looked for, in pixels of the working size."""
    min_score: float = 0.5
    """Boxes under this score are dropped."""
    rotations_deg: tuple[float, ...] = ()
    """Further passes over the picture turned by these angles."""


def load_cascade(path: Path) -> cv2.CascadeClassifier:
    """Read a cascade file; UserError when it is absent or OpenCV cannot read it."""
    if not path.is_file():
        raise UserError("no such cascade file", where=str(path), hint="give an OpenCV cascade XML")
    cascade = cv2.CascadeClassifier()
    with contextlib.suppress(cv2.error, SystemError):  # what is not XML at all raises either
        cascade.load(str(path))
    if cascade.empty():
        raise UserError(
            "OpenCV cannot read this cascade", where=str(path), hint="give an OpenCV cascade XML"
        )
    return cascade


class Verifier:
    """The network that says how likely each proposed box is a face."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(
                "no such verifier file", where=str(path), hint="give an ONNX file of train-verifier"
            )
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error:
            raise UserError(
                "OpenCV cannot read this verifier",
                where=str(path),
                hint="give an ONNX file of train-verifier",
            ) from None

    def logits(self, rgb: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Log odds of a face [N] for boxes [N, 4] (xywh) of a uint8 picture [H, W, 3]."""
        first = self._view_logits(rgb, boxes, _VIEWS[:1])[:, 0]
        # The further views cost four times the first: only for boxes that may still be faces.
        open_question = first > _HOPELESS_LOGIT
        further = self._view_logits(rgb, boxes[open_question], _VIEWS[1:])
        first[open_question] = (first[open_question] + further.sum(axis=1)) / len(_VIEWS)
        return first

    def _view_logits(self, rgb: np.ndarray, boxes: np.ndarray, views: _Views) -> np.ndarray:
        if len(boxes) == 0:
            return np.zeros((0, len(views)))
        crops = np.concatenate([crop_views(rgb, box, views) for box in boxes])
        crops = crops.reshape(len(boxes), len(views), *crops.shape[1:])
        # Every other view mirrored: as good as all views twice, at half the cost.
        crops[:, 1::2] = crops[:, 1::2, :, ::-1]
        blob = crops.reshape(-1, *crops.shape[2:]).transpose(0, 3, 1, 2)
        self._net.setInput(np.ascontiguousarray(blob, dtype=np.float32))
        return self._net.forward().reshape(len(boxes), len(views)).astype(np.float64)


CROP_SIDE_PX = 32


def crop_views(rgb: np.ndarray, box: np.ndarray, views: _Views) -> np.ndarray:
    """Crops uint8 [len(views), S, S, 3] of one xywh box, edges replicated past the picture."""
    x, y, w, h = (float(v) for v in box)
    side = max(w, h)
    cx, cy = x + w / 2, y + h / 2
    out = np.empty((len(views), CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8)
    for i, (dx, dy, scale) in enumerate(views):
        out[i] = square_crop(rgb, cx + dx * side, cy + dy * side, side * scale)
    return out


def square_crop(rgb: np.ndarray, cx: float, cy: float, side: float) -> np.ndarray:
    """A square of the picture around (cx, cy), uint8 [S, S, 3], sampled without aliasing."""
    zoom = CROP_SIDE_PX / side
    if zoom < 0.5:  # average whole pixels first: bilinear sampling alone would alias
        step = math.floor(1 / zoom)
        x0, y0 = max(math.floor(cx - side), 0), max(math.floor(cy - side), 0)
        patch = rgb[y0 : math.ceil(cy + side), x0 : math.ceil(cx + side)]
        size = (max(patch.shape[1] // step, 1), max(patch.shape[0] // step, 1))
        fx, fy = size[0] / patch.shape[1], size[1] / patch.shape[0]
        rgb = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
        cx, cy, zoom_x, zoom_y = (cx - x0) * fx, (cy - y0) * fy, zoom / fx, zoom / fy
    else:
        zoom_x = zoom_y = zoom
    half = CROP_SIDE_PX / 2
    to_crop = np.float32(
        [
            [zoom_x, 0, half - zoom_x * cx + 0.5 * (zoom_x - 1)],
            [0, zoom_y, half - zoom_y * cy + 0.5 * (zoom_y - 1)],
        ]
    )
    return cv2.warpAffine(
        rgb, to_crop, (CROP_SIDE_PX, CROP_SIDE_PX), borderMode=cv2.BORDER_REPLICATE
    )


def box_iou(a: Box | np.ndarray, b: Box | np.ndarray) -> float:
    """Intersection over union of two xywh boxes, 0..1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return float(inter / (a[2] * a[3] + b[2] * b[3] - inter))


def merge_overlaps(faces: list[Face], max_iou: float = 0.3) -> list[Face]:
    """Keep the best of every overlapping group, best first.

    A box whose centre lies inside a kept one and that is much smaller or larger is the same face
    seen at another size (an eye, the whole head), so it goes too.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (-f.score, f.box_xywh)):
        if not any(_same_face(face.box_xywh, other.box_xywh, max_iou) for other in kept):
            kept.append(face)
    return kept


def _same_face(a: Box, b: Box, max_iou: float) -> bool:
    if box_iou(a, b) > max_iou:
        return True
    small, large = (a, b) if a[2] * a[3] < b[2] * b[3] else (b, a)
    cx, cy = small[0] + small[2] / 2, small[1] + small[3] / 2
    dx = abs(cx - large[0] - large[2] / 2) / large[2]
    dy = abs(cy - large[1] - large[3] / 2) / large[3]
    return max(dx, dy) < 0.4


class FaceDetector:
    """Finds the faces of one picture after another; holds OpenCV state, so one per process."""

    def __init__(self, config: DetectorConfig) -> None:
        self.config = config
        self._cascade = load_cascade(config.cascade or SHIPPED_CASCADE)
        verifier = config.verifier or (SHIPPED_VERIFIER if config.cascade is None else None)
        self._verifier = None if verifier is None else Verifier(verifier)
        default_neighbors = 2 if verifier is None else 1
        given = config.min_neighbors
        self._min_neighbors = default_neighbors if given is None else given

    def detect(self, picture: np.ndarray) -> list[Face]:
        """Faces of a uint8 picture, gray [H, W] or RGB [H, W, 3] of any size, best first."""
        scale = self.config.working_side_px / max(picture.shape[:2])
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        height, width = (max(1, round(s * scale)) for s in picture.shape[:2])
        working = cv2.resize(picture, (width, height), interpolation=interpolation)
        rgb = cv2.cvtColor(working, cv2.COLOR_GRAY2RGB) if working.ndim == 2 else working
        found = self._pass(rgb)
        for angle in self.config.rotations_deg:
            found += self._rotated_pass(rgb, angle)
        back = (picture.shape[1] / width, picture.shape[0] / height)
        return [_rescaled(f, back) for f in merge_overlaps(found)]

    def _pass(self, rgb: np.ndarray) -> list[Face]:
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if self._verifier is None:
            boxes, log_odds = self._search(gray, self._min_neighbors)
        else:
            boxes, votes = self._propose(gray)
            looks, vote_weight, bias = _EVIDENCE
            log_odds = looks * self._verifier.logits(rgb, boxes) + vote_weight * np.log(votes)
            log_odds += bias
        scores = 1.0 / (1.0 + np.exp(-log_odds))
        return [
            Face((float(b[0]), float(b[1]), float(b[2]), float(b[3])), float(s))
            for b, s in zip(boxes, scores, strict=True)
            if s >= self.config.min_score
        ]

    def _propose(self, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [N, 4] (xywh) and how many of the cascade's windows agreed on each [N]."""
        windows, _ = self._search(gray, 0)
        rectangles = [[int(v) for v in window] for window in windows]
        boxes, votes = cv2.groupRectangles(rectangles, self._min_neighbors, _GROUP_EPS)
        return np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(votes).reshape(-1)

    def _search(self, gray: np.ndarray, min_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [N, 4] (xywh) and cascade weights [N]."""
        smallest = max(self.config.min_face_px, 1)
        boxes, _, weights = self._cascade.detectMultiScale3(
            gray,
            scaleFactor=self.config.scale_factor,
            minNeighbors=min_neighbors,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        return boxes, np.asarray(weights, np.float64).reshape(-1)

    def _rotated_pass(self, rgb: np.ndarray, angle_deg: float) -> list[Face]:
        """Boxes found in the turned picture, upright around the same centres."""
        height, width = rgb.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
        turned = cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(turn)
        faces = []
        for face in self._pass(turned):
            x, y, w, h = face.box_xywh
            cx, cy = back @ (x + w / 2, y + h / 2, 1.0)
            if 0 <= cx < width and 0 <= cy < height:
                faces.append(Face((cx - w / 2, cy - h / 2, w, h), face.score))
        return faces


def _rescaled(face: Face, factor_xy: tuple[float, float]) -> Face:
    x, y, w, h = face.box_xywh
    fx, fy = factor_xy
    return Face((x * fx, y * fy, w * fx, h * fy), face.score)
