"""Recipes: what a picture was drawn from, kept inside its PNG, enough to draw it again."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from avatar_common.disk.files import read_at_most
from avatar_common.disk.runs import SnapshotInfo
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

RECIPE_SCHEMA_VERSION = 1
PNG_KEY = "avatar-recipe"
MOST_PICTURES = 10_000
MOST_BYTES = 64 * 2**20
MOST_BLENDED = 64
MOST_LATENT = 100.0

Drawn = Image.Image | Mapping[str, Any] | str | PathLike[str] | bytes
"""A picture with its recipe: an image, the recipe itself, a file, or a file's bytes."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """One picture to draw: z float32 [z_dim] and label rows with weights that sum to one.

    The rest says where z came from, for people: the seed, the place in its row, and that the
    `candidate`th (from 0) of `best_of` drawings was chosen. z is what counts.
    """

    z: npt.NDArray[np.float32]
    blend: tuple[tuple[float, tuple[int, ...]], ...]
    seed: int | None = None
    index: int | None = None
    candidate: int = 0
    best_of: int = 1

    @property
    def labels(self) -> tuple[int, ...]:
        """The label row that weighs most."""
        return max(self.blend)[1]

    def with_labels(self, labels: tuple[int, ...]) -> Portrait:
        """The same latent with other labels, not mixed."""
        return replace(self, blend=((1.0, labels),))


@dataclass(frozen=True)
class Recipe:
    """How a PNG was drawn: one portrait, or several on a sheet."""

    snapshot_sha256: str
    snapshot_name: str
    portraits: tuple[Portrait, ...]
    columns: int | None = None
    column_names: tuple[str, ...] = ()
    row_names: tuple[str, ...] = ()

    @property
    def is_sheet(self) -> bool:
        """Whether it is of a grid of pictures."""
        return self.columns is not None


def recipe_to_json(recipe: Recipe, vocabulary: Vocabulary) -> dict[str, Any]:
    """The recipe as plain JSON; z as base64 of little-endian float32, exact."""
    content: dict[str, Any] = {
        "schema_version": RECIPE_SCHEMA_VERSION,
        "snapshot": recipe.snapshot_sha256,
        "snapshot_name": recipe.snapshot_name,
        "pictures": [_portrait_to_json(portrait, vocabulary) for portrait in recipe.portraits],
    }
    if recipe.columns is not None:
        content |= {
            "columns": recipe.columns,
            "column_names": list(recipe.column_names),
            "row_names": list(recipe.row_names),
        }
    return content


def _portrait_to_json(portrait: Portrait, vocabulary: Vocabulary) -> dict[str, Any]:
    def known(row: tuple[int, ...]) -> dict[str, str]:
        return {name: value for name, value in vocabulary.decode(row).items() if value}

    content: dict[str, Any] = {"seed": portrait.seed, "index": portrait.index}
    if portrait.best_of > 1:
        content |= {"candidate": portrait.candidate, "best_of": portrait.best_of}
    if len(portrait.blend) == 1:
        content["attributes"] = known(portrait.blend[0][1])
    else:
        content["blend"] = [
            {"weight": weight, "attributes": known(row)} for weight, row in portrait.blend
        ]
    content["z"] = base64.b64encode(portrait.z.astype("<f4").tobytes()).decode()
    return content


def recipe_from_json(content: object, info: SnapshotInfo, where: str) -> Recipe:
    """Check and read a recipe for a snapshot. Raises `UserError` for anything that is wrong."""
    try:
        return _read_recipe(content, info, where)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        binascii.Error,
    ) as error:
        reason = str(error)[:80]
        raise UserError(f"the recipe is malformed: {reason}", where=where) from None


def _read_recipe(content: Any, info: SnapshotInfo, where: str) -> Recipe:
    # z means something to the weights that it was drawn with only, so the hash decides, not a name.
    if snapshot_of(content, where) != info.weights_sha256:
        raise UserError(
            f"drawn by another snapshot ({str(content.get('snapshot_name'))[:60]!r})",
            where=where,
            hint="name that snapshot with --snapshot",
        )
    pictures = content["pictures"]
    if not isinstance(pictures, list) or not 1 <= len(pictures) <= MOST_PICTURES:
        raise ValueError(f"1 to {MOST_PICTURES} pictures were expected")
    columns = content.get("columns")
    if columns is not None and not 1 <= int(columns) <= len(pictures):
        raise ValueError("bad number of columns")
    if columns is None and len(pictures) != 1:
        raise ValueError("several pictures need columns")
    names = [tuple(str(n)[:40] for n in content.get(k, ())) for k in ("column_names", "row_names")]
    return Recipe(
        snapshot_sha256=info.weights_sha256,
        snapshot_name=str(content.get("snapshot_name", ""))[:100],
        portraits=tuple(_read_portrait(item, info) for item in pictures),
        columns=None if columns is None else int(columns),
        column_names=names[0][: columns or 0],
        row_names=names[1][: len(pictures)],
    )


def _read_portrait(item: Mapping[str, Any], info: SnapshotInfo) -> Portrait:
    data = base64.b64decode(item["z"], validate=True)
    if len(data) != 4 * info.z_dim:
        raise ValueError(f"z has {len(data) // 4} numbers, the snapshot takes {info.z_dim}")
    z = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(z).all() or np.abs(z).max(initial=0) > MOST_LATENT:
        raise ValueError("z is out of bounds")
    mixed = item.get("blend") or [{"weight": 1.0, "attributes": item["attributes"]}]
    if len(mixed) > MOST_BLENDED:
        raise ValueError("too many blended rows")
    blend = tuple(
        (float(part["weight"]), tuple(_encode(part["attributes"], info.vocabulary)))
        for part in mixed
    )
    weights = [weight for weight, _ in blend]
    if not all(0 <= weight <= 1 for weight in weights) or not math.isclose(
        sum(weights), 1, abs_tol=1e-3
    ):
        raise ValueError("the weights of a blend must sum to one")
    return Portrait(
        z,
        blend,
        _number(item.get("seed")),
        _number(item.get("index")),
        int(item.get("candidate", 0)),
        int(item.get("best_of", 1)),
    )


def _encode(attributes: Mapping[str, str], vocabulary: Vocabulary) -> list[int]:
    for name in attributes:
        vocabulary.group(str(name)[:40])
    return vocabulary.encode({name: str(value)[:40] for name, value in attributes.items()})


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def snapshot_of(content: object, where: str) -> str:
    """The hash of the snapshot that a recipe asks for. Raises `UserError` unless it is one."""
    if not isinstance(content, dict) or not isinstance(content.get("snapshot"), str):
        raise UserError("not a recipe", where=where)
    if content.get("schema_version") != RECIPE_SCHEMA_VERSION:
        raise UserError(
            f"a recipe of schema version {str(content.get('schema_version'))[:20]!r}, "
            f"this program reads version {RECIPE_SCHEMA_VERSION}",
            where=where,
        )
    return str(content["snapshot"])


def png_bytes(picture: npt.NDArray[np.uint8], recipe: Mapping[str, Any] | None) -> bytes:
    """Picture uint8 [H,W,3] as a PNG with its recipe in the metadata."""
    file = io.BytesIO()
    text = None if recipe is None else json.dumps(recipe)
    save_with_recipe(Image.fromarray(picture), text, file, "PNG")
    return file.getvalue()


def save_with_recipe(
    image: Image.Image, recipe: str | None, file: Any, kind: str | None, **params: Any
) -> None:
    """As Pillow's `save`, and a PNG carries the recipe's JSON unless `params` hold a `pnginfo`."""
    if recipe is not None and "pnginfo" not in params:
        params["pnginfo"] = PngImagePlugin.PngInfo()
        params["pnginfo"].add_text(PNG_KEY, recipe)
    Image.Image.save(image, file, kind, **params)  # not the `save` of a subclass, which calls this


def read_recipe_bytes(data: bytes, where: str) -> Any:
    """The recipe in a PNG or JSON file's bytes, parsed but not checked. Raises `UserError`."""
    if len(data) > MOST_BYTES:
        raise UserError(f"larger than {MOST_BYTES >> 20} MB", where=where)
    text: str | bytes = data
    if data.lstrip()[:1] != b"{":
        try:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                text = str(image.info.get(PNG_KEY, ""))
        except (
            UnidentifiedImageError,
            Image.DecompressionBombError,
            OSError,
            ValueError,
            SyntaxError,
        ):
            raise UserError("neither a PNG nor a recipe", where=where) from None
        if not text:
            raise UserError("this PNG carries no recipe", where=where)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UserError("the recipe is not valid JSON", where=where) from None


def read_recipe_file(path: Path) -> Any:
    """The recipe in a PNG or JSON file, parsed but not checked. Raises `UserError`."""
    if path.is_dir():
        raise UserError("is a folder, a PNG or a recipe was expected", where=str(path))
    return read_recipe_bytes(read_at_most(path, MOST_BYTES), str(path))


def recipe_in(picture: Drawn) -> tuple[Any, str]:
    """The recipe of a picture, not yet checked, and what to call the picture in messages."""
    match picture:
        case Image.Image():
            text = picture.info.get(PNG_KEY)
            if not isinstance(text, str):
                raise UserError("this image carries no recipe", hint="draw it, or open its PNG")
            try:
                return json.loads(text), "image"
            except (ValueError, RecursionError):
                raise UserError("the recipe is not valid JSON", where="image") from None
        case Mapping():
            return dict(picture), "recipe"
        case bytes():
            return read_recipe_bytes(picture, "bytes"), "bytes"
        case str() | PathLike():
            try:
                return read_recipe_file(Path(picture)), str(picture)
            except FileNotFoundError:
                raise UserError("no such file", where=str(picture)) from None
            except (OSError, ValueError) as error:  # a name of 10 kB, or with a zero in it
                reason = str(getattr(error, "strerror", None) or error).lower()
                raise UserError(reason, where=str(picture)[:200]) from None
        case _:
            raise UserError(f"not a picture: {type(picture).__name__}")
