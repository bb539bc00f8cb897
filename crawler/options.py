"""Options of the crawl's commands; light, so that `--help` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avatar_common.commands.options import CommonOptions

Kind = Literal["auto", "danbooru", "moebooru", "gelbooru"]
ListingChoice = Literal["auto", "json", "xml", "html"]
RatingChoice = Literal["general", "sensitive", "questionable", "explicit"]


@dataclass(frozen=True, kw_only=True)
class QueryOptions(CommonOptions):
    site: str | None = None
    """Root of a booru, such as https://yande.re; default: safebooru.donmai.us and konachan.net."""

    kind: Kind = "auto"
    """What the site runs; auto knows the well-known hosts."""

    tags: str | None = None
    """Tags to search for, in the site's own syntax; default: one that suits faces."""

    also: tuple[str, ...] = ()
    """Tags that every post must carry as well; checked on each post if the site takes no more."""

    without: tuple[str, ...] = ()
    """Tags that no post may carry (a blacklist; * stands for anything), checked on every post."""

    rating: tuple[RatingChoice, ...] = ("general",)
    """Ratings to take; part of the search, and checked on every post."""

    limit: int = 1000
    """Posts to list per site over all runs of the same query, newest first; 0: all of them."""

    name: str | None = None
    """Name of the site in the records; default: its host."""

    listing: ListingChoice = "auto"
    """Form of the listing; auto: the kind's best, or the next one if the site has closed it."""

    rate: float = 1.0
    """Listing requests per second and host; 0: no limit."""

    file_rate: float | None = None
    """Files per second and host; default: twice --rate."""

    contact: str | None = None
    """Your mail or web address for the User-Agent, so that a site can reach you; default:
    $AVATAR_CONTACT."""

    variant: Literal["original", "sample"] = "original"
    """The original (its md5 is checked) or the smaller sample, where the site has one."""

    max_file_mb: float = 40.0
    """Skip larger files."""

    max_megapixels: float = 100.0
    """Skip larger pictures."""

    retries: int = 5
    """Retries of a request after a temporary fault."""

    retry_wait: float = 1.0
    """Seconds before the first retry; doubled for each one after it, with jitter."""

    timeout: float = 30.0
    """Seconds to wait for a connection or for the next bytes."""


@dataclass(frozen=True, kw_only=True)
class FetchOptions(QueryOptions):
    """Crawl a booru into data/raw; the same command continues where it stopped."""

    connections: int = 8
    """Downloads in parallel."""

    records_only: bool = False
    """Record the posts without fetching files; a later run without this option fetches them."""


@dataclass(frozen=True, kw_only=True)
class PlanOptions(QueryOptions):
    """Say how many requests, files, bytes and seconds `fetch` would take, and which classes."""

    by_class: bool = False
    """Ask the site how many posts it has of each class of the vocabulary: a request for each."""

    vocabulary: Path | None = None
    """A vocabulary TOML of your own; default: avatar_common/disk/vocabulary.toml."""

    rare: int = 50
    """Name classes that would get fewer posts than this, with the command that gets more."""


@dataclass(frozen=True, kw_only=True)
class StatusOptions(CommonOptions):
    """Count the posts by site, state and reason."""


@dataclass(frozen=True, kw_only=True)
class ForgetOptions(CommonOptions):
    """Remove pictures with their records, and never fetch them again."""

    artist: tuple[str, ...] = ()
    """Artists to forget."""

    post: tuple[str, ...] = ()
    """Posts to forget, as site:id."""

    tag: tuple[str, ...] = ()
    """Tags to forget: every picture that carries one."""
