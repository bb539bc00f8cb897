"""Learnt truncation: a small net that moves latents to where a generator draws well."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class Truncation(nn.Module):
    """Latents [N,Z] -> latents [N,Z] of the same length (in norm), moved a little."""

    def __init__(self, z_dim: int, width: int) -> None:
        super().__init__()
        self.hidden, self.move = nn.Linear(z_dim, width), nn.Linear(width, z_dim)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)

    def forward(self, z: Tensor) -> Tensor:
        moved = z + self.move(silu(self.hidden(z)))
        # Training drew on a sphere's shell, nearly: off it nobody knows what is drawn.
        same_length: Tensor = moved * (
            z.norm(dim=1, keepdim=True) / moved.norm(dim=1, keepdim=True).clamp_min(1e-6)
        )
        return same_length

    @torch.no_grad()
    def inverse(self, moved: Tensor, steps: int = 60) -> Tensor:
        """Latents that are moved to there: half a step at a time towards the fixed point."""
        z = moved.clone()
        for _ in range(steps):
            z = z + (moved - self(z)) / 2
        return z


class Truncated(nn.Module):
    """A generator behind a truncation; called like a generator."""

    def __init__(self, generator: nn.Module, truncation: Truncation) -> None:
        super().__init__()
        self.generator, self.truncation = generator, truncation

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Pictures [N,3,S,S] in -1..1; `labels` are whatever the generator takes."""
        pictures: Tensor = self.generator(self.truncation(z), labels)
        return pictures


def untruncated(generator: nn.Module) -> nn.Module:
    """The generator that was trained."""
    return generator.generator if isinstance(generator, Truncated) else generator
