"""`traverse`: one latent number, or one attribute, moved in even steps with all else fixed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from acgan.drawing.animate import check_film, enlarge, fitting_scale, gif_bytes, there_and_back
from acgan.drawing.command import open_model
from acgan.drawing.move import column_names, moved, parse_move, strongest_number
from acgan.drawing.options import TraverseOptions
from acgan.drawing.recipe import png_bytes, recipe_to_json
from acgan.drawing.sheet import sheet
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import check_folder, write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC

MOST_STEPS, MOST_ROWS, MOST_REACH = 100, 50, 10.0
GIF_WIDTH_PX = 128


def run(options: TraverseOptions) -> None:
    """Write traverse.png and traverse.gif; the last line on stdout is one JSON object."""
    check_bounds(options.steps, options.rows, options.reach)
    check_film(options.scale, options.fps)
    check_folder(options.out)
    model = open_model(options)
    if options.dry_run:
        count = options.steps * options.rows
        explain_dry_run(options, [f"draw {count} pictures with {model.name} in {options.out}"])
        return
    painter, info = model.painter, model.info
    starts = model.portraits(options.attributes, options.rows, options.seed)
    text = options.move or str(strongest_number(painter, starts))
    move = parse_move(text, info, options.reach)
    portraits = [p for start in starts for p in moved(start, move, options.steps, info)]
    with progress("drawing", len(portraits), quiet=options.quiet) as advance:
        pictures = painter.draw(portraits, advance)
    names = column_names(move, options.steps, info)
    recipe = replace(painter.recipe(portraits, options.steps), column_names=names)
    content = recipe_to_json(recipe, info.vocabulary)
    strip = sheet(pictures, options.steps, column_names=names)
    png, gif = options.out / "traverse.png", options.out / "traverse.gif"
    write_bytes(png, png_bytes(strip, content))
    write_bytes(gif, traverse_gif(pictures, options.steps, options.scale, options.fps))
    emit_json({"snapshot": model.name, "move": text, "strip": str(png), "gif": str(gif)})


def check_bounds(steps: int, rows: int, reach: float) -> None:
    """Raises `UserError` for a request that is too large or too small."""
    if not 2 <= steps <= MOST_STEPS:
        raise UserError(f"--steps must be 2 to {MOST_STEPS}")
    if not 1 <= rows <= MOST_ROWS:
        raise UserError(f"--rows must be 1 to {MOST_ROWS}")
    if not 0 < reach <= MOST_REACH:
        raise UserError(f"--reach must be above 0 and at most {MOST_REACH:g}")


def traverse_gif(pictures: PicturesNHWC, steps: int, scale: int, fps: int) -> bytes:
    """All rows side by side, moving there and back; each face is enlarged as everywhere else."""
    scale = scale or fitting_scale(pictures.shape[2], GIF_WIDTH_PX)
    by_row = pictures.reshape(-1, steps, *pictures.shape[1:])
    frames = [
        Image.fromarray(sheet(np.stack([np.asarray(face) for face in faces]), len(by_row)))
        for faces in (enlarge(by_row[:, step], scale) for step in range(steps))
    ]
    return gif_bytes(there_and_back(frames), fps, None)
