"""The notebook runs, from drawn faces to avatars, and its kept outputs are of its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.notebook import run_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "faces-to-avatars.ipynb"
MOST_BYTES = 500_000


def pictures_in(content: dict[str, Any]) -> int:
    """How many cells show a picture."""
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_the_kept_notebook_is_small_and_shows_pictures() -> None:
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert pictures_in(content) == 6
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.slow
def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    content = run_notebook(
        json.loads(NOTEBOOK.read_text(encoding="utf-8")), FACES="120", KIMG="0.2"
    )
    assert pictures_in(content) == 6
    printed = "".join(
        text
        for cell in content["cells"]
        for output in cell.get("outputs", ())
        for text in output.get("text", ())
    )
    assert '"faces": 120' in printed
    assert '"kimg": 0.2' in printed


def test_a_cell_that_fails_is_noticed() -> None:
    cell = {"cell_type": "code", "source": ["1 / 0"]}
    with pytest.raises(ZeroDivisionError):
        run_notebook({"cells": [cell]})
