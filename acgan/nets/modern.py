"""Residual nets without normalisation, for a GPU (R3GAN's blocks, 2501.05441, with FiLM)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from acgan.nets.blocks import (
    DiscriminatorOutput,
    Heads,
    LabelEmbedding,
    base_and_doublings,
    icnr_,
    scaled,
    zero_bias,
)

SLOPE = 0.2
CHANNELS = (512, 384, 256, 128, 64, 32, 16)


def conv(channels_in: int, channels_out: int, kernel: int, gain: float = 1.0) -> nn.Conv2d:
    """A convolution that keeps the size of its activations at the start, times `gain`."""
    made = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
    nn.init.normal_(made.weight, 0.0, gain / math.sqrt(channels_in * kernel**2))
    zero_bias(made)
    return made


class Residual(nn.Module):
    """x + conv(lrelu(conv(lrelu(x) * (1 + FiLM)))); starts as the identity.

    Each block has its own FiLM layer: scales that are slices of one shared table get wrong
    gradients from some versions of the compiler.
    """

    def __init__(self, channels: int, latent: int = 0) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, math.sqrt(2 / (1 + SLOPE**2)))
        self.second = conv(channels, channels, 3, 0.0)
        self.film = nn.Linear(latent, channels) if latent else None
        if self.film is not None:
            nn.init.zeros_(self.film.weight)
            zero_bias(self.film)

    def forward(self, x: Tensor, latent: Tensor | None = None) -> Tensor:
        h = leaky_relu(x, SLOPE)
        if self.film is not None and latent is not None:
            h = h * (1 + self.film(latent)[:, :, None, None])
        change: Tensor = self.second(leaky_relu(self.first(h), SLOPE))
        return x + change


class ModernGenerator(nn.Module):
    """z [N,Z] and labels int64 [N,A] -> pictures [N,3,S,S], about -1..1, not clipped."""

    def __init__(
        self,
        image_size: int,
        z_dim: int,
        sizes: Sequence[int],
        *,
        blocks: int = 1,
        channels: Sequence[int] = CHANNELS,
        embedding: int = 128,
        latent: int = 256,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        base, doublings = base_and_doublings(image_size)
        widths = [scaled(c, width) for c in channels[: doublings + 1]]
        self.embed = LabelEmbedding(sizes, embedding) if sizes else None
        self.map = nn.Sequential(
            nn.Linear(z_dim + (embedding if sizes else 0), latent),
            nn.LeakyReLU(SLOPE),
            nn.Linear(latent, latent),
            nn.LeakyReLU(SLOPE),
        )
        self.basis = nn.Parameter(torch.randn(widths[0], base, base))
        self.start = nn.Linear(latent, widths[0])
        self.stages = nn.ModuleList(
            nn.ModuleList(Residual(c, latent) for _ in range(blocks)) for c in widths
        )
        self.ups = nn.ModuleList(
            nn.Sequential(icnr_(conv(a, 4 * b, 1)), nn.PixelShuffle(2)) for a, b in pairwise(widths)
        )
        self.to_rgb = conv(widths[-1], 3, 3, 0.5)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        latent = z if self.embed is None else torch.cat([z, self.embed(labels)], dim=1)
        latent = self.map(latent)
        x = self.basis * self.start(latent)[:, :, None, None]
        for i, stage in enumerate(self.stages):
            x = x if i == 0 else self.ups[i - 1](x)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, latent)
        pictures: Tensor = self.to_rgb(leaky_relu(x, SLOPE))
        return pictures


class ModernDiscriminator(nn.Module):
    """Pictures [N,3,S,S] -> `DiscriminatorOutput`; class heads read features on the unit sphere."""

    def __init__(
        self,
        image_size: int,
        sizes: Sequence[int],
        *,
        blocks: int = 1,
        channels: Sequence[int] = CHANNELS,
        slots: int = 1,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        base, halvings = base_and_doublings(image_size)
        widths = [scaled(c, width) for c in channels[: halvings + 1]][::-1]
        layers: list[nn.Module] = [conv(3, widths[0], 3)]
        for a, b in pairwise(widths):
            layers += [*(Residual(a) for _ in range(blocks)), nn.AvgPool2d(2), conv(a, b, 1)]
        layers += [Residual(widths[-1]) for _ in range(blocks)]
        last = nn.Conv2d(widths[-1], widths[-1], base, groups=widths[-1])
        self.body = nn.Sequential(*layers, last, nn.Flatten())
        self.heads = Heads(widths[-1], sizes, slots, cosine=True)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.heads(self.body(images))
        return output
