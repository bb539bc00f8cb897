"""The page: verdicts first, then faces, then tables, in one file that needs nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eval.figures import Series, chart, data_uri, grid, stacked
from eval.measure import Drawn
from eval.metrics import Row
from eval.reals import Pictures, Reals
from eval.scores import Scores
from eval.verdicts import Check, headline, verdicts_of
from manifest.files import write_text

COLUMNS = 8
MAX_ROWS = 12
SHEET_COLUMNS, SHEET_ROWS = 4, 8


def write_page(
    path: Path,
    scores: Scores,
    checks: list[Check],
    drawn: Drawn,
    reals: Reals,
    history: list[Row],
) -> None:
    """Render report.html. `history` are all rows of metrics.jsonl, for the curves."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "number": _number, "words": _words}
    verdicts = verdicts_of(checks)
    level, sentence = headline(verdicts)
    write_text(
        path,
        environment.get_template("page.html").render(
            level=level,
            sentence=sentence,
            verdicts=verdicts,
            passed=[check for check in checks if check.level == "good"],
            unjudged=[check for check in checks if check.level == "unjudged"],
            sheet=first_sheet(scores, drawn, reals),
            scores=scores,
            content=scores.to_json(),
            groups=sorted(scores.accuracy, key=lambda group: group.ratio),
            second={group.name: group for group in scores.second},
            rows=sample_rows(scores, drawn, reals),
            nearest=_nearest(scores, drawn, reals),
            scatter=_scatter(scores),
            ladder=_ladder(scores),
            curves=_curves(history),
        ),
    )


@dataclass(frozen=True)
class ClassRow:
    """One class of the first attribute: fakes asked for it, real faces that have it."""

    name: str
    fake: Pictures
    real: Pictures


def class_rows(scores: Scores, drawn: Drawn, reals: Reals) -> tuple[str, list[ClassRow]]:
    """The first attribute's name, and its classes in the vocabulary's order."""
    name = scores.diversity.groups[0] if scores.diversity.groups else scores.accuracy[0].name
    column = reals.vocabulary.names.index(name)
    rows = []
    for index, label in enumerate(reals.vocabulary.groups[column].classes):
        fake = np.flatnonzero(drawn.labels[:, column] == index)[:COLUMNS]
        real = np.flatnonzero(reals.test_labels[:, column] == index)[:COLUMNS]
        if len(fake) and len(real):
            rows.append(ClassRow(label, drawn.pictures[fake], reals.test_pictures[real]))
    return name, rows[:MAX_ROWS]


def first_sheet(scores: Scores, drawn: Drawn, reals: Reals) -> dict[str, Any]:
    """Two sheets for the first screen: a few classes, a few faces of each, drawn and real."""
    group, rows = class_rows(scores, drawn, reals)
    rows = rows[:SHEET_ROWS]
    return {
        "group": group,
        "names": [row.name for row in rows],
        "fake": data_uri(stacked([row.fake[:SHEET_COLUMNS] for row in rows])),
        "real": data_uri(stacked([row.real[:SHEET_COLUMNS] for row in rows])),
    }


def sample_rows(scores: Scores, drawn: Drawn, reals: Reals) -> list[dict[str, str]]:
    """Per class of the first attribute, a strip of fakes and a strip of real faces."""
    return [
        {
            "name": row.name,
            "fake": data_uri(grid(row.fake, COLUMNS)),
            "real": data_uri(grid(row.real, COLUMNS)),
        }
        for row in class_rows(scores, drawn, reals)[1]
    ]


def _nearest(scores: Scores, drawn: Drawn, reals: Reals) -> list[dict[str, Any]]:
    memory = scores.memorisation
    return [
        {
            "fake": data_uri(grid(drawn.pictures[[fake]], 1)),
            "train": data_uri(grid(reals.train_pictures[[train]], 1)),
            "held_out": data_uri(grid(reals.test_pictures[[held_out]], 1)),
        }
        for fake, train, held_out in zip(
            memory.closest_fakes, memory.closest_train, memory.closest_held_out, strict=True
        )
    ]


def _scatter(scores: Scores) -> str:
    points = scores.class_points
    return chart(
        [
            Series(
                "classes",
                [(x, y) for _, x, y in points],
                "fake",
                [name for name, x, y in points if math.isfinite(x) and math.isfinite(y)],
            )
        ],
        x_title="MS-SSIM of the class's fakes (right: all alike)",
        y_title="accuracy",
        joined=False,
    )


def _ladder(scores: Scores) -> str:
    def mean(side: int, of: str) -> float:
        return float(np.mean([getattr(group, of).accuracy for group in scores.ladder[side]]))

    return chart(
        [
            Series(of, [(rung, mean(side, of)) for rung, side in enumerate(scores.ladder)], of)
            for of in ("fake", "real")
        ],
        x_ticks=[(rung, str(side)) for rung, side in enumerate(scores.ladder)],
        x_title="side in pixels to which the pictures were shrunk",
        y_title="mean accuracy",
        joined=True,
    )


def _curves(history: list[Row]) -> str:
    """Mean fake accuracy and MS-SSIM over training, once there are two snapshots."""
    if len({row.get("kimg") for row in history}) < 2:
        return ""

    def accuracy(row: Row) -> float:
        values = [group["fake"] for group in row["accuracy"].values() if group["fake"] is not None]
        return float(np.mean(values)) if values else math.nan

    def similar(row: Row) -> float:
        value = row["ms_ssim"]["fake"]
        return math.nan if value is None else value

    return chart(
        [
            Series("accuracy", [(row["kimg"], accuracy(row)) for row in history], "fake"),
            Series("MS-SSIM", [(row["kimg"], similar(row)) for row in history], "real"),
        ],
        x_title="thousand images seen in training",
        y_title="accuracy and MS-SSIM",
        joined=True,
    )


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f}%"


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
