"""The commands, end to end on a tiny face set and snapshots of random weights."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from acgan.nets import build_generator
from acgan.nets.realness import RealnessInfo, realness_path
from acgan.nets.snapshot import save_snapshot
from avatar_common.disk.faces import FACE_COLUMNS, read_face_set
from avatar_common.disk.files import write_csv, write_json
from avatar_common.disk.runs import read_snapshot_info
from avatar_common.disk.scores import read_rows
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError
from eval.classifier import ClassifierSettings
from eval.compare import compare
from eval.measure import measure, rows_in_turn
from eval.metrics import best_of
from eval.metrics.control import Control, Smoothness
from eval.metrics.inception import inception_network
from eval.options import ClassifierOptions, CompareOptions, ReportOptions, WatchOptions
from eval.report import report
from eval.student import Student, to_onnx
from eval.trained_classifier import train_only
from eval.watch import watch
from tests.eval.toy_faces import VOCABULARY, draw_toys

KEPT_CONTROL = Control([], Smoothness(1.0, 1.0), 1.0)
ROOT = Path(__file__).resolve().parents[2]


def make_workspace(root: Path, vocabulary: Vocabulary = VOCABULARY) -> Path:
    """150 toy faces of 16 px and a run with one snapshot of random weights."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, VOCABULARY.sizes, (150, 2))
    faces = root / "data" / "faces" / "toys"
    (faces / "images").mkdir(parents=True)
    rows, attributes = [], []
    for index, picture in enumerate(draw_toys(labels, rng, 16)):
        name = f"{index:04d}.png"
        Image.fromarray(picture.transpose(1, 2, 0)).save(faces / "images" / name)
        split = "test" if index % 3 == 0 else "train"
        rows.append((name, str(index), name, 0, 0, 16, 16, 1, 1, name, split))
        known = labels[index].tolist() if index % 7 else [-1, int(labels[index, 1])]
        attributes.append((name, *VOCABULARY.decode(known).values()))
    write_csv(faces / "faces.csv", FACE_COLUMNS, rows)
    write_csv(faces / "attributes.csv", ("file_name", *VOCABULARY.names), attributes)
    write_json(
        faces / "dataset.json",
        {"dataset_id": "toys", "image_size": 16, "vocabulary": VOCABULARY.to_json()},
        schema_version=1,
    )
    add_snapshot(root, vocabulary, kimg=1)
    return root


def add_snapshot(root: Path, vocabulary: Vocabulary, *, kimg: int) -> None:
    architecture = {
        "kind": "small",
        "image_size": 16,
        "z_dim": 8,
        "sizes": list(vocabulary.sizes),
        "embedding": 8,
        "first": 16,
        "channels": [12, 8, 8, 8],
    }
    with torch.random.fork_rng():
        torch.manual_seed(kimg)
        generator = build_generator(architecture)
    save_snapshot(
        root / "runs" / "00000-toys" / "snapshots" / f"{kimg:07d}",
        generator,
        {
            "architecture": architecture,
            "vocabulary": vocabulary,
            "image_size": 16,
            "z_dim": 8,
            "dataset_id": read_face_set(root / "data" / "faces" / "toys").dataset_id,
            "kimg": float(kimg),
            "class_counts": {},
            "label_rows": [[0] * len(vocabulary)],
            "extra": {},
        },
    )


@pytest.fixture(scope="module", autouse=True)
def short_training() -> Iterator[None]:
    """The classifier's full training says nothing more here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "eval.trained_classifier.ClassifierSettings",
            lambda: ClassifierSettings(images_seen=3000, least_images=0),
        )
        patch.setattr(
            "eval.metrics.gan_train.SETTINGS", ClassifierSettings(images_seen=1000, least_images=0)
        )
        patch.setattr("eval.metrics.ms_ssim.MAX_ENLARGED_PAIRS", 8)
        yield


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("report"))


def run_report(workspace: Path, capsys: pytest.CaptureFixture[str], **more: Any) -> dict[str, Any]:
    options: dict[str, Any]
    options = {"count": 120, "depth": "quick", "device": "cpu", "quiet": True, **more}
    report(ReportOptions(workspace=workspace, **options))
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_report(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = run_report(workspace, capsys, depth="full")
    faces = read_face_set(workspace / "data" / "faces" / "toys")
    assert content["dataset_id"] == faces.dataset_id
    assert content["n"] == 120
    hair = content["accuracy"]["hair_color"]
    assert {"fake", "real", "ratio", "per_class"} <= set(hair)
    assert hair["real"] > hair["fake"]
    assert {"fake", "real", "ratio"} <= set(content["second_judge"]["hair_color"])
    assert {"accuracy", "interval"} <= set(content["gan_train"]["hair_color"])
    assert {"fake", "real", "enlarged"} <= set(content["ms_ssim"])
    assert content["latent"]["z_sensitivity"] is not None
    assert content["verdicts"], "random weights draw no faces"
    assert "Inception" in content["not_measured"]["inception"]
    assert list(content["resolution"]["sides"]) == ["8", "16"]
    check_summary(content)
    page = (workspace / "runs/00000-toys/eval/report.html").read_text(encoding="utf-8")
    assert content["verdicts"][0]["text"].split(":")[0] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def check_summary(content: dict[str, Any]) -> None:
    """The flat numbers stand under the long form's names, classifier by classifier."""
    found = content["summary"]
    for classifier in ("lite2", "resnet"):
        said = content["outside"][classifier]
        assert len(said["sha256"]) == 64
        for name in ("frechet_ratio", "kernel", "precision", "recall", "coverage", "clean"):
            value = said[name]
            assert found[f"{classifier}_{name}"] == value["drawn"]
            assert found[f"{classifier}_{name}_real"] == value["real"]
            assert value["low"] <= value["drawn"] <= value["high"]
    assert found["accuracy_ratio_hair_color"] == content["accuracy"]["hair_color"]["ratio"]
    assert found["ms_ssim"] == content["ms_ssim"]["fake"]
    assert found["ms_ssim_within"] == content["ms_ssim"]["class_of"]
    assert all(value is not None for value in found.values())


def test_a_full_report_chooses_by_the_classifier_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `generate` does in the same workspace: the kept draws name both networks' files."""
    make_workspace(tmp_path)
    (snapshot,) = tmp_path.glob("runs/*/snapshots/*.json")
    info = RealnessInfo(16, read_snapshot_info(snapshot).weights_sha256, "toys", "p", "f" * 64, 0.5)
    realness_path(snapshot).write_bytes(to_onnx(Student(16).eval(), 0.0, info))
    monkeypatch.setattr("eval.report.measure", partial(measure, metrics=[best_of.METRIC]))
    found = run_report(tmp_path, capsys, depth="full")["best_of"]
    assert found["n"] == 120
    (kept,) = tmp_path.glob("data/faces/toys/eval-cache/best-of-*")
    (classifier,) = tmp_path.glob("data/faces/toys/classifier-*.pt2")
    for path in (classifier, realness_path(snapshot)):
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] in kept.name


def test_two_reports_give_the_same_numbers(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (run_report(workspace, capsys) for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    rows = read_rows(workspace / "runs/00000-toys/eval/metrics.jsonl")
    assert len(rows) == 1, "the same snapshot, count and seed is one row"


@pytest.mark.slow
def test_what_was_measured_is_kept_by_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under other names, nothing is read, scored or trained again; other faces are."""
    make_workspace(tmp_path)
    first = run_report(tmp_path, capsys, depth="full")
    (tmp_path / "data/faces/toys").rename(tmp_path / "data/faces/renamed")
    (tmp_path / "runs/00000-toys").rename(tmp_path / "runs/00000-renamed")

    def again(*args: object, **kwargs: object) -> None:
        raise AssertionError("done again")

    expensive = (
        *("eval.trained_classifier.train_classifier", "eval.metrics.gan_train.train_classifier"),
        *("eval.msssim._score_pairs", "eval.patches.PatchClassifier.read"),
        *("eval.metrics.second_classifier.train_patch_classifier", "eval.networks.Network._read"),
    )
    for name in (*expensive, "eval.trained_classifier.TrainedClassifier.read"):
        monkeypatch.setattr(name, again)
    monkeypatch.setattr("eval.metrics.control.measure_control", lambda *_, **__: KEPT_CONTROL)
    second = run_report(tmp_path, capsys, depth="full")
    changing = ("snapshot", "seconds", "control", "verdicts")
    assert {**second, **dict.fromkeys(changing)} == {**first, **dict.fromkeys(changing)}
    with pytest.raises(AssertionError, match="done again"):
        run_report(tmp_path, capsys, depth="full", seed=1)


def test_another_seed_gives_other_faces(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (run_report(workspace, capsys, seed=seed) for seed in (0, 1))
    assert first["latent"]["fake"] != second["latent"]["fake"]


def test_a_damaged_cache_is_made_again(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = run_report(workspace, capsys)
    kept = list((workspace / "data/faces/toys").glob("classifier-*.safetensors"))
    kept += (workspace / "data/faces/toys/eval-cache").glob("*.npz")
    assert kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    assert {**run_report(workspace, capsys), "seconds": 0} == {**before, "seconds": 0}


def test_classifier(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_only(ClassifierOptions(workspace=workspace, device="cpu", quiet=True))
    content = json.loads(capsys.readouterr().out)
    assert Path(content["classifier"]).is_file()
    assert content["accuracy"]["hair_color"] > 0.6
    assert content["n_test"] == 50


def test_watch_and_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_workspace(tmp_path)
    add_snapshot(tmp_path, VOCABULARY, kimg=2)
    options = WatchOptions(workspace=tmp_path, count=100, device="cpu", once=True, quiet=True)
    watch(options)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kimg"] for line in lines] == [1, 2]
    watch(options)
    assert capsys.readouterr().out == "", "everything was scored"
    compare(CompareOptions(workspace=tmp_path, quiet=True))
    content = json.loads(capsys.readouterr().out)
    assert content["runs"]["00000-toys @ 2 kimg"]["kimg"] == 2
    assert content["comparable"] is True


@pytest.mark.slow
def test_compare_runs_of_the_same_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two workspaces have a 00000-toys each: both are shown."""
    runs = []
    for name in ("a", "b"):
        runs.append(make_workspace(tmp_path / name) / "runs/00000-toys")
        run_report(tmp_path / name, capsys)
    compare(CompareOptions(runs=tuple(runs), quiet=True))
    names = list(json.loads(capsys.readouterr().out)["runs"])
    assert names == [f"{run} @ 1 kimg" for run in runs]


def test_mistakes_are_one_line(tmp_path: Path, workspace: Path) -> None:
    with pytest.raises(UserError, match="no training run here"):
        report(ReportOptions(workspace=tmp_path))
    with pytest.raises(UserError, match="no scored run here"):
        compare(CompareOptions(workspace=tmp_path))
    with pytest.raises(UserError, match="at least 50"):
        report(ReportOptions(workspace=workspace, count=3))
    with pytest.raises(UserError, match="no such file"):
        report(ReportOptions(workspace=workspace, snapshot=tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"none\.pth: no such file"):
        report(
            ReportOptions(
                workspace=workspace,
                count=60,
                device="cpu",
                quiet=True,
                inception=tmp_path / "none.pth",
            )
        )


def test_a_file_that_is_no_weights(tmp_path: Path, workspace: Path) -> None:
    pytest.importorskip("torch_fidelity")
    bad = tmp_path / "weights.pth"
    bad.write_bytes(b"not weights")
    with pytest.raises(UserError, match="not a weights file"):
        inception_network(bad, torch.device("cpu"))


def test_snapshot_of_another_vocabulary(tmp_path: Path) -> None:
    from avatar_common.disk.vocabulary import load_vocabulary

    make_workspace(tmp_path, load_vocabulary().only(["smile"]))
    with pytest.raises(UserError, match="'smile', which the face set does not label"):
        report(ReportOptions(workspace=tmp_path, device="cpu", quiet=True))


def test_fewer_faces_than_held_out_ones_are_asked_as_these_are() -> None:
    labels = np.repeat(np.arange(4), 250)
    asked = labels[rows_in_turn(len(labels), 400, seed=0)]
    assert np.bincount(asked, minlength=4).min() > 70
    assert np.bincount(rows_in_turn(10, 25, seed=0)).tolist().count(2) == 5


def test_an_unconditional_model_is_scored_as_a_crowd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workspace(tmp_path, Vocabulary(()))
    scores = run_report(tmp_path, capsys)
    assert scores["conditional"] is False
    assert scores["summary"]["lite2_frechet_ratio"] > 1
    assert scores["summary"]["lite2_recall"] < scores["summary"]["lite2_recall_real"]
    assert "accuracy_ratio" not in scores["summary"]
    assert (tmp_path / "runs/00000-toys/eval/report.html").is_file()


def test_dry_run_writes_nothing(workspace: Path, tmp_path: Path) -> None:
    before = sorted(workspace.rglob("*"))
    command = [sys.executable, "-m", "eval", "report", "--workspace", str(workspace), "--dry-run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "would draw 2000 faces" in done.stdout
    assert sorted(workspace.rglob("*")) == before
