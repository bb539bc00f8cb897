"""Grids and PNG files."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from avatar_common.disk.files import atomic_file


def picture_grid(pictures: Tensor, columns: int | None = None, gap: int = 2) -> Tensor:
    """Pictures uint8 [N,3,H,W] side by side on white, uint8 [3,H',W']; about square by default."""
    count, _, height, width = pictures.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = torch.full(
        (3, rows * (height + gap) - gap, columns * (width + gap) - gap), 255, dtype=torch.uint8
    )
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        grid[:, top : top + height, left : left + width] = picture
    return grid


def write_png(path: Path, picture: Tensor) -> None:
    """Write uint8 [3,H,W] as a PNG, atomically."""
    with atomic_file(path) as file:
        Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
