"""What the commands that draw share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from acgan.devices import choose_device
from acgan.drawing.avatar import Avatar
from acgan.drawing.enlarge import MOST_SIDE_PX, ScaleBy
from acgan.drawing.model import Model
from acgan.drawing.options import DrawOptions
from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Recipe, recipe_to_json
from acgan.drawing.sheet import drawn_sheet
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import load_snapshot
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC


def open_model(options: DrawOptions) -> Model:
    """Load the snapshot that the options ask for, on the device that they ask for."""
    device = choose_device(options.device, options.threads)
    path = find_snapshot(options.snapshot, options.workspace)
    return Model(Painter(load_snapshot(path, device)), options.workspace)


class SaveOptions(Protocol):
    """Where and how, as the commands' options have it."""

    @property
    def out(self) -> Path:
        """The folder."""
        ...

    @property
    def scale(self) -> int:
        """How many times single files are enlarged."""
        ...

    @property
    def scale_by(self) -> ScaleBy:
        """By what."""
        ...


def save(
    model: Model,
    recipe: Recipe,
    pictures: PicturesNHWC,
    stems: Sequence[str],
    options: SaveOptions,
    what: Literal["both", "grid", "files"] = "both",
) -> str | None:
    """Write single files (enlarged), the grid, or both; the grid's path."""
    if what != "grid":
        for stem, portrait, picture in zip(stems, recipe.portraits, pictures, strict=True):
            avatar = Avatar.of(picture, model.recipe(portrait))
            avatar = avatar.enlarge(options.scale, options.scale_by)
            write_bytes(options.out / f"{stem}.png", avatar.png())
    if what == "files":
        return None
    grid = options.out / "grid.png"
    content = recipe_to_json(recipe, model.info.vocabulary)
    write_bytes(grid, drawn_sheet(pictures, recipe, content))
    return str(grid)


def check_scale(model: Model, scale: int) -> None:
    """Raises `UserError` for an enlargement that is not possible, before anything is drawn."""
    if not 1 <= scale <= MOST_SIDE_PX // model.image_size:
        raise UserError(f"--scale must be 1 to {MOST_SIDE_PX // model.image_size}")
