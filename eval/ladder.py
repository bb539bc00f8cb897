"""Two more readings of discriminability: the paper's resolution ladder, and GAN-train."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from eval.accuracy import GroupAccuracy, Reading, read_group
from eval.cache import ArrayCache, content_hash
from eval.classifier import JudgeSettings, judge_hash, read_pictures, train_judge
from eval.judge import TrainedJudge
from eval.reals import Labels, Pictures, Reals

MAX_PER_RUNG = 1000
GAN_TRAIN = JudgeSettings(images_seen=40_000)


def rungs(image_size: int) -> list[int]:
    """8, 16, 32, ... below the pictures' side, and the side itself."""
    sides = [side for side in (8, 16, 32, 64, 128, 256) if side < image_size]
    return [*sides, image_size]


def at_resolution(pictures: Pictures, side: int) -> Pictures:
    """Shrunk to `side` and enlarged again, bilinear, uint8 (Odena et al. 2017, section 4.1)."""
    full = pictures.shape[-1]
    if side == full:
        return pictures
    scaled = torch.from_numpy(np.ascontiguousarray(pictures)).to(torch.float32)
    small = functional.interpolate(
        scaled, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
    large = functional.interpolate(small, size=(full, full), mode="bilinear", align_corners=False)
    return large.round_().clamp_(0, 255).to(torch.uint8).numpy()


def resolution_ladder(
    reals: Reals, scored: list[int], fakes: Pictures, fake_labels: Labels, judge: TrainedJudge
) -> dict[int, list[GroupAccuracy]]:
    """Accuracy by side; what a picture gains by its resolution must show in fakes as in reals."""
    fakes, fake_labels = fakes[:MAX_PER_RUNG], fake_labels[:MAX_PER_RUNG]
    rows = np.random.default_rng(0).permutation(len(reals.test_labels))[:MAX_PER_RUNG]
    real, real_labels = reals.test_pictures[rows], reals.test_labels[rows]
    found = {}
    for side in rungs(reals.image_size):
        fake_read = judge.read_kept(at_resolution(fakes, side))[1]
        real_read = judge.read_kept(at_resolution(real, side))[1]
        found[side] = [
            GroupAccuracy(
                name=reals.vocabulary.names[column],
                classes=reals.vocabulary.groups[column].classes,
                fake=read_group(fake_labels[:, column], fake_read[column]),
                real=read_group(real_labels[:, column], real_read[column]),
            )
            for column in scored
        ]
    return found


def gan_train_accuracy(
    reals: Reals,
    scored: list[int],
    fakes: Pictures,
    fake_labels: Labels,
    device: torch.device,
    cache: ArrayCache,
    note: Callable[[str], None],
) -> dict[str, Reading]:
    """How held-out reals are read by a classifier trained on the fakes (Shmelkov et al. 2018)."""
    note("GAN-train")

    def train() -> list[np.ndarray]:
        net = train_judge(fakes, fake_labels, reals.vocabulary.sizes, GAN_TRAIN, device=device)
        read = read_pictures(net, reals.test_pictures, device=device)[1]
        return [
            read_group(reals.test_labels[:, column], read[column]).confusion for column in scored
        ]

    key = f"{judge_hash(reals.dataset_id, GAN_TRAIN)}-{content_hash(fakes, fake_labels)}"
    confusions = cache.arrays(f"gan-train-{key}", train)
    return {
        reals.vocabulary.names[column]: Reading(confusion)
        for column, confusion in zip(scored, confusions, strict=True)
    }
