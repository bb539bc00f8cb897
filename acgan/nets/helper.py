"""The helper discriminator: small heads on the maps of a frozen pretrained network.

Vision-aided GAN (2112.09130) sets such heads beside the net's own discriminator, Projected GAN
(2111.01007) puts one on each of several scales. They never act alone: alone they leave faces with
parts in the wrong place, and they see no labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

Maps = tuple[Tensor, ...]


class HelperHeads(nn.Module):
    """Maps [N,C,H,W], one per scale -> logits [N,1,H,W] per chosen scale: how real places look.

    `chosen` numbers the maps that get a head.
    """

    scales: Tensor

    def __init__(self, channels: Sequence[int], chosen: Sequence[int], width: int = 48) -> None:
        super().__init__()
        self.chosen = tuple(chosen)
        # Maps differ in size by orders of magnitude; `fit_scales` measures that on reals.
        self.register_buffer("scales", torch.ones(len(self.chosen)))
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(c, width, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 3, padding=1)),
            )
            for c in (channels[number] for number in self.chosen)
        )

    @torch.no_grad()
    def fit_scales(self, maps: Maps) -> None:
        """Take each scale's standard deviation from maps of real pictures."""
        self.scales.copy_(torch.stack([maps[number].float().std() for number in self.chosen]))

    def forward(self, maps: Maps) -> list[Tensor]:
        return [
            head(maps[number] / scale).float()
            for head, number, scale in zip(self.heads, self.chosen, self.scales, strict=True)
        ]


def perceptual_distance(drawn: Maps, real: Maps) -> Tensor:
    """How differently two batches look to a frozen network, a scalar.

    LPIPS (1801.03924, eq. 1) without learnt weights: squared differences of maps [N,C,H,W] whose
    channels have unit length.
    """
    distances = [
        (normalize(a.float(), dim=1) - normalize(b.float(), dim=1)).square().sum(dim=1).mean()
        for a, b in zip(drawn, real, strict=True)
    ]
    return torch.stack(distances).mean()
