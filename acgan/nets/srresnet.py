"""The anime ACGAN's nets: an SRResNet generator, a residual discriminator without BatchNorm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from acgan.nets.blocks import BatchNorm, DiscriminatorOutput, Heads, LabelEmbedding, scaled


class Block(nn.Module):
    """x + convolution, BatchNorm, ReLU, convolution, BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            BatchNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            BatchNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.body(x)
        return x + change


class SrresnetGenerator(nn.Module):
    """z [N,Z] and labels int64 [N,A] -> pictures [N,3,S,S] in -1..1.

    Residual trunk at 16 px (12 for 96 px), PixelShuffle doublings, 9x9 output convolution
    (1708.05509, figure 4).
    """

    def __init__(
        self,
        image_size: int,
        z_dim: int,
        sizes: Sequence[int],
        *,
        blocks: int = 16,
        channels: int = 64,
        embedding: int = 128,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        channels = scaled(channels, width)
        self.base = 12 if image_size % 12 == 0 else min(16, image_size // 2)
        doublings = (image_size // self.base).bit_length() - 1
        self.embed = LabelEmbedding(sizes, embedding) if sizes else None
        latent = z_dim + (embedding if sizes else 0)
        self.start = nn.Linear(latent, channels * self.base**2)
        self.norm = nn.Sequential(BatchNorm(channels), nn.ReLU())
        self.trunk = nn.Sequential(
            *(Block(channels) for _ in range(blocks)), BatchNorm(channels), nn.ReLU()
        )
        doubling = [
            layer
            for _ in range(doublings)
            for layer in (
                nn.Conv2d(channels, 4 * channels, 3, padding=1),
                nn.PixelShuffle(2),
                BatchNorm(channels),
                nn.ReLU(),
            )
        ]
        self.out = nn.Sequential(*doubling, nn.Conv2d(channels, 3, 9, padding=4))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        latent = z if self.embed is None else torch.cat([z, self.embed(labels)], dim=1)
        x = self.norm(self.start(latent).unflatten(1, (-1, self.base, self.base)))
        return torch.tanh(self.out(x + self.trunk(x)))


class PlainBlock(nn.Module):
    """LeakyReLU(x + two convolutions), without normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.act = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(x + self.body(x))
        return found


class SrresnetDiscriminator(nn.Module):
    """Pictures [N,3,S,S] -> `DiscriminatorOutput`.

    Two residual blocks, then a halving, down to 2 or 3 px.
    """

    def __init__(
        self,
        image_size: int,
        sizes: Sequence[int],
        *,
        channels: int = 32,
        slots: int = 1,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        halvings = (image_size // 4).bit_length() - 1
        widths = [scaled(min(channels << i, 1024), width) for i in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in pairwise(widths):
            layers += [PlainBlock(a), PlainBlock(a), nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        side = image_size >> (halvings + 1)
        self.heads = Heads(widths[-1] * side**2, sizes, slots)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.heads(self.body(images))
        return output
