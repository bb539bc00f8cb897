"""Hand-drawn boxes: the table (file,x,y,w,h, perhaps kind) that training and measuring share."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from manifest import UserError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class TrueFace:
    """A face somebody boxed (xywh); of kind `other` it is neither target nor false positive."""

    box: Box
    kind: str = "front"


def read_boxes(table: Path) -> dict[str, list[TrueFace]]:
    """True faces by file name; a row with empty numbers is a picture without a face.

    Raises `UserError` naming the row that is malformed.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(
            "no such table", where=str(table), hint="columns file,x,y,w,h, perhaps kind"
        ) from None
    truth: dict[str, list[TrueFace]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            faces = truth.setdefault(row["file"], [])
            cells = [row[c] for c in ("x", "y", "w", "h")]
            if any(cells):
                x, y, w, h = (float(c) for c in cells)
                faces.append(TrueFace((x, y, w, h), row.get("kind") or "front"))
        except (KeyError, TypeError, ValueError):
            raise UserError(
                "not a box", where=f"{table}:{line}", hint="columns file,x,y,w,h"
            ) from None
    return truth
