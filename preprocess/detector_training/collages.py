"""Pictures to set the verifier's scale on.

Held-out faces, redrawn and small, are laid over held-out pictures; every true box is known, and
nothing in them was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from preprocess.boxes import Box
from preprocess.detect import DetectorConfig, FaceDetector, box_iou
from preprocess.detector_training.face_views import head_outline, laid_over, redrawn
from preprocess.detector_training.negatives import varied
from preprocess.detector_training.options import TrainVerifierOptions
from preprocess.detector_training.samples import BoxedPicture

_COLLAGES = 240
_MAX_PASTED = 3
_SIDE_PX = (22.0, 130.0)
# A detection is a face where it overlaps one so much.
_HIT_IOU = 0.45
# A score of 0.5 keeps so many of the faces.
_KEPT_SHARE = 0.89
# The calibration's own prior, in pictures' worth of doubt: keeps it finite when all is clear cut.
_RIDGE = 1e-3


@dataclass(frozen=True)
class Looks:
    """What the detector found on the collages, at any score."""

    logits: np.ndarray
    """The network's, float [N], of every place looked at."""
    vote_terms: np.ndarray
    """What the cascade's votes add to it, float [N]."""
    hits: np.ndarray
    """bool [N], whether it is a face."""
    faces: int
    pictures: int


def collage_looks(
    options: TrainVerifierOptions, sets: list[list[BoxedPicture]], held: list[BoxedPicture]
) -> Looks:
    """Detect with `options.out` on collages of the held-out faces over each set's pictures."""
    detector = FaceDetector(DetectorConfig(verifier=options.out, cascade=options.cascade))
    rng = np.random.default_rng((options.seed, 5))
    alone = [p for p in held if p.faces[0][2] > 0.85 * p.rgb.shape[1]]
    logits, terms, hits, faces = [], [], [], 0
    for number in range(_COLLAGES):
        grounds = sets[number % len(sets)]
        picture = collage(grounds[number // len(sets) % len(grounds)], alone, rng)
        free = list(picture.faces)
        faces += len(free)
        sightings = detector.sightings(picture.rgb)
        for sighting in sorted(sightings, key=lambda s: -s.log_odds):
            overlaps = [box_iou(sighting.box_xywh, box) for box in free]
            hit = max(overlaps, default=0.0) > _HIT_IOU
            if hit:
                free.pop(int(np.argmax(overlaps)))
            logits.append(sighting.logit)
            terms.append(sighting.log_odds - sighting.logit)
            hits.append(hit)
    return Looks(np.array(logits), np.array(terms), np.array(hits, bool), faces, _COLLAGES)


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
    """Gain and bias of the logit.

    The gain makes it, with the votes, log odds (logistic regression); the bias puts a score of 0.5
    where it keeps 89% of the faces. The regression's own bias would put it lower, for few held-out
    pictures without a face are as hard as what a crawl brings.
    """
    design = np.stack([looks.logits, np.ones(len(looks.logits))], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        odds = design @ weights + looks.vote_terms
        shares = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        slope = design.T @ (shares - looks.hits) + _RIDGE * (weights - (1.0, 0.0))
        bend = (design * (shares * (1 - shares))[:, None]).T @ design + _RIDGE * np.eye(2)
        weights -= np.linalg.solve(bend, slope)
    gain = float(weights[0])
    odds = np.sort((gain * looks.logits + looks.vote_terms)[looks.hits])[::-1]
    kept = min(int(_KEPT_SHARE * looks.faces), len(odds) - 1)
    return gain, -float(odds[kept])


def share_found(looks: Looks, gain: float, bias: float) -> tuple[float, float]:
    """The share of faces found at a score of 0.5 or more, and false detections per picture."""
    above = gain * looks.logits + bias + looks.vote_terms > 0
    found = float((above & looks.hits).sum()) / max(looks.faces, 1)
    return found, float((above & ~looks.hits).sum()) / looks.pictures
