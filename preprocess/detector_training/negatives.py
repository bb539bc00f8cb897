"""What is no face: the cascade's false proposals, stray windows, faces out of order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from avatar_common.errors import UserError
from preprocess.boxes import Box
from preprocess.detect import (
    CROP_SIDE_PX,
    SHIPPED_CASCADE,
    load_cascade,
    moved_boxes,
    square_crop,
)
from preprocess.detector_training.face_views import FACE_JITTER, head_outline, laid_over
from preprocess.detector_training.mining import clutter, max_iou
from preprocess.detector_training.options import TrainVerifierOptions
from preprocess.detector_training.samples import (
    FINE_SIDE_PX,
    BoxedPicture,
    Jitter,
    finished,
    sampled,
    view_matrix,
)

_log = logging.getLogger(__name__)

Answer = Callable[[list[np.ndarray]], np.ndarray]
"""The network's answers [N, 4] (logit, offset) for views uint8 [S, S, 3]."""

# Background may lie at any angle and needs no occluder.
_OTHER_JITTER = Jitter(
    shift=0.05, scale=0.1, rotation_deg=25, squeeze_share=0.25, occluder_share=0.1,
    gray_share=0.15, dim_share=0.2, min_side_px=14,
)  # fmt: skip
_MAX_FACE_IOU = 0.3
# Shares of the negatives: pictures the user rejected (however few beside the mined ones), pool of
# proposals, parts of head crops, faces out of order, and for the rest stray windows of pictures.
_REJECT_SHARE, _POOL_SHARE, _PART_SHARE, _SCRAMBLED_SHARE = 0.25, 0.5, 0.2, 0.15
_PROPOSALS_PER_ROUND = 3000
# A proposal that the network gives a higher logit is worth another look.
_HARD_LOGIT = -4.0
# Non-faces cut out and laid over something else, as faces are: a cut edge tells nothing.
_PASTED_SHARE = 0.2
_CLUTTER_PICTURES, _EMBLEM_PICTURES = 60, 140


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
        self._crops = crops
        self._rejected = [Sample(p, box) for p in reject for box in p.faces]
        self._pool: list[Sample] = []
        self._cascade = load_cascade(options.cascade or SHIPPED_CASCADE)
        self._seed = options.seed
        if not (picture_sets or reject):
            raise UserError(
                "nothing without a face to learn from", hint="give --reject or --pictures"
            )
        rng = np.random.default_rng((options.seed, 11))
        drawn = [coloured(clutter(rng), rng) for _ in range(_CLUTTER_PICTURES)]
        drawn += [emblems(rng) for _ in range(_EMBLEM_PICTURES)]
        self._sets = [*picture_sets, [BoxedPicture("", rgb, ()) for rgb in drawn]]

    @property
    def pool_size(self) -> int:
        """Negatives kept so far, the user's and the mined ones."""
        return len(self._rejected) + len(self._pool)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One view uint8 [S, S, 3] of something that is no face."""
        if self._crops and rng.random() < _SCRAMBLED_SHARE:
            crop = self._crops[rng.integers(len(self._crops))]
            face = sampled(crop.rgb, view_matrix(crop.faces[0], FACE_JITTER, rng))
            view = scrambled(face, rng)
        else:
            view = self._view(self._sample(rng), rng)
        if rng.random() < _PASTED_SHARE:
            mask = head_outline(view.shape[:2], rng)
            view = laid_over(view, mask, self.ground(rng))
        return finished(view, CROP_SIDE_PX, _OTHER_JITTER, rng)

    def ground(self, rng: np.random.Generator) -> np.ndarray:
        """What may surround a face: a view uint8 [64, 64, 3] of anything else, or one colour."""
        if rng.random() < 0.25:
            return np.full((FINE_SIDE_PX, FINE_SIDE_PX, 3), rng.integers(0, 256, 3), np.uint8)
        return self._view(stray_window(self._picture(rng), rng), rng)

    def _view(self, sample: Sample, rng: np.random.Generator) -> np.ndarray:
        return sampled(sample.picture.rgb, view_matrix(sample.box, _OTHER_JITTER, rng))

    def _sample(self, rng: np.random.Generator) -> Sample:
        if self._rejected and rng.random() < _REJECT_SHARE:
            return self._rejected[rng.integers(len(self._rejected))]
        kind = rng.random()
        if self._pool and kind < _POOL_SHARE:
            # The newest negatives fooled the best network: half of the draws come from them.
            first = len(self._pool) // 2 if rng.random() < 0.5 else 0
            return self._pool[rng.integers(first, len(self._pool))]
        if self._crops and kind < _POOL_SHARE + _PART_SHARE:
            return stray_window(self._crops[rng.integers(len(self._crops))], rng)
        return stray_window(self._picture(rng), rng)

    def _picture(self, rng: np.random.Generator) -> BoxedPicture:
        """Any folder with equal odds, then any picture of it."""
        pictures = self._sets[rng.integers(len(self._sets))]
        return pictures[rng.integers(len(pictures))]

    def mine(self, answer: Answer | None, number: int) -> None:
        """Add proposals off every face.

        Without an `answer` all; else those it takes for faces, and also where it moves them.
        """
        rng = np.random.default_rng((self._seed, 7, number))
        start, fresh, looked = time.monotonic(), [], 0
        while looked < _PROPOSALS_PER_ROUND:
            picture = varied(self._picture(rng), rng)
            samples = proposals(self._cascade, picture)
            looked += len(samples) + 10
            if answer is not None and samples:
                samples = _fooling(samples, answer)
            fresh += [_cut_out(s) for s in samples if _off_faces(s)]
        self._pool += fresh
        _log.info(
            "round %d: %d of %d proposals join the pool of %d, %.0f s",
            number, len(fresh), looked, len(self._pool), time.monotonic() - start,
        )  # fmt: skip


def proposals(cascade: cv2.CascadeClassifier, picture: BoxedPicture) -> list[Sample]:
    """What the cascade, at its loosest, takes for a face off every true one."""
    gray = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    boxes = np.asarray(cascade.detectMultiScale(gray, 1.1, 1), float).reshape(-1, 4)
    samples = [Sample(picture, (x, y, w, h)) for x, y, w, h in boxes]
    return [s for s in samples if _off_faces(s)]


def _off_faces(sample: Sample) -> bool:
    x, y, w, h = sample.box
    corner = np.array([[x, y]])
    return bool(max_iou(corner, max(w, h), sample.picture.faces)[0] < _MAX_FACE_IOU)


def _fooling(samples: list[Sample], answer: Answer) -> list[Sample]:
    """The samples that the network takes for faces, where it says that the faces are."""
    if not samples:
        return []
    answers = answer([_plain_view(s) for s in samples])
    moved = moved_boxes(np.array([s.box for s in samples]), answers[:, 1:])
    fooled = np.flatnonzero(answers[:, 0] > _HARD_LOGIT)
    return [
        kept
        for i in fooled
        for kept in (samples[i], Sample(samples[i].picture, tuple(moved[i].tolist())))
    ]


def coloured(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gray picture [h, w] in a handful of random colours, uint8 [h, w, 3]."""
    knots = np.sort(rng.integers(0, 256, 6))
    tones = rng.integers(0, 256, (6, 3))
    table = np.stack([np.interp(np.arange(256), knots, tones[:, c]) for c in range(3)], axis=1)
    return cv2.LUT(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), table[None].astype(np.uint8))


def emblems(rng: np.random.Generator, side_px: int = 256) -> np.ndarray:
    """Stars, rings, bows, flowers, crosses and signs on a plain ground, uint8 [S, S, 3].

    They are as symmetrical as a face and as dark in its middle.
    """
    ground = rng.integers(0, 256, 3) + rng.normal(0, rng.uniform(0, 12), (side_px, side_px, 1))
    rgb = np.clip(ground + np.zeros(3), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(4, 16))):
        centre = rng.uniform(0, side_px, 2)
        radius = float(np.exp(rng.uniform(np.log(7), np.log(50))))
        _Emblem(rgb, centre, radius, rng).draw()
    return rgb


class _Emblem:
    """Draws one emblem into a picture in place; positions are in radii from its centre."""

    def __init__(
        self, rgb: np.ndarray, centre: np.ndarray, radius: float, rng: np.random.Generator
    ) -> None:
        self._rgb, self._centre, self._radius, self._rng = rgb, centre, radius, rng
        self._first, self._second, self._ink = (
            tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(3)
        )
        self._outline = rng.random() < 0.5
        self._turn = rng.uniform(0, 2 * np.pi)
        self._corners = int(rng.integers(4, 7))

    def draw(self) -> None:
        """One of the six kinds."""
        kinds = (self._star, self._rings, self._bow, self._flower, self._cross, self._sign)
        kinds[int(self._rng.integers(6))]()

    def _polygon(self, points: np.ndarray, colour: tuple[int, ...]) -> None:
        places = np.round(self._centre + self._radius * points).astype(np.int32)
        cv2.fillPoly(self._rgb, [places], colour, cv2.LINE_AA)
        if self._outline:
            cv2.polylines(self._rgb, [places], True, self._ink, 1, cv2.LINE_AA)

    def _disc(self, at: np.ndarray, size: float, colour: tuple[int, ...]) -> None:
        place = tuple(int(v) for v in np.round(self._centre + self._radius * at))
        radius = max(round(self._radius * size), 1)
        cv2.circle(self._rgb, place, radius, colour, -1, cv2.LINE_AA)
        if self._outline:
            cv2.circle(self._rgb, place, radius, self._ink, 1, cv2.LINE_AA)

    def _star(self) -> None:
        angles = self._turn + np.arange(2 * self._corners) * np.pi / self._corners
        inner = self._rng.uniform(0.3, 0.7)
        reach = np.where(np.arange(2 * self._corners) % 2, inner, 1.0)
        self._polygon(reach[:, None] * _around(angles), self._first)

    def _rings(self) -> None:
        rng = self._rng
        for size in np.sort(rng.uniform(0.1, 1, int(rng.integers(2, 5))))[::-1]:
            colour = self._first if rng.random() < 0.5 else self._second
            self._disc(np.zeros(2), float(size), colour)

    def _bow(self) -> None:
        """Its ends hang."""
        high, wide = self._rng.uniform(0.3, 0.8), self._rng.uniform(0.7, 1.0)
        for side in (-1, 1):
            wing = np.array([(0, 0), (side * wide, -high), (side * wide, high)])
            self._polygon(wing, self._first)
            self._polygon(np.array([(0, 0), (side * 0.7, 1.2), (side * 0.3, 1.3)]), self._second)
        self._disc(np.zeros(2), self._rng.uniform(0.15, 0.3), self._second)

    def _flower(self) -> None:
        for angle in self._turn + np.arange(self._corners) * 2 * np.pi / self._corners:
            self._disc(0.6 * _around(np.array([angle]))[0], 0.42, self._first)
        self._disc(np.zeros(2), self._rng.uniform(0.2, 0.4), self._second)

    def _cross(self) -> None:
        thick = self._rng.uniform(0.15, 0.4)
        bar = np.array([(-1, -thick), (1, -thick), (1, thick), (-1, thick)])
        self._polygon(bar, self._first)
        self._polygon(bar[:, ::-1], self._first)

    def _sign(self) -> None:
        """Strokes between places of a grid."""
        rng, grid = self._rng, np.linspace(-0.9, 0.9, 4)
        for _ in range(int(rng.integers(4, 10))):
            start = rng.choice(grid, 2)
            end = start.copy()
            end[rng.integers(2)] = rng.choice(grid)
            ends = np.round(self._centre + self._radius * np.stack([start, end])).astype(int)
            (x0, y0), (x1, y1) = ends.tolist()
            width = max(round(0.14 * self._radius), 1)
            cv2.line(self._rgb, (x0, y0), (x1, y1), self._first, width, cv2.LINE_AA)


def _around(angles: np.ndarray) -> np.ndarray:
    """Points [N, 2] of the unit circle."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def varied(picture: BoxedPicture, rng: np.random.Generator) -> BoxedPicture:
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
