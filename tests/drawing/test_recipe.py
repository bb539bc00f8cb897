from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from acgan.drawing.ask import ask
from acgan.drawing.painter import Painter
from acgan.drawing.path import between
from acgan.drawing.recipe import (
    png_bytes,
    read_recipe_bytes,
    recipe_from_json,
    recipe_to_json,
)
from avatar_common.errors import UserError


def recipe_of(painter: Painter, count: int = 1) -> dict[str, Any]:
    portraits = ask(painter, ["hair_color=blue"], count, 3)
    recipe = painter.recipe(portraits, None if count == 1 else 2)
    return recipe_to_json(recipe, painter.info.vocabulary)


def test_a_png_gives_its_picture_again_bit_for_bit(painter: Painter) -> None:
    portraits = ask(painter, ["eye_color=random"], 5, 11)
    mixed = between(portraits[0], portraits[1], 0.3, "normal")
    for portrait in (portraits[3], mixed):
        together = painter.draw([portraits[0], portrait])[1]
        content = recipe_to_json(painter.recipe([portrait]), painter.info.vocabulary)
        read = read_recipe_bytes(png_bytes(together, content), "a.png")
        again = painter.draw(recipe_from_json(read, painter.info, "a.png").portraits)[0]
        np.testing.assert_array_equal(again, together)


def test_a_picture_does_not_depend_on_the_count(painter: Painter) -> None:
    few, many = ask(painter, [], 2, 5), ask(painter, [], 9, 5)
    np.testing.assert_array_equal(painter.draw(few), painter.draw(many)[:2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema_version=9), "schema version"),
        (lambda c: c.update(snapshot="f" * 64), "another snapshot"),
        (lambda c: c.update(snapshot=["x"]), "not a recipe"),
        (lambda c: c.pop("pictures"), "malformed"),
        (lambda c: c.update(pictures=[]), "malformed"),
        (lambda c: c.update(pictures="x" * 100), "malformed"),
        (lambda c: c.update(columns=10**9), "columns"),
        (lambda c: c["pictures"][0].update(z="AAAA"), "z has 0 numbers"),
        (lambda c: c["pictures"][0].update(z="!!!!"), "malformed"),
        (lambda c: c["pictures"][0].update(z="AADAfw" * 8), "malformed"),
        (lambda c: c["pictures"][0].update(z="AADAfwAAwH8AAMB/AADAfwAAwH8AAMB/AADAfwAAwH8="),
         "out of bounds"),
        (lambda c: c["pictures"][0].update(attributes={"hair_color": "<b>"}), "no class '<b>'"),
        (lambda c: c["pictures"][0].update(attributes={"shoes": "red"}), "no attribute 'shoes'"),
        (lambda c: c["pictures"][0].update(attributes=[1]), "no attribute"),
        (lambda c: c["pictures"][0].update(attributes=1), "malformed"),
        (lambda c: c["pictures"][0].update(seed="many"), "malformed"),
        (lambda c: c["pictures"][0].update(blend=[{"weight": 3, "attributes": {}}]), "sum to one"),
        (lambda c: c["pictures"][0].update(blend=[{"weight": float("nan"), "attributes": {}}]),
         "sum to one"),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_one_line(
    painter: Painter, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    content = copy.deepcopy(recipe_of(painter))
    change(content)
    with pytest.raises(UserError) as error:
        recipe_from_json(json.loads(json.dumps(content)), painter.info, "a.png")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"{", b"{" * 10**5]
)
def test_bytes_that_are_no_recipe(data: bytes) -> None:
    with pytest.raises(UserError, match=r"neither a PNG|not valid JSON"):
        read_recipe_bytes(data, "a.png")


def test_a_png_without_recipe(painter: Painter) -> None:
    with pytest.raises(UserError, match="carries no recipe"):
        read_recipe_bytes(png_bytes(np.zeros((4, 4, 3), np.uint8), None), "a.png")


def test_a_truncated_png_still_has_its_recipe_or_a_line(painter: Painter) -> None:
    data = png_bytes(np.zeros((64, 64, 3), np.uint8), recipe_of(painter))
    for end in range(0, len(data), 7):
        with suppress(UserError):
            read_recipe_bytes(data[:end], "a.png")


def test_a_sheet_keeps_its_columns(painter: Painter) -> None:
    recipe = replace(
        painter.recipe(ask(painter, [], 4, 1), 2), column_names=("a", "b"), row_names=("c", "d")
    )
    content = recipe_to_json(recipe, painter.info.vocabulary)
    again = recipe_from_json(json.loads(json.dumps(content)), painter.info, "x")
    assert (again.columns, again.column_names, again.row_names) == (2, ("a", "b"), ("c", "d"))
