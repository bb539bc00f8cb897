"""One process at a time in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from avatar_common.errors import UserError


@contextmanager
def only_one(folder: Path, name: str, message: str, *, hint: str) -> Iterator[None]:
    """Keep other processes out while this one works in `folder`, which is made when missing.

    The lock lies in `<folder>/<name>.lock`. It is SQLite's: it goes with the process, however that
    ends, on every system. Raises `UserError(message)` when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise UserError(message, where=str(folder), hint=hint) from None
        yield
