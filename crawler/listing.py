"""Walking a query from the newest post down by id, around what earlier runs have listed.

Ids are the only cursor: page numbers shift when posts arrive between two pages, and every site
caps them. All three kinds can be asked for posts under an id.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass, replace

from crawler.client import Client, PassingFault, Refused
from crawler.queries import Query
from crawler.records import BadAnswer, Listing, Page, Post
from crawler.spans import Spans
from manifest.errors import Unavailable, UserError

log = logging.getLogger(__name__)
EMPTY_PAGES_TO_BELIEVE = 3
EMPTY_PAGES_TO_BELIEVE_AGAINST_THE_TOTAL = 8


@dataclass(frozen=True)
class Progress:
    """How far a query has come: what it listed, and where the first run began.

    `listed` counts all posts; those above `newer_than` appeared later and do not use up the limit.
    """

    spans: Spans
    listed: int = 0
    newer_than: int | None = None


@dataclass(frozen=True)
class Step:
    """One page's new posts and the progress once they are recorded."""

    posts: tuple[Post, ...]
    malformed: int
    progress: Progress


class Lister:
    """Fetches the pages of a query; goes on to the next form of listing when one is closed."""

    def __init__(self, client: Client, query: Query, forms: tuple[Listing, ...]) -> None:
        self._client, self._query = client, query
        self._forms = list(forms)

    def page(self, below: int | None, count: int) -> Page:
        """The newest posts under an id. Raises `UserError` when there is no way."""
        while True:
            try:
                return self._page(below, count, self._forms[0])
            except _Closed as closed:
                if len(self._forms) == 1:
                    raise closed.error from None
                form = self._forms.pop(0)
                log.warning(
                    "%s: the %s listing is closed (%s), going on with %s",
                    self._query.site,
                    form,
                    closed,
                    self._forms[0],
                )

    def _page(self, below: int | None, count: int, form: Listing) -> Page:
        query, kind = self._query, self._query.kind
        request = kind.request(kind.search(query.tags, query.ratings), below, count, form)
        params = dict(request.params)
        basic = None
        if query.credentials is not None:
            params |= kind.login_params(query.credentials)
            basic = kind.login_basic(query.credentials)
        empty = 0
        attempt = 0
        while True:
            try:
                body = self._client.listing(query.root + request.path, params, basic)
                page = kind.parse(body, query.root, form)
                if page.malformed and not page.posts:
                    raise BadAnswer(f"{page.malformed} rows that are no posts")
            except (PassingFault, BadAnswer) as fault:
                if attempt >= self._client.retries:
                    raise self._gave_up(fault, request.path) from None
                self._client.back_off(attempt, fault)
                attempt += 1
                continue
            except Refused as refusal:
                raise self._refused(refusal, request.path) from None
            if page.posts or self._believed(page, empty := empty + 1):
                return page
            self._client.back_off(min(empty, 2) - 1, PassingFault("empty page"))

    def _believed(self, page: Page, times: int) -> bool:
        """Whether an empty page is the end: sites send some in mid-listing."""
        if page.total == 0:
            return times >= 2
        if page.total:
            return times >= EMPTY_PAGES_TO_BELIEVE_AGAINST_THE_TOTAL
        return times >= EMPTY_PAGES_TO_BELIEVE

    def _gave_up(self, fault: Exception, path: str) -> Exception:
        error = Unavailable(
            f"{self._without_secret(fault)}, {self._client.retries + 1} times",
            where=self._query.root + path,
            hint="the same command goes on where it stopped",
        )
        closed = isinstance(fault, BadAnswer)
        return _Closed(self._without_secret(fault), error) if closed else error

    def _without_secret(self, error: Exception) -> str:
        """What a site says, should it repeat the key that it was sent."""
        credentials = self._query.credentials
        return str(error).replace(credentials.secret, "…") if credentials else str(error)

    def _refused(self, refusal: Refused, path: str) -> Exception:
        where, said = self._query.root + path, self._without_secret(refusal)
        match refusal.status:
            case 401:
                return _Closed(
                    said,
                    UserError(
                        f"the site wants valid credentials ({said})",
                        where=where,
                        hint="see docs/crawling.md for where they go",
                    ),
                )
            case 403 | 404 | 405 | 406 | 410:
                return _Closed(said, UserError(said, where=where))
            case 422:
                return UserError(
                    said, where=where, hint="anonymous searches take two tags on Danbooru"
                )
            case _:
                return UserError(said, where=where)


class _Closed(Exception):
    """This form of listing does not answer; `error` is what to raise when no other is left."""

    def __init__(self, reason: str, error: Exception) -> None:
        super().__init__(reason)
        self.error = error


def walk(
    lister: Lister, page_size: int, limit: int, start: Progress
) -> Generator[Step, None, Progress]:
    """Yield the posts not listed yet, newest first, with the progress after each page.

    Posts newer than the last run come first (at most `limit` of them); then the walk goes on
    through what lies below until `limit` posts are listed in all. A limit of 0 means none.
    """
    progress = start
    if start.newer_than is not None:
        progress = yield from _descend(
            lister, page_size, progress, below=None, floor=start.newer_than, budget=limit or None
        )
        progress = replace(progress, newer_than=progress.spans.highest)
        yield Step((), 0, progress)
    top = progress.spans.highest
    below = None if top is None else progress.spans.below(top + 1)
    budget = max(0, limit - progress.listed) if limit else None
    return (yield from _descend(lister, page_size, progress, below=below, floor=0, budget=budget))


def _descend(
    lister: Lister,
    page_size: int,
    progress: Progress,
    *,
    below: int | None,
    floor: int,
    budget: int | None,
) -> Generator[Step, None, Progress]:
    """List ids in (floor, below) that no span covers, until the budget is used up."""
    while (budget is None or budget > 0) and (below is None or below > floor + 1):
        page = lister.page(below, page_size if budget is None else min(page_size, budget))
        posts = _fresh(page, below)
        if page.posts and not posts:
            raise UserError(
                "the site ignores the bound on post ids, so the crawl would never end",
                hint="is this the right --kind?",
            )
        above = [post for post in posts if post.post_id > floor]
        if below is None and not above:
            break
        new = [post for post in above if post.post_id not in progress.spans][:budget]
        if budget is not None:
            budget -= len(new)
        low = above[-1].post_id if above and len(above) == len(posts) else floor + 1
        if budget == 0 and new:
            low = new[-1].post_id
        spans = progress.spans.copy()
        spans.add(low, above[0].post_id if below is None else below - 1)
        below = spans.below(low)
        newer_than = spans.highest if progress.newer_than is None else progress.newer_than
        progress = Progress(spans, progress.listed + len(new), newer_than)
        yield Step(tuple(new), page.malformed, progress)
    return progress


def _fresh(page: Page, below: int | None) -> list[Post]:
    """The page's posts under the bound, once each, newest first."""
    ids = [post.post_id for post in page.posts]
    if ids != sorted(ids, reverse=True):
        raise UserError(
            "the site does not list posts by id, so the crawl could miss some",
            hint="do the tags ask for another order?",
        )
    unique = {post.post_id: post for post in page.posts if below is None or post.post_id < below}
    return list(unique.values())
