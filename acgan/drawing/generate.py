"""`generate`: avatars to order. `acgan.Model` draws, this writes files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from acgan.drawing.ask import check_seed, contact_portraits, split_each, warn_of_unseen
from acgan.drawing.best_of import MOST_DRAWN_EACH, usually_drawn_each
from acgan.drawing.chance import seed_of_name
from acgan.drawing.command import check_scale, open_model, save
from acgan.drawing.model import MOST_PICTURES, Model
from acgan.drawing.options import GenerateOptions
from acgan.drawing.recipe import (
    Portrait,
    Recipe,
    png_bytes,
    read_recipe_file,
    recipe_from_json,
    recipe_to_json,
    snapshot_of,
)
from acgan.drawing.request import parse_attributes
from acgan.drawing.sheet import drawn_sheet
from acgan.drawing.snapshots import find_snapshot, snapshot_with_weights
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import check_folder, read_at_most, write_bytes
from avatar_common.errors import UserError
from avatar_common.grid import square_columns

MOST_NAMES_BYTES = 16 * 2**20


def run(options: GenerateOptions) -> None:
    """Write pictures and a grid; the last line on stdout is one JSON object."""
    check_options(options)
    if options.recipe is not None:
        draw_again(options, options.recipe)
        return
    model = open_model(options)
    check_seed(options.seed)
    names = read_names(options)
    each, pairs = split_each(options.attributes, model.info.vocabulary)
    if names and each:
        raise UserError("`each` and names cannot be combined", where=", ".join(each))
    asked = parse_attributes(pairs, model.info.vocabulary)
    warn_of_unseen(asked, model.info.vocabulary, model.info.class_counts)
    check_scale(model, options.scale)
    best_of = options.best_of
    if best_of is None:  # a name has one face everywhere: the one as drawn
        best_of = 1 if names else usually_drawn_each(model.painter.snapshot.path, model.info)
    sheet = plan_sheet(model, options, pairs, each) if each else None
    if options.dry_run:
        count = len(sheet.portraits) if sheet else len(names) or options.count
        plan = [f"draw {count * best_of} pictures with {model.name}"]
        if best_of > 1:
            plan += [f"keep the best of every {best_of}"]
        explain_dry_run(replace(options, best_of=best_of), [*plan, f"write to {options.out}"])
        return
    with progress("drawing", quiet=options.quiet) as advance:
        if names:
            seeds = [seed_of_name(name, fold_case=options.fold_case) for name in names]
            rows = [model.portraits(pairs, 1, seed, best_of, advance) for seed in seeds]
            recipe = model.painter.recipe([row[0] for row in rows], square_columns(len(rows)))
        elif sheet:
            recipe = sheet
            if best_of > 1:
                asked_for = [*model.asked_for(pairs), *each]
                candidates = candidates_of_cells(model, sheet, options, best_of)
                best = model.best(candidates, best_of, asked_for, advance)
                recipe = replace(sheet, portraits=tuple(best))
        else:
            portraits = model.portraits(pairs, options.count, options.seed, best_of, advance)
            recipe = model.painter.recipe(portraits, square_columns(options.count))
        numbers = range(len(recipe.portraits))
        stems = [file_stem(name) for name in names] or [f"{options.seed}-{n:04d}" for n in numbers]
        pictures = model.painter.draw(recipe.portraits, advance)
    grid = save(model, recipe, pictures, stems, options, options.save)
    emit_json(
        {
            "snapshot": model.name,
            "count": len(pictures),
            "seed": None if names else options.seed,
            "attributes": list(options.attributes),
            "best_of": best_of,
            "grid": grid,
            "out": str(options.out),
        }
    )


def check_options(options: GenerateOptions) -> None:
    """Raises `UserError` for what cannot be."""
    if not 1 <= options.count <= MOST_PICTURES:
        raise UserError(f"--count must be 1 to {MOST_PICTURES}")
    if options.best_of is not None and not 1 <= options.best_of <= MOST_DRAWN_EACH:
        raise UserError(f"--best-of must be 1 to {MOST_DRAWN_EACH}")
    check_folder(options.out)


def read_names(options: GenerateOptions) -> list[str]:
    """The names of --name and --names, each once. Raises `UserError`."""
    names = list(options.name)
    for name in names:
        seed_of_name(name)
    if options.names is not None:
        try:
            data = read_at_most(options.names, MOST_NAMES_BYTES)
            lines = data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise UserError("not a text file in UTF-8", where=str(options.names)) from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                with_place(line.strip(), f"{options.names}:{number}")
                names.append(line.strip())
        if not names:
            raise UserError("no name in this file", where=str(options.names))
    if len(names) > MOST_PICTURES:
        raise UserError(f"{len(names)} names, at most {MOST_PICTURES} at once")
    return list(dict.fromkeys(names))


def with_place(name: str, where: str) -> None:
    """Check a name; a mistake says where it stands."""
    try:
        seed_of_name(name)
    except UserError as error:
        raise UserError(error.what, where=where) from None


def file_stem(name: str) -> str:
    """A plain file name for any name: itself where it is plain, else its letters and a hash."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name) and name != "grid":  # grid.png is the sheet
        return name
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{slug}-{digest}" if slug else digest


def plan_sheet(
    model: Model, options: GenerateOptions, pairs: Sequence[str], each: Sequence[str]
) -> Recipe:
    """The labelled sheet of the attributes that are asked for as `each`."""
    vocabulary = model.info.vocabulary
    drawn: list[Portrait] = []
    row_names: list[str] = []
    column_names: list[str] = []
    for portrait in model.portraits(pairs, options.count, options.seed):
        sheet_portraits, rows, column_names = contact_portraits(
            portrait, each, vocabulary, model.info.class_counts
        )
        drawn += sheet_portraits
        row_names += rows
    if len(drawn) > MOST_PICTURES:
        raise UserError(f"that makes {len(drawn)} pictures, at most {MOST_PICTURES}")
    return replace(
        model.painter.recipe(drawn, len(column_names)),
        column_names=tuple(column_names),
        row_names=tuple(row_names),
    )


def candidates_of_cells(
    model: Model, sheet: Recipe, options: GenerateOptions, best_of: int
) -> list[Portrait]:
    """For each cell of a sheet in turn the candidates that its character has."""
    characters = model.candidates((), options.count, options.seed, best_of)
    return [
        replace(candidate, blend=cell.blend)
        for cell in sheet.portraits
        for candidate in characters[cell.index or 0]
    ]


def draw_again(options: GenerateOptions, file: Path) -> None:
    """Draw what a PNG shows once more, into `out` under the same name."""
    content = read_recipe_file(file)
    found = snapshot_with_weights(snapshot_of(content, str(file)), options.workspace)
    # Where the right one is not here, reading the recipe for the usual one says so.
    fallback = found or find_snapshot(options.snapshot, options.workspace)
    model = open_model(replace(options, snapshot=options.snapshot or fallback))
    recipe = recipe_from_json(content, model.info, str(file))
    out = options.out / f"{file.stem}.png"
    if options.dry_run:
        explain_dry_run(options, [f"draw {len(recipe.portraits)} pictures into {out}"])
        return
    with suppress(FileNotFoundError):
        if out.samefile(file):
            hint = "name another folder, --out"
            raise UserError("this would replace the picture itself", hint=hint)
    pictures = model.painter.draw(recipe.portraits)
    again = recipe_to_json(recipe, model.info.vocabulary)
    if recipe.is_sheet:
        write_bytes(out, drawn_sheet(pictures, recipe, again))
    else:
        write_bytes(out, png_bytes(pictures[0], again))
    emit_json(
        {"snapshot": model.name, "count": len(pictures), "recipe": str(file), "out": str(out)}
    )
