"""Which posts are fetched: every other one gets a reason."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from typing import Literal

from crawler.fields import extension
from crawler.options import QueryOptions
from crawler.queries import Query
from crawler.records import Post, Rating, Tags

PICTURE_EXTENSIONS = frozenset({"jpg", "jpeg", "png", "gif", "webp"})


@dataclass(frozen=True)
class Policy:
    """What a run may put on disk."""

    ratings: tuple[Rating, ...] = ("general",)
    variant: Literal["original", "sample"] = "original"
    max_file_bytes: int = 40_000_000
    max_pixels: int = 100_000_000
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: QueryOptions, query: Query) -> Policy:
        """What the options and the query say of it."""
        return cls(
            options.rating,
            options.variant,
            int(options.max_file_mb * 1e6),
            int(options.max_megapixels * 1e6),
            query.also,
            query.without,
        )

    def chosen(self, post: Post) -> Post:
        """The post with the file of the wanted variant; a lone sample stands in for a video."""
        if self.variant == "original" or post.sample_url in (None, post.file_url):
            return post
        suffix = extension(post.sample_url)
        if suffix not in PICTURE_EXTENSIONS:
            return post
        return replace(
            post, file_url=post.sample_url, variant="sample", file_ext=suffix, file_size=None
        )

    def unwanted(self, tags: Tags) -> str | None:
        """The tag of `without` that the post carries, or None."""
        names = {name.lower() for names in tags.values() for name in names}
        return next((tag for tag in self.without if fnmatch.filter(names, _pattern(tag))), None)

    def refusal(self, post: Post) -> str | None:
        """Why a post is not fetched, or None when it is. The rating comes first."""
        if post.rating is None:
            return "rating unknown"
        if post.rating not in self.ratings:
            return f"rating {post.rating}"
        if unwanted := self.unwanted(post.tags):
            return f"tagged {unwanted}"
        names = {name.lower() for names in post.tags.values() for name in names}
        if missing := [tag for tag in self.also if not fnmatch.filter(names, _pattern(tag))]:
            return f"not tagged {missing[0]}"
        return self._file_refusal(post)

    def _file_refusal(self, post: Post) -> str | None:
        """What is wrong with the file, or None."""
        if post.deleted:
            return "deleted"
        if post.file_url is None:
            return "hidden" if post.md5 is None else "no file url"
        if post.md5 is None and post.variant == "original":
            return "no md5"
        if post.file_ext not in PICTURE_EXTENSIONS:
            return f"type {post.file_ext or 'unknown'}"
        if post.file_size is not None and post.file_size > self.max_file_bytes:
            return "too large"
        if post.variant == "original" and (post.width or 0) * (post.height or 0) > self.max_pixels:
            return "too many pixels"
        return None


def _pattern(tag: str) -> str:
    """The tag for `fnmatch`, in which a star alone has a meaning."""
    return re.sub(r"[\[?]", lambda found: f"[{found[0]}]", tag)
