"""What a stand-in booru holds: posts, and the search over them."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

FREE_METATAGS = frozenset(
    (
        "status", "rating", "limit", "is", "id", "date", "age", "filesize", "filetype", "parent",
        "child", "md5", "width", "height", "duration", "mpixels", "ratio", "score", "upvote",
        "downvotes", "favcount", "embedded", "tagcount", "pixiv_id", "pixiv",
    )
)  # fmt: skip


@dataclass(frozen=True)
class BooruPost:
    """One post. `content` is the file: its bytes, a path to read, or a function that gives them.

    `rating` is g, s, q or e; a kind of booru without s says questionable for it. `md5` is what the
    booru claims. `hidden`: listed without md5 and file fields; `unlisted`: counted but left out of
    pages, which makes them short; `deleted`; `without_url`: listed with md5 but no file URL.
    `jpeg`: the JPEG that Moebooru offers beside a PNG.
    """

    post_id: int
    content: bytes | Path | Callable[[], bytes] = field(repr=False)
    md5: str
    file_ext: str
    width: int
    height: int
    rating: str = "g"
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    created_at: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    score: int = 0
    parent_id: int | None = None
    file_size: int = 0
    jpeg: bytes | None = field(default=None, repr=False)
    hidden: bool = False
    unlisted: bool = False
    deleted: bool = False
    without_url: bool = False

    def data(self) -> bytes:
        """The bytes of the file."""
        if isinstance(self.content, bytes):
            return self.content
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content()

    def all_tags(self) -> list[str]:
        return [name for names in self.tags.values() for name in names]


class Catalogue:
    """The posts of one booru, newest first, with some that arrive while it is being crawled."""

    def __init__(self, posts: Iterable[BooruPost], arrivals: Iterable[BooruPost] = ()) -> None:
        self._posts = sorted(posts, key=lambda post: -post.post_id)
        self._by_md5 = {post.md5: post for post in reversed(self._posts)}
        self._arrivals: Iterator[BooruPost] = iter(arrivals)
        self._lock = threading.Lock()

    def arrive(self, count: int = 1) -> None:
        """Put the next posts of the reserve in their place."""
        with self._lock:
            for _ in range(count):
                post = next(self._arrivals, None)
                if post is None:
                    return
                bisect.insort(self._posts, post, key=lambda known: -known.post_id)
                self._by_md5.setdefault(post.md5, post)

    def file(self, md5: str) -> BooruPost | None:
        return self._by_md5.get(md5)

    def posts(self) -> list[BooruPost]:
        with self._lock:
            return list(self._posts)

    def search(
        self, query: str, *, ratings: Mapping[str, tuple[str, ...]], lying: bool = False
    ) -> list[BooruPost]:
        """The matching posts, newest first. With `lying`, rating filters do nothing.

        `ratings`: for each of g, s, q, e the words that this kind of booru knows it by.
        """
        terms = [term for term in query.split() if not (lying and "rating:" in term)]
        either = [term[1:] for term in terms if term.startswith("~")]
        must = [term for term in terms if not term.startswith("~")]
        asks_deleted = any(term.startswith(("deleted:", "status:", "id:")) for term in must)
        found = [
            post
            for post in self.posts()
            if (asks_deleted or not post.deleted)
            and all(_holds(post, term, ratings) for term in must)
            and (not either or any(_holds(post, term, ratings) for term in either))
        ]
        return _ordered(found, must)


def _ordered(posts: list[BooruPost], terms: list[str]) -> list[BooruPost]:
    for term in terms:
        if term in ("order:id", "order:id_asc", "sort:id:asc"):
            return posts[::-1]
        if term in ("order:score", "sort:score"):
            return sorted(posts, key=lambda post: (-post.score, -post.post_id))
    return posts


def _holds(post: BooruPost, term: str, ratings: Mapping[str, tuple[str, ...]]) -> bool:
    if term.startswith("-"):
        return not _holds(post, term[1:], ratings)
    name, colon, value = term.partition(":")
    match name if colon else "":
        case "rating":
            return any(word in ratings[post.rating] for word in value.split(","))
        case "id" | "width" | "height" | "score":
            number = post.post_id if name == "id" else getattr(post, name)
            return _in_range(number, value)
        case "md5":
            return post.md5 in value.split(",")
        case "ext" | "filetype":
            return post.file_ext in value.split(",")
        case "parent":
            return str(post.parent_id or "none") == value
        case "order" | "sort" | "limit" | "status" | "deleted":
            return True
        case _:
            if "*" in term:
                return any(fnmatchcase(tag, term) for tag in post.all_tags())
            return term in post.all_tags()


def _in_range(number: int, condition: str) -> bool:
    """`5`, `<5`, `<=5`, `>5`, `>=5`, `5..9`, `5..`, `..9` or `1,2,3`."""
    try:
        for sign in ("<=", ">=", "<", ">"):
            if condition.startswith(sign):
                bound = int(condition.removeprefix(sign))
                return {
                    "<": number < bound,
                    "<=": number <= bound,
                    ">": number > bound,
                    ">=": number >= bound,
                }[sign]
        if ".." in condition:
            low, _, high = condition.partition("..")
            return (not low or number >= int(low)) and (not high or number <= int(high))
        return number in map(int, condition.split(","))
    except ValueError:
        return False


def counted_tags(query: str) -> int:
    """How many tags of a Danbooru query count against the tag limit."""
    return sum(
        term.lstrip("-~").partition(":")[0] not in FREE_METATAGS or ":" not in term
        for term in query.split()
    )
