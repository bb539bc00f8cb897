from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from preprocess.colour import REGIONS, colour_features, region_mask
from tests.preprocess.planted_labels import first_rows, planted_found
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


@pytest.mark.slow
def test_planted_errors_come_first(tmp_path: Path) -> None:
    """With 10% of the hair colours swapped, 70% of them are in the list's first fifth."""
    source = first_rows(shared_data("faces96-labelled.zip"), tmp_path / "s.zip", count=3000)
    found = planted_found(source, tmp_path)
    assert found.planted > 200
    assert found.found_in_all >= 0.7
    assert found.found_in_hair >= 0.7
    page = tmp_path / "data" / "faces" / "x" / "audit" / "audit.html"
    assert "http" not in page.read_text()
