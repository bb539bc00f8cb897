"""What the report asks of anything that draws faces, and the asking in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from avatar_common.disk.vocabulary import Vocabulary

DRAW_BATCH = 250


class DrawerInfo(Protocol):
    """The part of `avatar_common.disk.runs.SnapshotInfo` that the scores need."""

    @property
    def vocabulary(self) -> Vocabulary:
        """What can be asked for."""
        ...

    @property
    def image_size(self) -> int:
        """Side in px."""
        ...

    @property
    def z_dim(self) -> int:
        """Numbers in a latent."""
        ...

    @property
    def weights_sha256(self) -> str:
        """The hash that names it."""
        ...


class Drawer(Protocol):
    """A conditional generator: a loaded snapshot, or a stand-in made to fail in a known way."""

    @property
    def info(self) -> DrawerInfo:
        """What it says of itself."""
        ...

    def draw(self, z: Tensor, labels: Tensor) -> Tensor:
        """Pictures uint8 [N, 3, S, S] for float32 z [N, z_dim] and int64 labels [N, A]."""
        ...

    def random_z(self, count: int, seed: int) -> Tensor:
        """Latents float32 [count, z_dim] as in training; the same seed gives the same rows."""
        ...


def draw_all(drawer: Drawer, z: Tensor, labels: Tensor) -> Tensor:
    """All pictures, uint8 [N, 3, S, S] on the CPU, asked for in batches of `DRAW_BATCH`."""
    pieces: Sequence[Tensor] = [
        drawer.draw(z[start : start + DRAW_BATCH], labels[start : start + DRAW_BATCH]).cpu()
        for start in range(0, len(z), DRAW_BATCH)
    ]
    return torch.cat(list(pieces))
