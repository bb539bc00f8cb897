"""The kinds of boorus: each file knows one kind's paths, paging, fields and quirks."""

from __future__ import annotations

from typing import Protocol

from crawler.records import Credentials, Listing, Page, Rating, Request
from crawler.sites.danbooru import Danbooru
from crawler.sites.gelbooru import Gelbooru
from crawler.sites.moebooru import Moebooru


class SiteKind(Protocol):
    """What the crawl needs to know of a kind of booru."""

    @property
    def kind(self) -> str:
        """The name that `--kind` takes."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Domains that are known to run it, those below them included."""
        ...

    @property
    def default_tags(self) -> str:
        """A search that suits faces."""
        ...

    @property
    def listings(self) -> tuple[Listing, ...]:
        """The forms of listing that are understood, the best first."""
        ...

    @property
    def page_size(self) -> int:
        """Posts per listing request."""
        ...

    @property
    def tag_limit(self) -> int:
        """How many tags a search may hold, its ratings aside."""
        ...

    @property
    def newest_first(self) -> str:
        """The search term that asks for the highest ids first."""
        ...

    @property
    def credentials(self) -> str:
        """What a login consists of, such as `login:api_key`."""
        ...

    def search(self, tags: str, ratings: tuple[Rating, ...]) -> str:
        """The query for `tags` limited to `ratings`. Raises `UserError` when it cannot be asked."""
        ...

    def request(self, search: str, below: int | None, count: int, listing: Listing) -> Request:
        """Ask for the newest `count` posts with an id under `below` (None: the newest of all)."""
        ...

    def parse(self, body: bytes, root: str, listing: Listing) -> Page:
        """Read a listing; rows that make no sense are counted. Raises `BadAnswer` only."""
        ...

    def count_request(self, search: str) -> Request | None:
        """Ask how many posts match; None when only the listing itself can tell."""
        ...

    def parse_count(self, body: bytes) -> int | None:
        """The number of matching posts. Raises `BadAnswer`."""
        ...

    def login_params(self, credentials: Credentials) -> dict[str, str]:
        """Query parameters that carry a login."""
        ...

    def login_basic(self, credentials: Credentials) -> tuple[str, str] | None:
        """User and password for HTTP Basic, where the kind takes it."""
        ...


def kind_of_host(host: str) -> SiteKind | None:
    """What runs at a well-known host, or None."""
    for site in KINDS.values():
        if any(host == known or host.endswith(f".{known}") for known in site.hosts):
            return site
    return None


KINDS: dict[str, SiteKind] = {site.kind: site for site in (Danbooru(), Moebooru(), Gelbooru())}
