"""Walking a query from the newest post down by id, around what earlier runs have listed.

Ids are the only cursor: page numbers shift when posts arrive between two pages, and every site
caps them. All three kinds can be asked for posts under an id.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from avatar_common.errors import Unavailable, UserError
from crawler.client import Client, PassingFault, Refused
from crawler.queries import Query, credentials_variable
from crawler.records import BadAnswer, Listing, Page, Post
from crawler.spans import Spans, credible_top
from crawler.words import wants_key

log = logging.getLogger(__name__)
EMPTY_PAGES_TO_BELIEVE = 3
EMPTY_PAGES_TO_BELIEVE_AGAINST_THE_TOTAL = 8
SAME_WORDS_TO_BELIEVE = 3
BARREN_PAGES = 20
MOST_RANGES = 100


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
        self._asks_for_order = False
        self._wants_key: UserError | None = None

    def page(self, below: int | None, count: int) -> Page:
        """The newest posts under an id, newest first. Raises `UserError` when there is no way."""
        while True:
            try:
                page = self._page(below, count, self._forms[0])
            except _Closed as closed:
                if len(self._forms) == 1:
                    raise (self._wants_key or closed.error) from None
                form = self._forms.pop(0)
                log.warning(
                    "%s: the %s listing is closed (%s), continuing with %s",
                    self._query.site,
                    form,
                    closed,
                    self._forms[0],
                )
                continue
            rest = [post for post in page.posts if post.post_id != below]
            posts = [post for post in rest if below is None or post.post_id < below]
            if page.posts and not posts:
                raise UserError(
                    "the site ignores the bound on post ids, so the crawl would never end",
                    hint="is this the right --kind?",
                )
            ordered = newest_first(posts)
            astray = len({post.post_id for post in rest}) - len(ordered)
            if astray and not self._asks_for_order:
                self._asks_for_order = True
                continue
            if astray > max(1, len(rest) // 10):
                raise UserError(
                    "the site does not list posts by id, so the crawl could miss some",
                    hint="do the tags ask for another order?",
                )
            return replace(page, posts=tuple(ordered), malformed=page.malformed + astray)

    def _page(self, below: int | None, count: int, form: Listing) -> Page:
        query, kind = self._query, self._query.kind
        search = query.search
        if self._asks_for_order and kind.newest_first not in search:
            search = f"{search} {kind.newest_first}".strip()
        request = kind.request(search, below, count, form)
        login, basic = query.login
        params = {**request.params, **login}
        attempt = empty = 0
        answers: Counter[int] = Counter()
        while True:
            times = 0
            try:
                body = self._client.listing(query.root + request.path, params, basic)
                answers[hash(body)] += 1
                times = answers[hash(body)]
                page = kind.parse(body, query.root, form)
                fault: Exception | None = self._fault(page, times, attempt)
            except (PassingFault, BadAnswer) as passing:
                fault = passing
            except Refused as refusal:
                raise self._refused(refusal, request.path) from None
            if fault is not None:
                self._wait(fault, request.path, times, attempt)
                attempt += 1
            elif page.posts or _is_doubtful(page) or self._believed(page, empty := empty + 1):
                return page
            else:
                self._client.back_off(min(empty, 2) - 1, PassingFault("empty page"))

    def _fault(self, page: Page, times: int, attempt: int) -> BadAnswer | None:
        """Why a page is asked for again; None where it is taken as it is."""
        if not _is_doubtful(page) or self._believed_as_it_is(page, times, attempt):
            return None
        if page.cut:
            return BadAnswer("an answer that breaks off")
        return BadAnswer(f"an answer with {page.malformed} unreadable rows")

    def _wait(self, fault: Exception, path: str, times: int, attempt: int) -> None:
        """Wait before the next try; `times` the same answer came. Raises where none will help."""
        words = str(fault) if isinstance(fault, BadAnswer) else ""
        if words and wants_key(words):
            self._wants_key = self._key_error(words, path)
            raise _Closed(self._without_secret(fault), self._wants_key)
        standing = words and times >= SAME_WORDS_TO_BELIEVE
        if standing or attempt >= self._client.retries:
            raise self._gave_up(fault, path, attempt + 1)
        self._client.back_off(attempt, fault)

    def _believed_as_it_is(self, page: Page, times: int, attempt: int) -> bool:
        """Whether a damaged page is taken: it came twice like this, or was asked for enough.

        One that breaks off and holds no whole post leads nowhere.
        """
        if page.cut and not page.posts:
            return False
        return times > 1 or attempt >= self._client.retries

    def _believed(self, page: Page, times: int) -> bool:
        """Whether an empty page is the end: sites send some in mid-listing."""
        if page.total == 0:
            return times >= 2
        if page.total:
            return times >= EMPTY_PAGES_TO_BELIEVE_AGAINST_THE_TOTAL
        return times >= EMPTY_PAGES_TO_BELIEVE

    def _gave_up(self, fault: Exception, path: str, times: int) -> Exception:
        error = Unavailable(
            f"{self._without_secret(fault)}, {times} times",
            where=self._query.root + path,
            hint="the same command continues where it stopped",
        )
        closed = isinstance(fault, BadAnswer)
        return _Closed(self._without_secret(fault), error) if closed else error

    def _without_secret(self, error: Exception) -> str:
        """What a site says, should it repeat the key that it was sent."""
        credentials = self._query.credentials
        return str(error).replace(credentials.secret, "…") if credentials else str(error)

    def _key_error(self, said: str, path: str) -> UserError:
        """What to tell a user whose credentials are missing or wrong: the words, and the place."""
        query = self._query
        said = self._without_secret(UserError(said))
        what = "does not take these credentials" if query.credentials else "wants credentials"
        return UserError(
            f"the site {what}: {said}",
            where=query.root + path,
            hint=f"put {query.kind.credentials} into ${credentials_variable(query.root)} "
            "or ~/.netrc, see docs/crawling.md",
        )

    def _refused(self, refusal: Refused, path: str) -> Exception:
        where, said = self._query.root + path, self._without_secret(refusal)
        if refusal.status == 401 or (refusal.status == 403 and wants_key(said)):
            self._wants_key = self._key_error(said, path)
            return _Closed(said, self._wants_key)
        match refusal.status:
            case 403 | 404 | 405 | 406 | 410:
                return _Closed(said, UserError(said, where=where))
            case 422:
                return UserError(
                    said, where=where, hint="anonymous searches take two tags on Danbooru"
                )
            case _:
                return UserError(said, where=where)


def _is_doubtful(page: Page) -> bool:
    """Whether part of a page is missing or unreadable."""
    return page.damaged or page.cut or (page.malformed > 0 and not page.posts)


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
        progress = replace(progress, newer_than=progress.spans.top)
        yield Step((), 0, progress)
    top = progress.spans.top
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
    owed = barren = 0
    while (budget is None or budget > 0) and (below is None or below > floor + 1):
        asked = page_size if budget is None else min(page_size, budget)
        page = lister.page(below, asked)
        if page.malformed and not page.posts:
            owed = 0
            barren += 1
            yield Step((), page.malformed, progress)
            if below is None or barren >= (BARREN_PAGES if page.malformed >= asked else 2):
                break
            # Their ids are unknown, but distinct and under the bound; what is sound lies below.
            below -= page.malformed
            continue
        posts = page.posts
        above = [post for post in posts if post.post_id > floor]
        if below is None and not above:
            break
        new = [post for post in above if post.post_id not in progress.spans][:budget]
        if budget is not None:
            budget -= len(new)
        low = above[-1].post_id if above and len(above) == len(posts) else floor + 1
        if budget == 0 and new:
            low = new[-1].post_id
        spans = _with_page(progress.spans, page, above, low, below)
        below = spans.below(low)
        newer_than = spans.top if progress.newer_than is None else progress.newer_than
        progress = Progress(spans, progress.listed + len(new), newer_than)
        # The next page shows the last rows again; they are counted there, or here if it does not.
        malformed = page.malformed - page.tail if posts else owed
        owed, barren = page.tail, 0
        yield Step(tuple(new), malformed, progress)
    if owed and not floor and budget != 0:
        yield Step((), owed, progress)
    if barren >= BARREN_PAGES or (barren and not progress.listed):
        raise Unavailable(
            f"the listing cannot be read: {barren} pages of rows that are not posts",
            hint="is this the right --kind?",
        )
    return progress


def _with_page(
    known: Spans, page: Page, above: Sequence[Post], low: int, below: int | None
) -> Spans:
    """The spans with what a page listed: from `low` up to the bound `below`, or its own top."""
    spans = known.copy()
    if below is None:
        high = credible_top([post.post_id for post in page.posts]) or low
        for wild in above[: above[0].post_id > high]:
            spans.add(wild.post_id, wild.post_id)
    else:
        high = below - 1
    for start, end in _outside(page.gaps, min(low, high), high):
        spans.add(start, end)
    if len(spans) > MOST_RANGES:
        spans.add(min(low, high), high)
    return spans


def _outside(
    gaps: Sequence[tuple[int | None, int]], low: int, high: int
) -> Iterator[tuple[int, int]]:
    """The parts of a range of ids that were read.

    What lies in a gap is asked for by a later run, as the walk comes by.
    """
    for above, under in gaps:
        top, bottom = high + 1 if above is None else min(above, high + 1), max(under, low - 1)
        if bottom < top - 1:
            if top <= high:
                yield top, high
            high = bottom
    if low <= high:
        yield low, high


def newest_first(posts: Sequence[Post]) -> list[Post]:
    """The posts without the fewest that keep the ids from falling from each to the next."""
    if not posts:
        return []
    ids = [post.post_id for post in posts]
    ends: list[int] = []  # ends[n]: the negated lowest id in which n + 1 posts can end
    before: list[int] = []
    places: list[int] = []
    for place, post_id in enumerate(ids):
        length = bisect_left(ends, -post_id)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [-post_id]
        places[length : length + 1] = [place]
    chain, place = [], places[-1]
    while place >= 0:
        chain.append(posts[place])
        place = before[place]
    return chain[::-1]
