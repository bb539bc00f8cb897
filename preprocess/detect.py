"""Faces in a decoded picture: a loose LBP cascade proposes, a small network decides and scores.

The picture is brought to a bounded working size first, in raw gray: histogram equalisation lost
faces for every cascade measured (see models/README.md).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from avatar_common.errors import UserError
from preprocess.boxes import Box

MODELS_DIR = Path(__file__).parent / "models"
SHIPPED_CASCADE = MODELS_DIR / "animeface_lbp.xml"
SHIPPED_VERIFIER = MODELS_DIR / "face_verifier.onnx"

# Scales of the views of one box whose answers are averaged; every other view is mirrored.
_FIRST_LOOK = (1.0,)
_SECOND_LOOK = (1.0, 1.0, 0.9, 1.1)
# Boxes whose first view gets a lower logit are given up without another look.
_HOPELESS_LOGIT = -6.0
# The log of how many windows of the cascade agree (per e-fold of window size) counts so much beside
# the logit; models/README.md says how it was found.
VOTE_WEIGHT = 3.0
# Boxes that overlap more are one face.
_MAX_IOU = 0.3
# How near windows must be to count as one, as a share of their size: OpenCV's own default.
_GROUP_EPS = 0.2
# The network may move a box by so much of its side, and change the side by this factor.
_MAX_MOVE, _MAX_GROWTH = 0.4, 1.8


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
    scale_factor: float = 1.1
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


@dataclass(frozen=True)
class Sighting:
    """What the network and the cascade say of one place in the working picture."""

    box_xywh: Box
    logit: float
    """The network's."""
    votes: float
    """Windows of the cascade that agree, per e-fold of window size."""

    @property
    def log_odds(self) -> float:
        """Of a face."""
        return self.logit + VOTE_WEIGHT * math.log(self.votes)


class Verifier:
    """The network that says how likely each proposed box is a face, and where exactly."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(
                "no such verifier file", where=str(path), hint="give an ONNX file of train-verifier"
            )
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
            answers = self._answers(np.zeros((1, CROP_SIDE_PX, CROP_SIDE_PX, 3), np.uint8))
        except cv2.error:
            answers = np.empty(0)
        if answers.shape != (1, 4):
            raise UserError(
                "not a verifier that OpenCV can run",
                where=str(path),
                hint="give an ONNX file of train-verifier",
            )

    def verify(
        self, rgb: np.ndarray, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which proposals [N, 4] (xywh) of a uint8 picture [H, W, 3] have hope.

        Returns their indices [M], the boxes [M, 4] where the network sees their faces, and its
        logits [M]. The first look moves each box to the face, the second decides.
        """
        logits, moved = self._look(rgb, boxes, _FIRST_LOOK)
        hopeful = np.flatnonzero(logits > _HOPELESS_LOGIT)
        logits, moved = self._look(rgb, moved[hopeful], _SECOND_LOOK)
        return hopeful, moved, logits

    def _look(
        self, rgb: np.ndarray, boxes: np.ndarray, scales: tuple[float, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean logit [N] of the views of each box, and the box [N, 4] where they see the face."""
        if len(boxes) == 0:
            return np.empty(0), np.empty((0, 4))
        crops = np.stack([_crop_of(rgb, box, scale) for box in boxes for scale in scales])
        mirrored = np.arange(len(crops)) % len(scales) % 2 == 1
        crops[mirrored] = crops[mirrored, :, ::-1]
        answers = self._answers(crops)
        answers[mirrored, 1] *= -1
        answers = answers.reshape(len(boxes), len(scales), 4)
        answers[..., 1:3] *= np.array(scales)[:, None]
        answers[..., 3] += np.log(scales)
        mean = answers.mean(axis=1)
        return mean[:, 0], moved_boxes(boxes, mean[:, 1:])

    def _answers(self, crops: np.ndarray) -> np.ndarray:
        """The network's output [N, 4] for crops uint8 [N, S, S, 3]."""
        blob = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)
        self._net.setInput(blob)
        return self._net.forward().astype(np.float64)


def moved_boxes(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Boxes [N, 4] (xywh) moved by offsets [N, 3]: right and down in sides, log of the growth."""
    side = boxes[:, 2:].max(axis=1)
    centre = boxes[:, :2] + boxes[:, 2:] / 2
    centre = centre + side[:, None] * np.clip(offsets[:, :2], -_MAX_MOVE, _MAX_MOVE)
    limit = math.log(_MAX_GROWTH)
    side = (side * np.exp(np.clip(offsets[:, 2], -limit, limit)))[:, None]
    return np.concatenate([centre - side / 2, side, side], axis=1)


CROP_SIDE_PX = 32


def _crop_of(rgb: np.ndarray, box: np.ndarray, scale: float) -> np.ndarray:
    """The crop of one xywh box, its side scaled, edges replicated past the picture."""
    x, y, w, h = (float(v) for v in box)
    return square_crop(rgb, x + w / 2, y + h / 2, max(w, h) * scale)


def square_crop(rgb: np.ndarray, cx: float, cy: float, side: float) -> np.ndarray:
    """A square of the picture around (cx, cy), uint8 [S, S, 3], sampled without aliasing."""
    zoom = CROP_SIDE_PX / side
    if zoom < 0.5:  # average whole pixels first: bilinear sampling alone would alias
        step = math.floor(1 / zoom)
        reach = 0.5 * side + step
        x0, y0 = max(math.floor(cx - reach), 0), max(math.floor(cy - reach), 0)
        patch = rgb[y0 : math.ceil(cy + reach), x0 : math.ceil(cx + reach)]
        size = (max(patch.shape[1] // step, 1), max(patch.shape[0] // step, 1))
        fx, fy = size[0] / patch.shape[1], size[1] / patch.shape[0]
        rgb = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
        cx, cy, zoom_x, zoom_y = (cx - x0) * fx, (cy - y0) * fy, zoom / fx, zoom / fy
    else:
        zoom_x = zoom_y = zoom
    half = CROP_SIDE_PX / 2
    to_crop = np.array(
        [
            [zoom_x, 0, half - zoom_x * cx + 0.5 * (zoom_x - 1)],
            [0, zoom_y, half - zoom_y * cy + 0.5 * (zoom_y - 1)],
        ],
        np.float32,
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


def merge_overlaps(faces: list[Face], max_iou: float = _MAX_IOU) -> list[Face]:
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
        rgb = self._working(picture)
        found = self._pass(rgb)
        for angle in self.config.rotations_deg:
            found += self._rotated_pass(rgb, angle)
        back = (picture.shape[1] / rgb.shape[1], picture.shape[0] / rgb.shape[0])
        return [Face(_rescaled(f.box_xywh, back), f.score) for f in merge_overlaps(found)]

    def sightings(self, picture: np.ndarray) -> list[Sighting]:
        """All that the verifier was shown and did not give up, one for each place."""
        rgb = self._working(picture)
        back = (picture.shape[1] / rgb.shape[1], picture.shape[0] / rgb.shape[0])
        return [replace(s, box_xywh=_rescaled(s.box_xywh, back)) for s in self._sightings(rgb)]

    def _working(self, picture: np.ndarray) -> np.ndarray:
        """The picture in RGB at the working size."""
        scale = self.config.working_side_px / max(picture.shape[:2])
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        height, width = (max(1, round(s * scale)) for s in picture.shape[:2])
        working = cv2.resize(picture, (width, height), interpolation=interpolation)
        return cv2.cvtColor(working, cv2.COLOR_GRAY2RGB) if working.ndim == 2 else working

    def _pass(self, rgb: np.ndarray) -> list[Face]:
        if self._verifier is None:
            gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
            boxes, weights = self._search(gray)
            scored = [(_as_box(b), float(w)) for b, w in zip(boxes, weights, strict=True)]
        else:
            scored = [(s.box_xywh, s.log_odds) for s in self._sightings(rgb)]
        faces = [Face(box, 1.0 / (1.0 + math.exp(-log_odds))) for box, log_odds in scored]
        return [face for face in faces if face.score >= self.config.min_score]

    def _sightings(self, rgb: np.ndarray) -> list[Sighting]:
        assert self._verifier is not None
        boxes, votes = self._propose(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        hopeful, boxes, logits = self._verifier.verify(rgb, boxes)
        votes = votes[hopeful]
        kept: list[Sighting] = []
        for i in np.argsort(-logits, kind="stable"):
            box = _as_box(boxes[i])
            same = [k for k, s in enumerate(kept) if _same_face(box, s.box_xywh, _MAX_IOU)]
            if same:  # the votes of all that were moved onto one face count for it
                first = kept[same[0]]
                kept[same[0]] = replace(first, votes=first.votes + float(votes[i]))
            else:
                kept.append(Sighting(box, float(logits[i]), float(votes[i])))
        return kept

    def _propose(self, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [N, 4] (xywh) on which enough of the cascade's windows agree, and how many do [N].

        They are counted per e-fold of window size.
        """
        # One octave at a time: from twice the window's size on, OpenCV looks at each pixel
        # where every other one will do, and it shrinks the picture without averaging.
        boxes, votes, shrink = [np.empty((0, 4))], [np.empty(0)], 1
        smallest = max(self.config.min_face_px, 1)
        while min(gray.shape) >= smallest:
            windows = self._cascade.detectMultiScale(
                gray,
                scaleFactor=self.config.scale_factor,
                minNeighbors=0,
                minSize=(smallest, smallest),
                maxSize=(2 * smallest - 1, 2 * smallest - 1),
            )
            rectangles = [[int(v) for v in window] for window in windows]
            grouped, counts = cv2.groupRectangles(rectangles, self._min_neighbors, _GROUP_EPS)
            boxes.append(shrink * np.asarray(grouped, np.float64).reshape(-1, 4))
            votes.append(np.asarray(counts, np.float64).reshape(-1))
            gray = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            shrink *= 2
        per_e_fold = math.log(self.config.scale_factor)
        return np.concatenate(boxes), np.concatenate(votes) * per_e_fold

    def _search(self, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [N, 4] (xywh) and cascade weights [N] without a verifier."""
        smallest = max(self.config.min_face_px, 1)
        found, _, weights = self._cascade.detectMultiScale3(
            gray,
            scaleFactor=self.config.scale_factor,
            minNeighbors=self._min_neighbors,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        boxes = np.asarray(found, np.float64).reshape(-1, 4)
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


def _as_box(row: np.ndarray) -> Box:
    x, y, w, h = (float(v) for v in row)
    return x, y, w, h


def _rescaled(box: Box, factor_xy: tuple[float, float]) -> Box:
    x, y, w, h = box
    fx, fy = factor_xy
    return x * fx, y * fy, w * fx, h * fy
