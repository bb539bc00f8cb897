"""The collapse watch: cheap signs, during training, that variety within a label is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from acgan.dataset import Faces
from acgan.msssim import MsSsimSetting, ms_ssim
from acgan.nets.snapshot import to_uint8

PAIRS = 48
LEAST_Z_SENSITIVITY = 0.1
MOST_EXTRA_SIMILARITY = 0.35
# Heads that have learnt little are sure and wrong of early fakes, which costs more than a guess.
MOST_OF_GUESSING = 1.5


@dataclass(frozen=True)
class WatchResult:
    """z_sensitivity: mean L1 of same-label pairs over the reals' own; similarity: mean SSIM.

    The class losses of fakes and reals are means since the look before, in nats; `guessing` is what
    a guess would cost.
    """

    z_sensitivity: float
    similarity: float
    real_similarity: float
    class_loss_fake: float
    class_loss_real: float
    guessing: float

    def warnings(self) -> list[str]:
        """What looks wrong, in words."""
        found = []
        if self.class_loss_fake > MOST_OF_GUESSING * self.guessing > self.class_loss_real:
            found.append(
                f"pictures are read worse than by guessing (class loss "
                f"{self.class_loss_fake:.2f}, reals {self.class_loss_real:.2f})"
            )
        if self.z_sensitivity < LEAST_Z_SENSITIVITY:
            found.append(f"pictures hardly depend on z (sensitivity {self.z_sensitivity:.2f})")
        if self.similarity > self.real_similarity + MOST_EXTRA_SIMILARITY:
            found.append(
                f"pictures of one label are alike (SSIM {self.similarity:.2f}, "
                f"reals {self.real_similarity:.2f})"
            )
        return found


class Watch:
    """Pairs of latents for fixed label rows, beside pairs of reals that share their labels."""

    def __init__(self, faces: Faces, z: Tensor, seed: int, weights: Sequence[float]) -> None:
        """`weights` are those of the groups' class losses."""
        self._class_losses: list[tuple[float, float]] = []
        known = (faces.labels >= 0).mean(axis=0)
        self._guessing = sum(
            weight * share * math.log(size)
            for weight, share, size in zip(weights, known, faces.vocabulary.sizes, strict=True)
        )
        generator = np.random.default_rng(seed)
        first, second = same_label_pairs(faces.labels, faces.vocabulary.sizes, generator)
        self._labels = torch.from_numpy(faces.labels[first])
        self._z = z[: 2 * len(first)].split(len(first))
        real_a = torch.from_numpy(np.asarray(faces.images[first]))
        real_b = torch.from_numpy(np.asarray(faces.images[second]))
        self._real_l1 = mean_l1(real_a, real_b)
        self._real_similarity = similarity(real_a, real_b)

    def note(self, numbers: dict[str, float]) -> None:
        """Remember a batch's class losses until the next look."""
        if "class_g" in numbers and "class_d" in numbers:
            self._class_losses.append((numbers["class_g"], numbers["class_d"]))

    @torch.inference_mode()
    def look(self, generator: nn.Module, device: torch.device) -> WatchResult:
        """Score the generator as it is now."""
        labels = self._labels.to(device)
        a, b = (to_uint8(generator(z.to(device), labels)).cpu() for z in self._z)
        losses = np.array(self._class_losses or [(0.0, 0.0)]).mean(axis=0)
        self._class_losses.clear()
        return WatchResult(
            z_sensitivity=mean_l1(a, b) / max(self._real_l1, 1e-6),
            similarity=similarity(a, b),
            real_similarity=self._real_similarity,
            class_loss_fake=float(losses[0]),
            class_loss_real=float(losses[1]),
            guessing=self._guessing,
        )


def same_label_pairs(
    labels: np.ndarray, sizes: tuple[int, ...], generator: np.random.Generator, pairs: int = PAIRS
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of pairs that share known classes.

    Those of up to two one-of-many groups, or of all flags where there is no such group.
    """
    columns = [a for a, size in enumerate(sizes) if size > 2][:2] or list(range(len(sizes)))
    keys: dict[tuple[int, ...], list[int]] = {}
    rows = np.flatnonzero((labels[:, columns] >= 0).all(axis=1))
    for row in generator.permutation(rows):
        keys.setdefault(tuple(labels[row, columns]), []).append(int(row))
    found = [(rows[i], rows[i + 1]) for rows in keys.values() for i in range(0, len(rows) - 1, 2)]
    if not found:
        found = [(0, len(labels) - 1)]
    chosen = [found[i] for i in generator.permutation(len(found))[:pairs]]
    first, second = zip(*chosen, strict=True)
    return np.array(first), np.array(second)


def mean_l1(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of uint8 pictures, in 0..255."""
    return float((a.float() - b.float()).abs().mean())


def similarity(a: Tensor, b: Tensor) -> float:
    """Mean (MS-)SSIM of pairs of uint8 pictures; a window of 3, because faces are small."""
    side = a.shape[-1]
    return float(ms_ssim(a, b, MsSsimSetting(side, 3, 5 if side > 32 else 1)).mean())
