"""`python -m eval compare RUN RUN …`: the newest score of each run, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli import emit_json, explain_dry_run
from eval.options import CompareOptions
from manifest.errors import UserError
from manifest.scores import SCORES_FILE, Row, read_rows
from manifest.workspace import Workspace


def compare(options: CompareOptions) -> None:
    """A table for people on stderr, one JSON object on stdout."""
    runs = options.runs or _scored_runs(Workspace(options.workspace).runs)
    if options.dry_run:
        explain_dry_run(options, [f"read {run / 'eval' / 'metrics.jsonl'}" for run in runs])
        return
    named_once = len({run.name for run in runs}) == len(set(runs))
    rows = {run.name if named_once else str(run): newest_row(run) for run in runs}
    summaries = {name: compared(row) for name, row in rows.items()}
    if not options.quiet:
        Console(stderr=True).print(_table(summaries))
    emit_json({"runs": summaries, "comparable": comparable(list(rows.values()))})


def _scored_runs(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(path.parent.parent for path in folder.glob("*/eval/metrics.jsonl")))
    if not found:
        raise UserError("no scored run here", where=str(folder), hint="run `python -m eval report`")
    return found


def newest_row(run: Path) -> Row:
    """The row with the most training. Raises `UserError` when there is no run or no score."""
    if not run.is_dir():
        raise UserError("no such run", where=str(run))
    rows = read_rows(run / SCORES_FILE)
    if not rows:
        raise UserError("not scored yet", where=str(run), hint="run `python -m eval report`")
    return rows[-1]


def comparable(rows: list[Row]) -> bool:
    """Whether all rows stand on the same faces, classifier and count."""
    keys = ("dataset_id", "classifier", "n", "image_size")
    return len({tuple(row.get(key) for key in keys) for row in rows}) == 1


def compared(row: Row) -> dict[str, Any]:
    """The numbers that decide, from one row of metrics.jsonl."""
    return {
        **{key: row[key] for key in ("kimg", "dataset_id", "n", "n_real")},
        **row["summary"],
        "verdicts": [verdict["name"] for verdict in row["verdicts"]],
    }


def _table(summaries: dict[str, dict[str, Any]]) -> Table:
    table = Table("measure", *summaries)
    names = list(dict.fromkeys(name for one in summaries.values() for name in one))
    for name in names:
        table.add_row(name.replace("_", " "), *(_cell(one.get(name)) for one in summaries.values()))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
