"""Where requests become pictures: every input checked, every drawing in a bounded queue."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from acgan.drawing.avatar import Avatar
from acgan.drawing.edit import check_changes
from acgan.drawing.enlarge import ScaleBy, resize
from acgan.drawing.model import Model
from acgan.drawing.own_picture import open_face
from acgan.drawing.recipe import Recipe, png_bytes, recipe_from_json, snapshot_of
from acgan.serving.bounds import Shares
from acgan.serving.cache import Cache
from acgan.serving.library import Library
from avatar_common.errors import UserError

DRAWING_VERSION = 2  # part of every key: raise it when the same request gives another picture
MOST_WAITING = 256
MOST_FINDING = 8  # of pictures that visitors send: each takes seconds
MOST_PICTURES = 64
MOST_SIDE_PX = 1024
MOST_BEST_OF = 16
MOST_SENT_SIDE_PX = 4096
FIND_COST = 100  # drawings that take as long as finding a face
REMEMBERED_FACES = 1000
T = TypeVar("T")


class Busy(Exception):
    """Too much is asked at once: by one client (`status` 429) or by all (503)."""

    def __init__(self, status: int, wait_s: float) -> None:
        super().__init__()
        self.status, self.wait_s = status, wait_s


@dataclass(frozen=True)
class Wish:
    """A single avatar, as a URL asks for it."""

    model: str
    seed: int
    index: int
    side: int | None
    scale_by: ScaleBy
    best_of: int
    attributes: tuple[str, ...]


class Lane:
    """Threads of one kind of work, and a bound on how much of it waits."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="draw")
        self._most, self._waiting = most_waiting, 0

    async def run(self, work: Callable[[], T]) -> T:
        """What the work gives, when its turn has come. Raises `Busy` where too much waits."""
        if self._waiting >= self._most:
            raise Busy(503, 1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


class Desk:
    """Draws for all clients. What takes seconds waits in a lane of its own."""

    def __init__(self, library: Library, cache: Cache, threads: int, client_limit: float) -> None:
        self.library, self._cache = library, cache
        self._shares = Shares(client_limit)
        self._drawing = Lane(threads, MOST_WAITING)
        self._finding = Lane(max(1, threads // 2), MOST_FINDING)
        self._found: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    async def avatar(self, client: str, wish: Wish) -> tuple[bytes, str]:
        """A PNG and its ETag. Raises `UserError` and `Busy`."""
        if wish.model not in self.library.infos:
            self.library.model(wish.model)  # says which there are
        info = self.library.infos[wish.model]
        key = repr((DRAWING_VERSION, info.weights_sha256, wish))
        data = self._cache.recent(key)
        if data is None:
            cost = wish.best_of
            data = await self._work(client, cost, lambda: self._draw_cached(key, wish))
        return data, f'"{hashlib.sha256(data).hexdigest()[:24]}"'

    def _draw_cached(self, key: str, wish: Wish) -> bytes:
        data = self._cache.get(key)
        if data is None:
            data = draw_wish(self.library.model(wish.model), wish)
            self._cache.put(key, data)
        return data

    async def draw(self, client: str, content: Any) -> bytes:
        """The pictures of a recipe, one below the other, as a PNG without recipe."""
        model, recipe = self._read(content)
        side, count = content.get("size"), len(recipe.portraits)
        if side is not None:
            good = isinstance(side, int) and 1 <= side <= MOST_SIDE_PX
            if not good or count > 1:
                raise UserError(f"`size` must be 1 to {MOST_SIDE_PX}, of one picture")
        return await self._work(client, count, lambda: draw_column(model(), recipe, side))

    async def rank(self, client: str, content: Any) -> list[tuple[int, float]]:
        """How each picture of a recipe ranks for best of N; `asked` in it names the attributes."""
        model, recipe = self._read(content)
        asked = content.get("asked", [])
        names = self.library.infos[self._name(content)].vocabulary.names
        if not isinstance(asked, list) or not all(name in names for name in asked):
            raise UserError("`asked` must list attributes of the model")

        def ranks() -> list[tuple[int, float]]:
            ready = model()
            pictures = ready.painter.draw(recipe.portraits)
            return ready.picker.rank(pictures, [p.labels for p in recipe.portraits], asked)

        return await self._work(client, len(recipe.portraits), ranks)

    async def find(self, client: str, model: str, data: bytes) -> dict[str, Any]:
        """The recipe of what a model draws most like a picture."""
        key = self._face_key(model, data)
        if key not in self._found:
            work = partial(find_recipe, self.library, model, data)
            self._remember(key, await self._work(client, FIND_COST, work, self._finding))
        return self._found[key]

    async def edit(
        self, client: str, model: str, data: bytes, attributes: tuple[str, ...], side: int | None
    ) -> bytes:
        """A picture's face in other colours, as a PNG."""
        key = self._face_key(model, data)
        check_changes(attributes, self.library.infos[model])
        known = self._found.get(key)
        cost = len(attributes) + (FIND_COST if known is None else 0)

        def work() -> tuple[dict[str, Any], bytes]:
            recipe = known or find_recipe(self.library, model, data)
            return recipe, draw_edit(self.library.model(model), data, recipe, attributes, side)

        recipe, png = await self._work(client, cost, work, self._finding)
        self._remember(key, recipe)
        return png

    def _face_key(self, model: str, data: bytes) -> tuple[str, str]:
        if model not in self.library.infos:
            self.library.model(model)  # says which there are
        return self.library.infos[model].weights_sha256, hashlib.sha256(data).hexdigest()

    def _remember(self, key: tuple[str, str], recipe: dict[str, Any]) -> None:
        """Keep what was found in a picture, so that its next change is quick; few are kept."""
        self._found[key] = recipe
        self._found.move_to_end(key)
        while len(self._found) > REMEMBERED_FACES:
            self._found.popitem(last=False)

    def _name(self, content: Any) -> str:
        return self.library.name_of(snapshot_of(content, "recipe"))

    def _read(self, content: Any) -> tuple[Callable[[], Model], Recipe]:
        name = self._name(content)
        pictures = content.get("pictures")
        if not isinstance(pictures, list) or not 1 <= len(pictures) <= MOST_PICTURES:
            raise UserError(f"a request may have 1 to {MOST_PICTURES} pictures")
        recipe = recipe_from_json(content | {"columns": 1}, self.library.infos[name], "recipe")
        return lambda: self.library.model(name), recipe

    async def describe(self, client: str, name: str) -> dict[str, Any]:
        """What there is to know of a model."""
        return await self._work(client, 1, lambda: self.library.describe(name))

    async def _work(
        self, client: str, cost: int, work: Callable[[], T], lane: Lane | None = None
    ) -> T:
        wait_s = self._shares.wait_s(client, cost)
        if wait_s:
            raise Busy(429, wait_s)
        return await (lane or self._drawing).run(work)


def draw_wish(model: Model, wish: Wish) -> bytes:
    """The PNG of a wish, with its recipe."""
    (portrait,) = model.portraits(wish.attributes, 1, wish.seed, wish.best_of, first=wish.index)
    avatar = Avatar.of(model.painter.draw([portrait])[0], model.recipe(portrait))
    return avatar.at(wish.side or model.image_size, wish.scale_by).png()


def draw_column(model: Model, recipe: Recipe, side: int | None = None) -> bytes:
    """All pictures of a recipe below each other; a single one with another side on request."""
    pictures = model.painter.draw(recipe.portraits)
    if side is not None:
        return png_bytes(np.asarray(resize(Image.fromarray(pictures[0]), side)), None)
    return png_bytes(np.concatenate(list(pictures)), None)


def find_recipe(library: Library, name: str, data: bytes) -> dict[str, Any]:
    """The recipe of what a model draws most like a picture."""
    model = library.model(name)
    return model.recipe(model.find_portrait(open_face(data, most_side=MOST_SENT_SIDE_PX)))


def draw_edit(
    model: Model,
    data: bytes,
    recipe: dict[str, Any],
    attributes: tuple[str, ...],
    side: int | None,
) -> bytes:
    """The PNG of a picture whose face has been found, in other colours."""
    face = open_face(data, most_side=MOST_SENT_SIDE_PX)
    if side is None:
        face.thumbnail((MOST_SIDE_PX, MOST_SIDE_PX))
    picture = model.recolour(face, model.portrait(recipe), attributes)
    file = io.BytesIO()
    (picture if side is None else resize(picture, side)).save(file, "PNG")
    return file.getvalue()
