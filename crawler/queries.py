"""From the options to the queries of a run: which site, which kind, which tags."""

from __future__ import annotations

import logging
import netrc
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from avatar_common.errors import UserError
from crawler.options import QueryOptions
from crawler.records import Credentials, Listing, Rating
from crawler.sites import KINDS, SiteKind, kind_of_host

log = logging.getLogger(__name__)
DEFAULT_SITES = ("https://safebooru.donmai.us", "https://konachan.net")
# What is said of a post and is no tag; asked of the site, and not counted by Danbooru.
_FREE = re.compile(
    r"-?(?:rating|id|status|date|age|filesize|filetype|ext|parent|child|md5|width|height|duration"
    r"|mpixels|ratio|score|favcount|tagcount|pixiv|pixiv_id|source|order|sort):\S"
)
_ORDER = re.compile(r"(?:^|\s)-?(order|sort|limit|page):(?!id(?:_desc|:desc)?(?:\s|$))", re.I)


@dataclass(frozen=True)
class Query:
    """One search on one site; site, key and ratings name its saved cursor.

    `tags` are asked of the site; `also` and `without` are looked for in every row.
    """

    site: str
    root: str
    kind: SiteKind
    tags: str
    ratings: tuple[Rating, ...]
    forms: tuple[Listing, ...]
    credentials: Credentials | None = None
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The tags asked for and looked for, as one text."""
        return " ".join(
            [self.tags, *(f"+{t}" for t in self.also), *(f"-{t}" for t in self.without)]
        )

    @property
    def search(self) -> str:
        """What the site is asked for."""
        return self.kind.search(self.tags, self.ratings)

    @property
    def login(self) -> tuple[dict[str, str], tuple[str, str] | None]:
        """The credentials as query parameters and for HTTP Basic, as the kind wants them."""
        if self.credentials is None:
            return {}, None
        return self.kind.login_params(self.credentials), self.kind.login_basic(self.credentials)


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
    kind = _kind(options.kind, host)
    also, without = tag_names(options.also, "--also"), tag_names(options.without, "--without")
    if both := set(also) & set(without):
        raise UserError(f"{min(both)} is in --also and in --without")
    for where, terms in (("--tags", options.tags or ""), ("--also", " ".join(also))):
        if found := _ORDER.search(terms):
            raise UserError(
                f"{found[1]}: cannot be searched for",
                where=where,
                hint="the crawl walks by post id",
            )
    tags, also = fitted(kind, options.tags, also, without)
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
    without = tuple(tag for tag in without if not _FREE.match(tag))
    login = _credentials(root, host)
    return Query(name, root, kind, tags, ratings, forms, login, also, without)


def fitted(
    kind: SiteKind, tags: str | None, also: tuple[str, ...], without: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The tags to ask a site for, as many as it takes, and those of `also` left to look for.

    The user's `tags` are all asked for, as they are. The default ones (None) come after `also`,
    which names fewer posts; what of them finds no place is looked for too. `without` gets what room
    is left; it is looked for in any case.
    """
    sent = (tags or "").split()
    further = [*also, *(kind.default_tags.split() if tags is None else [])]
    free = [tag for tag in further if _FREE.match(tag)] + [
        f"-{t}" for t in without if _FREE.match(t)
    ]
    counted = [tag for tag in dict.fromkeys(further) if tag not in [*free, *sent]]
    room = max(0, kind.tag_limit - sum(not _FREE.match(term) for term in sent))
    unwanted = [f"-{tag}" for tag in without if not _FREE.match(tag)]
    asked = [*sent, *counted[:room], *unwanted[: max(0, room - len(counted))], *free]
    return " ".join(asked), tuple(counted[room:])


def tag_names(given: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The tags of an option, once each; commas may stand between them. Raises `UserError`."""
    names = [tag_name(name, where) for text in given for name in text.split(",") if name.strip()]
    if odd := next((name for name in names if name.startswith(("-", "~"))), None):
        raise UserError(f"{odd!r} is not a tag", where=where, hint="name it without the sign")
    return tuple(dict.fromkeys(names))


def tag_name(text: str, where: str) -> str:
    """A tag as boorus write it. Raises `UserError` for none."""
    name = "_".join(text.lower().split())
    if not name:
        raise UserError("an empty name is no tag", where=where)
    return name


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


def _kind(name: str, host: str) -> SiteKind:
    if name != "auto":
        return KINDS[name]
    found = kind_of_host(host)
    if found is None:
        raise UserError(
            f"nothing is known about {host}", where="--site", hint=f"add --kind {'|'.join(KINDS)}"
        )
    return found


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
