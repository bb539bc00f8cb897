"""Pictures to set the verifier's scale on: held-out faces, redrawn and small, laid over held-out
pictures; every true box is known, and nothing in them was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from preprocess.boxes import Box
from preprocess.cascade.face_views import head_outline, laid_over, redrawn
from preprocess.cascade.negatives import varied
from preprocess.cascade.options import TrainVerifierOptions
from preprocess.cascade.samples import BoxedPicture
from preprocess.detect import DetectorConfig, FaceDetector, box_iou

_COLLAGES = 240
_MAX_PASTED = 3
_SIDE_PX = (22.0, 130.0)
# A detection is a face where it overlaps one so much.
_HIT_IOU = 0.45
_SURE = 1e-12
# The calibration's own prior, in pictures' worth of doubt: keeps it finite when all is clear cut.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Looks:
    """What the detector found on the collages, at any score."""

    logits: np.ndarray
    """float [N], of every detection."""
    hits: np.ndarray
    """bool [N], whether it is a face."""
    faces: int
    pictures: int


def collage_looks(
    options: TrainVerifierOptions, grounds: list[BoxedPicture], held: list[BoxedPicture]
) -> Looks:
    """Detect with `options.out` on collages of the held-out faces over `grounds`."""
    detector = FaceDetector(
        DetectorConfig(verifier=options.out, cascade=options.cascade, min_score=0.0)
    )
    rng = np.random.default_rng((options.seed, 5))
    alone = [p for p in held if p.faces[0][2] > 0.85 * p.rgb.shape[1]]
    logits, hits, faces = [], [], 0
    for number in range(_COLLAGES):
        picture = collage(grounds[number % len(grounds)], alone, rng)
        free = list(picture.faces)
        faces += len(free)
        for face in detector.detect(picture.rgb):
            overlaps = [box_iou(face.box_xywh, box) for box in free]
            hit = max(overlaps, default=0.0) > _HIT_IOU
            if hit:
                free.pop(int(np.argmax(overlaps)))
            score = min(max(face.score, _SURE), 1 - _SURE)
            logits.append(float(np.log(score / (1 - score))))
            hits.append(hit)
    return Looks(np.array(logits), np.array(hits, bool), faces, _COLLAGES)


def collage(
    ground: BoxedPicture, crops: list[BoxedPicture], rng: np.random.Generator
) -> BoxedPicture:
    """The ground at a random size with up to three of the crops laid over it, off its own faces."""
    picture = varied(ground, rng)
    rgb, faces = picture.rgb.copy(), list(picture.faces)
    height, width = rgb.shape[:2]
    for _ in range(int(rng.integers(0, _MAX_PASTED + 1)) if crops else 0):
        crop = crops[rng.integers(len(crops))]
        box = crop.faces[0]
        head = redrawn(crop.rgb, box, rng)
        side = round(float(np.exp(rng.uniform(*np.log(_SIDE_PX)))))
        if side >= min(height, width):
            continue
        x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        if any(box_iou((x, y, side, side), face) > 0 for face in faces):
            continue
        mask = cv2.resize(head_outline(head.shape[:2], rng), (side, side))
        head = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
        part = rgb[y : y + side, x : x + side]
        part[:] = laid_over(head, mask, part)
        zoom = side / len(crop.rgb)
        pasted: Box = (x + box[0] * zoom, y + box[1] * zoom, box[2] * zoom, box[3] * zoom)
        faces.append(pasted)
    return BoxedPicture(ground.name, rgb, tuple(faces))


def calibration(looks: Looks) -> tuple[float, float]:
    """Gain and bias that make logits log odds, by logistic regression (Platt 1999)."""
    design = np.stack([looks.logits, np.ones(len(looks.logits))], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        shares = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (shares - looks.hits) + _RIDGE * (weights - (1.0, 0.0))
        bend = (design * (shares * (1 - shares))[:, None]).T @ design + _RIDGE * np.eye(2)
        weights -= np.linalg.solve(bend, slope)
    return float(weights[0]), float(weights[1])


def share_found(looks: Looks, cut: float) -> tuple[float, float]:
    """The share of faces found above a logit, and false detections per picture."""
    above = looks.logits > cut
    found = float((above & looks.hits).sum()) / max(looks.faces, 1)
    return found, float((above & ~looks.hits).sum()) / looks.pictures
