"""The crawl's SQLite file: posts with their state, queries with their cursor, tombstones."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from avatar_common.disk import locks
from avatar_common.disk.raw import CRAWL_SCHEMA, CRAWL_SCHEMA_VERSION, RawFolder
from avatar_common.errors import UserError
from crawler.arrival import LASTING, Expected
from crawler.download import Outcome, Task
from crawler.listing import Progress, Step
from crawler.policy import Policy
from crawler.queries import Query
from crawler.records import Post
from crawler.spans import Spans

_CHUNK = 500

_UPSERT = """
INSERT INTO posts (site, post_id, md5, rating, tags, artist, source, parent_id, file_url, variant,
                   file_ext, file_size, width, height, created_at, status, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (site, post_id) DO UPDATE SET
    md5 = excluded.md5, rating = excluded.rating, tags = excluded.tags, artist = excluded.artist,
    source = excluded.source, parent_id = excluded.parent_id, file_url = excluded.file_url,
    variant = excluded.variant, file_ext = excluded.file_ext, file_size = excluded.file_size,
    width = excluded.width, height = excluded.height, created_at = excluded.created_at,
    status = excluded.status, reason = excluded.reason
WHERE posts.status <> 'done'
"""


class State:
    """The open crawl.sqlite; used by one thread."""

    def __init__(self, raw: Path) -> None:
        """Open it, or begin one. Raises `UserError` for another schema version or another file."""
        self.path = RawFolder(raw).database
        raw.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=10.0)
        try:
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, CRAWL_SCHEMA_VERSION):
                raise UserError(
                    f"schema version {version}, this program reads {CRAWL_SCHEMA_VERSION}",
                    where=str(self.path),
                )
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self.connection.executescript(CRAWL_SCHEMA)
            self.connection.execute(f"PRAGMA user_version = {CRAWL_SCHEMA_VERSION}")
            self.connection.execute("CREATE TEMP TABLE again (post_id INTEGER PRIMARY KEY)")
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise UserError(f"cannot be used: {error}", where=str(self.path)) from None

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, whatever ends it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def progress(self, query: Query) -> Progress:
        """How far earlier runs of this query came; files of a site that moved are found again."""
        row = self.connection.execute(
            "SELECT root, spans, listed, newer_than FROM queries "
            "WHERE site = ? AND tags = ? AND ratings = ?",
            _key(query),
        ).fetchone()
        if row is None:
            return Progress(Spans())
        root, spans, listed, newer_than = row
        if root != query.root:
            self.connection.execute(
                "UPDATE posts SET file_url = ? || substr(file_url, ?) "
                "WHERE site = ? AND status IN ('listed', 'failed') AND substr(file_url, 1, ?) = ?",
                (query.root, len(root) + 1, query.site, len(root) + 1, f"{root}/"),
            )
        return Progress(Spans.from_json(spans), listed, newer_than)

    def record(self, query: Query, step: Step, policy: Policy) -> list[Task]:
        """Store a page with the query's progress, at once; the files that it asks for."""
        with self.transaction():
            rows = [self._row(query.site, policy.chosen(post), policy) for post in step.posts]
            self.connection.executemany(_UPSERT, rows)
            progress = step.progress
            self.connection.execute(
                "INSERT OR REPLACE INTO queries VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *_key(query),
                    query.root,
                    progress.spans.to_json(),
                    progress.listed,
                    progress.newer_than,
                ),
            )
        return self._tasks(
            query.site,
            policy,
            "status = 'listed' AND post_id IN (SELECT value FROM json_each(?))",
            (json.dumps([post.post_id for post in step.posts]),),
        )

    def _row(self, site: str, post: Post, policy: Policy) -> tuple[object, ...]:
        if self.is_forgotten(site, post):
            empty = (None,) * 10
            return (site, post.post_id, None, None, "{}", *empty, "forgotten", "forgotten")
        refusal = policy.refusal(post)
        return (
            site,
            post.post_id,
            post.md5,
            post.rating,
            json.dumps(post.tags, ensure_ascii=False),
            post.artist,
            post.source,
            post.parent_id,
            post.file_url,
            post.variant,
            post.file_ext,
            post.file_size,
            post.width,
            post.height,
            post.created_at,
            "skipped" if refusal else "listed",
            refusal,
        )

    def is_forgotten(self, site: str, post: Post) -> bool:
        """Whether a tombstone stands for the post, its bytes, its artist or one of its tags."""
        names = {name for kind in post.tags.values() for name in kind}
        values = [("post", f"{site}:{post.post_id}"), ("md5", post.md5)]
        values += [(kind, name.lower()) for name in names for kind in ("artist", "tag")]
        return any(
            self.connection.execute(
                "SELECT 1 FROM tombstones WHERE kind = ? AND value = ?", value
            ).fetchone()
            for value in values
        )

    def pending(self, query: Query, policy: Policy) -> Iterator[Task]:
        """Files that an earlier run listed and never asked for; notes those that it failed to get.

        Those come last, from `failed_before`: should they fail again, the rest is there.
        """
        marks, ratings = (", ".join("?" * len(some)) for some in (LASTING, policy.ratings))
        self.connection.execute("DELETE FROM temp.again")
        self.connection.execute(
            # The inner query reads the index alone, however many posts have failed for good.
            "INSERT INTO temp.again SELECT post_id FROM posts WHERE rowid IN "
            "(SELECT rowid FROM posts WHERE site = ? AND status = 'failed' "
            f"AND reason NOT IN ({marks})) AND rating IN ({ratings})",
            (query.site, *LASTING, *policy.ratings),
        )
        return self._downwards(query, policy, "status = 'listed'")

    def failed_before(self, query: Query, policy: Policy) -> Iterator[Task]:
        """Files that did not come in an earlier run for a passing fault, and not yet in this."""
        where = "status = 'failed' AND post_id IN (SELECT post_id FROM temp.again)"
        return self._downwards(query, policy, where)

    def _downwards(self, query: Query, policy: Policy, where: str) -> Iterator[Task]:
        below = 2**62
        where += " AND post_id < ? ORDER BY post_id DESC LIMIT ?"
        while tasks := self._tasks(query.site, policy, where, (below, _CHUNK)):
            below = tasks[-1].post_id
            yield from tasks

    def _tasks(
        self, site: str, policy: Policy, where: str, values: tuple[object, ...]
    ) -> list[Task]:
        ratings = policy.ratings
        marks = ", ".join("?" * len(ratings))
        rows = self.connection.execute(
            "SELECT post_id, file_url, variant, md5, file_ext, file_size, width, height, tags "
            f"FROM posts WHERE site = ? AND rating IN ({marks}) AND {where}",
            (site, *ratings, *values),
        )
        tasks = (
            Task(site, post_id, url, variant, md5, Expected(ext or "", size, width, height))
            for post_id, url, variant, md5, ext, size, width, height, tags in rows
            if not (policy.without and policy.unwanted(json.loads(tags)))
        )
        return sorted(tasks, key=lambda task: -task.post_id)

    def unverified(self, outcome: Outcome) -> list[Outcome]:
        """Other posts of the site whose smaller variant is that very file."""
        rows = self.connection.execute(
            "SELECT post_id, file_url, variant, md5 FROM posts WHERE file = ? AND site = ? "
            "AND post_id <> ? AND status = 'done' AND variant <> 'original'",
            (outcome.file, outcome.task.site, outcome.task.post_id),
        )
        site = outcome.task.site
        return [
            replace(outcome, task=Task(site, post_id, url, variant, md5))
            for post_id, url, variant, md5 in rows
        ]

    def is_needed(self, file: str) -> bool:
        """Whether a post counts on a file."""
        query = "SELECT 1 FROM posts WHERE file = ? AND status = 'done'"
        return self.connection.execute(query, (file,)).fetchone() is not None

    def finish(self, outcomes: Iterable[Outcome]) -> None:
        """Record how files ended, in one transaction."""
        rows = [
            (
                outcome.status,
                outcome.reason,
                outcome.file,
                outcome.header.ext if outcome.header else None,
                outcome.size or None,
                outcome.header.width if outcome.header else None,
                outcome.header.height if outcome.header else None,
                outcome.task.site,
                outcome.task.post_id,
            )
            for outcome in outcomes
        ]
        with self.transaction():
            self.connection.executemany(
                "UPDATE posts SET status = ?, reason = ?, file = ?, "
                "file_ext = coalesce(?, file_ext), file_size = coalesce(?, file_size), "
                "width = coalesce(?, width), height = coalesce(?, height) "
                "WHERE site = ? AND post_id = ?",
                rows,
            )
            self.connection.executemany(
                "DELETE FROM temp.again WHERE post_id = ?", [(row[-1],) for row in rows]
            )

    def note(self, what: str) -> None:
        """Write one line to the log of events."""
        self.connection.execute(
            "INSERT INTO events VALUES (?, ?)", (datetime.now(UTC).isoformat(), what)
        )


def _key(query: Query) -> tuple[str, str, str]:
    return query.site, query.key, " ".join(sorted(query.ratings))


def only_one(raw: Path) -> AbstractContextManager[None]:
    """Keep other crawls out of this folder. Raises `UserError` when one is running."""
    message = "another crawl is at work here"
    return locks.only_one(raw, "crawl", message, hint="wait for it, or stop it")
