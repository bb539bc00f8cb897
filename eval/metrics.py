"""metrics.jsonl: one line per scored snapshot, the newest score of each kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.scores import SCORES_SCHEMA_VERSION
from manifest.errors import UserError
from manifest.files import write_text

Row = dict[str, Any]


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
            raise UserError("not a row of this program's version", where=where, hint="delete it")
        rows.append(row)
    return sorted(rows, key=lambda row: row.get("kimg") or 0.0)


def append_row(path: Path, content: Row) -> list[Row]:
    """Add a row (an older score of the same snapshot on the same faces goes), return all."""

    def identity(row: Row) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in ("snapshot_hash", "dataset_id", "n", "seed"))

    row = {"schema_version": SCORES_SCHEMA_VERSION, **content}
    rows = [kept for kept in read_rows(path) if identity(kept) != identity(row)]
    rows = sorted([*rows, row], key=lambda found: found.get("kimg") or 0.0)
    write_text(path, "".join(json.dumps(kept, ensure_ascii=False) + "\n" for kept in rows))
    return rows
