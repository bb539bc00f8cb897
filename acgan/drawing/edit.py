"""Another hair or eye colour in a picture that was not drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Portrait
from acgan.drawing.request import RANDOM, parse_attributes
from acgan.drawing.transfer import recolour
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.errors import UserError

COLOURS = "_color"  # what the names of attributes end in that a change of colour can show


def editable(info: SnapshotInfo) -> list[str]:
    """The attributes that can be changed in a picture: its colours."""
    return [name for name in info.vocabulary.names if name.endswith(COLOURS)]


def check_changes(pairs: Sequence[str], info: SnapshotInfo) -> None:
    """Raises `UserError` unless one colour or more is asked for, and nothing else."""
    asked = parse_attributes(pairs, info.vocabulary)
    known = editable(info)
    hint = f"what can be changed: {', '.join(known) or 'nothing, with this model'}"
    if not asked:
        raise UserError("name what shall change, as in --hair-color pink", hint=hint)
    for name, value in asked.items():
        if name not in known:
            raise UserError(f"{name} cannot be changed in a picture", hint=hint)
        if value == RANDOM:
            raise UserError(f"{name} needs a class in a picture, not {RANDOM}")


def edited(painter: Painter, face: Image.Image, portraits: Sequence[Portrait]) -> Image.Image:
    """A square RGB image that takes over what changes from each portrait to the next.

    One change at a time: the eyes' would be lost beside that of the hair.
    """
    picture = _to_tensor(np.array(face))
    drawings = [_to_tensor(drawing) for drawing in painter.draw(portraits)]
    for before, after in pairwise(drawings):
        picture = recolour(picture, before, after)
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(pixels))


def _to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
