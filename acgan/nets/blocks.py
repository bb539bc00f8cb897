"""Pieces that several nets share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from acgan.training.parallel import mean_over_processes, several_processes

COSINE_SCALE = 10.0


class LabelEmbedding(nn.Module):
    """Labels int64 [N,A] (-1 unknown) -> [N,dim]: a row per class and per unknown, summed.

    The share of a group in the sum's variance grows with its information, log K.
    """

    starts: Tensor

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        starts: list[int] = [0]
        for size in sizes[:-1]:
            starts.append(starts[-1] + size + 1)
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.table = nn.Embedding(sum(sizes) + len(sizes), dim)
        total = sum(math.log(size) for size in sizes) or 1.0  # groups of one class tell nothing
        with torch.no_grad():
            for start, size in zip(starts, sizes, strict=True):
                self.table.weight[start : start + size + 1] *= math.sqrt(math.log(size) / total)

    def forward(self, labels: Tensor) -> Tensor:
        rows: Tensor = self.table(labels + 1 + self.starts)
        return rows.sum(dim=1)


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over the batch of all processes, so that N processes compute what one does."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and several_processes()):
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        exact = x.to(self.running_mean.dtype)
        moments = torch.cat([exact.mean(dim=(0, 2, 3)), exact.square().mean(dim=(0, 2, 3))])
        mean, square = mean_over_processes(moments).chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        count = x.numel() / x.shape[1] * dist.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        shift = -mean * scale
        if self.affine:
            shift = shift + self.bias
        return (exact * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class Dropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch, of which each process takes its share."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        size, rank = (dist.get_world_size(), dist.get_rank()) if several_processes() else (1, 0)
        draws = torch.rand(size * len(x), *x.shape[1:], device=x.device)
        return x * (draws.chunk(size)[rank] >= self.p) / (1 - self.p)


class DiscriminatorOutput(NamedTuple):
    """A discriminator's logits for N pictures."""

    adversarial: Tensor
    """Logits [N], high for real."""
    classes: Tensor
    """Class logits of all groups, side by side, [N, slots * sum K]."""


class Heads(nn.Module):
    """Features [N,F] -> `DiscriminatorOutput`.

    With `slots=2` every class has a real and a fake logit, next to each other (ADC). With `cosine`
    class logits are cosines times a constant, so that they cannot explode (ReACGAN, 2111.01118).
    """

    def __init__(
        self,
        features: int,
        sizes: Sequence[int],
        slots: int = 1,
        *,
        cosine: bool = False,
    ) -> None:
        super().__init__()
        self.cosine = cosine
        self.adversarial = nn.Linear(features, 1)
        self.classes = nn.Linear(features, slots * sum(sizes), bias=not cosine) if sizes else None

    def forward(self, features: Tensor) -> DiscriminatorOutput:
        classes = features[:, :0].float()
        if self.classes is not None and self.cosine:
            unit = normalize(features.float(), dim=1)
            classes = COSINE_SCALE * linear(unit, normalize(self.classes.weight, dim=1))
        elif self.classes is not None:
            classes = self.classes(features).float()
        return DiscriminatorOutput(self.adversarial(features).squeeze(1).float(), classes)


def zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    """Start a layer's bias at 0."""
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def icnr_(conv: nn.Conv2d, factor: int = 2) -> nn.Conv2d:
    """Initialise a convolution before PixelShuffle so that the enlarged picture has no grid.

    Aitken et al. (1707.02937): all sub-pixels of one output pixel start with equal weights.
    """
    with torch.no_grad():
        kept = conv.weight[:: factor * factor].clone()
        conv.weight.copy_(kept.repeat_interleave(factor * factor, dim=0))
    return conv


def first_halving(channels: int) -> list[nn.Module]:
    """A 4x4 convolution of stride 2 and padding 1 from 3 channels, as 2x2 over 2x2 blocks.

    The same sums in another order of weights; CPUs are slow at gradients of 3 channels.
    """
    return [nn.ZeroPad2d(1), nn.PixelUnshuffle(2), nn.Conv2d(12, channels, 2)]


def halvings(widths: Sequence[int]) -> list[nn.Module]:
    """Layers that halve pictures [N,3,S,S] once per width: 4x4 convolutions of stride 2, leaky."""
    layers: list[nn.Module] = [*first_halving(widths[0]), nn.LeakyReLU(0.2)]
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return layers


def base_and_doublings(image_size: int) -> tuple[int, int]:
    """The side of the first feature map (4 to 7) and how often it doubles: 96 -> (6, 4)."""
    doublings = int(math.log2(image_size)) - 2
    base = image_size >> doublings
    if doublings < 1 or base << doublings != image_size:
        raise ValueError(f"no net draws {image_size} px")
    return base, doublings


def scaled(channels: int, width: float) -> int:
    """A number of channels times `width`, a multiple of 4 (of 8 from 32 on)."""
    step = 8 if channels * width >= 32 else 4
    return max(step, round(channels * width / step) * step) if width != 1 else channels
