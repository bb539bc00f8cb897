"""What the crawl leaves for the crop stage: `data/raw/crawl.sqlite` and the pictures it names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avatar_common.errors import UserError

CRAWL_SCHEMA_VERSION = 1

PostStatus = Literal["listed", "done", "skipped", "failed", "forgotten"]

# posts: `tags` is a JSON object: kind (general, artist, character, copyright, meta) -> names;
# `md5` is the booru's claim about the original; `file` is relative to data/raw,
# images/ab/ab12….ext, named by the md5 of its own bytes (another only for a smaller variant);
# `status` ends in done, skipped, failed or forgotten, with the reason beside it.
# queries: `spans` is a JSON list of [low, high]: ranges of post ids that were listed completely;
# posts above `newer_than` are those that a run under way is yet to list first.
# tombstones: what must never come back; kind is post (site:id), md5, artist or tag.
CRAWL_SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    site TEXT NOT NULL,
    post_id INTEGER NOT NULL,
    md5 TEXT,
    rating TEXT,
    tags TEXT NOT NULL,
    artist TEXT,
    source TEXT,
    parent_id INTEGER,
    file_url TEXT,
    variant TEXT,
    file_ext TEXT,
    file_size INTEGER,
    width INTEGER,
    height INTEGER,
    created_at TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    file TEXT,
    PRIMARY KEY (site, post_id)
);
CREATE INDEX IF NOT EXISTS posts_by_status ON posts (site, status, reason);
CREATE INDEX IF NOT EXISTS posts_to_fetch ON posts (site, post_id) WHERE status = 'listed';
CREATE INDEX IF NOT EXISTS posts_by_md5 ON posts (md5);
CREATE INDEX IF NOT EXISTS posts_by_file ON posts (file) WHERE file IS NOT NULL;
CREATE TABLE IF NOT EXISTS queries (
    site TEXT NOT NULL,
    tags TEXT NOT NULL,
    ratings TEXT NOT NULL,
    root TEXT NOT NULL,
    spans TEXT NOT NULL,
    listed INTEGER NOT NULL,
    newer_than INTEGER,
    PRIMARY KEY (site, tags, ratings)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (at TEXT NOT NULL, what TEXT NOT NULL);
"""


@dataclass(frozen=True)
class RawFolder:
    """The folder of a crawl: what lies in it, under which names."""

    path: Path

    @property
    def database(self) -> Path:
        """The posts, queries and tombstones, see `CRAWL_SCHEMA`."""
        return self.path / "crawl.sqlite"

    @property
    def images(self) -> Path:
        """The pictures, by the first two digits of their md5."""
        return self.path / "images"


@dataclass(frozen=True)
class RawPicture:
    """One downloaded picture and its post (the first one, when several sites hold it)."""

    site: str
    post_id: int
    md5: str
    path: Path
    tags: dict[str, list[str]]
    artist: str
    source: str
    rating: str

    @property
    def post(self) -> str:
        """`site:id`, as `faces.csv` records it."""
        return f"{self.site}:{self.post_id}"

    @property
    def general_tags(self) -> list[str]:
        """The tags of what the picture shows."""
        return self.tags.get("general", [])


def downloaded_pictures(raw: Path) -> Iterator[RawPicture]:
    """Yield every picture on disk once, by md5, so that the order never depends on the crawl.

    Raises `UserError` when there is no crawl, or one of another schema version.
    """
    database = RawFolder(raw).database
    if not database.is_file():
        raise UserError(
            "nothing was crawled yet", where=str(database), hint="run `python -m crawler fetch`"
        )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != CRAWL_SCHEMA_VERSION:
            raise UserError(
                f"schema version {version}, this program reads version {CRAWL_SCHEMA_VERSION}",
                where=str(database),
            )
        last_file = None
        for row in connection.execute(
            "SELECT site, post_id, file, tags, artist, source, rating FROM posts "
            "WHERE status = 'done' AND file IS NOT NULL ORDER BY file, site, post_id"
        ):
            site, post_id, file, tags, artist, source, rating = row
            if file != last_file:
                yield RawPicture(
                    site,
                    post_id,
                    Path(file).stem,
                    raw / file,
                    json.loads(tags),
                    artist or "",
                    source or "",
                    rating,
                )
            last_file = file
