"""Real faces spoiled in the ways in which generators fail, to teach `eval.strangeness` what is odd.

Every function takes pictures float32 [N, 3, S, S] in about -1..1 and gives as many.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional


def spoil(faces: Tensor, generator: Generator) -> Tensor:
    """A fifth of the faces in each way; some warped or laid under a grid as well; -1..1."""
    ways = (warp, mix, shuffle_blocks, smear, lay_grid)
    parts = faces.tensor_split(len(ways))
    spoiled = torch.cat([way(part, generator) for way, part in zip(ways, parts, strict=True)])
    for way, share in ((warp, 0.3), (lay_grid, 0.2)):
        again = _uniform(len(faces), generator) < share
        spoiled = torch.where(again, way(spoiled, generator), spoiled)
    return spoiled.clamp(-1, 1)


def warp(faces: Tensor, generator: Generator) -> Tensor:
    """Every place moves by a smooth random field: features out of place and out of shape."""
    count, side = len(faces), faces.shape[-1]
    points = _integer(4, 9, generator)
    reach = 0.12 + 0.2 * _uniform(count, generator)
    field = torch.randn(count, 2, points, points, generator=generator) * reach
    straight = functional.affine_grid(
        torch.eye(2, 3).repeat(count, 1, 1), [count, 3, side, side], align_corners=False
    )
    places = straight + _resized(field, side).permute(0, 2, 3, 1)
    return functional.grid_sample(faces, places, align_corners=False, padding_mode="reflection")


def mix(faces: Tensor, generator: Generator) -> Tensor:
    """Two faces at once, one of them moved a little."""
    reach = faces.shape[-1] // 8
    moved = (_integer(-reach, reach + 1, generator), _integer(-reach, reach + 1, generator))
    weight = 0.35 + 0.3 * _uniform(len(faces), generator)
    other = torch.roll(faces.roll(1, 0), moved, (2, 3))
    return weight * faces + (1 - weight) * other


def shuffle_blocks(faces: Tensor, generator: Generator) -> Tensor:
    """Two in five of the blocks of a 4x4 or 8x8 grid change places."""
    side = faces.shape[-1]
    across = (4, 8)[_integer(0, 2, generator)]
    block = side // across
    blocks = faces.reshape(-1, 3, across, block, across, block).permute(0, 2, 4, 1, 3, 5)
    flat = blocks.reshape(len(faces), across * across, 3, block, block).clone()
    for face in flat:
        places = torch.randperm(len(face), generator=generator)[: 2 * len(face) // 5]
        face[places] = face[places.roll(1)]
    blocks = flat.reshape(-1, across, across, 3, block, block).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(faces.shape)


def smear(faces: Tensor, generator: Generator) -> Tensor:
    """A blurred face, or the mean of three, under noise of one grain."""
    side = faces.shape[-1]
    if _integer(0, 2, generator):
        faces = (faces + faces.roll(1, 0) + faces.roll(2, 0)) / 3
    soft, grain = (_integer(*reach, generator) * side // 64 for reach in ((10, 28), (8, 40)))
    blurred = _resized(functional.adaptive_avg_pool2d(faces, max(1, soft)), side)
    noise = torch.randn(len(faces), 3, max(1, grain), max(1, grain), generator=generator)
    return 1.15 * blurred + _resized(noise, side) * (0.05 + 0.25 * _uniform(len(faces), generator))


def lay_grid(faces: Tensor, generator: Generator) -> Tensor:
    """The checkerboard of upsampling layers: one small tile everywhere, stronger in places."""
    side, tile = faces.shape[-1], (2, 4, 8)[_integer(0, 3, generator)]
    tiles = torch.randn(len(faces), 3, tile, tile, generator=generator)
    strength = _resized(torch.rand(len(faces), 1, 4, 4, generator=generator), side)
    strength = strength * (0.1 + 0.3 * _uniform(len(faces), generator))
    return faces + tiles.repeat(1, 1, side // tile, side // tile) * strength


def _integer(low: int, high: int, generator: Generator) -> int:
    return int(torch.randint(low, high, (), generator=generator))


def _uniform(count: int, generator: Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator)


def _resized(maps: Tensor, side: int) -> Tensor:
    return functional.interpolate(maps, (side, side), mode="bicubic", align_corners=False)
