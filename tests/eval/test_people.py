"""The test for people: its page asks, its answers come back into the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from avatar_common.errors import UserError
from eval.answers import Answer, read_answers
from eval.metrics.people import counted
from eval.options import PeopleOptions
from eval.people import people
from tests.eval.test_report import add_snapshot, make_workspace
from tests.eval.toy_faces import VOCABULARY


def pairs_in(page: Path) -> list[dict[str, Any]]:
    found = re.search(r"const pairs = (\[.*\]);", page.read_text(encoding="utf-8"))
    assert found
    pairs: list[dict[str, Any]] = json.loads(found.group(1))
    return pairs


def test_the_page_asks_both_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_workspace(tmp_path)
    add_snapshot(tmp_path, VOCABULARY, kimg=2)
    folder = tmp_path / "runs/00000-toys"
    runs = tuple(sorted((folder / "snapshots").glob("*.json")))
    people(PeopleOptions(workspace=tmp_path, runs=runs, pairs=8, device="cpu", quiet=True))
    said = json.loads(capsys.readouterr().out)
    page = Path(said["page"])
    pairs = pairs_in(page)
    assert [pair["kind"] for pair in pairs] == ["real"] * 16 + ["ab"] * 8
    reals = [
        picture
        for pair in pairs
        for name, picture in zip(pair["names"], pair["pictures"], strict=True)
        if name == "real"
    ]
    assert len(set(reals)) == 16, "each real face once"
    left = [pair["names"][0] == "real" for pair in pairs[:16]]
    assert 2 <= sum(left) <= 14, "left and right by chance"
    text = page.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    people(PeopleOptions(workspace=tmp_path, runs=runs, pairs=8, device="cpu", quiet=True))
    assert pairs_in(page) == pairs, "the same seed, the same test"


def test_answers_are_counted(tmp_path: Path) -> None:
    mine = [Answer("real", "me", "real")] * 3 + [Answer("real", "real", "me")] * 7
    others = [Answer("ab", "me", "you")] * 4 + [Answer("real", "real", "you")]
    found = counted(mine + others, "me")
    assert found is not None
    assert found.taken_for_real is not None
    assert found.taken_for_real.share == pytest.approx(0.3)
    low, high = found.taken_for_real.interval
    assert low == pytest.approx(0.108, abs=0.001)
    assert high == pytest.approx(0.603, abs=0.001)
    assert found.preferred["you"].count == 4
    assert counted(mine, "nobody") is None


def test_answer_files(tmp_path: Path) -> None:
    assert read_answers(tmp_path / "none") == []
    answers = [{"kind": "real", "chosen": "a", "other": "real", "ms": 900}]
    (tmp_path / "x.json").write_text(json.dumps({"schema_version": 1, "answers": answers}))
    assert read_answers(tmp_path) == [Answer("real", "a", "real")]
    (tmp_path / "y.json").write_text(json.dumps({"schema_version": 1, "answers": [{"kind": "?"}]}))
    with pytest.raises(UserError, match="not an answers file"):
        read_answers(tmp_path)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name one run"):
        people(PeopleOptions(workspace=tmp_path))
    run = make_workspace(tmp_path) / "runs/00000-toys"
    with pytest.raises(UserError, match="the same snapshot"):
        people(PeopleOptions(workspace=tmp_path, runs=(run, run), device="cpu"))
