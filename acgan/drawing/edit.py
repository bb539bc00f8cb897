"""Another hair or eye colour in a picture that was not drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from acgan.drawing.best_of import Reader
from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Portrait
from acgan.drawing.request import RANDOM, parse_attributes
from acgan.drawing.transfer import ColourChange, colour_change, shrunk
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.errors import UserError

COLOURS = "_color"  # what the names of attributes end in that a change of colour can show
STRENGTHS = (1.0, 1.35, 1.7, 2.0)
SURE = 0.8


def editable(info: SnapshotInfo) -> list[str]:
    """The attributes that can be changed in a picture: its colours."""
    return [name for name in info.vocabulary.names if name.endswith(COLOURS)]


def check_changes(pairs: Sequence[str], info: SnapshotInfo) -> None:
    """Raises `UserError` unless one colour or more is asked for, and nothing else."""
    asked = parse_attributes(pairs, info.vocabulary)
    known = editable(info)
    hint = f"what can be changed: {', '.join(known) or 'nothing, with this model'}"
    if not asked:
        raise UserError("say what to change, as in hair_color=pink", hint=hint)
    for name, value in asked.items():
        if name not in known:
            raise UserError(f"{name} cannot be changed in a picture", hint=hint)
        if value == RANDOM:
            raise UserError(f"{name} needs a class in a picture, not {RANDOM}")


def edited(
    painter: Painter, reader: Reader, face: Image.Image, portraits: Sequence[Portrait]
) -> Image.Image:
    """A square RGB image that takes over what changes from each portrait to the next.

    One change at a time: the eyes' would be lost beside that of the hair. Each as strong as it must
    be for the reader to see the class.
    """
    picture = _to_tensor(np.array(face))
    drawings = [_to_tensor(drawing) for drawing in painter.draw(portraits)]
    for (before, start), (after, end) in pairwise(zip(drawings, portraits, strict=True)):
        pairs = enumerate(zip(start.labels, end.labels, strict=True))
        for place, wanted in [(place, new) for place, (old, new) in pairs if old != new]:
            change = colour_change(picture, before, after)
            picture = convincing(picture, change, reader, place, wanted, painter.info.image_size)
    return Image.fromarray(_to_pixels(picture))


def convincing(
    picture: Tensor, change: ColourChange, reader: Reader, group: int, wanted: int, side: int
) -> Tensor:
    """The weakest change in which the reader is sure to see a class, else that it sees best."""
    found = [change.on(picture, strength) for strength in STRENGTHS]
    _, scores = reader.read(np.stack([_to_pixels(shrunk(one, side)) for one in found]))
    odds = reader.odds(scores, group, wanted)
    sure = [place for place, share in enumerate(odds) if share >= SURE]
    return found[sure[0] if sure else int(odds.argmax())]


def _to_tensor(pixels: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _to_pixels(picture: Tensor) -> npt.NDArray[np.uint8]:
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())
