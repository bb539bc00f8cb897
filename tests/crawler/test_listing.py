"""Spans of ids, and the walk over them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from avatar_common.errors import Unavailable
from crawler.listing import Progress, Step, walk
from crawler.records import Page, Post
from crawler.sites.rows import page_of
from crawler.spans import Spans


class FakeLister:
    """A site whose posts are these ids; pages hold at most `page_size`, at least one."""

    def __init__(self, ids: set[int], short: list[int]) -> None:
        self.ids, self.short, self.asked = ids, short, 0

    def page(self, below: int | None, count: int) -> Page:
        self.asked += 1
        cut = self.short[self.asked % len(self.short)] if self.short else count
        found = sorted((i for i in self.ids if below is None or i < below), reverse=True)
        return Page(
            tuple(Post(post_id=i, rating="general") for i in found[: max(1, min(cut, count))])
        )


class DamagedLister(FakeLister):
    """The same with some posts whose rows cannot be read."""

    bad: set[int]

    def page(self, below: int | None, count: int) -> Page:
        posts = super().page(below, count).posts
        return page_of([None if post.post_id in self.bad else post for post in posts])


def listed(steps: list[Step]) -> list[int]:
    return [post.post_id for step in steps for post in step.posts]


def run(ids: set[int], start: Progress, limit: int, page_size: int = 3, stop_after: int = 10**6,
        short: list[int] | None = None) -> tuple[list[int], Progress]:  # fmt: skip
    steps = []
    for step in walk(FakeLister(ids, short or []), page_size, limit, start):  # type: ignore[arg-type]
        steps.append(step)
        if len(steps) == stop_after:
            break
    return listed(steps), steps[-1].progress if steps else start


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10)), max_size=8))
def test_spans_are_the_union(ranges: list[tuple[int, int]]) -> None:
    spans = Spans()
    covered: set[int] = set()
    for low, length in ranges:
        spans.add(low, low + length)
        covered |= set(range(low, low + length + 1))
    assert {i for i in range(1, 90) if i in spans} == covered
    assert Spans.from_json(spans.to_json()) == spans
    for bound in range(1, 90):
        end = spans.below(bound)
        assert set(range(end, bound)) <= covered
        assert end - 1 not in covered
    assert spans.highest == max(covered, default=None)


def test_limit_then_more() -> None:
    ids = set(range(1, 21))
    first, progress = run(ids, Progress(Spans()), 7)
    assert first == list(range(20, 13, -1))
    again, progress = run(ids, progress, 7)
    assert again == []
    more, progress = run(ids, progress, 12)
    assert more == list(range(13, 8, -1))
    newer, progress = run(ids | {21, 22}, progress, 12)
    assert newer == [22, 21]
    rest, _ = run(ids | {21, 22}, progress, 0)
    assert rest == list(range(8, 0, -1))


def test_an_empty_site_and_its_first_post() -> None:
    nothing, progress = run(set(), Progress(Spans()), 5)
    assert nothing == []
    assert progress == Progress(Spans())
    assert run({4}, progress, 5)[0] == [4]


@given(
    ids=st.sets(st.integers(1, 80), max_size=40),
    arriving=st.lists(st.integers(1, 5), max_size=4),
    stops=st.lists(st.integers(1, 4), max_size=4),
    short=st.lists(st.integers(1, 4), max_size=3),
    limit=st.sampled_from([0, 0, 100, 1000]),
)
def test_every_post_once_whatever_interrupts(
    ids: set[int], arriving: list[int], stops: list[int], short: list[int], limit: int
) -> None:
    """Runs cut off after any page, with new posts between them, list every post exactly once."""
    ids, seen, progress = set(ids), [], Progress(Spans())
    for number, stop_after in enumerate([*stops, 10**6]):
        found, progress = run(ids, progress, limit, stop_after=stop_after, short=short)
        seen += found
        if number < len(arriving):
            top = max(ids, default=0)
            ids |= set(range(top + 1, top + 1 + arriving[number]))
    found, progress = run(ids, progress, limit, short=short)
    seen += found
    assert sorted(seen) == sorted(ids)
    assert progress.listed == len(ids)
    assert run(ids, progress, limit, short=short)[0] == []


@given(st.integers(1, 30), st.lists(st.integers(1, 3), max_size=6))
def test_the_limit_holds_over_interruptions(limit: int, stops: list[int]) -> None:
    ids, seen, progress = set(range(1, 61)), [], Progress(Spans())
    for stop_after in [*stops, 10**6]:
        found, progress = run(ids, progress, limit, stop_after=stop_after)
        seen += found
    assert seen == list(range(60, 60 - limit, -1))


@given(
    wild=st.integers(2**31 + 1, 2**53),
    arriving=st.lists(st.integers(1, 4), max_size=3),
    limit=st.sampled_from([0, 4, 100]),
    page_size=st.integers(2, 6),
)
def test_a_wild_id_on_top_hides_no_newer_post(
    wild: int, arriving: list[int], limit: int, page_size: int
) -> None:
    ids, seen, progress = {*range(1, 13), wild}, [], Progress(Spans())
    for count in [0, *arriving, 0]:
        ordinary = max(ids - {wild})
        ids |= set(range(ordinary + 1, ordinary + 1 + count))
        found, progress = run(ids, progress, limit, page_size)
        seen += found
    found, progress = run(ids, progress, 0, page_size)
    assert sorted(seen + found) == sorted(ids)
    assert run(ids, progress, 0, page_size)[0] == []


@given(
    ids=st.sets(st.integers(1, 60), max_size=40),
    bad=st.lists(st.sets(st.integers(1, 60), max_size=30), min_size=1, max_size=3),
    arriving=st.integers(0, 4),
    page_size=st.integers(1, 6),
)
def test_rows_that_become_readable_are_listed(
    ids: set[int], bad: list[set[int]], arriving: int, page_size: int
) -> None:
    """Whatever could not be read in earlier runs, each post is listed once in the end."""
    seen: list[int] = []
    progress = Progress(Spans())
    for unreadable in [*bad, set()]:
        lister = DamagedLister(ids, [])
        lister.bad = unreadable
        counted, found = 0, []
        try:
            for step in walk(lister, page_size, 0, progress):  # type: ignore[arg-type]
                found += [post.post_id for post in step.posts]
                counted += step.malformed
                progress = step.progress
        except Unavailable:
            assert counted
        assert not set(found) & unreadable
        seen += found
        assert len(seen) == len(set(seen))
        top = max(ids, default=0)
        ids = ids | set(range(top + 1, top + 1 + arriving))
    found, progress = run(ids, progress, 0, page_size)
    assert sorted(seen + found) == sorted(ids)
    assert progress.listed == len(ids)
    assert run(ids, progress, 0, page_size)[0] == []
