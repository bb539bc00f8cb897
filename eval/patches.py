"""The second judge, of another kind: logistic regression on fixed patch responses.

Nothing in its features is learned by gradient: small patches cut from train faces, whitened, answer
at every place and are averaged over a 4x4 grid (Coates, Ng, Lee 2011). A generator that has learned
to please convolutional classifiers in particular reads worse here than by the first judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from eval.accuracy import GroupAccuracy, read_group
from eval.cache import ArrayCache, code_hash, content_hash
from eval.classifier import masked_loss, shrink
from eval.reals import Labels, Pictures, Reals, Rows

SIDE = 32
PATCH = 6
FILTERS = 96
GRID = 4
MAX_TRAIN = 8000
EPOCHS = 12
SEED = 7


@dataclass(frozen=True)
class PatchJudge:
    """Filters [K, 3, p, p] with a bias each, feature mean and scale [F], a linear map per group."""

    filters: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    weights: list[Tensor]
    offsets: list[Tensor]

    def arrays(self) -> list[np.ndarray]:
        parts = [self.filters, self.bias, self.mean, self.scale, *self.weights, *self.offsets]
        return [part.detach().numpy() for part in parts]

    @staticmethod
    def from_arrays(arrays: list[np.ndarray]) -> PatchJudge:
        parts = [torch.from_numpy(part) for part in arrays]
        groups = (len(parts) - 4) // 2
        return PatchJudge(
            parts[0], parts[1], parts[2], parts[3], parts[4 : 4 + groups], parts[4 + groups :]
        )

    @torch.inference_mode()
    def read(self, pictures: Pictures) -> list[npt.NDArray[np.float32]]:
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


def train_patch_judge(pictures: Rows, labels: Labels, sizes: tuple[int, ...]) -> PatchJudge:
    """Fit on at most `MAX_TRAIN` train faces, uint8 [N, 3, S, S] and int64 [N, A]."""
    generator = torch.Generator().manual_seed(SEED)
    filters, bias = cut_filters(pictures, generator)
    rows = torch.randperm(len(pictures), generator=generator)[:MAX_TRAIN].sort().values.numpy()
    features = patch_features(pictures[rows], filters, bias).clone()
    mean, scale = features.mean(0), features.std(0) + 1e-3
    features = (features - mean) / scale
    targets = torch.from_numpy(labels[rows])
    linear = nn.Linear(features.shape[1], sum(sizes))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.AdamW(linear.parameters(), lr=1e-3, weight_decay=0.1)
    batch = min(128, len(rows))
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(rows), generator=generator).split(batch):
            logits = list(linear(features[chosen]).split(sizes, 1))
            optimiser.zero_grad(set_to_none=True)
            masked_loss(logits, targets[chosen]).backward()
            optimiser.step()
    weights = [part.detach().T.contiguous() for part in linear.weight.split(sizes)]
    offsets = [part.detach().clone() for part in linear.bias.split(sizes)]
    return PatchJudge(filters, bias, mean, scale, weights, offsets)


def second_judge(
    reals: Reals,
    scored: list[int],
    fakes: Pictures,
    fake_labels: Labels,
    cache: ArrayCache,
    note: Callable[[str], None],
) -> list[GroupAccuracy]:
    """Train (or read from the cache) and let the second judge read fakes and held-out reals."""
    key = f"patches-{reals.dataset_id}-{reals.image_size}-{code_hash(__file__)}"
    note("second judge")
    judge = PatchJudge.from_arrays(
        cache.arrays(
            key,
            lambda: train_patch_judge(
                reals.train_pictures, reals.train_labels, reals.vocabulary.sizes
            ).arrays(),
        )
    )
    fake_read, real_read = (
        cache.arrays(f"{key}-{content_hash(pictures)}", partial(judge.read, pictures))
        for pictures in (fakes, reals.test_pictures)
    )
    return [
        GroupAccuracy(
            name=reals.vocabulary.names[column],
            classes=reals.vocabulary.groups[column].classes,
            fake=read_group(fake_labels[:, column], fake_read[column]),
            real=read_group(reals.test_labels[:, column], real_read[column]),
        )
        for column in scored
    ]
