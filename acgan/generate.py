"""Draw avatars to order: PNGs and a grid from a snapshot, each with its recipe inside."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acgan.devices import choose_device
from acgan.make.ask import ask, contact_portraits, split_each, warn_of_unseen
from acgan.make.best_of import MOST_DRAWN_EACH, Reader, best_of, find_classifier
from acgan.make.painter import Painter, Pictures
from acgan.make.recipe import (
    Portrait,
    Recipe,
    png_bytes,
    read_recipe_file,
    recipe_from_json,
    recipe_to_json,
    snapshot_of,
)
from acgan.make.sheet import sheet, square_columns
from acgan.make.snapshots import find_snapshot, snapshot_with_weights
from acgan.options import GenerateOptions
from acgan.request import parse_attributes
from acgan.snapshot import load_snapshot
from cli import emit_json, explain_dry_run, progress
from manifest.errors import UserError
from manifest.files import check_folder, write_bytes

log = logging.getLogger(__name__)

MOST_PICTURES = 10_000


def run(options: GenerateOptions) -> None:
    """Write pictures and a grid; the last line on stdout is one JSON object."""
    if not 1 <= options.count <= MOST_PICTURES:
        raise UserError(f"--count must be 1 to {MOST_PICTURES}")
    if not 1 <= options.best_of <= MOST_DRAWN_EACH:
        raise UserError(f"--best-of must be 1 to {MOST_DRAWN_EACH}")
    check_folder(options.out)
    if options.recipe is not None:
        draw_again(options, options.recipe)
        return
    painter = open_painter(options, options.snapshot)
    recipe = plan_recipe(painter, options)
    if options.dry_run:
        count = len(recipe.portraits) * options.best_of
        plan = [f"draw {count} pictures with {painter.name}", f"write to {options.out}"]
        explain_dry_run(options, plan)
        return
    recipe = replace(recipe, portraits=tuple(choose(painter, recipe.portraits, options)))
    with progress("drawing", len(recipe.portraits), quiet=options.quiet) as advance:
        pictures = painter.draw(recipe.portraits, advance)
    grid = save(painter, recipe, pictures, options)
    emit_json(
        {
            "snapshot": painter.name,
            "count": len(pictures),
            "seed": options.seed,
            "attributes": list(options.attributes),
            "grid": grid,
            "out": str(options.out),
        }
    )


def open_painter(options: GenerateOptions, snapshot: Path | None) -> Painter:
    """Load a snapshot on the device asked for."""
    snapshot = find_snapshot(snapshot, options.workspace)
    return Painter(load_snapshot(snapshot, choose_device(options.device, options.threads)))


def plan_recipe(painter: Painter, options: GenerateOptions) -> Recipe:
    """What to draw: a plain grid, or a labelled sheet where an attribute is asked for as `each`."""
    vocabulary = painter.info.vocabulary
    each, pairs = split_each(options.attributes, vocabulary)
    portraits = ask(painter, pairs, options.count, options.seed)
    warn_of_unseen(parse_attributes(pairs, vocabulary), vocabulary, painter.info.class_counts)
    if not each:
        return painter.recipe(portraits, square_columns(options.count))
    drawn: list[Portrait] = []
    row_names: list[str] = []
    column_names: list[str] = []
    for portrait in portraits:
        sheet_portraits, rows, column_names = contact_portraits(
            portrait, each, vocabulary, painter.info.class_counts
        )
        drawn += sheet_portraits
        row_names += rows
    if len(drawn) > MOST_PICTURES:
        raise UserError(f"that makes {len(drawn)} pictures, at most {MOST_PICTURES}")
    return replace(
        painter.recipe(drawn, len(column_names)),
        column_names=tuple(column_names),
        row_names=tuple(row_names),
    )


def choose(
    painter: Painter, portraits: Sequence[Portrait], options: GenerateOptions
) -> Sequence[Portrait]:
    """With --best-of, each portrait in that z of the seed in which the classifier reads it best."""
    if options.best_of == 1:
        return portraits
    classifier = find_classifier(painter.snapshot.path, painter.info, options.workspace)
    reader = Reader(classifier, painter.info)
    places = [portrait.index or 0 for portrait in portraits]
    stride = max(places) + 1
    latents = painter.snapshot.random_z(stride * options.best_of, options.seed).numpy()
    draws = [
        [
            replace(portrait, z=latents[index], index=index)
            for index in range(place, len(latents), stride)
        ]
        for portrait, place in zip(portraits, places, strict=True)
    ]
    total = len(portraits) * options.best_of
    with progress("choosing", total, quiet=options.quiet) as advance:
        return best_of(painter, reader, draws, advance)


def save(
    painter: Painter, recipe: Recipe, pictures: Pictures, options: GenerateOptions
) -> str | None:
    """Write single files, the grid, or both; the grid's path."""
    vocabulary = painter.info.vocabulary
    if options.save != "grid":
        for number, (portrait, picture) in enumerate(zip(recipe.portraits, pictures, strict=True)):
            single = recipe_to_json(painter.recipe([portrait]), vocabulary)
            name = f"{options.seed}-{number:04d}.png"
            write_bytes(options.out / name, png_bytes(picture, single))
    if options.save == "files":
        return None
    grid = options.out / "grid.png"
    write_bytes(grid, drawn_sheet(pictures, recipe, recipe_to_json(recipe, vocabulary)))
    return str(grid)


def drawn_sheet(pictures: Pictures, recipe: Recipe, content: dict[str, object]) -> bytes:
    """The sheet of a recipe as a PNG."""
    names = {"column_names": recipe.column_names, "row_names": recipe.row_names}
    return png_bytes(sheet(pictures, recipe.columns or 1, **names), content)


def draw_again(options: GenerateOptions, file: Path) -> None:
    """Draw what a PNG shows once more, into `out` under the same name."""
    content = read_recipe_file(file)
    found = snapshot_with_weights(snapshot_of(content, str(file)), options.workspace)
    # Where the right one is not here, reading the recipe for the usual one says so.
    fallback = found or find_snapshot(options.snapshot, options.workspace)
    painter = open_painter(options, options.snapshot or fallback)
    recipe = recipe_from_json(content, painter.info, str(file))
    out = options.out / f"{file.stem}.png"
    if options.dry_run:
        explain_dry_run(options, [f"draw {len(recipe.portraits)} pictures into {out}"])
        return
    if out.exists() and out.samefile(file):
        raise UserError("this would replace the picture itself", hint="name another folder, --out")
    pictures = painter.draw(recipe.portraits)
    again = recipe_to_json(recipe, painter.info.vocabulary)
    if recipe.is_sheet:
        write_bytes(out, drawn_sheet(pictures, recipe, again))
    else:
        write_bytes(out, png_bytes(pictures[0], again))
    emit_json(
        {"snapshot": painter.name, "count": len(pictures), "recipe": str(file), "out": str(out)}
    )
