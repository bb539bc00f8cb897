"""The nets for CPUs: strided convolutions in the discriminator, cheap stages in the generator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from acgan.nets.blocks import (
    BatchNorm,
    DiscriminatorOutput,
    Heads,
    LabelEmbedding,
    base_and_doublings,
    halvings,
    icnr_,
    scaled,
    zero_bias,
)


class Blur(nn.Module):
    """The mean of each 2x2 window, [N,C,H,W] -> the same; the first row and column count twice.

    Not by ReplicationPad2d: the compiler cannot follow its backward pass in channels_last.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[:, :, :, :1], x], dim=3)
        x = torch.cat([x[:, :, :1], x], dim=2)
        return avg_pool2d(x, 2, stride=1)


class Stage(nn.Module):
    """Convolution, PixelShuffle x2, blur, BatchNorm, scale and shift from the latent, ReLU.

    With `refine` a residual convolution follows, which starts as nothing: depth where eyes are.
    """

    def __init__(
        self, channels_in: int, channels_out: int, latent: int, *, blur: bool, refine: bool
    ) -> None:
        super().__init__()
        self.conv = icnr_(nn.Conv2d(channels_in, 4 * channels_out, 3, padding=1))
        self.shuffle = nn.PixelShuffle(2)
        # ICNR starts without a grid, the blur keeps gradients from drawing one (1806.02658).
        self.blur = Blur() if blur else nn.Identity()
        self.norm = BatchNorm(channels_out, affine=False)
        self.scale = nn.Linear(latent, channels_out)
        self.shift = nn.Linear(latent, channels_out)
        self.refine = nn.Conv2d(channels_out, channels_out, 3, padding=1) if refine else None
        if self.refine is not None:
            nn.init.zeros_(self.refine.weight)
            zero_bias(self.refine)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        x = self.norm(self.blur(self.shuffle(self.conv(x))))
        scale, shift = self.scale(latent)[:, :, None, None], self.shift(latent)[:, :, None, None]
        x = torch.relu(torch.addcmul(shift, x, 1 + scale))
        return x if self.refine is None else torch.relu(x + self.refine(x))


class SmallGenerator(nn.Module):
    """z [N,Z] and labels int64 [N,A] -> pictures [N,3,S,S] in -1..1."""

    def __init__(
        self,
        image_size: int,
        z_dim: int,
        sizes: Sequence[int],
        *,
        embedding: int = 64,
        first: int = 128,
        channels: Sequence[int] = (80, 40, 20, 16, 16, 16),
        refine: Sequence[int] = (),
        blur: bool = True,
        width: float = 1.0,
    ) -> None:
        """Build the stages; those that `refine` names get a second convolution.

        `refine` holds sides as shares of the picture's (1, 2, 4: whole, half, quarter).
        """
        super().__init__()
        self.base, doublings = base_and_doublings(image_size)
        widths = [scaled(c, width) for c in (first, *channels[:doublings])]
        latent = z_dim + (embedding if sizes else 0)
        self.embed = LabelEmbedding(sizes, embedding) if sizes else None
        self.start = nn.Linear(latent, widths[0] * self.base**2)
        self.stages = nn.ModuleList(
            Stage(a, b, latent, blur=blur, refine=2 ** (doublings - 1 - i) in refine)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        latent = z if self.embed is None else torch.cat([z, self.embed(labels)], dim=1)
        x = self.start(latent).unflatten(1, (-1, self.base, self.base))
        for stage in self.stages:
            x = stage(x, latent)
        return torch.tanh(self.to_rgb(x))


class SmallDiscriminator(nn.Module):
    """Pictures [N,3,S,S] -> `DiscriminatorOutput`."""

    def __init__(
        self,
        image_size: int,
        sizes: Sequence[int],
        *,
        channels: Sequence[int] = (32, 64, 128, 192, 192, 192),
        slots: int = 1,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        base, count = base_and_doublings(image_size)
        widths = [scaled(c, width) for c in channels[:count]]
        features = widths[-1]
        self.body = nn.Sequential(
            *halvings(widths),
            nn.Conv2d(features, features, base),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.heads = Heads(features, sizes, slots)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.heads(self.body(images))
        return output
