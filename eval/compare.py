"""`python -m eval compare RUN RUN …`: the newest score of each run, side by side."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from cli import emit_json, explain_dry_run
from eval.metrics import Row, read_rows
from eval.options import CompareOptions
from manifest.errors import UserError
from manifest.workspace import Workspace


def compare(options: CompareOptions) -> None:
    """A table for people on stderr, one JSON object on stdout."""
    runs = options.runs or _scored_runs(Workspace(options.workspace).runs)
    if options.dry_run:
        explain_dry_run(options, [f"read {run / 'eval' / 'metrics.jsonl'}" for run in runs])
        return
    rows = {run.name: newest_row(run) for run in runs}
    summaries = {name: summary(row) for name, row in rows.items()}
    if not options.quiet:
        Console(stderr=True).print(_table(summaries))
    emit_json({"runs": summaries, "comparable": comparable(list(rows.values()))})


def _scored_runs(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(path.parent.parent for path in folder.glob("*/eval/metrics.jsonl")))
    if not found:
        raise UserError("no scored run here", where=str(folder), hint="run `python -m eval report`")
    return found


def newest_row(run: Path) -> Row:
    """The row with the most training. Raises `UserError` when the run was never scored."""
    rows = read_rows(run / "eval" / "metrics.jsonl")
    if not rows:
        raise UserError("not scored yet", where=str(run), hint="run `python -m eval report`")
    return rows[-1]


def comparable(rows: list[Row]) -> bool:
    """Whether all rows stand on the same faces, classifier and count."""
    keys = ("dataset_id", "classifier", "n", "image_size")
    return len({tuple(row.get(key) for key in keys) for row in rows}) == 1


def summary(row: Row) -> dict[str, Any]:
    """The few numbers that decide, from one row of metrics.jsonl."""
    first = row["distance"][0]
    return {
        "kimg": row["kimg"],
        "dataset_id": row["dataset_id"],
        "n": row["n"],
        "accuracy_ratio": _mean([group["ratio"] for group in row["accuracy"].values()]),
        **{f"accuracy_{name}": group["fake"] for name, group in row["accuracy"].items()},
        "ms_ssim_fake": row["ms_ssim"]["fake"],
        "ms_ssim_real": row["ms_ssim"]["real"],
        "z_sensitivity": row["z_sensitivity"],
        "precision": row["manifold"]["fake"]["precision"],
        "recall": row["manifold"]["fake"]["recall"],
        "frechet_over_real_halves": first["frechet_over_real_halves"],
        "copied_share": row["memorisation"]["copied_share"],
        "verdicts": [verdict["name"] for verdict in row["verdicts"]],
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return round(float(np.mean(known)), 4) if known else None


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
