"""The second classifier, of another kind: logistic regression on fixed patch responses.

Nothing in its features is learned by gradient: small patches cut from train faces, whitened, answer
at every place and are averaged over a 4x4 grid (Coates, Ng, Lee 2011). A generator that has learned
to please convolutional classifiers in particular reads worse here than by the first classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.pictures import PicturesNCHW
from eval.classifier import masked_loss, shrink
from eval.fit import fit
from eval.reals import Labels, Rows

PATCHES_VERSION = 1  # raise it when the numbers below change
SIDE = 32
PATCH = 6
FILTERS = 96
GRID = 4
MAX_TRAIN = 8000
EPOCHS = 12
SEED = 7


@dataclass(frozen=True)
class PatchClassifier:
    """Filters [K, 3, p, p] with a bias each, feature mean and scale [F], a linear map per group."""

    filters: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    weights: list[Tensor]
    offsets: list[Tensor]

    def arrays(self) -> list[np.ndarray]:
        """All that it has learnt, for a cache."""
        parts = [self.filters, self.bias, self.mean, self.scale, *self.weights, *self.offsets]
        return [part.detach().numpy() for part in parts]

    @staticmethod
    def from_arrays(arrays: list[np.ndarray]) -> PatchClassifier:
        """The inverse of `arrays`."""
        parts = [torch.from_numpy(part) for part in arrays]
        groups = (len(parts) - 4) // 2
        return PatchClassifier(
            parts[0], parts[1], parts[2], parts[3], parts[4 : 4 + groups], parts[4 + groups :]
        )

    @torch.inference_mode()
    def read(self, pictures: PicturesNCHW) -> list[npt.NDArray[np.float32]]:
        """Per group, class probabilities float32 [N, classes]."""
        features = (patch_features(pictures, self.filters, self.bias) - self.mean) / self.scale
        return [
            (features @ weight + offset).softmax(1).numpy()
            for weight, offset in zip(self.weights, self.offsets, strict=True)
        ]


@torch.inference_mode()
def patch_features(pictures: Rows, filters: Tensor, bias: Tensor, batch: int = 25) -> Tensor:
    """Rectified responses of both signs, averaged over a grid: float32 [N, 2 * K * 16].

    The small batch keeps the responses, 70,000 numbers a picture, in the processor's cache.
    """
    rows = []
    for start in range(0, len(pictures), batch):
        piece = np.ascontiguousarray(pictures[start : start + batch])
        answer = functional.conv2d(shrink(torch.from_numpy(piece), SIDE), filters, bias)
        mean = functional.adaptive_avg_pool2d(answer, GRID)
        above = functional.adaptive_avg_pool2d(answer.relu_(), GRID)
        rows.append(torch.cat([above, above - mean], 1).flatten(1))  # relu(-x) = relu(x) - x
    return torch.cat(rows)


def cut_filters(pictures: Rows, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Whitened patches of random train faces as filters, with the bias that centres them."""
    rows = torch.randint(len(pictures), (2000,), generator=generator).numpy()
    small = shrink(torch.from_numpy(np.ascontiguousarray(pictures[rows])), SIDE)
    places = torch.randint(SIDE - PATCH + 1, (len(rows), 2), generator=generator).tolist()
    patches = torch.stack(
        [
            face[:, y : y + PATCH, x : x + PATCH].flatten()
            for face, (y, x) in zip(small, places, strict=True)
        ]
    )
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
    whiten = vectors @ torch.diag((values.clamp_min(0) + 0.1).rsqrt()) @ vectors.T
    chosen = (patches[:FILTERS] - mean) @ whiten
    filters = functional.normalize(chosen, dim=1) @ whiten
    return filters.reshape(FILTERS, 3, PATCH, PATCH), -(filters @ mean)


def train_patch_classifier(
    pictures: Rows, labels: Labels, sizes: tuple[int, ...]
) -> PatchClassifier:
    """Fit on at most `MAX_TRAIN` train faces, uint8 [N, 3, S, S] and int64 [N, A]."""
    generator = torch.Generator().manual_seed(SEED)
    filters, bias = cut_filters(pictures, generator)
    labelled = np.flatnonzero((labels != UNKNOWN).any(1))
    chosen = torch.randperm(len(labelled), generator=generator)[:MAX_TRAIN].sort().values
    rows = labelled[chosen.numpy()]
    features = patch_features(pictures[rows], filters, bias).clone()
    mean, scale = features.mean(0), features.std(0) + 1e-3
    features = (features - mean) / scale
    targets = torch.from_numpy(labels[rows])
    linear = nn.Linear(features.shape[1], sum(sizes))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    batch = min(128, len(rows))
    order = torch.empty(0, dtype=torch.int64)

    def loss_of_step() -> Tensor:
        nonlocal order
        if not len(order):
            order = torch.randperm(len(rows), generator=generator)
        chosen, order = order[:batch], order[batch:]
        return masked_loss(list(linear(features[chosen]).split(sizes, 1)), targets[chosen])

    steps = EPOCHS * -(-len(rows) // batch)
    fit(linear, steps, loss_of_step, learning_rate=1e-3, weight_decay=0.1)
    weights = [part.detach().T.contiguous() for part in linear.weight.split(sizes)]
    offsets = [part.detach().clone() for part in linear.bias.split(sizes)]
    return PatchClassifier(filters, bias, mean, scale, weights, offsets)
