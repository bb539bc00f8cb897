"""Danbooru 2: keyset paging by `page=b<id>`; hidden posts come without md5 and file fields."""

from __future__ import annotations

from dataclasses import dataclass

from crawler import fields
from crawler.records import Credentials, Listing, Page, Post, Rating, Request
from crawler.sites.rows import Row, json_content, json_rows

RATING_LETTERS: dict[Rating, str] = {
    "general": "g",
    "sensitive": "s",
    "questionable": "q",
    "explicit": "e",
}
_RATINGS = {letter: rating for rating, letter in RATING_LETTERS.items()}
_TAG_KINDS = ("general", "artist", "character", "copyright", "meta")


@dataclass(frozen=True)
class Danbooru:
    """safebooru.donmai.us, danbooru.donmai.us and other sites that run Danbooru."""

    kind: str = "danbooru"
    hosts: tuple[str, ...] = ("donmai.us",)
    default_tags: str = "solo portrait"  # as many as an anonymous search may hold
    listings: tuple[Listing, ...] = ("json",)
    page_size: int = 200
    tag_limit: int = 2  # of an anonymous search; ratings are free
    newest_first: str = "order:id_desc"
    credentials: str = "login:api_key"

    def search(self, tags: str, ratings: tuple[Rating, ...]) -> str:
        """The tag query with its rating filter, a metatag that costs none of the two tags."""
        letters = ",".join(RATING_LETTERS[rating] for rating in ratings)
        return f"{tags} rating:{letters}".strip()

    def request(self, search: str, below: int | None, count: int, listing: Listing) -> Request:
        """Ask for the newest posts with an id under `below`."""
        params = {"tags": search, "limit": str(count)}
        if below is not None:
            params["page"] = f"b{below}"
        return Request("/posts.json", params)

    def parse(self, body: bytes, root: str, listing: Listing) -> Page:
        """Read a listing. Raises `BadAnswer` when it is none."""
        return json_rows(body).page(lambda row: _post(row, root))

    def count_request(self, search: str) -> Request | None:
        """Ask how many posts match."""
        return Request("/counts/posts.json", {"tags": search})

    def parse_count(self, body: bytes) -> int | None:
        """How many posts match, if the answer says so."""
        content = json_content(body)
        counts = content.get("counts") if isinstance(content, dict) else None
        return fields.integer(counts.get("posts")) if isinstance(counts, dict) else None

    def login_params(self, credentials: Credentials) -> dict[str, str]:
        """No parameters: Danbooru takes HTTP Basic, which keeps the key out of URLs."""
        return {}

    def login_basic(self, credentials: Credentials) -> tuple[str, str] | None:
        """The login and the key."""
        return credentials.login, credentials.secret


def _post(row: Row, root: str) -> Post | None:
    post_id = fields.post_number(row.get("id"))
    if post_id is None:
        return None
    tags = {kind: fields.tag_names(row.get(f"tag_string_{kind}")) for kind in _TAG_KINDS}
    if not any(tags.values()):
        tags = {"general": fields.tag_names(row.get("tag_string"))}
    file_url = fields.url(row.get("file_url"), root)
    return Post(
        post_id=post_id,
        rating=_RATINGS.get(fields.text(row.get("rating"))[:1]),
        md5=fields.md5(row.get("md5")),
        file_url=file_url,
        sample_url=fields.url(row.get("large_file_url"), root),
        file_ext=fields.extension(row.get("file_ext"), file_url),
        file_size=fields.integer(row.get("file_size")),
        width=fields.integer(row.get("image_width")),
        height=fields.integer(row.get("image_height")),
        tags={kind: names for kind, names in tags.items() if names},
        source=fields.text(row.get("source")),
        created_at=fields.time_of(row.get("created_at")),
        parent_id=fields.post_number(row.get("parent_id")),
        deleted=row.get("is_deleted") is True or row.get("is_banned") is True,
    )
