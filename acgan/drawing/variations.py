"""`vary`: avatars near an earlier one, or the same one with other attributes."""

from __future__ import annotations

from dataclasses import replace

from acgan.drawing.ask import check_seed
from acgan.drawing.command import check_scale, open_model, save
from acgan.drawing.options import VaryOptions
from acgan.drawing.recipe import read_recipe_file, snapshot_of
from acgan.drawing.snapshots import snapshot_with_weights
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.files import check_folder
from avatar_common.errors import UserError
from avatar_common.grid import square_columns


def run(options: VaryOptions) -> None:
    """Write the pictures and a grid; the last line on stdout is one JSON object."""
    picture = options.picture
    if picture is None:
        raise UserError("name an avatar: --picture avatars/7-0003.png")
    check_folder(options.out)
    check_seed(options.seed)
    content = read_recipe_file(picture)
    if options.snapshot is None:
        found = snapshot_with_weights(snapshot_of(content, str(picture)), options.workspace)
        options = replace(options, snapshot=found)
    model = open_model(options)
    check_scale(model, options.scale)
    start = model.portrait(picture)
    portraits = model.variations(
        start, options.attributes, options.count, options.strength, options.seed
    )
    if options.dry_run:
        plan = f"draw {len(portraits)} pictures with {model.name} into {options.out}"
        explain_dry_run(options, [plan])
        return
    recipe = model.painter.recipe(portraits, square_columns(len(portraits)))
    stems = [f"{picture.stem}-{number:04d}" for number in range(len(portraits))]
    grid = save(model, recipe, model.painter.draw(portraits), stems, options)
    emit_json(
        {"snapshot": model.name, "count": len(portraits), "grid": grid, "out": str(options.out)}
    )
