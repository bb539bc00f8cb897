"""`crawler plan`: requests, files, bytes and time of a fetch, told by two requests per site."""

from __future__ import annotations

import logging
import math
from contextlib import closing
from typing import Any

from cli import emit_json, explain_dry_run, next_step
from crawler.client import Client, PassingFault, Refused
from crawler.connect import client_for, contact_for
from crawler.listing import Lister, Progress
from crawler.options import PlanOptions
from crawler.policy import Policy
from crawler.queries import Query, queries_of
from crawler.records import BadAnswer, Post
from crawler.spans import Spans
from crawler.state import State
from manifest.errors import UserError
from manifest.workspace import Workspace

log = logging.getLogger(__name__)
BYTES_PER_PIXEL = 0.5
"""Where a site tells no file size; Danbooru's and Konachan's files lie between 0.1 and 1.5."""


def plan(options: PlanOptions) -> None:
    """Print what a fetch with the same options would take; no file is fetched."""
    queries = queries_of(options)
    if options.dry_run:
        explain_dry_run(options, [f"ask {query.root} for a page and a count" for query in queries])
        return
    agent = contact_for(options, queries)
    raw = Workspace(options.workspace).raw
    sites: dict[str, Any] = {}
    for query in queries:
        begun = Progress(Spans())
        if (raw / "crawl.sqlite").is_file():
            with closing(State(raw)) as state:
                begun = state.progress(query)
        with closing(client_for(query, options, agent)) as client:
            sites[query.site] = _plan(query, options, client, begun)
        log.info("%s", _sentence(query.site, sites[query.site]))
    emit_json({"sites": sites})
    next_step("python -m crawler fetch (with the same options)")


def _plan(query: Query, options: PlanOptions, client: Client, begun: Progress) -> dict[str, Any]:
    policy = Policy.of(options)
    page = Lister(client, query, query.forms).page(None, query.kind.page_size)
    total = page.total if page.total is not None else _count(query, client)
    posts = max(0, options.limit - begun.listed) if options.limit else None
    if total is not None:
        rest = max(0, total - begun.listed)
        posts = rest if posts is None else min(posts, rest)
    elif posts is None:
        raise UserError("the site does not say how many posts match", hint="set --limit")
    wanted = [post for post in map(policy.chosen, page.posts) if policy.refusal(post) is None]
    share = len(wanted) / len(page.posts) if page.posts else 0.0
    files = round(posts * share)
    mean_bytes = sum(map(_bytes, wanted)) / len(wanted) if wanted else 0.0
    listings = math.ceil(posts / query.kind.page_size) + 1
    file_rate = 2 * options.rate if options.file_rate is None else options.file_rate
    seconds = max(
        listings / options.rate if options.rate > 0 else 0.0,
        files / file_rate if file_rate > 0 else 0.0,
    )
    return {
        "matching": total,
        "listed_before": begun.listed,
        "posts": posts,
        "listing_requests": listings,
        "files": files,
        "bytes": round(files * mean_bytes),
        "bytes_guessed_from_pixels": any(post.file_size is None for post in wanted),
        "seconds_at_least": round(seconds),
    }


def _bytes(post: Post) -> float:
    if post.file_size is not None:
        return post.file_size
    return (post.width or 0) * (post.height or 0) * BYTES_PER_PIXEL


def _count(query: Query, client: Client) -> int | None:
    request = query.kind.count_request(query.kind.search(query.tags, query.ratings))
    if request is None:
        return None
    try:
        return query.kind.parse_count(client.listing(query.root + request.path, request.params))
    except (BadAnswer, PassingFault, Refused) as error:
        log.warning("%s does not say how many posts match (%s)", query.site, error)
        return None


def _sentence(site: str, numbers: dict[str, Any]) -> str:
    return (
        f"{site}: {numbers['posts']} posts in {numbers['listing_requests']} listing requests, "
        f"about {numbers['files']} files and {numbers['bytes'] / 1e6:.1f} MB, "
        f"{numbers['seconds_at_least']} s at least"
    )
