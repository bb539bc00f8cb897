"""What a kind of booru gives back for a path: a listing, an error, or a file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from demo.booru.posts import BooruPost, Catalogue

CLOUDFLARE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"<script>window._cf_chl_opt={cvId:'3'};</script></body></html>"
)
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"
)
NO_KEY = b'"Missing authentication. See the page about the API for more information"'
WORDS = b'{"success":false,"message":"You must be logged in to see this"}'


@dataclass(frozen=True)
class Answer:
    """Status, body and type of one answer; `md5` is that of the post whose file it is."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    md5: str | None = None


class BooruKind(Protocol):
    """One kind of booru: how it answers, and what an empty listing of it looks like."""

    def answer(
        self,
        catalogue: Catalogue,
        root: str,
        path: str,
        params: Mapping[str, str],
        faults: Collection[str],
    ) -> Answer | None:
        """The answer for a path, or None when there is nothing."""
        ...

    def empty_page(self, path: str, params: Mapping[str, str]) -> Answer:
        """A listing without posts, as the fault `empty_page` gives it."""
        ...

    def is_listing(self, path: str) -> bool: ...

    def is_api(self, path: str, params: Mapping[str, str]) -> bool:
        """Whether the fault `closed_api` closes this path."""
        ...


def as_json(content: Any, status: int = 200) -> Answer:
    """The answer whose body is `content` as JSON."""
    return Answer(json.dumps(content).encode(), status)


MIME_TYPES = {
    "jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
    "webm": "video/webm", "mp4": "video/mp4", "zip": "application/zip",
}  # fmt: skip


def as_file(post: BooruPost) -> Answer:
    """The answer that serves a post's file."""
    mime = MIME_TYPES.get(post.file_ext, "application/octet-stream")
    return Answer(post.data(), content_type=mime, md5=post.md5)
