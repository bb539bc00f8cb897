"""Moebooru: JSON, or its HTML listing where a site has closed the API.

Tutorials save `img.preview` from that HTML, at most 300 px; here the full picture is taken, or the
JPEG that the listing links in its place, and the record says which.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avatar_common.errors import UserError
from crawler import fields
from crawler.records import BadAnswer, Credentials, Listing, Page, Post, Rating, Request, Variant
from crawler.sites.rows import Row, json_rows, page_of, xml_total
from crawler.words import what_is

if TYPE_CHECKING:
    from bs4.element import Tag

# `s` is "safe": what Danbooru calls general, and a part of its sensitive.
_LETTERS: dict[Rating, str] = {"general": "s", "questionable": "q", "explicit": "e"}
_RATINGS = {letter: rating for rating, letter in _LETTERS.items()}
_REGISTER = "Post.register("
_PARTS = ("img.preview", "a.directlink", "a.thumb")  # one of each in every list item
# What no page holds unless it was damaged on its way, and the mark that takes its place.
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MARK = "\ue000"
_OTHER_FORM = re.compile(r"\s*(?:<\?xml|<posts\b|<response\b|[\[{])")
_MAX_ROWS = 1000
_VARIANT_IN_URL = re.compile(r"/(image|jpeg|sample)/([0-9a-f]{32})(?:/|\.)")
_VARIANTS: dict[str, Variant] = {"image": "original", "jpeg": "jpeg", "sample": "sample"}
_TITLE = re.compile(r"Rating: (\w+) Score: -?\d+ Tags: (.*?) User: ", re.S)


@dataclass(frozen=True)
class Moebooru:
    """konachan.net, konachan.com, yande.re and other sites that run Moebooru."""

    kind: str = "moebooru"
    hosts: tuple[str, ...] = ("konachan.net", "konachan.com", "yande.re")
    default_tags: str = "close"  # konachan has neither `solo` nor `portrait`
    listings: tuple[Listing, ...] = ("json", "html")
    page_size: int = 100
    tag_limit: int = 6
    newest_first: str = "order:id_desc"
    credentials: str = "login:password_hash"

    def search(self, tags: str, ratings: tuple[Rating, ...]) -> str:
        """The tag query with its rating filter. Raises `UserError` for a rating it has not."""
        letters = {_LETTERS[rating] for rating in ratings if rating in _LETTERS}
        if not letters:
            raise UserError(
                "this kind of site has no rating 'sensitive'",
                where="--rating",
                hint="general, questionable or explicit",
            )
        others = set(_LETTERS.values()) - letters
        if len(letters) == 1:
            return f"{tags} rating:{letters.pop()}".strip()
        return f"{tags} -rating:{others.pop()}".strip() if others else tags

    def request(self, search: str, below: int | None, count: int, listing: Listing) -> Request:
        """Ask for the newest posts with an id under `below`, by a metatag: pages shift."""
        tags = search if below is None else f"{search} id:<{below}".strip()
        if listing == "html" and self.newest_first not in search:
            # By itself the page lists by the time at which a held post was released.
            tags = f"{tags} {self.newest_first}".strip()
        path = "/post" if listing == "html" else "/post.json"
        return Request(path, {"tags": tags, "limit": str(count)})

    def parse(self, body: bytes, root: str, listing: Listing) -> Page:
        """Read a listing. Raises `BadAnswer` when it is none."""
        if listing == "html":
            return _html_page(body, root)
        return json_rows(body).page(lambda row: _post(row, root))

    def count_request(self, search: str) -> Request | None:
        """The XML listing says how many posts match."""
        return Request("/post.xml", {"tags": search, "limit": "1"})

    def parse_count(self, body: bytes) -> int | None:
        """The `count` of the XML listing."""
        return xml_total(body)

    def login_params(self, credentials: Credentials) -> dict[str, str]:
        """The login and the salted hash of the password, as the site wants them."""
        return {"login": credentials.login, "password_hash": credentials.secret}

    def login_basic(self, credentials: Credentials) -> tuple[str, str] | None:
        """None: the kind takes parameters."""
        return None


def _post(row: Row, root: str) -> Post | None:
    post_id = fields.post_number(row.get("id"))
    if post_id is None:
        return None
    file_url = fields.url(row.get("file_url"), root)
    tags = fields.tag_names(row.get("tags"))
    return Post(
        post_id=post_id,
        rating=_RATINGS.get(fields.text(row.get("rating"))[:1].lower()),
        md5=fields.md5(row.get("md5")),
        file_url=file_url,
        sample_url=fields.url(row.get("sample_url"), root),
        # konachan gives no file_ext
        file_ext=fields.extension(row.get("file_ext"), file_url),
        file_size=fields.integer(row.get("file_size"), lowest=1),
        width=fields.integer(row.get("width")),
        height=fields.integer(row.get("height")),
        tags={"general": tags} if tags else {},
        source=fields.text(row.get("source")),
        created_at=fields.time_of(row.get("created_at")),
        parent_id=fields.post_number(row.get("parent_id")),
        deleted=row.get("status") == "deleted",
    )


def _html_page(body: bytes, root: str) -> Page:
    from bs4 import BeautifulSoup  # slow to import, and few crawls need it

    text = _BROKEN.sub(_MARK, fields.decode(body))
    if _OTHER_FORM.match(text):
        raise BadAnswer(what_is(body))
    try:
        soup = BeautifulSoup(text, "lxml")
        listing = soup.select_one("ul#post-list-posts") or soup
        items = [item for item in listing.select("li[id]") if listing is not soup or _is_post(item)]
        parts = [len(listing.select(part)) for part in _PARTS]
    except Exception as error:  # the HTML parsers raise what they like on garbage
        raise BadAnswer("an HTML page that cannot be read") from error
    registered = _registered(text)
    cut = "</html" not in text[-1000:].lower()
    if not items and not registered:
        if soup.select_one("#post-list, #paginator") or "Running Moebooru" in text:
            return Page((), cut=cut)
        raise BadAnswer(what_is(body))
    found = [_listed_post(item, registered, root) for item in items[:_MAX_ROWS]]
    if cut:
        found = _certain(found, registered)
    # Whose list item is damaged beyond recognition may still be among the rows for the script.
    listed = {post.post_id for post in found if post is not None}
    for post_id in sorted(registered.keys() - listed, reverse=True):
        post = _post(registered[post_id], root)
        at = next((n for n, other in enumerate(found) if other and other.post_id < post_id), None)
        found.insert(len(found) if at is None else at, post)
    missed = max(0, max(*parts, text.count(_REGISTER)) - len(found))
    found = [*[None] * missed, *found]
    return page_of(found, damaged=cut or any(post is None for post in found), cut=cut)


def _is_post(item: Tag) -> bool:
    """Whether a list item outside the list (whose own tag is damaged) is one of its posts."""
    return re.fullmatch(r"p\d+", str(item["id"])) is not None


def _certain(found: list[Post | None], registered: dict[int, Row]) -> list[Post | None]:
    """What a page that breaks off tells whole: the rows for its script, or all items but one."""
    if not registered:
        return [*found[:-1], None]
    return [post if post and post.post_id in registered else None for post in found]


def _registered(text: str) -> dict[int, Row]:
    """The JSON rows that the page hands to its own script."""
    rows: dict[int, Row] = {}
    at = text.find(_REGISTER)
    while at >= 0 and len(rows) < _MAX_ROWS:
        start = at + len(_REGISTER)
        try:
            row, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            row, end = None, start
        if _MARK in text[start:end]:
            row = None
        if isinstance(row, dict) and (post_id := fields.post_number(row.get("id"))) is not None:
            rows[post_id] = row
        at = text.find(_REGISTER, at + 1)
    return rows


def _listed_post(item: Tag, registered: dict[int, Row], root: str) -> Post | None:
    post_id = fields.post_number(str(item.get("id", "")).removeprefix("p"))
    if post_id is None:
        return None
    if post_id in registered:
        return _post(registered[post_id], root)
    if _MARK in str(item):
        return None
    link, image = item.select_one("a.directlink"), item.select_one("img.preview")
    file_url = fields.url(link.get("href"), root) if link else None
    found = _VARIANT_IN_URL.search(file_url or "")
    title = _TITLE.search(str(image.get("title") or image.get("alt") or "")) if image else None
    size = item.select_one("span.directlink-res")
    width, _, height = (size.get_text() if size else "").partition(" x ")
    tags = fields.tag_names(title[2]) if title else ()
    return Post(
        post_id=post_id,
        rating=_RATINGS.get(title[1][:1].lower()) if title else None,
        md5=fields.md5(found[2]) if found else None,
        file_url=file_url,
        variant=_VARIANTS[found[1]] if found else "original",
        file_ext=fields.extension(file_url),
        width=fields.integer(width),
        height=fields.integer(height),
        tags={"general": tags} if tags else {},
    )
