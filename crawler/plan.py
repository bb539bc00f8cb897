"""`crawler plan`: requests, files, bytes and time of a fetch, told by two requests per site."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.raw import RawFolder
from avatar_common.disk.vocabulary import DEFAULT_VOCABULARY, Group, Vocabulary, load_vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from crawler.client import Client, PassingFault, Refused, client_for, contact_for
from crawler.listing import Lister, Progress
from crawler.options import PlanOptions
from crawler.policy import Policy
from crawler.queries import Query, fitted, queries_of
from crawler.records import BadAnswer, Post
from crawler.spans import Spans
from crawler.state import State

log = logging.getLogger(__name__)
FULL_PAGE = 0.9  # hidden posts shorten a page that is not the last
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
    vocabulary = load_vocabulary(options.vocabulary or DEFAULT_VOCABULARY)
    sites: dict[str, Any] = {}
    for query in queries:
        begun = Progress(Spans())
        if RawFolder(raw).database.is_file():
            with closing(State(raw)) as state:
                begun = state.progress(query)
        with closing(client_for(query, options, agent)) as client:
            found = sites[query.site] = _plan(query, options, client, begun, vocabulary)
            log.info("%s", _sentence(query.site, found))
            _say_classes(query, found["classes"], options.rare)
            if options.by_class:
                found["on_site"] = _on_site(query, options, client, vocabulary)
    emit_json({"sites": sites})
    next_step("python -m crawler fetch (with the same options)")


def _plan(
    query: Query, options: PlanOptions, client: Client, begun: Progress, vocabulary: Vocabulary
) -> dict[str, Any]:
    policy = Policy.of(options, query)
    page = Lister(client, query, query.forms).page(None, query.kind.page_size)
    total = page.total if page.total is not None else _count(query, client)
    if total is None and len(page.posts) < FULL_PAGE * query.kind.page_size:
        total = len(page.posts)
    if page.malformed:
        log.warning("%s: %d rows of a page are damaged or not posts", query.site, page.malformed)
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
        "classes": _classes(wanted, posts / max(1, len(page.posts)), vocabulary),
        "malformed_rows": page.malformed,
    }


def _classes(posts: Sequence[Post], scale: float, vocabulary: Vocabulary) -> dict[str, Any]:
    """Files by group and class, told by one page; a flag has its "yes" only."""
    read = [vocabulary.read_tags(post.tags.get("general", ())) for post in posts]
    return {
        group.name: {
            name: round(scale * sum(values[group.name] == name for values in read))
            for name in _wanted_classes(group)
        }
        for group in vocabulary
    }


def _wanted_classes(group: Group) -> tuple[str, ...]:
    return ("1",) if group.kind == "flag" else group.classes


def _say_classes(query: Query, classes: dict[str, dict[str, int]], rare: int) -> None:
    """How many files each class gets, and how to get more of the rare ones."""
    _say(query, classes, "files to expect")
    few = sum(count < rare for counts in classes.values() for count in counts.values())
    if few:
        log.info(
            "%s: %d classes would get fewer than %d files (--by-class: how many posts there are); "
            "to fill one: python -m crawler fetch --site %s --kind %s --also TAG",
            *(query.site, few, rare, query.root, query.kind.kind),
        )


def _say(query: Query, classes: dict[str, dict[str, int]], what: str) -> None:
    """One line for each group of classes, and one for all flags."""
    flags = {group: counts["1"] for group, counts in classes.items() if list(counts) == ["1"]}
    for group, counts in classes.items():
        if group not in flags:
            log.info("%s: %s by %s: %s", query.site, what, group, _listed(counts) or "not told")
    log.info("%s: %s with: %s", query.site, what, _listed(flags) or "not told")


def _listed(counts: dict[str, int]) -> str:
    """The counts from the highest down; those of nothing by their names only."""
    some = sorted((item for item in counts.items() if item[1]), key=lambda item: -item[1])
    none = ", ".join(name for name, count in counts.items() if not count)
    told = ", ".join(f"{name} {count}" for name, count in some)
    return "; ".join(filter(None, (told, none and f"none of {none}")))


def _on_site(
    query: Query, options: PlanOptions, client: Client, vocabulary: Vocabulary
) -> dict[str, dict[str, Any]]:
    """By group and class: the site's tag and how many posts it has beside what else is asked for.

    One request for each class, and a further one for each spelling that the site does not know.
    """
    wanted = [(group, name) for group in vocabulary for name in _wanted_classes(group)]
    log.info("%s: asking for %d classes, a request for each", query.site, len(wanted))
    found: dict[str, dict[str, Any]] = {group.name: {} for group in vocabulary}
    with progress(query.site, len(wanted), quiet=options.quiet) as advance:
        for group, name in wanted:
            best: dict[str, Any] = {"tag": None, "posts": None}
            for tag in group.tags.get(name, ()):
                also = tuple(dict.fromkeys((tag, *options.also)))
                tags, _ = fitted(query.kind, options.tags, also, query.without)
                count = _count(replace(query, tags=tags), client)
                if count is not None and (best["posts"] is None or count > best["posts"]):
                    best = {"tag": tag, "posts": count}
                if count:
                    break
            found[group.name][name] = best
            advance()
    counts = {
        group.name: {
            name: told["posts"]
            for name, told in found[group.name].items()
            if told["posts"] is not None
        }
        for group in vocabulary
    }
    _say(query, counts, "posts on the site")
    return found


def _bytes(post: Post) -> float:
    if post.file_size is not None:
        return post.file_size
    return (post.width or 0) * (post.height or 0) * BYTES_PER_PIXEL


def _count(query: Query, client: Client) -> int | None:
    request = query.kind.count_request(query.search)
    if request is None:
        return None
    try:
        params, basic = query.login
        url = query.root + request.path
        return query.kind.parse_count(client.listing(url, {**request.params, **params}, basic))
    except (BadAnswer, PassingFault, Refused) as error:
        log.warning("%s does not say how many posts match (%s)", query.site, error)
        return None


def _sentence(site: str, numbers: dict[str, Any]) -> str:
    return (
        f"{site}: {numbers['posts']} posts in {numbers['listing_requests']} listing requests, "
        f"about {numbers['files']} files and {numbers['bytes'] / 1e6:.1f} MB, "
        f"{numbers['seconds_at_least']} s at least"
    )
