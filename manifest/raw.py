"""What the crawl leaves for the crop stage: `data/raw/crawl.sqlite` and the pictures it names."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from manifest.errors import UserError

CRAWL_SCHEMA_VERSION = 1

PostStatus = Literal["listed", "done", "skipped", "failed", "forgotten"]

# `tags` is a JSON object: kind (general, artist, character, copyright, meta) -> list of names.
# `status` ends in done, skipped, failed or forgotten, with the reason beside it;
# `file` is relative to data/raw: images/ab/ab12….ext, named by the md5 of the bytes.
CRAWL_SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    site TEXT NOT NULL,
    post_id INTEGER NOT NULL,
    md5 TEXT,
    rating TEXT,
    tags TEXT NOT NULL,
    artist TEXT,
    source TEXT,
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
) WITHOUT ROWID;
"""


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
        return self.tags.get("general", [])


def downloaded_pictures(raw: Path) -> Iterator[RawPicture]:
    """Yield every picture on disk once, by md5, so that the order never depends on the crawl.

    Raises `UserError` when there is no crawl, or one of another schema version.
    """
    database = raw / "crawl.sqlite"
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
        last_md5 = None
        for row in connection.execute(
            "SELECT site, post_id, md5, file, tags, artist, source, rating FROM posts "
            "WHERE status = 'done' ORDER BY md5, site, post_id"
        ):
            site, post_id, md5, file, tags, artist, source, rating = row
            if md5 != last_md5:
                yield RawPicture(
                    site,
                    post_id,
                    md5,
                    raw / file,
                    json.loads(tags),
                    artist or "",
                    source or "",
                    rating,
                )
            last_md5 = md5
