"""What a model draws: a Pillow image that carries its recipe."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from acgan.drawing.enlarge import ScaleBy, resize
from acgan.drawing.recipe import PNG_KEY, save_with_recipe
from avatar_common.errors import UserError


class Avatar(Image.Image):
    """A picture (RGB) and how it was drawn; shows itself in a notebook.

    The recipe lies in `info["avatar-recipe"]`, where Pillow also puts it when it opens such a PNG,
    so copies and resized pictures keep it, and `save` writes it into PNGs.
    """

    @classmethod
    def of(cls, picture: npt.NDArray[np.uint8], recipe: dict[str, Any]) -> Avatar:
        """From pixels uint8 [H,W,3] and a recipe as JSON."""
        return cls.like(Image.fromarray(picture), {PNG_KEY: json.dumps(recipe)})

    @classmethod
    def like(cls, image: Image.Image, info: dict[Any, Any]) -> Avatar:
        """From another image's pixels."""
        avatar = cls()
        state = image.__getstate__()
        avatar.__setstate__([dict(info), *state[1:]])
        return avatar

    @property
    def recipe(self) -> dict[str, Any]:
        """What it was drawn from: snapshot, seed, attributes, z. A dict that JSON can hold."""
        return dict(json.loads(self.info[PNG_KEY]))

    @property
    def attributes(self) -> dict[str, str]:
        """The class of each attribute that was asked for or drawn; of a blend the main ones."""
        picture = self.recipe["pictures"][0]
        if "attributes" in picture:
            return dict(picture["attributes"])
        return dict(max(picture["blend"], key=lambda part: part["weight"])["attributes"])

    @property
    def seed(self) -> int | None:
        """The seed that it comes from; None for what was made out of other pictures."""
        found = self.recipe["pictures"][0].get("seed")
        return None if found is None else int(found)

    def enlarge(self, times: float, by: ScaleBy = "detail") -> Avatar:
        """The same avatar with `times` its side. Raises `UserError` beyond 2048 px."""
        if not isinstance(times, (int, float)) or not 0 < times < math.inf:
            raise UserError("a picture is enlarged by a number above 0")
        return self.at(round(self.width * times), by)

    def at(self, side: int, by: ScaleBy = "detail") -> Avatar:
        """The same avatar with a side of so many px. Raises `UserError` unless 1 to 2048."""
        return self.like(resize(self, side, by), self.info)

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002
        """As Pillow's, and a PNG carries the recipe."""
        save_with_recipe(self, self.info.get(PNG_KEY), fp, format, **params)

    def png(self, **params: Any) -> bytes:
        """The bytes of its PNG."""
        file = io.BytesIO()
        self.save(file, "PNG", **params)
        return file.getvalue()
