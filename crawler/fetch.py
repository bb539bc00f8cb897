"""`crawler fetch`: the crawl's main path.

For each query: first the files that an earlier run left, then the listing, page by page, in its own
thread, while a pool of threads downloads. This thread alone writes the state, so a kill at any
point loses nothing but the files under way.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.commands.progress import Advance
from avatar_common.disk.raw import RawFolder
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import Unavailable, UserError
from crawler.arrival import PLACEHOLDER, is_passing
from crawler.bad_days import Watch
from crawler.client import Client, client_for, contact_for
from crawler.download import Outcome, Store, Task, download
from crawler.listing import Lister, Progress, Step, walk
from crawler.options import FetchOptions
from crawler.policy import Policy
from crawler.politeness import Stopped
from crawler.queries import Query, queries_of
from crawler.state import State, only_one
from crawler.status import summary

log = logging.getLogger(__name__)
PAGES_AHEAD = 2
"""Pages listed before their files are wanted: enough to keep the pool busy, few to throw away."""
WAITING_LOW = 200
"""Files waiting below which the next page may come."""
COMMIT_EVERY = 64
COMMIT_INTERVAL_S = 0.5
"""A commit costs a disk flush, so outcomes are saved in groups; a kill loses at most these."""


@dataclass
class Run:
    """What one call of `fetch` did, over all its queries."""

    listed: int = 0
    malformed: int = 0
    fetched: int = 0
    fetched_bytes: int = 0
    missing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def counts(self, seconds: float) -> dict[str, float]:
        """What the run came to, as its last line on stdout has it."""
        return {
            "listed": self.listed,
            "fetched": self.fetched,
            "bytes": self.fetched_bytes,
            "malformed_rows": self.malformed,
            "missing_files": self.missing,
            "seconds": round(seconds, 2),
        }


def is_final(outcome: Outcome) -> bool:
    """Whether this is a failure that no later run looks into again."""
    return outcome.status == "failed" and not is_passing(outcome.reason)


def fetch(options: FetchOptions) -> None:
    """Crawl every query; print the counts; raise what stopped a site, once the others are done.

    Raises `UserError` for options that cannot be asked, `Unavailable` when a site, the network or
    the disk is not there, or when files of several sites are missing.
    """
    queries = queries_of(options)
    raw = Workspace(options.workspace).raw
    if options.dry_run:
        explain_dry_run(options, _intentions(queries, options, str(raw)))
        return
    agent = contact_for(options, queries)
    run, started = Run(), time.monotonic()
    stopped_by: list[UserError] = []
    with only_one(raw), closing(State(raw)) as state:
        store = Store(raw)
        store.clear_parts()  # halves of files, left by a kill
        for query in queries:
            state.note(f"begin {query.site} {query.tags!r}")
            with closing(client_for(query, options, agent, options.connections)) as client:
                try:
                    client.look_up(query.root)  # a mistyped host ends here, not after many retries
                    _Crawl(query, options, state, store, client, run).run()
                    state.note(f"end {query.site} {query.tags!r}")
                except UserError as error:
                    state.note(f"stop {query.site} {query.tags!r}: {error}")
                    stopped_by.append(error)  # one site's bad day must not cost the others theirs
                    if len(queries) > 1:
                        log.error("%s: %s", query.site, error)
    result = summary(RawFolder(raw).database, [query.site for query in queries])
    emit_json(result | {"run": run.counts(time.monotonic() - started)})
    if len(queries) > 1 and stopped_by:
        raise Unavailable(
            f"{len(stopped_by)} of {len(queries)} sites are not complete",
            hint="the same command continues",
        )
    if stopped_by:
        raise stopped_by[0]
    if result["files"] or options.records_only:
        next_step("python -m preprocess crop")
    else:
        log.warning("no file yet; the reasons are beside the counts")


def _intentions(queries: list[Query], options: FetchOptions, raw: str) -> list[str]:
    posts = f"up to {options.limit}" if options.limit else "all"
    return [
        f"list {posts} posts of {query.root} ({query.kind.kind}) for {query.search!r}"
        f"{_looked_for(query)} and put "
        f"{'their records' if options.records_only else 'them and their files'} in {raw}"
        for query in queries
    ]


def _looked_for(query: Query) -> str:
    also = f", look for {', '.join(query.also)} in each" if query.also else ""
    return also + (f", leave out {', '.join(query.without)}" if query.without else "")


class _Crawl:
    """One query: a listing thread and a pool of downloads, both reporting to this thread."""

    def __init__(
        self,
        query: Query,
        options: FetchOptions,
        state: State,
        store: Store,
        client: Client,
        run: Run,
    ) -> None:
        self._query, self._options, self._state, self._store = query, options, state, store
        self._client, self._run = client, run
        self._policy = Policy.of(options, query)
        self._inbox: queue.SimpleQueue[Step | Exception | Future[Outcome] | None] = (
            queue.SimpleQueue()
        )
        self._room = threading.Semaphore(PAGES_AHEAD)
        self._pages_held = 0
        self._waiting: deque[Task] = deque()
        self._under_way: dict[str, list[Task]] = {}
        self._ended: list[Outcome] = []
        self._committed_at = time.monotonic()
        self._listed = self._malformed = 0
        self._watch = Watch(query.site, state.unverified)
        self._started = time.monotonic()
        self._bytes_before = run.fetched_bytes

    def run(self) -> None:
        """Crawl until the query is done. Raises what stopped it; the state is saved either way."""
        # What an earlier run left comes first: its addresses may not last. Files that failed before
        # come last, so that they never stand in the way of new ones.
        begun = self._state.progress(self._query)
        older = max(0, self._options.limit - begun.listed) if self._options.limit else None
        pool = ThreadPoolExecutor(self._options.connections, thread_name_prefix="download")
        lister = threading.Thread(target=self._list, args=(begun,), name="listing")
        try:
            with progress(self._query.site, older, quiet=self._options.quiet) as advance:
                if not self._options.records_only:
                    self._fetch_all(pool, advance, self._state.pending)
                lister.start()  # new pages from here on, their files fetched as they come
                self._work(pool, advance, until_waiting=None)
                if not self._options.records_only:
                    self._fetch_all(pool, advance, self._state.failed_before)
            if not begun.listed + self._listed + self._malformed:
                log.warning("%s: no post for %r", self._query.site, self._query.search)
            self._watch.end()
        finally:
            if self._malformed:
                log.warning(
                    "%s: %d rows of the listing are damaged or not posts; they were left out",
                    self._query.site,
                    self._malformed,
                )
            self._run.missing += self._watch.missing().total()
            self._ended += self._watch.corrected
            # Stop both kinds of threads, then save twice: what is known now (a second Ctrl-C may
            # come), and what was under way once the pool has ended.
            self._client.stop.set()
            self._room.release()
            self._take_finished()
            self._commit()
            pool.shutdown(wait=True, cancel_futures=True)
            if lister.ident is not None:
                lister.join()
            self._take_finished()
            self._commit()

    def _fetch_all(
        self,
        pool: ThreadPoolExecutor,
        advance: Advance,
        tasks: Callable[[Query, Policy], Iterator[Task]],
    ) -> None:
        for task in tasks(self._query, self._policy):
            self._waiting.append(task)
            if len(self._waiting) >= WAITING_LOW:
                self._work(pool, advance, until_waiting=WAITING_LOW // 2)
        self._work(pool, advance, until_waiting=0)

    def _list(self, begun: Progress) -> None:
        """The listing thread: pages into the inbox, `PAGES_AHEAD` ahead at most; None ends it."""
        query, client = self._query, self._client
        lister = Lister(client, query, query.forms)
        try:
            for step in walk(lister, query.kind.page_size, self._options.limit, begun):
                self._inbox.put(step)
                self._room.acquire()
                if client.stop.is_set():
                    return
            self._inbox.put(None)
        except Stopped:
            return
        except Exception as error:
            self._inbox.put(error)

    def _work(self, pool: ThreadPoolExecutor, advance: Advance, until_waiting: int | None) -> None:
        """Handle pages and files until few tasks wait, or (with None) until all is done."""
        listing_error: Exception | None = None
        listing = until_waiting is None
        while True:
            self._start_downloads(pool, advance)
            # The listing goes on only when files run low, or a site of a million posts would fill
            # the memory while files are fetched two a second.
            if self._pages_held and len(self._waiting) <= WAITING_LOW:
                self._pages_held -= 1
                self._room.release()
            if until_waiting and len(self._waiting) <= until_waiting:
                return
            if not listing and not self._waiting and not self._under_way:
                break
            try:
                item = self._inbox.get(timeout=COMMIT_INTERVAL_S)
            except queue.Empty:
                self._commit()
                continue
            match item:
                case Step():
                    self._take_page(item, advance)
                case Future():
                    self._take_outcome(item.result(), advance)
                case None:
                    listing = False
                case error:
                    listing, listing_error = False, error
            self._commit_if_due()
        self._commit()
        if listing_error is not None:
            raise listing_error

    def _take_page(self, step: Step, advance: Advance) -> None:
        tasks = self._state.record(self._query, step, self._policy)
        if self._options.records_only:
            tasks = []
        self._waiting.extend(tasks)
        self._pages_held += 1
        self._run.listed += len(step.posts)
        self._listed += len(step.posts)
        self._run.malformed += step.malformed
        self._malformed += step.malformed
        advance(len(step.posts) - len(tasks), note=self._note())

    def _start_downloads(self, pool: ThreadPoolExecutor, advance: Advance) -> None:
        # Two tasks per connection: one under way, one ready. Of several posts with the same bytes
        # one is fetched, and the others wait for how it ends.
        while self._waiting and len(self._under_way) < 2 * self._options.connections:
            task = self._waiting.popleft()
            if task.key in self._under_way:
                self._under_way[task.key].append(task)
                continue
            self._under_way[task.key] = []
            future = pool.submit(download, task, self._client, self._store, self._policy)
            future.add_done_callback(self._inbox.put)

    def _take_outcome(self, outcome: Outcome, advance: Advance) -> None:
        self._ended.append(outcome)
        followers = self._under_way.pop(outcome.task.key)
        if outcome.status == "done":
            # The same bytes under another post: one file for both.
            self._ended += [replace(outcome, task=task) for task in followers]
        else:  # another post may offer the same file at an address that works
            self._waiting.extendleft(followers)
            followers = []
        if outcome.fetched_bytes:
            self._run.fetched_bytes += outcome.fetched_bytes
        if outcome.status == "done" and outcome.fetched_bytes:
            self._run.fetched += 1
        if outcome.reason:
            self._run.reasons[outcome.reason] += 1
        advance(1 + len(followers), note=self._note())
        try:
            self._run.fetched -= self._watch.take(outcome)
        finally:
            self._ended += self._watch.corrected
            self._watch.corrected.clear()

    def _take_finished(self) -> None:
        """What ended between the last look and the stop."""
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Future) and not item.cancelled() and item.exception() is None:
                outcome = item.result()
                # What others like it would show is not known any more; the next run will see.
                if not (outcome.digest or is_final(outcome)):
                    self._ended.append(outcome)

    def _commit_if_due(self) -> None:
        waited = time.monotonic() - self._committed_at
        if len(self._ended) >= COMMIT_EVERY or (self._ended and waited > COMMIT_INTERVAL_S):
            self._commit()

    def _commit(self) -> None:
        ended, self._ended = self._ended, []
        if ended:
            self._state.finish(ended)
            self._remove_placeholders(ended)
        self._committed_at = time.monotonic()

    def _remove_placeholders(self, ended: list[Outcome]) -> None:
        for digest in {o.digest for o in ended if o.reason == PLACEHOLDER}:
            if found := self._store.find(digest):
                path = self._store.relative(found[0])
                if not self._state.is_needed(path):
                    found[0].unlink()

    def _note(self) -> str:
        run = self._run
        seconds = max(1e-3, time.monotonic() - self._started)
        speed = (run.fetched_bytes - self._bytes_before) / 1e6 / seconds
        reasons = ", ".join(f"{reason} {n}" for reason, n in run.reasons.most_common(3))
        note = f"{run.listed} listed, {run.fetched} files, {speed:.1f} MB/s"
        return f"{note}; {reasons}" if reasons else note
