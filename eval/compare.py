"""`python -m eval compare RUN RUN …`: runs side by side, and their quality for their compute."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.files import write_text
from avatar_common.disk.runs import RunFolder
from avatar_common.disk.scores import SCORES_FILE, Row, read_rows
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from eval.figures import Series, chart
from eval.network_scores import TITLES
from eval.options import CompareOptions
from eval.page_parts import number, words

CURVES = ("_frechet_ratio", "_clean", "_recall")
SHOWN = ("frechet_ratio", "clean", "precision", "recall")
PLACE = ("network", "group", "class")
MEASURED = (
    *("frechet_ratio", "kernel", "precision", "recall"),
    *("density", "coverage", "clean"),
)
ACCURACY = ("accuracy", "accuracy_low", "accuracy_high", "accuracy_real", "accuracy_ratio")
CLASSIFIER = "classifier"  # in the column of networks


@dataclass(frozen=True)
class Run:
    """A scored run: its name in the columns, its rows by kimg, its settings and its clock."""

    name: str
    rows: list[Row]
    settings: dict[str, Any]
    device: str
    clock: list[tuple[float, float]]  # kimg, minutes

    @property
    def newest(self) -> Row:
        """The row with the most training."""
        return self.rows[-1]

    def minutes(self, kimg: float) -> float:
        """Minutes of training that `kimg` took; NaN where the run kept no clock."""
        if not self.clock:
            return math.nan
        images, minutes = np.array(self.clock).T
        return float(np.interp(kimg, images, minutes))


def compare(options: CompareOptions) -> None:
    """A table for people on stderr, one JSON object on stdout, a page and a CSV where asked."""
    paths = options.runs or _scored_runs(Workspace(options.workspace).runs)
    if options.dry_run:
        explain_dry_run(options, [f"read {path / SCORES_FILE}" for path in paths])
        return
    runs = read_runs(paths)
    summaries = {run.name: compared(run) for run in runs}
    differing = differing_settings(runs)
    if not options.quiet:
        Console(stderr=True).print(_table(summaries, differing))
    made = {}
    if options.out is not None:
        page, table = options.out / "compare.html", options.out / "compare.csv"
        write_text(page, page_of(runs, differing))
        write_text(table, csv_of(runs))
        made = {"page": str(page), "csv": str(table)}
    emit_json(
        {
            "runs": summaries,
            "differing": differing,
            "comparable": comparable([run.newest for run in runs]),
            **made,
        }
    )


def _scored_runs(folder: Path) -> tuple[Path, ...]:
    found = tuple(sorted(path.parent.parent for path in folder.glob(f"*/{SCORES_FILE}")))
    if not found:
        raise UserError("no scored run here", where=str(folder), hint="run `python -m eval report`")
    return found


def read_runs(paths: tuple[Path, ...]) -> list[Run]:
    """Every run's scores and settings. Raises `UserError` when there is no run or no score."""
    named_once = len({path.name for path in paths}) == len(set(paths))
    found = []
    for path in paths:
        if not path.is_dir():
            raise UserError("no such run", where=str(path))
        rows = read_rows(path / SCORES_FILE)
        if not rows:
            raise UserError("not scored yet", where=str(path), hint="run `python -m eval report`")
        run = RunFolder(path)
        config = run.read_config() if run.is_run else {}
        training = config.get("training", {})
        settings = {**training.get("settings", {}), **training}
        settings.pop("settings", None)
        name = path.name if named_once else str(path)
        name += f" @ {rows[-1]['kimg']:g} kimg"
        clock = [(row["kimg"], row["elapsed_s"] / 60) for row in run.read_stats()]
        found.append(Run(name, rows, settings, str(config.get("device", "")), clock))
    return found


def differing_settings(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Options that are not the same in all runs: option -> run -> value."""
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    found = {}
    for name in names:
        values = {run.name: run.settings.get(name) for run in runs}
        if len({repr(value) for value in values.values()}) > 1:
            found[name] = values
    return found


def comparable(rows: list[Row]) -> bool:
    """Whether all rows stand on the same faces, classifier and count."""
    keys = ("dataset_id", "classifier", "n", "image_size")
    return len({tuple(row.get(key) for key in keys) for row in rows}) == 1


def compared(run: Run) -> dict[str, Any]:
    """The numbers that decide, from the newest row, with what they cost."""
    row = run.newest
    minutes = run.minutes(row["kimg"])
    return {
        **{key: row[key] for key in ("kimg", "dataset_id", "n", "n_real")},
        "minutes": None if math.isnan(minutes) else round(minutes, 2),
        "device": run.device,
        **row["summary"],
        "verdicts": [verdict["name"] for verdict in row["verdicts"]],
    }


def _table(summaries: dict[str, dict[str, Any]], differing: dict[str, dict[str, Any]]) -> Table:
    table = Table("measure", *summaries)
    names = list(dict.fromkeys(name for one in summaries.values() for name in one))
    for name in names:
        table.add_row(words(name), *(_cell(one.get(name)) for one in summaries.values()))
    for name, values in differing.items():
        table.add_row(f"option {words(name)}", *(str(value) for value in values.values()))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def csv_of(runs: list[Run]) -> str:
    """A line per run, snapshot, network (or the classifier), attribute and class.

    "" is all attributes, all classes, or a value that there is none of; `_low` and `_high` are the
    ends of 95% intervals.
    """
    measured = (f"{name}{end}" for name in MEASURED for end in ("", "_low", "_high"))
    columns = ("run", "kimg", "minutes", "device", *PLACE, *measured, *ACCURACY)
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for run in runs:
        for row in run.rows:
            minutes = run.minutes(row["kimg"])
            known = None if math.isnan(minutes) else minutes
            head = {"run": run.name, "kimg": row["kimg"], "minutes": known, "device": run.device}
            writer.writerows({**head, **line} for line in [*network_lines(row), *read_lines(row)])
    return file.getvalue()


def network_lines(row: Row) -> Iterator[dict[str, Any]]:
    """What each scoring network says of all faces of a snapshot, then class by class."""
    for network, found in networks_of(row).items():
        values: dict[str, Any] = {}
        for name in MEASURED:
            value = found.get(name, {})
            values[name] = value.get("drawn")
            values |= {f"{name}_{end}": value.get(end) for end in ("low", "high")}
        yield {"network": network, **values}
        for group, classes in found.get("per_class", {}).items():
            for name, own in classes.items():
                known = {value: own[value] for value in MEASURED if value in own}
                yield {"network": network, "group": group, "class": name, **known}


def read_lines(row: Row) -> Iterator[dict[str, Any]]:
    """What the classifier reads right: the mean ratio, then attribute by attribute and class."""
    if not row.get("accuracy"):
        return
    yield {"network": CLASSIFIER, "accuracy_ratio": row["summary"].get("accuracy_ratio")}
    for group, found in row["accuracy"].items():
        low, high = found.get("fake_interval", (None, None))
        values = (found["fake"], low, high, found["real"], found["ratio"])
        line = {"network": CLASSIFIER, "group": group}
        yield {**line, **dict(zip(ACCURACY, values, strict=True))}
        for name, own in found.get("per_class", {}).items():
            shares = {"accuracy": own["fake"], "accuracy_real": own["real"]}
            yield {**line, "class": name, **shares}


def networks_of(row: Row) -> dict[str, dict[str, Any]]:
    """The scoring networks' parts of a row."""
    return {
        name: found for name, found in row.get("outside", {}).items() if isinstance(found, dict)
    }


def page_of(runs: list[Run], differing: dict[str, dict[str, Any]]) -> str:
    """Curves over images and over minutes, what differs, and the class values."""
    charts = []
    names = [name for name in runs[0].newest["summary"] if name.endswith(CURVES)]
    for name in names:
        for unit in ("kimg", "minutes"):
            drawn = curve(runs, name, unit)
            if drawn:
                charts.append({"title": f"{title_of(name)} over {unit}", "svg": drawn})
    classes = []
    for run in runs:
        for network, found in networks_of(run.newest).items():
            for group, values in found.get("per_class", {}).items():
                for name, own in values.items():
                    cells = [number(own.get("frechet_ratio")), number(own.get("clean"))]
                    classes.append((run.name, network, words(group), name, *cells))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("compare.html").render(
        runs=[run.name for run in runs],
        newest=newest_values(runs),
        charts=charts,
        differing=differing,
        classes=classes,
    )


def title_of(name: str) -> str:
    """A number of the summary in words: "lite2_recall" is recall, by lite2."""
    network, _, measure = name.partition("_")
    return f"{TITLES.get(measure, words(measure)).partition(':')[0]} ({network})"


def newest_values(runs: list[Run]) -> list[tuple[str, ...]]:
    """What the runs' newest snapshots score, a line per number, the reals' own last."""
    lines = []
    for name in [n for n in runs[0].newest["summary"] if n.partition("_")[2] in SHOWN]:
        cells = [number(run.newest["summary"].get(name)) for run in runs]
        lines.append(
            (title_of(name), *cells, number(runs[0].newest["summary"].get(f"{name}_real")))
        )
    named = [words(*(verdict["name"] for verdict in run.newest["verdicts"])) for run in runs]
    return [*lines, ("verdicts", *(text or "none" for text in named), "–")]


def curve(runs: list[Run], name: str, unit: str) -> str:
    """One value of every run over its training; "" without points."""
    lines = []
    for place, run in enumerate(runs):
        points = []
        for row in run.rows:
            x = float(row["kimg"]) if unit == "kimg" else run.minutes(row["kimg"])
            value = row["summary"].get(name)
            points.append((x, math.nan if value is None else float(value)))
        lines.append(Series(run.name, points, f"run{place % 6}"))
    known = [y for line in lines for _, y in line.points if math.isfinite(y)]
    top = 1.0 if name.endswith(("_clean", "_recall")) else max(known, default=1.0) * 1.05
    x_title = "thousand images seen" if unit == "kimg" else "minutes of training"
    return chart(lines, x_title=x_title, y_title=words(name), joined=True, y_high=top, legend=False)
