"""The main path of `train-verifier`: faces against everything the cascade mistakes for one.

Half of each batch is faces. The other half starts as raw proposals and stray windows; every round
the network so far looks at new proposals, and those that still fool it join the pool.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cli.output import emit_json, explain_dry_run
from cli.progress import progress
from manifest.errors import UserError
from preprocess.cascade.mining import max_iou
from preprocess.cascade.network import CROP_SIDE_PX, VerifierNet, read_onnx, write_onnx
from preprocess.cascade.options import TrainVerifierOptions
from preprocess.cascade.samples import (
    Box,
    BoxedPicture,
    Jitter,
    draw_view,
    read_boxed,
    read_crops,
    split_faces,
)
from preprocess.detect import SHIPPED_CASCADE, load_cascade, square_crop

_log = logging.getLogger(__name__)

_FACE_JITTER = Jitter(
    shift=0.03, scale=0.07, rotation_deg=10, squeeze_share=0.25, occluder_share=0.15,
    gray_share=0.2, min_side_px=14,
)  # fmt: skip
# Background may lie at any angle and needs no occluder.
_OTHER_JITTER = Jitter(
    shift=0.05, scale=0.1, rotation_deg=25, squeeze_share=0.25, occluder_share=0.05,
    gray_share=0.2, min_side_px=14,
)  # fmt: skip
_MAX_FACE_IOU = 0.3
_ROUNDS = 5
# Shares of the negatives: pool of proposals, parts of head crops, stray windows of pictures.
_POOL_SHARE, _PART_SHARE = 0.5, 0.3
_PROPOSALS_PER_ROUND = 3000
_HELD_VIEWS = 2000


@dataclass(frozen=True)
class Sample:
    """One box of one picture."""

    picture: BoxedPicture
    box: Box


def train_verifier(options: TrainVerifierOptions) -> None:
    """Train, write the ONNX file after every round, and end with one JSON line of measurements."""
    if options.dry_run:
        explain_dry_run(options, [f"train on {options.samples} views into {options.out}"])
        return
    cv2.setNumThreads(1)
    keep = [p for source in options.keep for p in read_crops(source)]
    reject = [p for source in options.reject for p in read_crops(source)]
    picture_sets = [read_boxed(folder) for folder in options.pictures]
    faces, held = split_faces([keep, *picture_sets], options.seed)
    source = NegativeSource(picture_sets, keep, reject, options)
    torch.manual_seed(options.seed)
    net = VerifierNet() if options.start_from is None else read_onnx(options.start_from)
    net = net.to(memory_format=torch.channels_last)
    trainer = _Trainer(net, faces, source, options)
    with progress("views", options.samples, quiet=options.quiet) as advance:
        for number in range(_ROUNDS):
            source.mine(net, number)
            for loss, count in trainer.round():
                advance(count, note=f"loss {loss:.3f}")
            write_onnx(net, options.out)
    emit_json(
        {
            "verifier": str(options.out),
            "face_pictures": len(faces),
            "negatives": source.pool_size,
            **held_measures(net, held, source, options.seed),
        }
    )


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

    def mine(self, net: VerifierNet, number: int) -> None:
        """Add proposals off every face: all at first, later those the network takes for faces."""
        if not self._sets:
            return
        rng = np.random.default_rng((self._seed, 7, number))
        start, fresh, looked = time.monotonic(), [], 0
        while looked < _PROPOSALS_PER_ROUND:
            picture = _varied(self._picture(rng), rng)
            samples = proposals(self._cascade, picture)
            looked += len(samples) + 10
            if number and samples:
                scores = net_scores(net, [_plain_view(s) for s in samples])
                samples = [s for s, p in zip(samples, scores, strict=True) if p > 0.1]
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


def _plain_view(sample: Sample) -> np.ndarray:
    """The crop that the detector would show the network."""
    x, y, w, h = sample.box
    return square_crop(sample.picture.rgb, x + w / 2, y + h / 2, max(w, h))


def net_scores(net: VerifierNet, views: list[np.ndarray]) -> np.ndarray:
    """Probability of a face [N] for views uint8 [S, S, 3]."""
    net.eval()
    with torch.inference_mode():
        parts = [views[i : i + 512] for i in range(0, len(views), 512)]
        return torch.cat([net(_tensor(p)).sigmoid() for p in parts]).numpy()


def _tensor(views: list[np.ndarray]) -> Tensor:
    stacked = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    return stacked.float().contiguous(memory_format=torch.channels_last)


class _Trainer:
    def __init__(
        self,
        net: VerifierNet,
        faces: list[BoxedPicture],
        source: NegativeSource,
        options: TrainVerifierOptions,
    ) -> None:
        self._net, self._faces, self._source = net, faces, source
        self._half = options.batch // 2
        self._rng = np.random.default_rng(options.seed)
        steps = max(options.samples // options.batch, _ROUNDS)
        self._steps_per_round = steps // _ROUNDS
        self._optimizer = torch.optim.AdamW(
            net.parameters(), lr=options.learning_rate, weight_decay=0.02
        )
        total = self._steps_per_round * _ROUNDS
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, options.learning_rate, total_steps=total, pct_start=0.05
        )

    def round(self) -> Iterator[tuple[float, int]]:
        """Train one round; gives the loss and the number of views of each step."""
        for _ in range(self._steps_per_round):
            views = [self._face() for _ in range(self._half)]
            views += [self._source.draw(self._rng) for _ in range(self._half)]
            # A few crops hold no face: smoothed targets keep the net from chasing them.
            targets = torch.tensor([0.98] * self._half + [0.01] * self._half)
            self._net.train()
            loss = nn.functional.binary_cross_entropy_with_logits(
                self._net(_tensor(views)), targets
            )
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()
            yield loss.item(), len(views)

    def _face(self) -> np.ndarray:
        picture = self._faces[self._rng.integers(len(self._faces))]
        box = picture.faces[self._rng.integers(len(picture.faces))]
        return draw_view(picture.rgb, box, CROP_SIDE_PX, _FACE_JITTER, self._rng)


def held_measures(
    net: VerifierNet, held: list[BoxedPicture], source: NegativeSource, seed: int
) -> dict[str, float]:
    """Share of held-out faces kept and of negatives kept at 0.5, on jittered views."""
    rng = np.random.default_rng((seed, 3))
    faces = []
    for i in range(_HELD_VIEWS):
        picture = held[i % len(held)]
        box = picture.faces[rng.integers(len(picture.faces))]
        faces.append(draw_view(picture.rgb, box, CROP_SIDE_PX, _FACE_JITTER, rng))
    others = [source.draw(rng) for _ in range(_HELD_VIEWS)]
    return {
        "held_faces_kept": round(float((net_scores(net, faces) > 0.5).mean()), 4),
        "negatives_kept": round(float((net_scores(net, others) > 0.5).mean()), 4),
    }
