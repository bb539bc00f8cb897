"""From the options to the queries of a run: which site, which kind, which tags."""

from __future__ import annotations

import logging
import netrc
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from crawler.options import QueryOptions
from crawler.records import Credentials, Listing, Rating
from crawler.sites import KINDS, SiteKind
from manifest.errors import UserError

log = logging.getLogger(__name__)
# Searches that suit faces. Danbooru gives anonymous searches two tags (ratings are free);
# konachan has neither `solo` nor `portrait`, and calls close-ups `close`.
DEFAULT_TAGS = {"danbooru": "solo portrait", "moebooru": "close", "gelbooru": "solo portrait"}
DEFAULT_SITES = ("https://safebooru.donmai.us", "https://konachan.net")
KNOWN_HOSTS = {
    "donmai.us": "danbooru",
    "konachan.net": "moebooru",
    "konachan.com": "moebooru",
    "yande.re": "moebooru",
    "safebooru.org": "gelbooru",
    "gelbooru.com": "gelbooru",
}
_ORDER = re.compile(r"(?:^|\s)-?(order|sort|limit|page):(?!id(?:_desc|:desc)?(?:\s|$))", re.I)


@dataclass(frozen=True)
class Query:
    """One search on one site; site, tags and ratings name its saved cursor."""

    site: str
    root: str
    kind: SiteKind
    tags: str
    ratings: tuple[Rating, ...]
    forms: tuple[Listing, ...]
    credentials: Credentials | None = None

    @property
    def search(self) -> str:
        """What the site is asked for."""
        return self.kind.search(self.tags, self.ratings)


def queries_of(options: QueryOptions) -> list[Query]:
    """The queries that the options ask for. Raises `UserError` for what cannot be asked."""
    _check_numbers(options)
    if options.site is None and (options.kind != "auto" or options.name or options.tags):
        given = "--kind" if options.kind != "auto" else "--name" if options.name else "--tags"
        raise UserError(f"{given} needs --site", hint=f"such as --site {DEFAULT_SITES[0]}")
    roots = DEFAULT_SITES if options.site is None else (options.site,)
    return [_query(root, options) for root in roots]


def _check_numbers(options: QueryOptions) -> None:
    bounds: dict[str, tuple[float, float]] = {
        "limit": (0, 10**9), "rate": (0, 1000), "file_rate": (0, 1000), "retries": (0, 100),
        "retry_wait": (0, 3600), "timeout": (0.1, 3600), "max_file_mb": (0, 10_000),
        "max_megapixels": (0, 100_000), "connections": (1, 64),
    }  # fmt: skip
    for name, (low, high) in bounds.items():
        value = getattr(options, name, None)
        if value is not None and not low <= value <= high:
            where = "--" + name.replace("_", "-")
            raise UserError(f"{value} is not between {low:g} and {high:g}", where=where)


def _query(site: str, options: QueryOptions) -> Query:
    root, host = _root_and_host(site)
    kind = KINDS[_kind_name(options.kind, host)]
    tags = " ".join((DEFAULT_TAGS[kind.kind] if options.tags is None else options.tags).split())
    if found := _ORDER.search(tags):
        raise UserError(
            f"{found[1]}: cannot be searched for", where="--tags", hint="the crawl walks by post id"
        )
    if not options.rating:
        raise UserError("name at least one rating", where="--rating")
    ratings = tuple(dict.fromkeys(options.rating))
    kind.search(tags, ratings)
    forms = kind.listings if options.listing == "auto" else (options.listing,)
    if not set(forms) <= set(kind.listings):
        raise UserError(
            f"{kind.kind} has no {options.listing} listing here",
            where="--listing",
            hint=f"one of: auto, {', '.join(kind.listings)}",
        )
    name = options.name or urlsplit(root).netloc
    return Query(name, root, kind, tags, ratings, forms, _credentials(root, host))


def _root_and_host(site: str) -> tuple[str, str]:
    root = (site if "://" in site else f"https://{site}").rstrip("/")
    try:
        parts = urlsplit(root)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or "@" in parts.netloc:
        raise UserError(
            f"{site!r} is not the root of a site",
            where="--site",
            hint="such as https://yande.re, without a user name or a query",
        )
    return root, host


def _kind_name(kind: str, host: str) -> str:
    if kind != "auto":
        return kind
    for known, name in KNOWN_HOSTS.items():
        if host == known or host.endswith(f".{known}"):
            return name
    raise UserError(
        f"nothing is known about {host}", where="--site", hint=f"add --kind {'|'.join(KINDS)}"
    )


def credentials_variable(root: str) -> str:
    """The name of the environment variable that may hold the login for a site."""
    return "AVATAR_CREDENTIALS_" + re.sub(r"\W", "_", urlsplit(root).hostname or "").upper()


def _credentials(root: str, host: str) -> Credentials | None:
    """A login for this host from the environment or a netrc file, for https (or loopback) only."""
    variable = credentials_variable(root)
    if not root.startswith("https://") and host not in ("127.0.0.1", "localhost", "::1"):
        if os.environ.get(variable):
            log.warning("$%s is not used: keys are sent over https alone", variable)
        return None
    if value := os.environ.get(variable):
        login, colon, secret = value.partition(":")
        if not colon or not login or not secret:
            raise UserError("must be login:key", where=f"${variable}")
        return Credentials(login, secret)
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    try:
        # Not authenticators(): it would hand a `default` entry to any host.
        found = netrc.netrc(path).hosts.get(host)
    except (netrc.NetrcParseError, UnicodeDecodeError, OSError):
        raise UserError("not a readable netrc file", where=str(path)) from None
    return Credentials(found[0], found[2]) if found and found[0] and found[2] else None
