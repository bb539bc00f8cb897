"""The encoder: reads from a face what its labels do not say, for training only."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from acgan.nets.blocks import base_and_doublings, halvings, scaled

WIDEST_LOG_VARIANCE = 8.0


class Encoder(nn.Module):
    """Pictures [N,3,S,S] in -1..1 -> mean and log-variance [N,Z] of the latents they may have."""

    def __init__(
        self,
        image_size: int,
        z_dim: int,
        *,
        channels: Sequence[int] = (24, 48, 96, 128, 128, 128),
        width: float = 1.0,
    ) -> None:
        super().__init__()
        base, count = base_and_doublings(image_size)
        widths = [scaled(c, width) for c in channels[:count]]
        last = nn.Linear(widths[-1] * base**2, 2 * z_dim)
        self.body = nn.Sequential(*halvings(widths), nn.Flatten(), last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.body(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-WIDEST_LOG_VARIANCE, WIDEST_LOG_VARIANCE)
