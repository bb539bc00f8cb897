"""The page: verdicts first, then faces, then every metric's own part, in one file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from avatar_common.disk.files import write_text
from avatar_common.disk.scores import Row
from avatar_common.pictures import PicturesNCHW
from eval.figures import Series, chart, data_uri, grid, stacked
from eval.measure import Scores
from eval.page_parts import Bar, Pair, Section, words
from eval.verdicts import headline, verdicts_of

COLUMNS = 8
MAX_ROWS = 12
SHEET_COLUMNS, SHEET_ROWS = 4, 8


def write_page(path: Path, scores: Scores, history: list[Row]) -> None:
    """Render report.html. `history` are all rows of metrics.jsonl, for the curves."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["bar"] = lambda cell: isinstance(cell, Bar)
    verdicts = verdicts_of(scores.checks)
    level, sentence = headline(verdicts)
    case = scores.case
    write_text(
        path,
        environment.get_template("page.html").render(
            level=level,
            sentence=sentence,
            verdicts=verdicts,
            passed=[check for check in scores.checks if check.level == "good"],
            unanswered=[check for check in scores.checks if check.level == "unanswered"],
            sheet=first_sheet(scores),
            subject=scores.subject,
            case=case,
            sections=[
                *asked_and_came(scores),
                *(part for result in scores.results for part in result.sections(case)),
                *over_training(history),
            ],
            rows=[row for result in scores.results for row in result.rows()],
            not_measured={words(name): why for name, why in scores.results.not_measured.items()},
        ),
    )


@dataclass(frozen=True)
class ClassRow:
    """One class of the first attribute: fakes asked for it, real faces that have it."""

    name: str
    fake: PicturesNCHW
    real: PicturesNCHW


def class_rows(scores: Scores) -> tuple[str, list[ClassRow]]:
    """The first attribute's name, and its classes in the vocabulary's order."""
    case = scores.case
    reals = case.reals
    if not case.scored:
        return "", []
    column = case.scored[0]
    rows = []
    for index, label in enumerate(reals.vocabulary.groups[column].classes):
        fake = np.flatnonzero(case.labels[:, column] == index)[:COLUMNS]
        real = np.flatnonzero(reals.test_labels[:, column] == index)[:COLUMNS]
        if len(fake) and len(real):
            rows.append(ClassRow(label, case.pictures[fake], reals.test_pictures[real]))
    return reals.vocabulary.names[column], rows[:MAX_ROWS]


def first_sheet(scores: Scores) -> dict[str, Any]:
    """Two sheets for the first screen: a few classes, a few faces of each, drawn and real."""
    group, rows = class_rows(scores)
    rows = rows[:SHEET_ROWS]
    if not rows:
        shown = SHEET_COLUMNS * SHEET_ROWS
        fake = grid(scores.case.pictures[:shown], SHEET_COLUMNS)
        real = grid(scores.case.reals.test_pictures[:shown], SHEET_COLUMNS)
        note = "The model takes no labels."
        return {"note": note, "fake": data_uri(fake), "real": data_uri(real)}
    return {
        "note": f"Row by row the {words(group)} {', '.join(row.name for row in rows)}: asked for "
        "on the left, real faces that have it on the right.",
        "fake": data_uri(stacked([row.fake[:SHEET_COLUMNS] for row in rows])),
        "real": data_uri(stacked([row.real[:SHEET_COLUMNS] for row in rows])),
    }


def asked_and_came(scores: Scores) -> list[Section]:
    """Per class of the first attribute, a strip of fakes and a strip of real faces."""
    pairs = [
        Pair(row.name, data_uri(grid(row.fake, COLUMNS)), data_uri(grid(row.real, COLUMNS)))
        for row in class_rows(scores)[1]
    ]
    return [Section("What was asked, and what came out", pairs=pairs)] if pairs else []


def over_training(history: list[Row]) -> list[Section]:
    """The share of clean faces in each scoring network over training, once there are two rows."""
    names = sorted({name for row in history for name in row["summary"] if name.endswith("_clean")})
    if len({row.get("kimg") for row in history}) < 2 or not names:
        return []

    def value(row: Row, name: str) -> float:
        found = row["summary"].get(name)
        return math.nan if found is None else float(found)

    lines = [
        Series(words(name), [(row["kimg"], value(row, name)) for row in history], of)
        for name, of in zip(names, ("fake", "real"), strict=False)
    ]
    drawn = chart(lines, x_title="thousand images seen in training", y_title="clean", joined=True)
    intro = f"Share of clean faces by {' and '.join(words(name) for name in names[:2])}."
    return [Section("Over training", intro, charts=[drawn])]
