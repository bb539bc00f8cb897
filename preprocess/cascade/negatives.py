"""What is no face: the cascade's false proposals, stray windows, faces out of order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from manifest.errors import UserError
from preprocess.cascade.mining import max_iou
from preprocess.cascade.options import TrainVerifierOptions
from preprocess.cascade.samples import Box, BoxedPicture, Jitter, draw_view
from preprocess.detect import CROP_SIDE_PX, SHIPPED_CASCADE, load_cascade, square_crop

_log = logging.getLogger(__name__)

Score = Callable[[list[np.ndarray]], np.ndarray]
"""Probability of a face [N] for views uint8 [S, S, 3]."""

FACE_JITTER = Jitter(
    shift=0.03, scale=0.07, rotation_deg=10, squeeze_share=0.25, occluder_share=0.15,
    gray_share=0.2, min_side_px=14,
)  # fmt: skip
# Background may lie at any angle and needs no occluder.
_OTHER_JITTER = Jitter(
    shift=0.05, scale=0.1, rotation_deg=25, squeeze_share=0.25, occluder_share=0.05,
    gray_share=0.2, min_side_px=14,
)  # fmt: skip
_MAX_FACE_IOU = 0.3
# Shares of the negatives: pool of proposals, parts of head crops, faces out of order, and for the
# rest stray windows of pictures.
_POOL_SHARE, _PART_SHARE, _SCRAMBLED_SHARE = 0.5, 0.2, 0.15
_PROPOSALS_PER_ROUND = 2500
# A proposal that the network gives more than this is worth another look.
_HARD_SCORE = 0.02


@dataclass(frozen=True)
class Sample:
    """One box of one picture."""

    picture: BoxedPicture
    box: Box


class NegativeSource:
    """Draws boxes without a face; its pool of hard ones grows by `mine`."""

    def __init__(
        self,
        picture_sets: list[list[BoxedPicture]],
        crops: list[BoxedPicture],
        reject: list[BoxedPicture],
        options: TrainVerifierOptions,
    ) -> None:
        self._sets = picture_sets
        self._crops = crops
        self._pool = [Sample(p, box) for p in reject for box in p.faces]
        self._cascade = load_cascade(options.cascade or SHIPPED_CASCADE)
        self._seed = options.seed
        if not (picture_sets or reject):
            raise UserError(
                "nothing without a face to learn from", hint="give --reject or --pictures"
            )

    @property
    def pool_size(self) -> int:
        """Negatives kept so far."""
        return len(self._pool)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One view uint8 [S, S, 3] of something that is no face."""
        if self._crops and rng.random() < _SCRAMBLED_SHARE:
            crop = self._crops[rng.integers(len(self._crops))]
            face = draw_view(crop.rgb, crop.faces[0], CROP_SIDE_PX, FACE_JITTER, rng)
            return scrambled(face, rng)
        sample, jitter = self._sample(rng)
        return draw_view(sample.picture.rgb, sample.box, CROP_SIDE_PX, jitter, rng)

    def _sample(self, rng: np.random.Generator) -> tuple[Sample, Jitter]:
        kind = rng.random()
        if self._pool and (kind < _POOL_SHARE or not (self._crops or self._sets)):
            # The newest negatives fooled the best network: half of the draws come from them.
            first = len(self._pool) // 2 if rng.random() < 0.5 else 0
            return self._pool[rng.integers(first, len(self._pool))], _OTHER_JITTER
        if self._crops and (kind < _POOL_SHARE + _PART_SHARE or not self._sets):
            return stray_window(self._crops[rng.integers(len(self._crops))], rng), _OTHER_JITTER
        return stray_window(self._picture(rng), rng), _OTHER_JITTER

    def _picture(self, rng: np.random.Generator) -> BoxedPicture:
        """Any folder with equal odds, then any picture of it."""
        pictures = self._sets[rng.integers(len(self._sets))]
        return pictures[rng.integers(len(pictures))]

    def mine(self, score: Score | None, number: int) -> None:
        """Add proposals off every face: all without a `score`, else those it takes for faces."""
        if not self._sets:
            return
        rng = np.random.default_rng((self._seed, 7, number))
        start, fresh, looked = time.monotonic(), [], 0
        while looked < _PROPOSALS_PER_ROUND:
            picture = _varied(self._picture(rng), rng)
            samples = proposals(self._cascade, picture)
            looked += len(samples) + 10
            if score is not None and samples:
                scores = score([_plain_view(s) for s in samples])
                samples = [s for s, p in zip(samples, scores, strict=True) if p > _HARD_SCORE]
            fresh += [_cut_out(s) for s in samples]
        self._pool += fresh
        _log.info(
            "round %d: %d of %d proposals join the pool of %d, %.0f s",
            number, len(fresh), looked, len(self._pool), time.monotonic() - start,
        )  # fmt: skip


def proposals(cascade: cv2.CascadeClassifier, picture: BoxedPicture) -> list[Sample]:
    """What the cascade, at its loosest, takes for a face off every true one."""
    gray = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    boxes = cascade.detectMultiScale(gray, 1.1, 1)
    samples = []
    for x, y, w, h in np.asarray(boxes, float).reshape(-1, 4):
        if max_iou(np.array([[x, y]]), w, picture.faces)[0] < _MAX_FACE_IOU:
            samples.append(Sample(picture, (x, y, w, h)))
    return samples


def _varied(picture: BoxedPicture, rng: np.random.Generator) -> BoxedPicture:
    """The picture at another size, perhaps mirrored."""
    height, width = picture.rgb.shape[:2]
    scale = float(np.exp(rng.uniform(np.log(160), np.log(640)))) / max(height, width)
    size = (max(round(width * scale), 25), max(round(height * scale), 25))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    rgb = cv2.resize(picture.rgb, size, interpolation=interpolation)
    mirrored = rng.random() < 0.5
    faces = []
    for x, y, w, h in picture.faces:
        left = width - x - w if mirrored else x
        faces.append((left * scale, y * scale, w * scale, h * scale))
    if mirrored:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    return BoxedPicture(picture.name, rgb, tuple(faces))


def _cut_out(sample: Sample) -> Sample:
    """The sample with only the pixels that its jittered views can reach, so pools stay small."""
    x, y, w, h = sample.box
    rgb = sample.picture.rgb
    left, top = max(int(x - w / 2), 0), max(int(y - h / 2), 0)
    patch = rgb[top : math.ceil(y + 1.5 * h), left : math.ceil(x + 1.5 * w)].copy()
    return Sample(BoxedPicture(sample.picture.name, patch, ()), (x - left, y - top, w, h))


def stray_window(picture: BoxedPicture, rng: np.random.Generator) -> Sample:
    """A random window overlapping no face much; head crops give eyes, hair, chins, collars."""
    height, width = picture.rgb.shape[:2]
    for _ in range(20):
        side = float(np.exp(rng.uniform(np.log(14), np.log(1.2 * min(height, width)))))
        x, y = rng.uniform(-0.3 * side, (width - 0.7 * side, height - 0.7 * side))
        if max_iou(np.array([[x, y]]), side, picture.faces)[0] < _MAX_FACE_IOU:
            break
    return Sample(picture, (float(x), float(y), side, side))


def scrambled(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A face [S, S, 3] out of order: its colours and textures in an arrangement that is none.

    Few pictures hold all the skin, hair and cloth that a network may stumble over; every face
    crop does.
    """
    side = len(view)
    kind = rng.random()
    if kind < 0.25:  # upside down
        return np.ascontiguousarray(view[::-1])
    if kind < 0.65:  # chin above the brow, or the sides swapped
        down, across = rng.integers(side // 3, side - side // 3, 2) * rng.integers(0, 2, 2)
        return np.roll(view, (int(down) or side // 2, int(across)), axis=(0, 1))
    tile = side // 4
    tiles = view.reshape(4, tile, 4, tile, 3).transpose(0, 2, 1, 3, 4).reshape(16, tile, tile, 3)
    shuffled = rng.permutation(tiles).reshape(4, 4, tile, tile, 3)
    return np.ascontiguousarray(shuffled.transpose(0, 2, 1, 3, 4)).reshape(side, side, 3)


def _plain_view(sample: Sample) -> np.ndarray:
    """The crop that the detector would show the network."""
    x, y, w, h = sample.box
    return square_crop(sample.picture.rgb, x + w / 2, y + h / 2, max(w, h))
