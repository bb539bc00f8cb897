from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from manifest.faces import read_face_set
from manifest.files import read_csv, write_csv
from preprocess.audit import AUDIT_COLUMNS, audit
from preprocess.colour import REGIONS, colour_features, region_mask
from preprocess.import_set import import_set
from preprocess.options import AuditOptions, ImportOptions
from tests.shared_data import shared_data


def test_regions_lie_where_they_should() -> None:
    eyes = region_mask(REGIONS["eye_color"][0], 100)
    assert eyes[45, 35]
    assert eyes[45, 65]
    assert not eyes[45, 50]
    top, sides = (region_mask(parts, 100) for parts in REGIONS["hair_color"])
    assert top[10, 50]
    assert sides[50, 5]
    assert not (top | sides)[50, 50]


def test_the_measured_colour_is_the_one_in_the_region() -> None:
    pictures = np.full((1, 3, 64, 64), 255, np.uint8)
    pictures[0, :, :20] = np.array([200, 30, 40], np.uint8)[:, None, None]
    features, measured = colour_features(pictures, REGIONS["hair_color"])
    assert np.allclose((features**2).reshape(2, -1).sum(axis=1), 1)
    assert measured[0] == pytest.approx([43, 63, 39], abs=6)


def first_rows(source: Path, out: Path, count: int) -> Path:
    """A smaller copy of a labelled zip."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(out, "w") as smaller:
        lines = archive.read("labels.csv").decode().splitlines()[: count + 1]
        smaller.writestr("labels.csv", "\n".join(lines))
        for line in lines[1:]:
            name = "images/" + line.partition(",")[0]
            smaller.writestr(name, archive.read(name))
    return out


@pytest.mark.slow
def test_planted_errors_come_first(tmp_path: Path) -> None:
    """With 10% of the hair colours swapped, 70% of them are in the list's first fifth."""
    source = first_rows(shared_data("faces96-labelled.zip"), tmp_path / "s.zip", count=3000)
    import_set(ImportOptions(source=source, workspace=tmp_path, name="x", size=32, quiet=True))
    folder = tmp_path / "data" / "faces" / "x"
    group = read_face_set(folder).vocabulary.group("hair_color")
    rng = np.random.default_rng(0)
    rows, planted = [], set()
    for _, row in read_csv(folder / "attributes.csv", ("file_name", "hair_color", "eye_color")):
        if rng.random() < 0.1:
            planted.add(row["file_name"])
            row["hair_color"] = str(
                rng.choice([name for name in group.classes if name != row["hair_color"]])
            )
        rows.append(tuple(row.values()))
    write_csv(folder / "attributes.csv", ("file_name", "hair_color", "eye_color"), rows)
    audit(AuditOptions(workspace=tmp_path, quiet=True))
    table = [row for _, row in read_csv(folder / "audit" / "audit.csv", AUDIT_COLUMNS)]
    for chosen in (table, [row for row in table if row["attribute"] == "hair_color"]):
        first = chosen[: len(chosen) // 5]
        hit = {row["file_name"] for row in first if row["attribute"] == "hair_color"} & planted
        assert len(hit) >= 0.7 * len(planted)
    page = (folder / "audit" / "audit.html").read_text()
    assert "http" not in page
