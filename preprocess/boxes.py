"""Hand-drawn boxes: the table (file,x,y,w,h, perhaps kind) that training and measuring share."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from avatar_common.errors import UserError

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
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(
            "no such table", where=str(table), hint="columns file,x,y,w,h, perhaps kind"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"not readable as CSV: {error}", where=str(table)) from None
    truth: dict[str, list[TrueFace]] = {}
    for line, row in rows:
        try:
            if not row["file"]:
                raise ValueError
            faces = truth.setdefault(row["file"], [])
            cells = [row[c] for c in ("x", "y", "w", "h")]
            if any(cells):
                x, y, w, h = (float(c) for c in cells)
                if not all(map(math.isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
                    raise ValueError
                faces.append(TrueFace((x, y, w, h), row.get("kind") or "front"))
        except (KeyError, TypeError, ValueError):
            raise UserError(
                "not a box", where=f"{table}:{line}", hint="columns file,x,y,w,h; w and h above 0"
            ) from None
    return truth
