"""`acgan.load(...)` and what one does with a model: the one way to draw, for code and commands."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

import numpy as np
from PIL import Image

from acgan.devices import choose_device
from acgan.drawing.ask import as_texts, ask, check_seed
from acgan.drawing.avatar import Avatar
from acgan.drawing.best_of import MOST_DRAWN_EACH, Picker, open_picker
from acgan.drawing.chance import seed_of_name
from acgan.drawing.describe import accuracy_per_class, scores_of
from acgan.drawing.edit import check_changes, edited
from acgan.drawing.find import Finder
from acgan.drawing.move import moved, parse_move, strongest_number, vary
from acgan.drawing.own_picture import Box, OwnPicture, open_face
from acgan.drawing.painter import Painter
from acgan.drawing.path import morph as morph_path
from acgan.drawing.recipe import (
    Drawn,
    Portrait,
    recipe_from_json,
    recipe_in,
    recipe_to_json,
)
from acgan.drawing.request import RANDOM, parse_attributes, whole
from acgan.drawing.snapshots import find_named, shipped_snapshots
from acgan.nets.snapshot import load_snapshot, training_path
from avatar_common.devices import Device
from avatar_common.disk.classifiers import find_classifier
from avatar_common.errors import UserError

if TYPE_CHECKING:
    from avatar_common.disk.runs import SnapshotInfo

Advance = Callable[..., None]

MOST_PICTURES = 10_000
MOST_FRAMES = 1000


@dataclass(frozen=True)
class Attribute:
    """What a model knows of an attribute; a flag has the classes "0" and "1".

    `counts`: training faces per class. `accuracy`: how often a classifier that the model has never
    met saw the class when it was asked for; only classes for which that was measured.
    """

    name: str
    kind: Literal["one_of", "flag"]
    classes: tuple[str, ...]
    counts: dict[str, int]
    accuracy: dict[str, float]


def shipped() -> list[str]:
    """The names of the models that come with the project, for `load`."""
    return [path.parent.name for path in shipped_snapshots()]


def load(
    model: str | PathLike[str] | None = None,
    *,
    device: Device = "cpu",
    workspace: str | PathLike[str] = ".",
) -> Model:
    """A model, ready to draw.

    `model` is a shipped one's name, a run's folder, a snapshot's file or a packaged folder; without
    it the newest of the workspace's runs, else the first that ships. Raises `UserError` when there
    is none or it is damaged, `Unavailable` when the device is absent.
    """
    folder = Path(workspace)
    path = find_named(model, folder)
    return Model(Painter(load_snapshot(path, choose_device(device))), folder)


class Model:
    """Draws avatars with one snapshot. Safe to share between threads.

    The same request gives the same picture for ever: bit for bit on one machine with one version
    of PyTorch, elsewhere to a grey level.
    """

    def __init__(self, painter: Painter, workspace: Path) -> None:
        self.painter, self.workspace = painter, workspace
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<acgan.Model {self.name}: {self.image_size} px, {', '.join(self.attributes)}>"

    @property
    def info(self) -> SnapshotInfo:
        """All that is known of the snapshot: architecture, vocabulary, counts, hash of weights."""
        return self.painter.info

    @property
    def name(self) -> str:
        """The run and file of the snapshot, or the packaged name."""
        return self.painter.name

    @property
    def image_size(self) -> int:
        """Side of what it draws, px."""
        return self.info.image_size

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """What can be asked for, by name."""
        scores = scores_of(self.painter.snapshot.path, self.info.weights_sha256)
        accuracy = accuracy_per_class(scores)
        return {
            group.name: Attribute(
                group.name,
                group.kind,
                group.classes,
                dict(zip(group.classes, self.info.class_counts.get(group.name, ()), strict=False)),
                accuracy.get(group.name, {}),
            )
            for group in self.info.vocabulary
        }

    @cached_property
    def picker(self) -> Picker:
        """Chooses the best of N. Raises `UserError` where the model has nothing to choose with."""
        with self._lock:
            return open_picker(self.painter.snapshot.path, self.info, self.workspace)

    @cached_property
    def finder(self) -> Finder:
        """Finds a picture's face among those the model draws.

        Raises `UserError` where the model comes without its encoder or a classifier.
        """
        with self._lock:
            return Finder.open(self.painter.snapshot, self.workspace)

    @property
    def can_find(self) -> bool:
        """Whether the model comes with what `find` and `edit` need."""
        path = self.painter.snapshot.path
        try:
            find_classifier(path, self.info, self.workspace)
        except UserError:
            return False
        return training_path(path).is_file()

    # Pictures

    def draw(
        self,
        *,
        count: int = 1,
        seed: int | None = None,
        best_of: int = 1,
        **attributes: str | int | bool,
    ) -> list[Avatar]:
        """`count` avatars with the attributes asked for: `draw(hair_color="blue", smile=True)`.

        What is not asked for is drawn as the training faces have it. Picture i of a seed is the
        same whatever the count; without a seed each call draws others. `best_of` N draws N for
        each and keeps the one that shows what was asked and looks best. Raises `UserError` for an
        attribute or class the model does not know, and for counts out of bounds.
        """
        seed = secrets.randbelow(2**32) if seed is None else seed
        return self._avatars(self.portraits(as_texts(attributes), count, seed, best_of))

    def for_name(
        self,
        name: str,
        *,
        fold_case: bool = False,
        best_of: int = 1,
        **attributes: str | int | bool,
    ) -> Avatar:
        """The face of a name: for ever the same with this model.

        It is the first picture of the seed that `acgan.drawing.chance.seed_of_name` gives. Raises
        `UserError` for an empty name and one of more than 1024 bytes.
        """
        seed = seed_of_name(name, fold_case=fold_case)
        return self._avatars(self.portraits(as_texts(attributes), 1, seed, best_of))[0]

    def vary(
        self,
        picture: Drawn,
        *,
        count: int = 4,
        strength: float = 0.3,
        seed: int | None = None,
        **attributes: str | int | bool,
    ) -> list[Avatar]:
        """`count` avatars near one; strength 0 is the same face, 1 any other of its attributes.

        `picture` is an avatar, an image opened from its PNG, the path or bytes of the PNG or of
        its recipe, or the recipe. Attributes that are named change, too.
        """
        seed = secrets.randbelow(2**32) if seed is None else seed
        start = self.portrait(picture)
        return self._avatars(self.variations(start, as_texts(attributes), count, strength, seed))

    def move(self, picture: Drawn, **attributes: str | int | bool) -> Avatar:
        """The same character with other attributes: `move(face, hair_color="pink")`."""
        return self._avatars([self.relabelled(self.portrait(picture), as_texts(attributes))])[0]

    def sweep(self, picture: Drawn, what: str = "", steps: int = 8) -> list[Avatar]:
        """An avatar with one thing moved in even steps.

        `what` is an attribute (`hair_color`), some of its classes (`hair_color=blonde..pink`) or
        the place of a latent number (`7`); empty, the number that changes this face most.
        """
        steps = check_frames(steps)
        start = self.portrait(picture)
        text = what or str(strongest_number(self.painter, [start]))
        return self._avatars(moved(start, parse_move(text, self.info, 3.0), steps, self.info))

    def morph(self, first: Drawn, second: Drawn, frames: int = 24) -> list[Avatar]:
        """`frames` avatars on the way from one to another, in steps that look equally large."""
        frames = check_frames(frames, least=3)
        keys = [self.portrait(first), self.portrait(second)]
        return self._avatars(morph_path(self.painter, keys, frames))

    def again(self, picture: Drawn) -> Avatar:
        """Draw once more what a PNG or recipe shows."""
        return self._avatars([self.portrait(picture)])[0]

    # Pictures that were not drawn here

    def find(self, picture: OwnPicture, *, box: Box | None = None) -> Avatar:
        """What the model draws most like a picture's face; its attributes are those it reads there.

        `picture` is an image, or the path or bytes of one, with the face filling it; `box` (left,
        top, side in px) cuts it out of a larger one. Takes a second or two. Raises `UserError` for
        what cannot be opened, and where the model has no encoder.
        """
        return self._avatars([self.find_portrait(open_face(picture, box))])[0]

    def edit(
        self,
        picture: OwnPicture,
        *,
        box: Box | None = None,
        like: Drawn | None = None,
        **attributes: str,
    ) -> Image.Image:
        """A picture's face in other colours: `edit("me.png", hair_color="pink")`.

        All but the colour stays the picture's; the square that `box` names keeps its size (2048 px
        at most). `like`, from `find`, saves the search where one picture is edited several times.
        Raises `UserError` as `find` does, and for attributes that are no colours.
        """
        face = open_face(picture, box)
        pairs = as_texts(attributes)
        check_changes(pairs, self.info)  # before the search, which takes its time
        start = self.find_portrait(face) if like is None else self.portrait(like)
        return self.recolour(face, start, pairs)

    def recolour(
        self, face: Image.Image, start: Portrait, attributes: Sequence[str]
    ) -> Image.Image:
        """What `edit` gives for a square RGB image whose portrait has been found."""
        check_changes(attributes, self.info)
        numbers = range(len(attributes) + 1)
        path = [self.relabelled(start, attributes[:number]) for number in numbers]
        return edited(self.painter, self.finder.reader, face, path)

    def find_portrait(self, face: Image.Image) -> Portrait:
        """The portrait most like a square RGB image."""
        side = self.image_size
        return self.finder.find(np.asarray(face.resize((side, side))))

    # Portraits: what is to be drawn, for those who draw many

    def portraits(
        self,
        attributes: Sequence[str],
        count: int,
        seed: int,
        best_of: int = 1,
        advance: Advance = lambda *_: None,
        *,
        first: int = 0,
    ) -> list[Portrait]:
        """What `draw` draws, the best chosen already; attributes as `name=class` texts."""
        found = self.candidates(attributes, count, seed, best_of, first)
        flat = [portrait for same in found for portrait in same]
        return self.best(flat, best_of, self.asked_for(attributes), advance)

    def candidates(
        self, attributes: Sequence[str], count: int, seed: int, best_of: int, first: int = 0
    ) -> list[list[Portrait]]:
        """For each of `count` pictures from the `first` on those that `best_of` chooses among."""
        count, best_of = check_count(count), whole(best_of, "best of")
        if not 1 <= best_of <= MOST_DRAWN_EACH:
            raise UserError(f"best of must be 1 to {MOST_DRAWN_EACH}")
        flat = ask(self.painter, attributes, count, seed, best_of, first)
        return [flat[start : start + best_of] for start in range(0, len(flat), best_of)]

    def variations(
        self, start: Portrait, attributes: Sequence[str], count: int, strength: float, seed: int
    ) -> list[Portrait]:
        """What `vary` draws."""
        count = check_count(count)
        if not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise UserError("the strength must be 0 to 1")
        start = self.relabelled(start, attributes)
        return vary(start, count, strength, check_seed(seed), self._distribution)

    def asked_for(self, attributes: Sequence[str]) -> list[str]:
        """The names of the attributes for which a class is asked. Raises `UserError`."""
        asked = parse_attributes(attributes, self.info.vocabulary)
        return [name for name, value in asked.items() if value != RANDOM]

    def best(
        self,
        candidates: Sequence[Portrait],
        best_of: int,
        asked: Iterable[str],
        advance: Advance = lambda *_: None,
    ) -> list[Portrait]:
        """The best of every `best_of` portraits in a row."""
        if best_of == 1:
            return list(candidates)
        picker, asked = self.picker, list(asked)
        chosen = []
        # One group at a time, so that memory does not grow with the count.
        for start in range(0, len(candidates), best_of):
            some = candidates[start : start + best_of]
            pictures = self.painter.draw(some, advance)
            (place,) = picker.choose(pictures, [p.labels for p in some], asked, best_of)
            chosen.append(some[place])
        return chosen

    def relabelled(self, portrait: Portrait, attributes: Sequence[str]) -> Portrait:
        """A portrait with other classes of the attributes named."""
        vocabulary = self.info.vocabulary
        asked = parse_attributes(attributes, vocabulary)
        changes = {
            vocabulary.names.index(name): vocabulary.group(name).index_of(value)
            for name, value in asked.items()
            if value != RANDOM
        }
        if not changes:
            return portrait
        weights: dict[tuple[int, ...], float] = {}
        for weight, row in portrait.blend:
            new = tuple(changes.get(place, index) for place, index in enumerate(row))
            weights[new] = weights.get(new, 0.0) + weight
        return replace(portrait, blend=tuple((w, row) for row, w in weights.items()))

    def portrait(self, picture: Drawn) -> Portrait:
        """The portrait in a recipe, wherever it is kept. Raises `UserError` when there is none."""
        content, where = recipe_in(picture)
        recipe = recipe_from_json(content, self.info, where)
        return recipe.portraits[0]

    def recipe(self, portrait: Portrait) -> dict[str, Any]:
        """How to draw a portrait again, as JSON."""
        return recipe_to_json(self.painter.recipe([portrait]), self.info.vocabulary)

    def _avatars(self, portraits: Sequence[Portrait]) -> list[Avatar]:
        pictures = self.painter.draw(portraits)
        return [
            Avatar.of(picture, self.recipe(portrait))
            for portrait, picture in zip(portraits, pictures, strict=True)
        ]

    @property
    def _distribution(self) -> str:
        return str(self.info.extra.get("z_distribution", "normal"))


def check_count(count: SupportsIndex) -> int:
    """The count as an int. Raises `UserError` for a number of pictures out of bounds."""
    count = whole(count, "the count")
    if not 1 <= count <= MOST_PICTURES:
        raise UserError(f"the count must be 1 to {MOST_PICTURES}")
    return count


def check_frames(frames: SupportsIndex, least: int = 2) -> int:
    """The number as an int. Raises `UserError` for a number of steps out of bounds."""
    frames = whole(frames, "the number of frames")
    if not least <= frames <= MOST_FRAMES:
        raise UserError(f"the number of frames must be {least} to {MOST_FRAMES}")
    return frames
