"""`eval/` beside a snapshot or in a run: how it scored. Written by `eval`, read by others."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from avatar_common.disk.files import write_text
from avatar_common.disk.runs import run_of
from avatar_common.errors import UserError

SCORES_SCHEMA_VERSION = 2
SCORES_FOLDER = "eval"
SCORES_TABLE = "metrics.jsonl"
REPORT_PAGE = "report.html"
SCORES_FILE = Path(SCORES_FOLDER, SCORES_TABLE)

Row = dict[str, Any]


def scores_file(snapshot: Path) -> Path:
    """Where the scores of a snapshot (any of its files) are kept: in its run, or beside it."""
    run = run_of(snapshot)
    return (run.path if run else snapshot.resolve().parent) / SCORES_FILE


def read_rows(path: Path) -> list[Row]:
    """The rows in order of kimg; none when the file is missing. Raises `UserError`."""
    if not path.is_file():
        return []
    rows = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{path}:{line}"
        try:
            row = json.loads(text)
        except ValueError as error:
            raise UserError(f"not valid JSON: {error}", where=where) from None
        if not isinstance(row, dict) or row.get("schema_version") != SCORES_SCHEMA_VERSION:
            raise UserError(
                "a row of another version", where=where, hint="delete the file and score again"
            )
        rows.append(row)
    return sorted(rows, key=lambda row: row.get("kimg") or 0.0)


def append_row(path: Path, content: Row) -> list[Row]:
    """Add a row (an older score of the same snapshot on the same faces goes), return all.

    Rows of an older version are dropped: no reader takes them any more.
    """

    def identity(row: Row) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in ("snapshot_hash", "dataset_id", "n", "seed"))

    row = {"schema_version": SCORES_SCHEMA_VERSION, **content}
    try:
        known = read_rows(path)
    except UserError:
        known = []
    rows = [kept for kept in known if identity(kept) != identity(row)]
    rows = sorted([*rows, row], key=lambda found: found.get("kimg") or 0.0)
    write_text(path, "".join(json.dumps(kept, ensure_ascii=False) + "\n" for kept in rows))
    return rows


def newest_row(snapshot: Path, weights_sha256: str) -> Row | None:
    """The last scores of these weights, of any version; None where none can be read.

    For those who show scores where there are some: what a version lacks, they leave out.
    """
    try:
        lines = scores_file(snapshot).read_text(encoding="utf-8").splitlines()
        rows = [dict(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError):
        return None
    return next((row for row in reversed(rows) if row.get("snapshot_hash") == weights_sha256), None)


def plain(value: Any) -> Any:
    """JSON-able all the way down: tuples to lists, numpy to Python, NaN and infinity to null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
