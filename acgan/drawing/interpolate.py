"""`interpolate`: morph between avatars named by seeds, attributes or earlier PNGs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acgan.drawing.animate import check_film, enlarge, fitting_scale, gif_bytes, write_mp4
from acgan.drawing.command import open_model
from acgan.drawing.model import Model
from acgan.drawing.options import InterpolateOptions
from acgan.drawing.painter import Painter
from acgan.drawing.path import morph
from acgan.drawing.recipe import Portrait, png_bytes, recipe_to_json
from acgan.drawing.sheet import sheet
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import check_folder, write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC

MOST_FRAMES, MOST_KEYS = 1000, 50
WIDTH_PX = 192


@dataclass(frozen=True)
class Key:
    """One keyframe, read from the command line but not drawn yet."""

    text: str
    pairs: tuple[str, ...] = ()
    seed: int | None = None
    file: Path | None = None


def run(options: InterpolateOptions) -> None:
    """Write interpolate.png, .gif and perhaps .mp4; the last line on stdout is one JSON object."""
    check_bounds(options)
    check_film(options.scale, options.fps)
    check_folder(options.out)
    model = open_model(options)
    painter = model.painter
    keys = [read_key(text) for text in options.keys]
    if options.dry_run:
        explain_dry_run(options, [f"draw {options.frames} pictures with {painter.name}"])
        return
    portraits = [key_portrait(model, key, options) for key in keys]
    portraits += portraits[:1] if options.loop else []
    with progress("drawing", quiet=options.quiet) as advance:
        path = morph(painter, portraits, options.frames, advance)
        pictures = painter.draw(path, advance)
    out = options.out
    written = write_path(painter, path, pictures, out, options)
    emit_json({"snapshot": painter.name, "keys": list(options.keys), **written})


def check_bounds(options: InterpolateOptions) -> None:
    """Raises `UserError` for a request that is too large or too small."""
    if not 2 <= len(options.keys) <= MOST_KEYS:
        raise UserError(f"--keys needs 2 to {MOST_KEYS} seeds, attributes or PNGs")
    if not len(options.keys) + 1 <= options.frames <= MOST_FRAMES:
        raise UserError(f"--frames must be {len(options.keys) + 1} to {MOST_FRAMES}")
    if not 2 <= options.strip <= options.frames:
        raise UserError("--strip must be 2 to --frames")


def read_key(text: str) -> Key:
    """A seed, `name=class,name=class` (perhaps with `seed=7`), or a file."""
    if re.fullmatch(r"\d{1,15}", text):
        return Key(text, seed=int(text))
    if re.fullmatch(r"-?[\d.]+", text):
        raise UserError("a seed is a whole number from 0 on", where=f"--keys {text}")
    if Path(text).suffix in (".png", ".json") or "=" not in text:
        return Key(text, file=Path(text))
    pairs = [part for part in text.split(",") if part]
    seeds = [part.removeprefix("seed=") for part in pairs if part.startswith("seed=")]
    if len(seeds) > 1 or not all(re.fullmatch(r"\d{1,15}", seed) for seed in seeds):
        raise UserError("one whole number is needed after seed=", where=text)
    others = tuple(part for part in pairs if not part.startswith("seed="))
    return Key(text, others, int(seeds[0]) if seeds else None)


def key_portrait(model: Model, key: Key, options: InterpolateOptions) -> Portrait:
    """The portrait of a keyframe; what it leaves open comes from the command's own options."""
    if key.file is not None:
        return model.portrait(key.file)
    seed = options.seed if key.seed is None else key.seed
    return model.portraits([*options.attributes, *key.pairs], 1, seed)[0]


def write_path(
    painter: Painter,
    path: Sequence[Portrait],
    pictures: PicturesNHWC,
    out: Path,
    options: InterpolateOptions,
) -> dict[str, str | None]:
    """Write strip, GIF and MP4; the paths written."""
    shown = np.linspace(0, len(path) - 1, options.strip).round().astype(int)
    vocabulary = painter.info.vocabulary
    recipe = recipe_to_json(painter.recipe([path[i] for i in shown], options.strip), vocabulary)
    png, gif, mp4 = (out / f"interpolate.{suffix}" for suffix in ("png", "gif", "mp4"))
    write_bytes(png, png_bytes(sheet(pictures[shown], options.strip), recipe))
    scale = options.scale or fitting_scale(pictures.shape[2], WIDTH_PX)
    # A loop's last frame is its first again: shown once, so that the GIF runs on without a stop.
    images = enlarge(pictures[:-1] if options.loop else pictures, scale)
    write_bytes(gif, gif_bytes(images, options.fps, recipe))
    made = write_mp4(mp4, images, options.fps)
    return {"strip": str(png), "gif": str(gif), "mp4": str(mp4) if made else None}
