"""Drawing portraits, each on its own, so that its pixels never depend on its neighbours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from acgan.drawing.recipe import Portrait, Recipe
from acgan.nets.blocks import LabelEmbedding
from acgan.nets.snapshot import Snapshot, to_uint8
from avatar_common.disk.runs import run_of
from avatar_common.pictures import PicturesNHWC


class MixedEmbedding(nn.Module):
    """A label embedding that takes weights [N, rows of the table] in place of class indices."""

    def __init__(self, source: LabelEmbedding) -> None:
        super().__init__()
        self.table = source.table

    def forward(self, weights: Tensor) -> Tensor:
        """The embedding [N,dim] of mixed label rows."""
        return weights @ self.table.weight


class Painter:
    """Draws with one snapshot. Safe to share between threads.

    `session` is one of ONNX Runtime with the net that takes mixtures of classes; it draws in place
    of PyTorch, faster and the same to a grey level.
    """

    def __init__(self, snapshot: Snapshot, session: Any = None) -> None:
        self.snapshot, self._session = snapshot, session
        self.info = snapshot.info
        self.label_rows = np.asarray(self.info.label_rows, np.int64)
        self._mixing = with_mixed_embeddings(snapshot.generator)
        sizes = self.info.vocabulary.sizes
        self._starts = np.cumsum([0, *(size + 1 for size in sizes)])[:-1]
        self._table_rows = table_rows(sizes)

    @property
    def name(self) -> str:
        """The run and file the snapshot lies in, for people."""
        return snapshot_name(self.snapshot.path)

    def draw(
        self, portraits: Sequence[Portrait], advance: Callable[..., None] = lambda *_: None
    ) -> PicturesNHWC:
        """Pictures uint8 [N,S,S,3].

        One at a time: a batch of another size takes other kernels, which round differently, and a
        recipe must give the same bits alone as in a grid.
        """
        size = self.info.image_size
        pictures = np.empty((len(portraits), size, size, 3), np.uint8)
        for index, portrait in enumerate(portraits):
            pictures[index] = self._draw_one(portrait)
            advance()
        return pictures

    def recipe(self, portraits: Sequence[Portrait], columns: int | None = None) -> Recipe:
        """The recipe of a picture, or of a sheet with so many columns."""
        return Recipe(self.info.weights_sha256, self.name, tuple(portraits), columns)

    @torch.inference_mode()
    def _draw_one(self, portrait: Portrait) -> PicturesNHWC:
        if self._session is not None:
            feeds = {"z": portrait.z[None], "weights": self._weights(portrait)[None]}
            found: PicturesNHWC = self._session.run(None, feeds)[0][0]
            return found
        device = self.snapshot.device
        z = torch.from_numpy(portrait.z)[None]
        if len(portrait.blend) == 1:
            labels = torch.tensor([portrait.blend[0][1]], dtype=torch.int64)
            picture = self.snapshot.draw(z, labels)
        else:
            weights = torch.from_numpy(self._weights(portrait))[None].to(device)
            picture = to_uint8(self._mixing(z.to(device), weights)).cpu()
        return picture[0].permute(1, 2, 0).numpy()

    def _weights(self, portrait: Portrait) -> npt.NDArray[np.float32]:
        weights = np.zeros(self._table_rows, np.float32)
        for weight, row in portrait.blend:
            weights[self._starts + np.array(row, np.int64) + 1] += weight
        return weights


def table_rows(sizes: Sequence[int]) -> int:
    """Rows of the table of a label embedding: for each attribute unknown and its classes."""
    return sum(size + 1 for size in sizes)


def with_mixed_embeddings(generator: nn.Module) -> nn.Module:
    """A copy of the generator that takes mixtures of classes where it took class indices."""
    mixing = copy.deepcopy(generator)
    for parent in list(mixing.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LabelEmbedding):
                setattr(parent, name, MixedEmbedding(child))
    return mixing


def snapshot_name(path: Path) -> str:
    """`00003-name/0000200` for a run's snapshot, the file's stem for others."""
    path = path.resolve()
    run = run_of(path)
    return f"{run.path.name}/{path.stem}" if run else path.stem
