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
    values = {
        "frechet_ratio": ratio,
        "clean": clean,
        "recall": 0.1,
        "precision": 0.5,
        "kernel": 3.0,
        "density": 0.8,
        "coverage": 0.7,
    }
    found = {
        name: {"drawn": value, "low": value - 0.01, "high": value + 0.02, "real": 1.0}
        for name, value in values.items()
    }
    return {**found, "per_class": classes}


def read(right: float) -> dict[str, Any]:
    """What the classifier read, of one attribute."""
    classes = {"blue": {"fake": 0.7, "real": 0.8, "n_fake": 9, "n_real": 9}}
    return {
        "fake": right,
        "real": 0.9,
        "ratio": right / 0.9,
        "fake_interval": [right - 0.05, right + 0.04],
        "per_class": classes,
    }


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
            "accuracy": {"hair_color": read(clean)},
            "summary": {
                "lite2_frechet_ratio": ratio,
                "lite2_clean": clean,
                "lite2_recall": 0.1,
                "accuracy_ratio": clean / 0.9,
            },
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
    # Of each of three snapshots: a network's all faces and one class; the classifier's mean, one
    # attribute, one class.
    assert len(rows) == 15
    by_network = [row for row in rows if row["network"] == "lite2"]
    blue = [row for row in by_network if row["class"] == "blue"]
    assert [float(row["frechet_ratio"]) for row in blue] == [10.0, 6.0, 8.0]
    everything = [row for row in by_network if not row["class"]]
    assert [float(row["minutes"]) for row in everything] == [10.0, 20.0, 20.0]
    check_values(everything[0], rows[2:5])


def check_values(everything: dict[str, str], classifier: list[dict[str, str]]) -> None:
    """Every number of the first snapshot with its interval; what the classifier read of it."""
    first = network(9.0, 0.4)
    for name in ("frechet_ratio", "kernel", "precision", "recall", "density", "coverage", "clean"):
        for end, key in (("", "drawn"), ("_low", "low"), ("_high", "high")):
            assert float(everything[f"{name}{end}"]) == pytest.approx(first[name][key])
    assert everything["accuracy"] == ""
    assert {row["network"] for row in classifier} == {"classifier"}
    mean, hair, blue = classifier
    assert (mean["group"], hair["group"], hair["class"]) == ("", "hair_color", "")
    assert float(mean["accuracy_ratio"]) == pytest.approx(0.4 / 0.9)
    found = [float(hair[name]) for name in ("accuracy", "accuracy_low", "accuracy_high")]
    assert found == pytest.approx([0.4, 0.35, 0.44])
    assert (hair["accuracy_real"], blue["accuracy"], blue["class"]) == ("0.9", "0.7", "blue")
    assert hair["frechet_ratio"] == ""


def test_ticks_are_round() -> None:
    assert round_ticks(15.8, 182) == [50, 100, 150]
    assert round_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
