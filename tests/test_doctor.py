"""`python -m acgan doctor` says what is here, and what is missing."""

from __future__ import annotations

import builtins
import importlib
import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acgan import doctor
from acgan.doctor import DoctorOptions, run
from avatar_common.disk.files import write_json
from avatar_common.errors import Unavailable
from tests.drawing.snapshots import make_snapshot

ROOT = Path(__file__).resolve().parents[1]


def report_of(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    run(DoctorOptions(json=True, device="cpu", **options))
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def break_import(monkeypatch: pytest.MonkeyPatch, broken: str, message: str) -> None:
    """Let `import BROKEN` fail as it does where a system library is missing."""
    kept = importlib.import_module

    def import_module(name: str, package: str | None = None) -> Any:
        if name == broken:
            raise ImportError(message)
        return kept(name, package)

    monkeypatch.setattr(importlib, "import_module", import_module)


def test_the_report_holds_what_an_issue_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of(capsys, workspace=tmp_path, threads=1)
    assert set(report["libraries"]) == {"torch", "torchvision", "onnxruntime", "opencv"}
    assert all(found["version"] and not found["error"] for found in report["libraries"].values())
    assert (report["device"], report["threads"]) == ("cpu", 1)
    assert report["version"] == project()["version"]
    faster = min(report["update_ms"], key=report["update_ms"].__getitem__)
    assert report["precision"] == faster
    assert "drawn64" in {model["name"] for model in report["models"]}
    assert report["disk_free_gb"] > 0
    assert report["problems"] == report["runs"] == report["face_sets"] == []


def test_the_workspace_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_snapshot(tmp_path / "runs" / "00000-tiny" / "snapshots" / "0000001000")
    (tmp_path / "runs" / "00001-begun").mkdir()
    info = {"image_size": 16, "counts": {"faces": 7}}
    write_json(tmp_path / "data" / "faces" / "mine" / "dataset.json", info, schema_version=1)
    report = report_of(capsys, workspace=tmp_path)
    assert report["runs"] == [
        {"name": "00000-tiny", "image_size": 16, "kimg": 1.0, "finished": False},
        {"name": "00001-begun", "kimg": None, "finished": False},
    ]
    assert report["face_sets"] == [
        {"name": "mine", "faces": 7, "image_size": 16, "labelled": False}
    ]
    run(DoctorOptions(workspace=tmp_path, device="cpu"))
    shown = capsys.readouterr().out
    assert "mine (7 faces, 16 px, no labels)" in shown
    assert "00000-tiny (16 px, 1.0 kimg, unfinished)" in shown


def test_a_damaged_face_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "data" / "faces" / "mine" / "dataset.json"
    table.parent.mkdir(parents=True)
    table.write_text("{")
    with pytest.raises(Unavailable, match="not valid JSON"):
        run(DoctorOptions(workspace=tmp_path, device="cpu"))
    assert "mine (damaged)" in capsys.readouterr().out


def test_opencv_without_libgl_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_import(monkeypatch, "cv2", "libGL.so.1: cannot open shared object file")
    with pytest.raises(Unavailable, match=r"libGL\.so\.1.*opencv-python-headless") as caught:
        run(DoctorOptions(workspace=tmp_path, device="cpu"))
    assert caught.value.exit_code == 3
    assert "import fails: libGL.so.1" in capsys.readouterr().out


def test_it_answers_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_import(monkeypatch, "torch", "No module named 'torch'")
    kept = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return kept(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(Unavailable, match="torch cannot be imported"):
        run(DoctorOptions(workspace=tmp_path, device="cpu"))
    shown = capsys.readouterr().out
    assert "threads" in shown
    assert "precision" not in shown


def test_a_missing_device_is_a_problem_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(Unavailable, match="no CUDA device"):
        run(DoctorOptions(workspace=tmp_path, device="cuda"))


@pytest.mark.parametrize(("free_gb", "problems"), [(1, 1), (100, 0)])
def test_a_full_disk_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: int, problems: int
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free_gb * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    report = doctor.examine(DoctorOptions(workspace=tmp_path / "new", device="cpu"))
    assert len(report["problems"]) == problems


def test_missing_extras_are_those_of_pyproject(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(doctor.EXTRA_MODULES) == set(project()["optional-dependencies"])
    monkeypatch.setattr(doctor, "find_spec", lambda module: None if module == "ray" else object())
    assert doctor.missing_extras() == {"ray": ["ray"]}


def project() -> Mapping[str, Any]:
    content: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return content
