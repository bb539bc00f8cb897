"""Which faces to train on: those that look like many others to the frozen network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from acgan.dataset import Faces, PackedRows
from acgan.nets.pretrained import EfficientNetLite

BATCH = 64
SHRINKAGE = 0.05


def densest(faces: Faces, features: EfficientNetLite, share: float) -> npt.NDArray[np.bool_]:
    """Bool [N]: the share of faces to keep, those nearest to a Gaussian's centre.

    Instance selection (2007.15255, section 3): a generator of limited capacity draws better without
    the oddest examples. Ranked by Mahalanobis distance in the means of the last map, and within
    each class of the first attribute, or rare colours would go.
    """
    found = describe(faces.images, features)
    centred = found - found.mean(0)
    covariance = centred.T @ centred / len(found)
    covariance += SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    distances = (centred @ np.linalg.inv(covariance) * centred).sum(1)
    classes = faces.labels[:, 0] if faces.labels.shape[1] else np.zeros(len(found), np.int64)
    kept = np.zeros(len(found), dtype=np.bool_)
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        count = max(1, round(share * len(rows)))
        kept[rows[np.argsort(distances[rows], kind="stable")[:count]]] = True
    return kept


@torch.inference_mode()
def describe(
    pictures: npt.NDArray[np.uint8] | PackedRows, features: EfficientNetLite, least_side: int = 0
) -> npt.NDArray[np.float64]:
    """Means of the last wanted map, float64 [N, channels], of pictures uint8 [N,3,S,S].

    Those smaller than `least_side` are enlarged first.
    """
    device = next(features.parameters()).device
    found = []
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.asarray(pictures[start : start + BATCH])).float()
        if batch.shape[-1] < least_side:
            batch = interpolate(batch, least_side, mode="bicubic", antialias=True).clamp(0, 255)
        batch = (batch / 127.5 - 1).to(device).contiguous(memory_format=torch.channels_last)
        found.append(features(batch)[-1].mean((2, 3)).cpu().double())
    return torch.cat(found).numpy()
