"""A crowd of drawn posts: pictures as a booru would hold them, with tags that are not perfect.

Post i of a seed depends on the seed and i only, so that posts can be drawn in any order and in
several processes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from demo.artist import Character, Illustration, draw_illustration
from demo.tagging import character_names, general_tags

FIRST_POST_ID = 1001
MISSING_SHARE = 0.12
"""How many of the tags nobody has entered."""
DUPLICATE_SHARE = 0.03
_FIRST_DUPLICATE = 10
_RATINGS = ("g", "s", "q", "e")
_RATING_ODDS = (0.86, 0.08, 0.04, 0.02)
_START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DrawnPost:
    """One post: the file's bytes, what the booru says about it, and the truth."""

    index: int
    data: bytes
    file_ext: str
    md5: str
    width: int
    height: int
    rating: str
    artist: str
    copyright_tags: tuple[str, ...]
    character_tags: tuple[str, ...]
    general_tags: tuple[str, ...]
    missing_tags: tuple[str, ...]
    """General tags that are true but not on the post."""
    meta_tags: tuple[str, ...]
    source: str
    created_at: str
    """ISO 8601 with milliseconds and offset."""
    score: int
    parent_id: int | None
    """The post that this one is a near-duplicate of."""
    characters: tuple[Character, ...]
    """The truth: attributes and face boxes."""

    @property
    def post_id(self) -> int:
        """The booru's number of this post."""
        return FIRST_POST_ID + self.index


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index, purpose)))


def parent_of(index: int, seed: int) -> int | None:
    """The index of the earlier original that a post repeats, or None for an original."""
    rng = _stream(seed, index, 0)
    if index < _FIRST_DUPLICATE or rng.random() >= DUPLICATE_SHARE:
        return None
    earlier = int(rng.integers(0, index))
    grandparent = parent_of(earlier, seed)
    return earlier if grandparent is None else grandparent


def draw_post(index: int, seed: int) -> DrawnPost:
    """Draw post `index` of the crowd: the same bytes whenever and wherever it is asked for."""
    cv2.setNumThreads(1)
    parent = parent_of(index, seed)
    origin = index if parent is None else parent
    illustration = draw_illustration(_stream(seed, origin, 1))
    rng = _stream(seed, index, 2)
    if parent is not None:
        illustration = _repeated(illustration, rng)
    data, file_ext = _encode(illustration.picture, rng)
    height, width = illustration.picture.shape[:2]
    names = character_names(len(illustration.characters), _stream(seed, origin, 3))
    true_tags = general_tags(illustration, rng)
    known = rng.random(len(true_tags)) >= MISSING_SHARE
    created = _START + timedelta(
        seconds=2311 * index + int(rng.integers(0, 2000)), milliseconds=120
    )
    return DrawnPost(
        index=index,
        data=data,
        file_ext=file_ext,
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        width=width,
        height=height,
        rating=_RATINGS[int(rng.choice(4, p=_RATING_ODDS))],
        artist=names.artist,
        copyright_tags=names.copyrights,
        character_tags=names.characters,
        general_tags=tuple(t for t, k in zip(true_tags, known, strict=True) if k),
        missing_tags=tuple(t for t, k in zip(true_tags, known, strict=True) if not k),
        meta_tags=("commentary",) if rng.random() < 0.3 else (),
        source=f"https://art.example/{names.artist}/works/{700000 + 17 * index}",
        created_at=created.isoformat(timespec="milliseconds"),
        score=int(rng.poisson(6)),
        parent_id=None if parent is None else FIRST_POST_ID + parent,
        characters=illustration.characters,
    )


def make_crowd(count: int, seed: int) -> Iterator[DrawnPost]:
    """Draw the posts 0..count-1 one by one."""
    for index in range(count):
        yield draw_post(index, seed)


def _encode(picture: np.ndarray, rng: np.random.Generator) -> tuple[bytes, str]:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if rng.random() < 0.1:
        return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes(), "png"
    quality = int(rng.integers(90, 96))
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(), "jpg"


def _repeated(illustration: Illustration, rng: np.random.Generator) -> Illustration:
    """The same picture as somebody else saved it: a little cropped, smaller, brighter."""
    picture = illustration.picture
    height, width = picture.shape[:2]
    left, top, right, bottom = (rng.uniform(0, 0.03, 4) * (width, height, width, height)).astype(
        int
    )
    picture = picture[top : height - bottom, left : width - right]
    factor = float(rng.uniform(0.85, 1.0))
    picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    picture = cv2.convertScaleAbs(picture, alpha=float(rng.uniform(0.92, 1.06)))
    characters = []
    for character in illustration.characters:
        x, y, w, h = character.face_xywh
        box = (round((x - left) * factor), round((y - top) * factor), round(w * factor),
               round(h * factor))  # fmt: skip
        characters.append(replace(character, face_xywh=box))
    return replace(illustration, picture=picture, characters=tuple(characters))
