"""Batches without a loader: random rows of an array that lies on the device, or in its file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.dataset import Faces, PackedRows


class Feed:
    """Draws batches of reals; which rows is a function of the step's random generator alone."""

    def __init__(
        self, faces: Faces, device: torch.device, weights: npt.NDArray[np.float64]
    ) -> None:
        self._device = device
        self._labels = torch.from_numpy(faces.labels).to(device)
        self._file = faces.images
        self._images = None
        if not isinstance(faces.images, PackedRows) and fits(faces.images.nbytes, device):
            self._images = torch.from_numpy(faces.images).to(device)
        # MPS has no float64.
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        cumulative = torch.from_numpy(np.cumsum(weights / weights.sum()))
        self._cumulative = cumulative.to(device, self._dtype)

    def rows(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers int64 [batch], drawn with replacement by their weights."""
        draws = torch.rand(batch, device=self._device, generator=generator, dtype=self._dtype)
        return torch.searchsorted(self._cumulative, draws).clamp_(max=len(self._cumulative) - 1)

    def pictures(self, rows: Tensor) -> Tensor:
        """Pictures float32 [N,3,S,S] in -1..1."""
        if self._images is not None:
            chosen = self._images[rows]
        else:
            chosen = torch.from_numpy(self._file[rows.cpu().numpy()]).to(self._device)
        return chosen.float() / 127.5 - 1

    def labels(self, rows: Tensor) -> Tensor:
        """Labels int64 [N,A]."""
        return self._labels[rows]


def fits(size_bytes: int, device: torch.device) -> bool:
    """Whether the pictures may lie on the device: at most half of what is free there."""
    if device.type != "cuda":
        return True  # it is used where it lies
    free, _ = torch.cuda.mem_get_info(device)
    return size_bytes <= free // 2


def sampling_weights(
    labels: npt.NDArray[np.int64], sizes: Sequence[int], temper: float, most: float = 8.0
) -> npt.NDArray[np.float64]:
    """Weights [N] that show rare classes more often; all 1 when `temper` is 0.

    A picture weighs as much as its rarest known class: (frequency of the class among the known
    labels of its group, times the number of classes) to minus `temper`, at most `most`.
    """
    weights = np.ones(len(labels))
    if temper == 0:
        return weights
    for a, size in enumerate(sizes):
        known = labels[:, a] >= 0
        counts = np.bincount(labels[known, a], minlength=size)
        share = counts / max(1, counts.sum()) * np.count_nonzero(counts)
        rarity = np.where(share > 0, np.maximum(share, 1e-9) ** -temper, 1.0)
        weights[known] = np.maximum(weights[known], rarity[labels[known, a]])
    return np.minimum(weights, most)


def drop_labels(labels: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Make labels unknown at random, so that the generator learns to do without."""
    if probability == 0:
        return labels
    dropped = torch.rand(labels.shape, device=labels.device, generator=generator) < probability
    return labels.masked_fill(dropped, -1)
