"""A stand-in Gelbooru 0.2: the `dapi` in XML and JSON, page numbers and item offsets."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from demo.booru.answers import Answer, as_file
from demo.booru.posts import BooruPost, Catalogue

DEFAULT_LIMIT, MAX_LIMIT, HTML_STEP, DEEPEST = 100, 1000, 42, 20_000
RATING_WORDS = {
    "g": ("general", "safe", "g"),
    "s": ("sensitive",),
    "q": ("questionable", "q"),
    "e": ("explicit", "e"),
}
_FILE = re.compile(r"/(?:images|samples)/([0-9a-f]{1,4})/(?:sample_)?([0-9a-f]{40})\.\w+")


class Gelbooru:
    """The Gelbooru 0.2 API, as far as a crawler uses it."""

    def __init__(self) -> None:
        self._md5_by_name: dict[str, str] = {}

    def is_listing(self, path: str) -> bool:
        return path == "/index.php"

    def is_api(self, path: str, params: Mapping[str, str]) -> bool:
        return params.get("page") == "dapi" and params.get("json") != "1"

    def empty_page(self, path: str, params: Mapping[str, str]) -> Answer:
        if params.get("json") == "1":
            return Answer(b"")
        # The count stays: that is how a client can tell.
        return _as_xml([], 1, 0)

    def answer(
        self,
        catalogue: Catalogue,
        root: str,
        path: str,
        params: Mapping[str, str],
        faults: Collection[str],
    ) -> Answer | None:
        if file := _FILE.fullmatch(path):
            md5 = self._md5_by_name.get(file[2])
            post = catalogue.file(md5) if md5 else None
            return as_file(post) if post else None
        if path != "/index.php":
            return None
        query = params.get("tags", "")
        if params.get("id"):
            query += f" id:{params['id']}"
        lying = "lying_rating" in faults
        found = catalogue.search(query, ratings=RATING_WORDS, lying=lying)
        match params.get("page"), params.get("s"):
            case "dapi", "post":
                return self._listing(found, root, params)
            case "post", "list":
                return _as_html(found, root, params)
            case _:
                return None

    def _listing(self, found: list[BooruPost], root: str, params: Mapping[str, str]) -> Answer:
        limit = min(MAX_LIMIT, _number(params.get("limit"), DEFAULT_LIMIT))
        offset = _number(params.get("pid"), 0) * limit
        if offset > DEEPEST:
            return Answer(b"Too deep! Pull it back some.")
        rows = [
            self._row(post, root) for post in found[offset : offset + limit] if not post.unlisted
        ]
        if params.get("json") == "1":
            body = json.dumps([_as_json_row(row) for row in rows]) if rows else ""
            return Answer(body.encode(), content_type="text/html; charset=UTF-8")
        return _as_xml(rows, len(found), offset)

    def _row(self, post: BooruPost, root: str) -> dict[str, Any]:
        name = hashlib.sha1(post.md5.encode(), usedforsecurity=False).hexdigest()
        self._md5_by_name[name] = post.md5
        directory = str(post.post_id // 1000)
        file_url = f"{root}/images/{directory}/{name}.{post.file_ext}"
        row: dict[str, Any] = {
            "height": post.height,
            "score": post.score,
            "file_url": file_url,
            "parent_id": post.parent_id or "",
            "sample_url": file_url,
            "sample_width": post.width,
            "sample_height": post.height,
            "preview_url": f"{root}/thumbnails/{directory}/thumbnail_{name}.jpg",
            "rating": RATING_WORDS[post.rating][0],
            "tags": f" {' '.join(sorted(post.all_tags()))} ",
            "id": post.post_id,
            "width": post.width,
            "change": int(post.created_at.timestamp()),
            "md5": post.md5,
            "creator_id": 1,
            "has_children": "false",
            "created_at": post.created_at.strftime("%a %b %d %H:%M:%S %z %Y"),
            "status": "deleted" if post.deleted else "active",
            "source": post.source,
            "has_notes": "false",
            "has_comments": "false",
            "preview_width": 150,
            "preview_height": 125,
        }
        if post.hidden or post.without_url:
            del row["file_url"], row["sample_url"]
        if post.hidden:
            del row["md5"]
        return row


def _as_json_row(row: dict[str, Any]) -> dict[str, Any]:
    """The keys of the JSON form: `hash` for md5, directory and image, often no file URL."""
    answer: dict[str, Any] = {
        "height": row["height"],
        "id": row["id"],
        "change": row["change"],
        "owner": "someone",
        "parent_id": row["parent_id"] or 0,
        "rating": row["rating"],
        "sample": False,
        "sample_height": 0,
        "sample_width": 0,
        "score": None,
        "tags": html.escape(row["tags"].strip()),
        "width": row["width"],
    }
    if "md5" in row:
        answer["hash"] = row["md5"]
    if "file_url" in row:
        answer["directory"], answer["image"] = row["file_url"].split("/")[-2:]
    return answer


def _as_xml(rows: list[dict[str, Any]], count: int, offset: int) -> Answer:
    posts = "".join(
        "<post " + " ".join(f"{key}={quoteattr(str(value))}" for key, value in row.items()) + "/>"
        for row in rows
    )
    root = f'<posts count="{count}" offset="{offset}">{posts}</posts>'
    body = f'<?xml version="1.0" encoding="UTF-8"?>{root}'
    return Answer(body.encode(), content_type="text/xml; charset=UTF-8")


def _as_html(found: list[BooruPost], root: str, params: Mapping[str, str]) -> Answer:
    """The page that people see; its `pid` counts posts, in steps of 42."""
    offset = _number(params.get("pid"), 0)
    spans = "".join(
        f'<span id="s{post.post_id}" class="thumb"><a id="p{post.post_id}" '
        f'href="index.php?page=post&amp;s=view&amp;id={post.post_id}"><img '
        f'src="{root}/thumbnails/1/thumbnail_{post.md5}.jpg" '
        f'title="{html.escape(" ".join(post.all_tags()))} score:{post.score} '
        f'rating:{RATING_WORDS[post.rating][0]}"/></a></span>'
        for post in found[offset : offset + HTML_STEP]
    )
    body = f'<!DOCTYPE html><html><body><div class="content">{spans}</div></body></html>'
    return Answer(body.encode(), content_type="text/html; charset=UTF-8")


def _number(value: str | None, default: int) -> int:
    try:
        return max(0, int(value or default))
    except ValueError:
        return default
