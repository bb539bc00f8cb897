"""The main path of `train-verifier`: faces against everything the cascade mistakes for one.

Half of each batch is faces, half is not; every round the network so far looks at new proposals of
the cascade, and those that still fool it join the pool of negatives.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cli.output import emit_json, explain_dry_run
from cli.progress import progress
from preprocess.cascade.negatives import FACE_JITTER, NegativeSource
from preprocess.cascade.network import CROP_SIDE_PX, VerifierNet, read_onnx, write_onnx
from preprocess.cascade.options import TrainVerifierOptions
from preprocess.cascade.samples import (
    BoxedPicture,
    draw_view,
    read_boxed,
    read_crops,
    split_faces,
)

_log = logging.getLogger(__name__)

_ROUNDS = 5
_MAX_HELD_VIEWS = 2000


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
            source.mine(partial(net_scores, net) if number else None, number)
            for loss, count in trainer.round():
                advance(count, note=f"loss {loss:.3f}")
            write_onnx(net, options.out)
    emit_json(
        {
            "verifier": str(options.out),
            "face_pictures": len(faces),
            "negatives": source.pool_size,
            **held_measures(net, held, source, options),
        }
    )


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
        return draw_view(picture.rgb, box, CROP_SIDE_PX, FACE_JITTER, self._rng)


def held_measures(
    net: VerifierNet,
    held: list[BoxedPicture],
    source: NegativeSource,
    options: TrainVerifierOptions,
) -> dict[str, float]:
    """Share of held-out faces kept and of negatives kept at 0.5, on jittered views."""
    rng = np.random.default_rng((options.seed, 3))
    count = min(_MAX_HELD_VIEWS, options.samples // 10)
    faces = []
    for i in range(count):
        picture = held[i % len(held)]
        box = picture.faces[rng.integers(len(picture.faces))]
        faces.append(draw_view(picture.rgb, box, CROP_SIDE_PX, FACE_JITTER, rng))
    others = [source.draw(rng) for _ in range(count)]
    return {
        "held_faces_kept": round(float((net_scores(net, faces) > 0.5).mean()), 4),
        "negatives_kept": round(float((net_scores(net, others) > 0.5).mean()), 4),
    }
