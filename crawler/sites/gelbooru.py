"""Gelbooru 0.2: XML (it says the total) or JSON; empty bodies and pages, and no file URL at times.

`pid` of the API is a page number, that of the HTML listing an item offset, and deep pages are
refused; asking for ids under the last one needs neither.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import quote

from crawler import fields
from crawler.records import Credentials, Listing, Page, Post, Rating, Request
from crawler.sites.rows import Row, json_rows, xml_rows, xml_total

_TIME = "%a %b %d %H:%M:%S %z %Y"
_WORDS: tuple[Rating, ...] = ("general", "sensitive", "questionable", "explicit")
_DIRECTORY = re.compile(r"[\w/-]{1,40}", re.ASCII)
_IMAGE = re.compile(r"[\w.-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Gelbooru:
    """safebooru.org, gelbooru.com and other sites that run Gelbooru 0.2."""

    kind: str = "gelbooru"
    hosts: tuple[str, ...] = ("safebooru.org", "gelbooru.com")
    default_tags: str = "solo portrait"
    listings: tuple[Listing, ...] = ("xml", "json")
    page_size: int = 100
    tag_limit: int = 20
    newest_first: str = "sort:id:desc"
    credentials: str = "user_id:api_key"

    def search(self, tags: str, ratings: tuple[Rating, ...]) -> str:
        """The tag query without the other ratings: `safe` and `general` are said by neither."""
        others = [f"-rating:{word}" for word in _WORDS if word not in ratings]
        return " ".join([tags, *others]).strip()

    def request(self, search: str, below: int | None, count: int, listing: Listing) -> Request:
        """Ask for the newest posts with an id under `below`."""
        params = {
            "page": "dapi",
            "s": "post",
            "q": "index",
            "tags": search if below is None else f"{search} id:<{below}".strip(),
            "limit": str(count),
        }
        return Request("/index.php", params | ({"json": "1"} if listing == "json" else {}))

    def parse(self, body: bytes, root: str, listing: Listing) -> Page:
        """Read a listing. Raises `BadAnswer` when it is none."""
        if listing == "json":
            return _json_page(body, root)
        return xml_rows(body).page(lambda row: _post(row, root))

    def count_request(self, search: str) -> Request | None:
        """The XML listing says how many posts match."""
        return self.request(search, None, 1, "xml")

    def parse_count(self, body: bytes) -> int | None:
        """The `count` of the XML listing."""
        return xml_total(body)

    def login_params(self, credentials: Credentials) -> dict[str, str]:
        """The account's number and its key."""
        return {"user_id": credentials.login, "api_key": credentials.secret}

    def login_basic(self, credentials: Credentials) -> tuple[str, str] | None:
        """None: the kind takes parameters."""
        return None


def _json_page(body: bytes, root: str) -> Page:
    if not body.strip():
        # What some of these sites send when nothing matches.
        return Page(())
    return json_rows(body).page(lambda row: _post(_unescaped(row), root))


def _unescaped(row: Row) -> Row:
    tags = row.get("tags")
    return {**row, "tags": html.unescape(tags)} if isinstance(tags, str) else row


def _post(row: Row, root: str) -> Post | None:
    post_id = fields.post_number(row.get("id"))
    if post_id is None:
        return None
    file_url = fields.url(row.get("file_url"), root) or _built_url(row, root)
    tags = fields.tag_names(row.get("tags"))
    return Post(
        post_id=post_id,
        rating=_rating(fields.text(row.get("rating")).lower()),
        md5=fields.md5(row.get("md5")) or fields.md5(row.get("hash")),
        file_url=file_url,
        sample_url=fields.url(row.get("sample_url"), root),
        file_ext=fields.extension(file_url, row.get("image")),
        width=fields.integer(row.get("width")),
        height=fields.integer(row.get("height")),
        tags={"general": tags} if tags else {},
        source=fields.text(row.get("source")),
        created_at=fields.time_of(row.get("created_at"), _TIME),
        parent_id=fields.post_number(row.get("parent_id")),
        deleted=row.get("status") == "deleted",
    )


def _rating(word: str) -> Rating | None:
    """By the first letter; a lone `s` is "safe" here, and `sensitive` is always spelt out."""
    if word.startswith("sen"):
        return "sensitive"
    letters: dict[str, Rating] = {
        "g": "general",
        "s": "general",
        "q": "questionable",
        "e": "explicit",
    }
    return letters.get(word[:1])


def _built_url(row: Row, root: str) -> str | None:
    """Older rows name a directory and an image instead of a URL."""
    directory, image = str(row.get("directory", "")), str(row.get("image", ""))
    if not _DIRECTORY.fullmatch(directory) or not _IMAGE.fullmatch(image):
        return None
    return f"{root}/images/{quote(directory)}/{quote(image)}"
