"""What the page does, without the page: every input checked, every answer a file or a portrait."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from acgan.make.animate import enlarge, fitting_scale, gif_bytes, there_and_back
from acgan.make.ask import MOST_SEED, ask, phrase
from acgan.make.morph import morph
from acgan.make.move import column_names, moved, parse_move, strongest_number
from acgan.make.painter import Painter, Pictures
from acgan.make.recipe import (
    Portrait,
    png_bytes,
    read_recipe_bytes,
    recipe_from_json,
    recipe_to_json,
    snapshot_of,
)
from acgan.make.sheet import sheet
from acgan.make.vary import vary
from acgan.request import RANDOM
from acgan.serve.cupboard import Cupboard
from acgan.serve.library import Library
from manifest.errors import UserError
from manifest.vocabulary import UNKNOWN

MOST_PICTURES = 36
MOST_FRAMES = 120
MOST_HISTORY = 48
MOST_UPLOAD_BYTES = 4 * 2**20
NEW_SEEDS = 1_000_000
SIZES = (1, 2, 4, 8)
STRIP = 8
ANIMATION_PX = 256


@dataclass(frozen=True)
class Shown:
    """A portrait and the snapshot that draws it."""

    snapshot: str
    portrait: Portrait


@dataclass(frozen=True)
class Visit:
    """What one visitor has on the page."""

    candidates: tuple[Shown, ...] = ()
    chosen: Shown | None = None
    first: Shown | None = None
    second: Shown | None = None
    history: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Animation:
    """The files of a sweep or morph."""

    gif: str
    strip: str


class Studio:
    """Draws for all visitors."""

    def __init__(self, library: Library, cupboard: Cupboard) -> None:
        self.library, self._cupboard = library, cupboard

    def draw(
        self, snapshot: object, asked: Mapping[str, str], seed: object, count: object
    ) -> tuple[list[Shown], list[str]]:
        """Candidates and their PNG files."""
        painter = self.library.painter(snapshot)
        number = whole_number(count, "count", 1, MOST_PICTURES)
        portraits = ask(painter, asked, number, whole_number(seed, "seed", 0, MOST_SEED))
        return self._show(str(snapshot), painter, portraits)

    def variations(
        self, chosen: Shown | None, strength: object, count: object
    ) -> tuple[list[Shown], list[str]]:
        """Candidates around the chosen one, itself first."""
        shown = need(chosen)
        painter = self.library.painter(shown.snapshot)
        number = whole_number(count, "count", 2, MOST_PICTURES)
        share = real_number(strength, "strength", 0.0, 1.0)
        others = vary(
            shown.portrait, number - 1, share, secrets.randbelow(2**32), distribution_of(painter)
        )
        return self._show(shown.snapshot, painter, [shown.portrait, *others])

    def _show(
        self, name: str, painter: Painter, portraits: Sequence[Portrait]
    ) -> tuple[list[Shown], list[str]]:
        pictures = painter.draw(portraits)
        files = [
            self._keep(painter, portrait, picture)
            for portrait, picture in zip(portraits, pictures, strict=True)
        ]
        return [Shown(name, portrait) for portrait in portraits], files

    def picture(self, shown: Shown, scale: object = 1) -> str:
        """The PNG file of one portrait, enlarged on request; it carries its recipe."""
        times = whole_number(scale, "size", 1, max(SIZES))
        painter = self.library.painter(shown.snapshot)
        picture = painter.draw([shown.portrait])[0]
        return self._keep(painter, shown.portrait, picture, times)

    def recipe(self, shown: Shown) -> str:
        """The recipe of one portrait as a JSON file."""
        painter = self.library.painter(shown.snapshot)
        content = recipe_to_json(painter.recipe([shown.portrait]), painter.info.vocabulary)
        text = json.dumps(content, indent=2)
        return self._cupboard.put(f"{file_stem(shown.portrait)}-recipe.json", text.encode())

    def _keep(self, painter: Painter, portrait: Portrait, picture: Pictures, scale: int = 1) -> str:
        content = recipe_to_json(painter.recipe([portrait]), painter.info.vocabulary)
        if scale > 1:
            size = (picture.shape[1] * scale, picture.shape[0] * scale)
            image = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
            picture = np.asarray(image)
        return self._cupboard.put(f"{file_stem(portrait)}.png", png_bytes(picture, content))

    def sweep(self, chosen: Shown | None, move: object, steps: object) -> Animation:
        """The chosen one with an attribute, or the strongest latent number, moved sideways."""
        shown = need(chosen)
        painter = self.library.painter(shown.snapshot)
        count = whole_number(steps, "steps", 2, MOST_FRAMES)
        text = str(strongest_number(painter, [shown.portrait])) if move == "" else str(move)[:80]
        parsed = parse_move(text, painter.info, 3.0)
        portraits = moved(shown.portrait, parsed, count, painter.info)
        names = column_names(parsed, count, painter.info)
        return self._animate(painter, portraits, "sweep", names, back=True)

    def morph(self, first: Shown | None, second: Shown | None, frames: object) -> Animation:
        """From one portrait to another and back."""
        if first is None or second is None:
            raise UserError("choose two avatars first: A and B")
        if first.snapshot != second.snapshot:
            raise UserError("A and B were drawn by different snapshots")
        count = whole_number(frames, "frames", 3, MOST_FRAMES)
        painter = self.library.painter(first.snapshot)
        path = morph(painter, [first.portrait, second.portrait], count)
        return self._animate(painter, path, "morph", (), back=True)

    def _animate(
        self,
        painter: Painter,
        portraits: Sequence[Portrait],
        name: str,
        names: Sequence[str],
        *,
        back: bool,
    ) -> Animation:
        pictures = painter.draw(portraits)
        named = [place for place, text in enumerate(names) if text]
        even = np.linspace(0, len(portraits) - 1, min(STRIP, len(portraits))).round()
        shown = named or [int(place) for place in even]
        content = recipe_to_json(
            painter.recipe([portraits[i] for i in shown], len(shown)), painter.info.vocabulary
        )
        strip = sheet(pictures[shown], len(shown), column_names=[names[i] for i in named])
        scale = fitting_scale(pictures.shape[2], ANIMATION_PX)
        frames = enlarge(there_and_back(pictures) if back else pictures, scale)
        return Animation(
            self._cupboard.put(f"{name}.gif", gif_bytes(frames, 16, content)),
            self._cupboard.put(f"{name}.png", png_bytes(strip, content)),
        )

    def read_file(self, path: object) -> Shown:
        """The portrait in an uploaded PNG or recipe. Raises `UserError` for anything else."""
        file = Path(str(path))
        if not file.is_file() or not file.resolve().is_relative_to(self._cupboard.path):
            raise UserError("no file arrived")
        if file.stat().st_size > MOST_UPLOAD_BYTES:
            raise UserError(f"the file is larger than {MOST_UPLOAD_BYTES >> 20} MB")
        where = file.name[:60]
        content = read_recipe_bytes(file.read_bytes(), where)
        name = self.library.name_of(snapshot_of(content, where))
        recipe = recipe_from_json(content, self.library.infos[name], where)
        return Shown(name, recipe.portraits[0])

    def attributes_of(self, shown: Shown) -> dict[str, str]:
        """The settings that ask for this portrait: a class, or `random` where it is unknown."""
        vocabulary = self.library.infos[shown.snapshot].vocabulary
        decoded = vocabulary.decode(shown.portrait.labels)
        return {name: value or RANDOM for name, value in decoded.items()}

    def caption(self, shown: Shown) -> str:
        """The attributes of a portrait in words."""
        vocabulary = self.library.infos[shown.snapshot].vocabulary
        words = []
        for group, place in zip(vocabulary, shown.portrait.labels, strict=True):
            if place != UNKNOWN and (group.kind == "one_of" or place == 1):
                words.append(phrase(group, group.classes[place]))
        seed = shown.portrait.seed
        return ", ".join(words) + (f" · seed {seed}" if seed is not None else "")


def new_seed() -> int:
    """A fresh seed, short enough to read out."""
    return secrets.randbelow(NEW_SEEDS)


def need(chosen: Shown | None) -> Shown:
    """Raises `UserError` when nothing is chosen yet."""
    if chosen is None:
        raise UserError("choose an avatar first: click one in the grid")
    return chosen


def distribution_of(painter: Painter) -> str:
    return str(painter.info.extra.get("z_distribution", "normal"))


def file_stem(portrait: Portrait) -> str:
    """A plain file name for a portrait."""
    parts = [str(n) for n in (portrait.seed, portrait.index) if n is not None]
    return "-".join(["avatar", *parts])


def whole_number(value: object, name: str, least: int, most: int) -> int:
    """Raises `UserError` unless `value` is a whole number in bounds."""
    number = real_number(value, name, least, most)
    if number != int(number):
        raise UserError(f"{name} must be a whole number")
    return int(number)


def real_number(value: object, name: str, least: float, most: float) -> float:
    """Raises `UserError` unless `value` is a finite number in bounds."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not least <= value <= most:  # type: ignore[arg-type]
        raise UserError(f"{name} must be a number from {least} to {most}")
    return float(value) if isinstance(value, float) else value  # type: ignore[return-value]


def settings(names: Sequence[str], values: Sequence[object]) -> dict[str, str]:
    """Attribute values as they come from the page; anything but a short text is refused."""
    asked = {}
    for name, value in zip(names, values, strict=False):
        if not isinstance(value, str) or len(value) > 60:
            raise UserError(f"choose an option for {name.replace('_', ' ')}")
        asked[name] = value or RANDOM
    return asked


def remember(visit: Visit, shown: Shown) -> Visit:
    """Choose a portrait and put it first in the visit's history."""
    others = [s for s in visit.history if s.portrait is not shown.portrait]
    return replace(visit, chosen=shown, history=(shown, *others)[:MOST_HISTORY])
