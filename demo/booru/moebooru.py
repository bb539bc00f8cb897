"""A stand-in Moebooru: /post.json, /post.xml, the HTML listing, and its long file URLs."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from demo.booru.answers import Answer, as_file, as_json
from demo.booru.posts import BooruPost, Catalogue

DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE, TAG_LIMIT = 40, 1000, 10**6, 6
LARGE_SIDE = 1500
RATING_WORDS = {
    "g": ("s", "safe"),
    "s": ("q", "questionable"),
    "q": ("q", "questionable"),
    "e": ("e", "explicit"),
}
_RATING_NAMES = {"s": "Safe", "q": "Questionable", "e": "Explicit"}
_FILE = re.compile(
    r"/(image|jpeg|sample)/([0-9a-f]{32})/.*|/data/(preview)/../../([0-9a-f]{32})\.jpg"
)


class Moebooru:
    """The Moebooru API and HTML listing, as far as a crawler uses them."""

    def is_listing(self, path: str) -> bool:
        return path.startswith("/post")

    def is_api(self, path: str, params: Mapping[str, str]) -> bool:
        return path.endswith((".json", ".xml"))

    def empty_page(self, path: str, params: Mapping[str, str]) -> Answer:
        match path:
            case "/post.xml":
                return _as_xml([], 0, 0)
            case "/post":
                return _as_html([], "", bare=False)
            case _:
                return as_json([])

    def answer(
        self,
        catalogue: Catalogue,
        root: str,
        path: str,
        params: Mapping[str, str],
        faults: Collection[str],
    ) -> Answer | None:
        if path in ("/post.json", "/post/index.json", "/post.xml", "/post"):
            query = params.get("tags", "")
            if len([term for term in query.split() if ":" not in term]) > TAG_LIMIT:
                reason = f"You can only search up to {TAG_LIMIT} tags at once"
                return as_json({"success": False, "reason": reason}, 500)
            lying = "lying_rating" in faults
            found = catalogue.search(query, ratings=RATING_WORDS, lying=lying)
            if path == "/post" and "by_release" in faults and "order:" not in query:
                found = sorted(found, key=_released)
            limit = _number(
                _metatag(query, "limit") or params.get("limit"), DEFAULT_LIMIT, MAX_LIMIT
            )
            offset = (_number(params.get("page"), 1, MAX_PAGE) - 1) * limit
            rows = [post for post in found[offset : offset + limit] if not post.unlisted]
            if path == "/post.xml":
                return _as_xml([_row(post, root) for post in rows], len(found), offset)
            if path == "/post":
                return _as_html(
                    [_row(post, root) for post in rows], root, bare="bare_html" in faults
                )
            answers = [_row(post, root) for post in rows]
            return as_json({"posts": answers} if params.get("api_version") == "2" else answers)
        if file := _FILE.fullmatch(path):
            post = catalogue.file(file[2] or file[4])
            if post is None:
                return None
            if file[1] == "jpeg" and post.jpeg is not None:
                return Answer(post.jpeg, content_type="image/jpeg", md5=post.md5)
            return as_file(post)
        return None


def _released(post: BooruPost) -> int:
    """Every seventh post was held for a while."""
    return -post.post_id - (10 if post.post_id % 7 == 0 else 0)


def _row(post: BooruPost, root: str) -> dict[str, Any]:
    tags = " ".join(sorted(post.all_tags()))
    name = quote(f"Konachan.com - {post.post_id} {tags}", safe="()!,'")
    file_url = f"{root}/image/{post.md5}/{name}.{post.file_ext}"
    jpeg_url = file_url if post.jpeg is None else f"{root}/jpeg/{post.md5}/{name}.jpg"
    preview = {"preview_width": 150, "preview_height": 125}
    row: dict[str, Any] = {
        "id": post.post_id,
        "tags": tags,
        "created_at": int(post.created_at.timestamp()),
        "creator_id": 1,
        "author": "someone",
        "change": post.post_id,
        "source": post.source,
        "score": post.score,
        "md5": post.md5,
        "file_size": post.file_size,
        "file_url": file_url,
        "is_shown_in_index": True,
        "preview_url": f"{root}/data/preview/{post.md5[:2]}/{post.md5[2:4]}/{post.md5}.jpg",
        **preview,
        **{f"actual_{key}": 2 * value for key, value in preview.items()},
        "sample_url": jpeg_url,
        "sample_width": post.width,
        "sample_height": post.height,
        "sample_file_size": 0,
        "jpeg_url": jpeg_url,
        "jpeg_width": post.width,
        "jpeg_height": post.height,
        "jpeg_file_size": 0 if post.jpeg is None else len(post.jpeg),
        "rating": RATING_WORDS[post.rating][0],
        "has_children": False,
        "parent_id": post.parent_id,
        "status": "deleted" if post.deleted else "active",
        "width": post.width,
        "height": post.height,
        "is_held": False,
        "frames_pending_string": "",
        "frames_pending": [],
        "frames_string": "",
        "frames": [],
    }
    if post.hidden:
        del row["md5"]
    if post.hidden or post.deleted or post.without_url:
        for key in ("file_url", "sample_url", "jpeg_url"):
            del row[key]
        row["preview_url"] = f"{root}/deleted-preview.png"
    return row


def _as_xml(rows: list[dict[str, Any]], count: int, offset: int) -> Answer:
    posts = "".join(
        "<post "
        + " ".join(f"{key}={quoteattr(_attribute(value))}" for key, value in row.items())
        + "/>"
        for row in rows
    )
    root = f'<posts count="{count}" offset="{offset}">{posts}</posts>'
    body = f'<?xml version="1.0" encoding="UTF-8"?>{root}'
    return Answer(body.encode(), content_type="application/xml; charset=utf-8")


def _attribute(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _as_html(rows: list[dict[str, Any]], root: str, *, bare: bool) -> Answer:
    items = "".join(_item(row, root) for row in rows)
    scripts = "" if bare else "".join(f"Post.register({json.dumps(row)})\n" for row in rows)
    listing = f'<ul id="post-list-posts">{items}</ul>' if rows else "<p>Nobody here but us!</p>"
    body = (
        '<!DOCTYPE html><html><head><title>/ | stand-in</title></head><body><div id="post-list">'
        f'{listing}<script type="text/javascript">{scripts}</script>'
        '<div id="paginator"></div></div><footer>Running Moebooru</footer></body></html>'
    )
    return Answer(body.encode(), content_type="text/html; charset=utf-8")


def _item(row: dict[str, Any], root: str) -> str:
    title = html.escape(
        f"Rating: {_RATING_NAMES[row['rating']]} Score: {row['score']} Tags: {row['tags']} "
        f"User: {row['author']}"
    )
    size = "largeimg" if max(row["width"], row["height"]) > LARGE_SIDE else "smallimg"
    link = ""
    if "jpeg_url" in row:
        link = (
            f'<a class="directlink {size}" href="{html.escape(row["jpeg_url"])}">'
            '<span class="directlink-info"></span>'
            f'<span class="directlink-res">{row["width"]} x {row["height"]}</span></a>'
        )
    return (
        f'<li id="p{row["id"]}" class="creator-id-1" style="width: 160px;"><div class="inner">'
        f'<a class="thumb" href="/post/show/{row["id"]}"><img src="{row["preview_url"]}" '
        f'alt="{title}" class="preview" title="{title}" width="150" height="125"></a>'
        f'<span class="plid">#pl {root}/post/show/{row["id"]}</span></div>{link}</li>'
    )


def _metatag(query: str, name: str) -> str | None:
    values = [term.partition(":")[2] for term in query.split() if term.startswith(f"{name}:")]
    return values[-1] if values else None


def _number(value: str | None, default: int, highest: int) -> int:
    try:
        return max(1, min(highest, int(value or default)))
    except ValueError:
        return default
