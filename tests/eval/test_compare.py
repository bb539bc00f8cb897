"""Runs side by side: what differs, curves over images and minutes, a CSV with classes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from avatar_common.disk.files import write_json
from avatar_common.disk.scores import append_row
from eval.compare import compare
from eval.figures import round_ticks
from eval.options import CompareOptions


def network(ratio: float, clean: float) -> dict[str, Any]:
    classes = {"hair_color": {"blue": {"frechet_ratio": ratio + 1, "clean": clean, "count": 50.0}}}
    values = {"frechet_ratio": ratio, "clean": clean, "recall": 0.1, "precision": 0.5}
    return {**{name: {"drawn": value} for name, value in values.items()}, "per_class": classes}


def make_run(root: Path, name: str, rate: float, scores: list[tuple[float, float, float]]) -> Path:
    run = root / "runs" / name
    settings = {"rate_g": rate, "batch": 32}
    write_json(
        run / "config.json",
        {"training": {"settings": settings, "seed": 0}, "device": "cpu"},
        schema_version=1,
    )
    lines = [json.dumps({"kimg": kimg, "elapsed_s": 60 * kimg}) for kimg in (0, 10, 20)]
    (run / "stats.jsonl").write_text("\n".join([*lines, '{"kimg": 2']))
    for kimg, ratio, clean in scores:
        row = {
            "snapshot_hash": f"{name}{kimg}",
            "kimg": kimg,
            "dataset_id": "d",
            "n": 9,
            "n_real": 9,
            "seed": 0,
            "classifier": "c",
            "image_size": 16,
            "verdicts": [],
            "outside": {"lite2": network(ratio, clean), "near_twins_left_out": 0},
            "summary": {"lite2_frechet_ratio": ratio, "lite2_clean": clean, "lite2_recall": 0.1},
        }
        append_row(run / "eval" / "metrics.jsonl", row)
    return run


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = (
        make_run(tmp_path, "00000-a", 1e-3, [(10, 9.0, 0.4), (20, 5.0, 0.7)]),
        make_run(tmp_path, "00001-b", 2e-3, [(20, 7.0, 0.6)]),
    )
    compare(CompareOptions(runs=runs, out=tmp_path / "out", quiet=True))
    said = json.loads(capsys.readouterr().out)
    assert list(said["runs"]) == ["00000-a @ 20 kimg", "00001-b @ 20 kimg"]
    assert said["runs"]["00000-a @ 20 kimg"]["minutes"] == pytest.approx(20)
    assert said["differing"] == {"rate_g": {"00000-a @ 20 kimg": 0.001, "00001-b @ 20 kimg": 0.002}}
    assert said["comparable"] is True
    page = Path(said["page"]).read_text(encoding="utf-8")
    assert page.count("<svg") == 6  # three numbers, over images and over minutes
    assert "rate_g" in page
    assert "<td>5.00</td><td>7.00</td>" in page  # the newest snapshots', side by side
    with Path(said["csv"]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6  # three snapshots, all faces and one class each
    blue = [row for row in rows if row["class"] == "blue"]
    assert [float(row["frechet_ratio"]) for row in blue] == [10.0, 6.0, 8.0]
    assert [float(row["minutes"]) for row in rows if not row["class"]] == [10.0, 20.0, 20.0]


def test_ticks_are_round() -> None:
    assert round_ticks(15.8, 182) == [50, 100, 150]
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
