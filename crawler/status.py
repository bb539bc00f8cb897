"""`crawler status`: posts by site, state and reason."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.files import check_schema_version
from avatar_common.disk.raw import CRAWL_SCHEMA_VERSION, RawFolder
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from crawler.options import StatusOptions

log = logging.getLogger(__name__)


def status(options: StatusOptions) -> None:
    """Print the counts of the whole crawl."""
    database = RawFolder(Workspace(options.workspace).raw).database
    if options.dry_run:
        explain_dry_run(options, [f"count the posts in {database}"])
        return
    counts = summary(database)
    for site, states in counts["posts"].items():
        log.info("%s", _sentence(site, states))
    emit_json(counts)


def _sentence(site: str, states: dict[str, Any]) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in states.items() if state != "reasons" and n)
    reasons = sorted(states["reasons"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"{reason} {n}" for reason, n in reasons)
    return f"{site}: {counts or 'nothing'}" + (f" ({listed})" if listed else "")


def summary(database: Path, sites: Sequence[str] = ()) -> dict[str, Any]:
    """Posts per site by state, with the reasons of those that have no file; and the files.

    Raises `UserError` when there is no crawl, or none that can be read.
    """
    if not database.is_file():
        raise UserError(
            "nothing was crawled yet", where=str(database), hint="run `python -m crawler fetch`"
        )
    by_site: dict[str, dict[str, Any]] = {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            check_schema_version({"schema_version": version}, database, CRAWL_SCHEMA_VERSION)
            for site, state, reason, count in connection.execute(
                "SELECT site, status, reason, count(*) FROM posts GROUP BY site, status, reason"
            ):
                if sites and site not in sites:
                    continue
                empty = {"done": 0, "skipped": 0, "failed": 0, "reasons": {}}
                states = by_site.setdefault(site, empty)
                states[state] = states.get(state, 0) + count
                if reason:
                    states["reasons"][reason] = states["reasons"].get(reason, 0) + count
            (files,) = connection.execute(
                "SELECT count(DISTINCT file) FROM posts WHERE file IS NOT NULL"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            raise UserError(f"cannot be read: {error}", where=str(database)) from None
    return {"posts": by_site, "files": files}
