"""Nets of earlier, unconditional DCGANs, as their write-ups give them; labels are ignored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from acgan.nets.blocks import BatchNorm, DiscriminatorOutput, Dropout, base_and_doublings, scaled

Variant = Literal["residual", "5x5", "plain", "64"]

# Generator channels from the first feature map on; discriminator channels after the picture.
CHANNELS = (512, 256, 128, 64)
CHANNELS_64 = (512, 256, 128)
DROPOUT = 0.4


class DcganGenerator(nn.Module):
    """z [N,Z] -> pictures [N,3,S,S] in -1..1, by transposed convolutions with BatchNorm."""

    def __init__(
        self,
        image_size: int,
        z_dim: int,
        sizes: Sequence[int] = (),
        *,
        variant: Variant,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        match variant:
            case "plain":
                self.start, self.body = _plain(image_size, z_dim, width)
            case "5x5":
                self.start, self.body = _five(image_size, z_dim, width, residual=False)
            case "residual":
                self.start, self.body = _five(image_size, z_dim, width, residual=True)
            case "64":
                self.start, self.body = _sixty_four(z_dim, width)
        self.apply(_init_normal)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return torch.tanh(self.body(self.start(z[:, :, None, None])))


def _plain(image_size: int, z_dim: int, width: float) -> tuple[nn.Module, nn.Module]:
    """ConvTranspose 4x4 from z, three doublings; 96 px ends in k5 s3, other sizes in k4 s2."""
    channels = [scaled(c, width) for c in CHANNELS]
    extra = {32: 0, 64: 0, 96: 0, 128: 1, 256: 2}[image_size]
    if image_size == 32:
        channels = channels[:-1]
    channels += [channels[-1]] * extra
    start = nn.Sequential(
        nn.ConvTranspose2d(z_dim, channels[0], 4, bias=False), BatchNorm(channels[0]), nn.ReLU()
    )
    layers: list[nn.Module] = []
    for a, b in pairwise(channels):
        layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), BatchNorm(b), nn.ReLU()]
    last = (5, 3, 1) if image_size == 96 else (4, 2, 1)
    return start, nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], 3, *last, bias=False))


def _five(
    image_size: int, z_dim: int, width: float, *, residual: bool
) -> tuple[nn.Module, nn.Module]:
    """Fully connected to base x base, then 5x5 transposed convolutions of stride 2.

    With `residual` a block of two 3x3 convolutions of equal width stands before them, and
    BatchNorm's momentum is 0.5 (the half of each new batch).
    """
    base, doublings = base_and_doublings(image_size)
    channels = [scaled(c, width) for c in (*CHANNELS, 32, 16)[:doublings]]
    momentum = 0.5 if residual else 0.1
    first: list[nn.Module] = [Residual(channels[0], momentum)] if residual else []
    start = nn.Sequential(
        nn.ConvTranspose2d(z_dim, channels[0], base),  # on 1x1 this is a fully connected layer
        BatchNorm(channels[0], momentum=momentum),
        nn.ReLU(),
        *first,
    )
    layers: list[nn.Module] = []
    for a, b in pairwise(channels):
        layers += [nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1)]
        layers += [BatchNorm(b, momentum=momentum), nn.ReLU()]
    last = nn.ConvTranspose2d(channels[-1], 3, 5, 2, 2, output_padding=1)
    return start, nn.Sequential(*layers, last)


def _sixty_four(z_dim: int, width: float) -> tuple[nn.Module, nn.Module]:
    """Dense to 3x3x512; k3 s3 to 9, k5 s2 to 21, k4 s3 to 64, all without padding."""
    a, b, c = (scaled(channels, width) for channels in CHANNELS_64)
    start = nn.Sequential(nn.ConvTranspose2d(z_dim, a, 3), nn.LeakyReLU(0.2))
    body = nn.Sequential(
        nn.ConvTranspose2d(a, b, 3, 3),
        BatchNorm(b),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(b, c, 5, 2),
        BatchNorm(c),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(c, 3, 4, 3),
    )
    return start, body


class Residual(nn.Module):
    """x + two 3x3 convolutions of equal width."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            BatchNorm(channels, momentum=momentum),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            BatchNorm(channels, momentum=momentum),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class DcganDiscriminator(nn.Module):
    """Pictures [N,3,S,S] -> `DiscriminatorOutput` without class logits."""

    def __init__(
        self,
        image_size: int,
        sizes: Sequence[int] = (),
        *,
        variant: Variant,
        width: float = 1.0,
        slots: int = 1,
    ) -> None:
        super().__init__()
        match variant:
            case "plain":
                layers, last = _plain_discriminator(image_size, width)
            case "5x5" | "residual":
                layers, last = _five_discriminator(
                    image_size, width, residual=variant == "residual"
                )
            case "64":
                channels = [3, *(scaled(c, width) for c in (64, 128, 256))]
                layers = [_strided(a, b, 5, 3, 0, norm=a > 3) for a, b in pairwise(channels)]
                last = nn.Conv2d(channels[-1], 1, 1)
        self.body, self.last = nn.Sequential(*layers), last
        self.apply(_init_normal)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = self.body(images)
        logits = self.last(features).float().flatten(1)
        # Softmax cross-entropy of two logits is the logistic loss of their difference.
        adversarial = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        nothing = logits[:, :0]
        return DiscriminatorOutput(adversarial, nothing)


def _plain_discriminator(image_size: int, width: float) -> tuple[list[nn.Module], nn.Module]:
    channels = [scaled(c, width) for c in CHANNELS[::-1]]
    extra = {32: 0, 64: 0, 96: 0, 128: 1, 256: 2}[image_size]
    channels = [channels[0]] * extra + (channels[:-1] if image_size == 32 else channels)
    first = (5, 3, 1) if image_size == 96 else (4, 2, 1)
    layers = [_strided(3, channels[0], *first, norm=False, bias=False)]
    layers += [_strided(a, b, 4, 2, 1, bias=False) for a, b in pairwise(channels)]
    return layers, nn.Conv2d(channels[-1], 1, 4, bias=False)


def _five_discriminator(
    image_size: int, width: float, *, residual: bool
) -> tuple[list[nn.Module], nn.Module]:
    base, halvings = base_and_doublings(image_size)
    channels = [3, *(scaled(c, width) for c in (64, 128, 256, 512, 512, 512)[:halvings])]
    momentum = 0.5 if residual else 0.1
    layers: list[nn.Module] = []
    for a, b in pairwise(channels):
        layers.append(_strided(a, b, 5, 2, 2, norm=a > 3, momentum=momentum))
        if residual:
            layers.append(Dropout(DROPOUT))
    return layers, nn.Conv2d(channels[-1], 2 if residual else 1, base)


def _strided(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int,
    padding: int,
    *,
    norm: bool = True,
    bias: bool = True,
    momentum: float = 0.1,
) -> nn.Module:
    """Convolution, BatchNorm, LeakyReLU 0.2."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=bias)
    ]
    if norm:
        layers.append(BatchNorm(channels_out, momentum=momentum))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))


def _init_normal(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as DCGAN's authors start (1511.06434)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
