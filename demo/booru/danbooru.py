"""A stand-in Danbooru: /posts.json with its paging, tag limit, hidden fields and errors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from demo.booru.answers import Answer, as_file, as_json
from demo.booru.posts import BooruPost, Catalogue, counted_tags

DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE, TAG_LIMIT = 20, 200, 1000, 2
RATING_WORDS = {
    "g": ("g", "general"),
    "s": ("s", "sensitive"),
    "q": ("q", "questionable"),
    "e": ("e", "explicit"),
}
_FILE = re.compile(
    r"/(original|sample|180x180|360x360|720x720)/../../(?:__.+__)?(?:sample-)?([0-9a-f]{32})\.\w+"
)


class Danbooru:
    """The Danbooru API, as far as a crawler uses it."""

    def is_listing(self, path: str) -> bool:
        return path.endswith(".json")

    def empty_page(self, path: str, params: Mapping[str, str]) -> Answer:
        return as_json([])

    def is_api(self, path: str, params: Mapping[str, str]) -> bool:
        return path.endswith(".json")

    def answer(
        self,
        catalogue: Catalogue,
        root: str,
        path: str,
        params: Mapping[str, str],
        faults: Collection[str],
    ) -> Answer | None:
        tags, lying = params.get("tags", ""), "lying_rating" in faults
        match path:
            case "/posts.json" if "md5" in params:
                post = catalogue.file(params["md5"])
                return as_json(_row(post, root)) if post else _not_found()
            case "/posts.json":
                if counted_tags(tags) > TAG_LIMIT:
                    return _too_many_tags()
                return _page(
                    catalogue.search(tags, ratings=RATING_WORDS, lying=lying), root, params
                )
            case "/counts/posts.json":
                found = catalogue.search(tags, ratings=RATING_WORDS, lying=lying)
                return as_json({"counts": {"posts": len(found)}})
        if single := re.fullmatch(r"/posts/(\d+)\.json", path):
            found = catalogue.search(f"id:{single[1]}", ratings=RATING_WORDS)
            return as_json(_row(found[0], root)) if found else _not_found()
        if file := _FILE.fullmatch(path):
            post = catalogue.file(file[2])
            return as_file(post) if post else None
        return None


def _page(found: list[BooruPost], root: str, params: Mapping[str, str]) -> Answer:
    limit = _clamped(params.get("limit"), DEFAULT_LIMIT, 1, MAX_LIMIT)
    page = params.get("page", "1")
    if keyset := re.fullmatch(r"([ab])(\d+)", page):
        by_id = sorted(found, key=lambda post: -post.post_id)
        bound = int(keyset[2])
        if keyset[1] == "b":
            rows = [post for post in by_id if post.post_id < bound][:limit]
        else:
            rows = [post for post in by_id if post.post_id > bound][-limit:]
    else:
        number = _clamped(page, 1, 1, 10**9)
        if number > MAX_PAGE:
            return _error(
                410, "PaginationExtension::PaginationError", "You cannot go beyond page 1000."
            )
        rows = found[(number - 1) * limit : number * limit]
    only = params.get("only", "")
    answers = [_row(post, root) for post in rows if not post.unlisted]
    if only:
        wanted = only.split(",")
        answers = [{key: row[key] for key in wanted if key in row} for row in answers]
    return as_json(answers)


def _row(post: BooruPost, root: str) -> dict[str, Any]:
    names = {
        kind: " ".join(post.tags.get(kind, ()))
        for kind in ("general", "artist", "character", "copyright", "meta")
    }
    created = post.created_at.isoformat(timespec="milliseconds")
    row: dict[str, Any] = {
        "id": post.post_id,
        "created_at": created,
        "updated_at": created,
        "uploader_id": 1,
        "approver_id": None,
        "score": post.score,
        "up_score": post.score,
        "down_score": 0,
        "fav_count": 0,
        "source": post.source,
        "rating": post.rating,
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": post.deleted,
        "is_banned": False,
        "image_width": post.width,
        "image_height": post.height,
        "file_ext": post.file_ext,
        "file_size": post.file_size,
        "parent_id": post.parent_id,
        "has_children": False,
        "has_large": False,
        "pixiv_id": None,
        "bit_flags": 0,
        "tag_string": " ".join(sorted(post.all_tags())),
        "tag_count": len(post.all_tags()),
    }
    for kind, joined in names.items():
        row[f"tag_string_{kind}"] = joined
        row[f"tag_count_{kind}"] = len(joined.split())
    asset = {
        "id": post.post_id,
        "file_ext": post.file_ext,
        "file_size": post.file_size,
        "image_width": post.width,
        "image_height": post.height,
        "status": "active",
        "is_public": True,
        "duration": None,
    }
    row["media_asset"] = asset
    if not post.hidden:
        folder = f"{post.md5[:2]}/{post.md5[2:4]}"
        row["md5"] = asset["md5"] = post.md5
        if not post.without_url:
            row["file_url"] = f"{root}/original/{folder}/{post.md5}.{post.file_ext}"
            row["large_file_url"] = row["file_url"]
            row["preview_file_url"] = f"{root}/180x180/{folder}/{post.md5}.jpg"
    return row


def _clamped(value: str | None, default: int, low: int, high: int) -> int:
    try:
        return max(low, min(high, int(value or default)))
    except ValueError:
        return default


def _error(status: int, name: str, message: str) -> Answer:
    return as_json({"success": False, "error": name, "message": message, "backtrace": []}, status)


def _too_many_tags() -> Answer:
    message = f"You cannot search for more than {TAG_LIMIT} tags at a time."
    return _error(422, "PostQuery::TagLimitError", message)


def _not_found() -> Answer:
    return _error(404, "ActiveRecord::RecordNotFound", "That record was not found.")
