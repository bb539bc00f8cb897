"""What the site kinds give to the crawl: posts, pages of posts, and the errors of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Rating = Literal["general", "sensitive", "questionable", "explicit"]
Variant = Literal["original", "sample", "jpeg"]
Listing = Literal["json", "xml", "html"]
Tags = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Post:
    """One post as its booru describes it; everything unknown or nonsensical is None or empty.

    `md5`, `width` and `height` are those of the original; `file_ext` and `file_size` those of the
    file behind `file_url`, which is the `variant` of the picture.
    """

    post_id: int
    rating: Rating | None
    md5: str | None = None
    file_url: str | None = None
    variant: Variant = "original"
    sample_url: str | None = None
    file_ext: str = ""
    file_size: int | None = None
    width: int | None = None
    height: int | None = None
    tags: Tags = field(default_factory=dict)
    source: str = ""
    created_at: str = ""
    parent_id: int | None = None
    deleted: bool = False

    @property
    def artist(self) -> str:
        """The artist tags, with spaces between."""
        return " ".join(self.tags.get("artist", ()))


@dataclass(frozen=True)
class Page:
    """One answer of a listing: its posts, the rows that made no sense, the total if it says so.

    `tail` of the `malformed` rows come after the last post: the next page, which begins below that
    post, shows them again. `gaps`: between which ids of posts the others lie (None: above all).
    `damaged`: the answer as a whole could not be read, only row by row; `cut`: it breaks off.
    """

    posts: tuple[Post, ...]
    malformed: int = 0
    total: int | None = None
    tail: int = 0
    damaged: bool = False
    cut: bool = False
    gaps: tuple[tuple[int | None, int], ...] = ()


@dataclass(frozen=True)
class Request:
    """A path on the site and its query parameters."""

    path: str
    params: Mapping[str, str]


@dataclass(frozen=True)
class Credentials:
    """A login and its secret; the secret never shows in a log."""

    login: str
    secret: str = field(repr=False)


class BadAnswer(Exception):
    """An answer that is not the listing that was asked for; the text says what it is instead."""
