"""The main path of `train-verifier`: faces against everything the cascade mistakes for one.

Half of each batch is faces, half is not; every round the network so far looks at new proposals of
the cascade, and those that still fool it join the pool of negatives. In the end the logit is
scaled on pictures that nothing was fitted on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from avatar_common.commands.output import emit_json, explain_dry_run
from avatar_common.commands.progress import progress
from preprocess.detector_training.collages import Looks, calibration, collage_looks, share_found
from preprocess.detector_training.face_views import FaceView, Patch, draw_face, face_patch
from preprocess.detector_training.negatives import NegativeSource
from preprocess.detector_training.network import (
    VerifierNet,
    read_onnx,
    rescale_logit,
    write_onnx,
)
from preprocess.detector_training.options import TrainVerifierOptions
from preprocess.detector_training.samples import BoxedPicture, read_boxed, read_crops, split_faces

_log = logging.getLogger(__name__)

_VIEWS_PER_ROUND, _MAX_ROUNDS = 35_000, 6
_MAX_HELD_VIEWS = 2000
# A few crops hold no face: smoothed targets keep the network from chasing them.
_FACE_TARGET, _OTHER_TARGET = 0.98, 0.01
_OFFSET_WEIGHT = 20.0
# Faces of boxed pictures, with what really surrounds them, are drawn this often when there are
# crops too.
_BOXED_SHARE = 0.12


def train_verifier(options: TrainVerifierOptions) -> None:
    """Train, write the ONNX file after every round, and end with one JSON line of measurements."""
    if options.dry_run:
        explain_dry_run(options, [f"train on {options.samples} views into {options.out}"])
        return
    cv2.setNumThreads(1)
    keep = [p for source in options.keep for p in read_crops(source)]
    reject = [p for source in options.reject for p in read_crops(source)]
    picture_sets = [read_boxed(folder) for folder in options.pictures]
    held_sets = [read_boxed(folder) for folder in options.held_pictures]
    faces, held = split_faces([keep, *picture_sets], options.seed)
    fitted = {id(p) for p in faces}
    crops = [p for p in keep if id(p) in fitted]
    source = NegativeSource(picture_sets, crops, reject, options)
    torch.manual_seed(options.seed)
    net = VerifierNet() if options.start_from is None else read_onnx(options.start_from)
    net = net.to(memory_format=torch.channels_last)
    trainer = _Trainer(net, faces, source, options)
    with progress("views", options.samples, quiet=options.quiet) as advance:
        for number in range(trainer.rounds):
            fresh = number == 0 and options.start_from is None
            source.mine(None if fresh else partial(net_answers, net), number)
            for loss, count in trainer.round():
                advance(count, note=f"loss {loss:.3f}")
            write_onnx(net, options.out)
    measures = held_measures(net, held, source, options)
    if held_sets:
        looks = collage_looks(options, held_sets, held)
        gain, bias = calibration(looks)
        rescale_logit(net, gain, bias)
        write_onnx(net, options.out)
        measures |= _collage_measures(looks, gain, bias)
    emit_json(
        {
            "verifier": str(options.out),
            "face_pictures": len(faces),
            "negatives": source.pool_size,
            **measures,
        }
    )


def net_answers(net: VerifierNet, views: list[np.ndarray]) -> np.ndarray:
    """Answers [N, 4] (logit, offset) for views uint8 [S, S, 3]."""
    net.eval()
    with torch.inference_mode():
        parts = [views[i : i + 512] for i in range(0, len(views), 512)]
        return torch.cat([net(_tensor(p)) for p in parts]).numpy()


def _tensor(views: list[np.ndarray]) -> Tensor:
    stacked = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    return stacked.float().contiguous(memory_format=torch.channels_last)


class _Faces:
    """Draws face views, those of crops and those of boxed pictures at a fixed ratio."""

    def __init__(self, pictures: list[BoxedPicture], source: NegativeSource) -> None:
        patches = [face_patch(p, box) for p in pictures for box in p.faces]
        self._alone = [p for p in patches if p.alone]
        self._boxed = [p for p in patches if not p.alone]
        self._source = source

    def draw(self, rng: np.random.Generator) -> FaceView:
        boxed = self._boxed and (not self._alone or rng.random() < _BOXED_SHARE)
        patches: list[Patch] = self._boxed if boxed else self._alone
        return draw_face(patches[rng.integers(len(patches))], self._source.ground, rng)


class _Trainer:
    def __init__(
        self,
        net: VerifierNet,
        faces: list[BoxedPicture],
        source: NegativeSource,
        options: TrainVerifierOptions,
    ) -> None:
        self._net, self._source = net, source
        self._faces = _Faces(faces, source)
        self._half = options.batch // 2
        self._rng = np.random.default_rng(options.seed)
        self.rounds = int(np.clip(options.samples // _VIEWS_PER_ROUND, 1, _MAX_ROUNDS))
        self._steps_per_round = max(options.samples // options.batch // self.rounds, 1)
        self._optimizer = torch.optim.AdamW(
            net.parameters(), lr=options.learning_rate, weight_decay=0.02
        )
        total = self._steps_per_round * self.rounds
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, options.learning_rate, total_steps=total, pct_start=0.05
        )

    def round(self) -> Iterator[tuple[float, int]]:
        """Train one round; gives the loss and the number of views of each step."""
        for _ in range(self._steps_per_round):
            faces = [self._faces.draw(self._rng) for _ in range(self._half)]
            others = [self._source.draw(self._rng) for _ in range(self._half)]
            self._net.train()
            loss = _loss(self._net(_tensor([f.rgb for f in faces] + others)), faces)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()
            yield loss.item(), len(faces) + len(others)


def _loss(answers: Tensor, faces: list[FaceView]) -> Tensor:
    """Cross-entropy of the logits [N], the first of them faces, and how far off the offsets are."""
    count = len(faces)
    targets = torch.full((len(answers),), _OTHER_TARGET)
    targets[:count] = _FACE_TARGET
    counted = torch.ones(len(answers))
    counted[:count] = torch.tensor([0.0 if face.astray else 1.0 for face in faces])
    decide = nn.functional.binary_cross_entropy_with_logits(answers[:, 0], targets, counted)
    offsets = torch.tensor(np.stack([face.offset for face in faces]), dtype=torch.float32)
    place = nn.functional.smooth_l1_loss(answers[:count, 1:], offsets, beta=0.05)
    return decide + _OFFSET_WEIGHT * place


def held_measures(
    net: VerifierNet,
    held: list[BoxedPicture],
    source: NegativeSource,
    options: TrainVerifierOptions,
) -> dict[str, float]:
    """How good the network is on jittered views of held-out faces and negatives.

    The share of faces kept at 0.5, how far off (mean, in face sides) their places are, and the
    share of negatives kept.
    """
    rng = np.random.default_rng((options.seed, 3))
    count = min(_MAX_HELD_VIEWS, options.samples // 10)
    drawer = _Faces(held, source)
    faces = [drawer.draw(rng) for _ in range(count)]
    answers = net_answers(net, [f.rgb for f in faces])
    aimed = np.array([not f.astray for f in faces])
    errors = np.abs(answers[:, 1:] - np.stack([f.offset for f in faces])).mean(axis=0)
    others = net_answers(net, [source.draw(rng) for _ in range(count)])
    return {
        "held_faces_kept": round(float((answers[aimed, 0] > 0).mean()), 4),
        "held_offset_error": round(float(errors[:2].mean()), 4),
        "held_growth_error": round(float(errors[2]), 4),
        "negatives_kept": round(float((others[:, 0] > 0).mean()), 4),
    }


def _collage_measures(looks: Looks, gain: float, bias: float) -> dict[str, float]:
    """What the scaled network finds on the collages at a score of 0.5."""
    found, false = share_found(looks, gain, bias)
    return {
        "gain": round(gain, 4),
        "bias": round(bias, 4),
        "collage_recall": round(found, 4),
        "collage_false_per_picture": round(false, 4),
    }
