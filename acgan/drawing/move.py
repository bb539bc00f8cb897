"""Moves: one latent number, or one attribute, in even steps with all else fixed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.special import ndtr, ndtri

from acgan.drawing.ask import class_label
from acgan.drawing.chance import normals
from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Portrait
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.errors import UserError


@dataclass(frozen=True)
class LatentMove:
    """A latent number from -reach to +reach."""

    number: int
    reach: float


@dataclass(frozen=True)
class AttributeMove:
    """An attribute through some of its classes, evenly."""

    place: int
    classes: tuple[int, ...]


Move = LatentMove | AttributeMove


def parse_move(text: str, info: SnapshotInfo, reach: float) -> Move:
    """`7`, `hair_color`, or `hair_color=blonde..pink..blue`. Raises `UserError`."""
    if re.fullmatch(r"\d{1,6}", text):
        if int(text) >= info.z_dim:
            raise UserError(f"no latent number {text}", hint=f"0 to {info.z_dim - 1}")
        return LatentMove(int(text), reach)
    name, _, classes = text.partition("=")
    group = info.vocabulary.group(name.replace("-", "_"))
    named = [part for part in classes.split("..") if part]
    chosen = tuple(map(group.index_of, named)) or tuple(range(len(group.classes)))
    if len(chosen) < 2:
        raise UserError("a move needs two classes or more", hint=f"{name}=A..B")
    return AttributeMove(info.vocabulary.names.index(group.name), chosen)


def moved(start: Portrait, move: Move, steps: int, info: SnapshotInfo) -> list[Portrait]:
    """A portrait moved in even steps."""
    match move:
        case LatentMove(number, reach):
            uniform = info.extra.get("z_distribution") == "uniform"
            low, high = (0.0, 1.0) if uniform else (-reach, reach)
            return [_with_number(start, number, v) for v in np.linspace(low, high, steps)]
        case AttributeMove(place, classes):
            row = start.labels
            rows = [(*row[:place], found, *row[place + 1 :]) for found in classes]
            return [mix_rows(start, rows, t) for t in np.linspace(0, len(rows) - 1, steps)]


def _with_number(start: Portrait, number: int, value: float) -> Portrait:
    z = start.z.copy()
    z[number] = value
    return replace(start, z=z)


def mix_rows(start: Portrait, rows: Sequence[tuple[int, ...]], t: float) -> Portrait:
    """Between label rows: t = 0 is the first, 1 the second, 1.5 half way to the third."""
    below = min(int(t), len(rows) - 1)
    share = float(t - below)
    if share < 1e-6:
        return start.with_labels(rows[below])
    return replace(start, blend=((1 - share, rows[below]), (share, rows[below + 1])))


def column_names(move: Move, steps: int, info: SnapshotInfo) -> tuple[str, ...]:
    """The class names, each above the column that shows it."""
    names = [""] * steps
    if isinstance(move, AttributeMove):
        group = info.vocabulary.groups[move.place]
        for order, found in enumerate(move.classes):
            column = round(order * (steps - 1) / (len(move.classes) - 1))
            names[column] = class_label(group.name, group.classes[found])
    return tuple(names)


def strongest_number(painter: Painter, starts: Sequence[Portrait]) -> int:
    """The latent number that changes these pictures most between -2 and 2 (or 0 and 1)."""
    start = starts[0]
    ends = [moved(start, LatentMove(n, 2.0), 2, painter.info) for n in range(painter.info.z_dim)]
    pictures = painter.draw([portrait for pair in ends for portrait in pair]).astype(np.int16)
    return int(np.abs(pictures[::2] - pictures[1::2]).mean(axis=(1, 2, 3)).argmax())


def vary(
    portrait: Portrait, count: int, strength: float, seed: int, distribution: str
) -> list[Portrait]:
    """`count` portraits around one; strength 0 is the same, 1 another face of the same labels.

    z turns towards fresh noise and keeps its distribution: cos(a) z + sin(a) noise.
    """
    rows = [normals(seed, index, "vary", len(portrait.z)) for index in range(count)]
    noise = np.array(rows, np.float32).reshape(count, len(portrait.z))
    angle = strength * np.pi / 2
    uniform = distribution == "uniform"
    start = ndtri(torch.from_numpy(portrait.z).clip(1e-4, 1 - 1e-4)) if uniform else portrait.z
    turned = np.cos(angle) * np.asarray(start) + np.sin(angle) * noise
    if uniform:
        turned = ndtr(torch.from_numpy(turned)).numpy()
    return [Portrait(z.astype(np.float32), portrait.blend) for z in turned]
