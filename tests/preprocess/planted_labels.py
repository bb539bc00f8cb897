"""Label errors planted in real faces: how many of them head the audit's list?

`python -m tests.preprocess.planted_labels ZIP` prints the shares found in the first fifth.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_common.commands import emit_json
from avatar_common.disk.faces import read_face_set
from avatar_common.disk.files import read_csv, write_csv
from preprocess.audit import AUDIT_COLUMNS, audit
from preprocess.import_set import import_set
from preprocess.options import AuditOptions, ImportOptions

SWAPPED_SHARE, FIRST_SHARE = 0.1, 0.2


@dataclass(frozen=True)
class PlantedFound:
    """Shares of the planted errors in the first fifth of all labels, and of the hair labels."""

    faces: int
    planted: int
    found_in_all: float
    found_in_hair: float


def planted_found(source: Path, workspace: Path) -> PlantedFound:
    """Import a `file,hair,eyes` zip, swap a tenth of its hair colours and audit it."""
    import_set(ImportOptions(source=source, workspace=workspace, name="x", size=32, quiet=True))
    folder = workspace / "data" / "faces" / "x"
    group = read_face_set(folder).vocabulary.group("hair_color")
    columns = ("file_name", "hair_color", "eye_color")
    rng = np.random.default_rng(0)
    rows, planted = [], set()
    for _, row in read_csv(folder / "attributes.csv", columns):
        if rng.random() < SWAPPED_SHARE:
            planted.add(row["file_name"])
            others = [name for name in group.classes if name != row["hair_color"]]
            row["hair_color"] = str(rng.choice(others))
        rows.append(tuple(row.values()))
    write_csv(folder / "attributes.csv", columns, rows)
    audit(AuditOptions(workspace=workspace, quiet=True))
    table = [row for _, row in read_csv(folder / "audit" / "audit.csv", AUDIT_COLUMNS)]
    hair = [row for row in table if row["attribute"] == "hair_color"]
    shares = []
    for listed in (table, hair):
        first = listed[: int(FIRST_SHARE * len(listed))]
        hit = {row["file_name"] for row in first if row["attribute"] == "hair_color"} & planted
        shares.append(round(len(hit) / len(planted), 3))
    return PlantedFound(len(rows), len(planted), *shares)


def first_rows(source: Path, out: Path, count: int) -> Path:
    """A smaller copy of a labelled zip."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(out, "w") as smaller:
        lines = archive.read("labels.csv").decode().splitlines()[: count + 1]
        smaller.writestr("labels.csv", "\n".join(lines))
        for line in lines[1:]:
            name = "images/" + line.partition(",")[0]
            smaller.writestr(name, archive.read(name))
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as workspace:
        found = planted_found(Path(sys.argv[1]), Path(workspace))
    emit_json(vars(found))
