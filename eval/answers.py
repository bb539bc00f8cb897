"""Answers of people to `python -m eval people`: one small JSON file per person and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avatar_common.disk.files import read_json
from avatar_common.errors import UserError

ANSWERS_SCHEMA_VERSION = 1
ANSWERS_FOLDER = "people"


@dataclass(frozen=True)
class Answer:
    """One pair: what was chosen as real ("real") or as the better drawing ("ab"), and the other.

    Names are snapshots' weights hashes, or "real".
    """

    kind: Literal["real", "ab"]
    chosen: str
    other: str


def read_answers(folder: Path) -> list[Answer]:
    """All answers in a folder's files; none where there is no folder. Raises `UserError`."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        content = read_json(path, schema_version=ANSWERS_SCHEMA_VERSION)
        try:
            for one in content["answers"]:
                if one["kind"] not in ("real", "ab"):
                    raise ValueError(f"kind {one['kind']!r}")
                found.append(Answer(one["kind"], str(one["chosen"]), str(one["other"])))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"not an answers file: {error!r}", where=str(path)) from None
    return found
