"""`crawler status`: posts by site, state and reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cli import emit_json, explain_dry_run
from crawler.options import StatusOptions
from crawler.state import count_posts
from manifest.workspace import Workspace


def status(options: StatusOptions) -> None:
    """Print the counts of the whole crawl."""
    database = Workspace(options.workspace).raw / "crawl.sqlite"
    if options.dry_run:
        explain_dry_run(options, [f"count the posts in {database}"])
        return
    emit_json(summary(database))


def summary(database: Path, sites: Sequence[str] = ()) -> dict[str, Any]:
    """Posts per site by state, with the reasons of those that have no file; and the files."""
    by_site: dict[str, dict[str, Any]] = {}
    for site, state, reason, count in count_posts(database):
        if sites and site not in sites:
            continue
        states = by_site.setdefault(site, {"done": 0, "skipped": 0, "failed": 0, "reasons": {}})
        states[state] = states.get(state, 0) + count
        if reason:
            states["reasons"][reason] = states["reasons"].get(reason, 0) + count
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (files,) = connection.execute(
            "SELECT count(DISTINCT file) FROM posts WHERE file IS NOT NULL"
        ).fetchone()
    return {"posts": by_site, "files": files}
