"""`bench train`, `quality` and `gpu`: what they print, and that a part done is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import contended, quality, train
from bench.options import GpuOptions, QualityOptions, TrainOptions

FOUND = {"presets": {"x": {}}, "ceiling_tflops": 1.0}


def last_object(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # the tutorial's
def test_speeds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contended, "ROUNDS", 1)
    train.run(TrainOptions(device="cpu", seconds=0.01, batch=2, presets=("small",), quiet=True))
    found = last_object(capsys)
    assert found["ours_over_tutorial"] > 0
    assert set(found["presets"]["small"]) >= {"images_per_s", "tflops", "share_of_ceiling"}
    assert 0 < found["presets"]["small"]["share_of_ceiling"] < 1
    assert found["precision"] in ("bfloat16", "float32")
    assert found["contended"]["ours_over_by_hand"] > 0


class Calls:
    """Stands in for the project's commands; the list of what was asked."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.asked: list[str] = []
        self.stop_at: str | None = None

    def __call__(self, given: list[str], end: float | None = None) -> dict[str, Any] | None:
        told = " ".join(given)
        self.asked.append(told)
        if self.stop_at is not None and self.stop_at in told:
            return None
        if given[:2] == ["acgan", "train"]:
            run = self.workspace / "runs" / given[given.index("--preset") + 1]
            run.mkdir(parents=True, exist_ok=True)
            return {"run": str(run), "snapshot": "s", "kimg": 1.0, "images_per_s": 2.0}
        return {"summary": {"fd": 0.5}} if given[0] == "eval" else dict(FOUND)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    stand_in = Calls(tmp_path)
    monkeypatch.setattr(quality, "call", stand_in)
    return stand_in


def test_quality_scores_each_run_once(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    options = QualityOptions(
        workspace=tmp_path, data=Path("faces"), device="cpu", presets=("small", "acgan"), seeds=(0,)
    )
    for _ in range(2):
        quality.run(options)
    rows = last_object(capsys)["rows"]
    assert [row["scores"]["fd"] for row in rows] == [0.5, 0.5]
    assert sum(told.startswith("eval report") for told in calls.asked) == 2
    widths = [told.split("--width ")[1].split()[0] for told in calls.asked if "--width" in told]
    assert widths == ["1", "0.35"] * 2


def test_gpu_goes_on_part_by_part(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    options = GpuOptions(workspace=tmp_path, data=(Path("course64"),))
    calls.stop_at = "--presets modern"
    quality.run_gpu(options)
    assert last_object(capsys)["finished"] is False
    first, calls.stop_at = len(calls.asked), None
    quality.run_gpu(options)
    found = last_object(capsys)
    assert "--presets small" not in " ".join(calls.asked[first:])
    assert len(found["rows"]) == 2
    assert found["speed"]["ceiling_tflops"] == 1.0
