"""A snapshot to give away, and the ones that come with the project (whichever they are)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from acgan.drawing import generate, package
from acgan.drawing.describe import accuracy_per_class, scores_of
from acgan.drawing.options import GenerateOptions, PackageOptions
from acgan.drawing.snapshots import SHIPPED, find_snapshot, shipped_snapshots
from acgan.nets.realness import PACKAGED, PACKAGED_HASH, RealnessInfo, realness_path
from acgan.nets.snapshot import load_snapshot, load_training_nets, save_training_nets
from avatar_common.errors import UserError
from eval.classifier import Classifier
from eval.standalone import keep_standalone
from eval.student import Student, to_onnx
from tests.drawing.snapshots import make_snapshot

ROOT = Path(__file__).resolve().parents[2]
MOST_SHIPPED_MB = 12
ROW = {
    "n": 500,
    "accuracy": {
        "hair_color": {
            "fake": 0.9,
            "real": 0.95,
            "per_class": {"blue": {"fake": 0.8, "n_fake": 40}, "red": {"fake": 1.0, "n_fake": 3}},
        }
    },
    "verdicts": [{"text": "Faces are too alike."}],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace whose run has scores, and whose face set has a classifier."""
    root = tmp_path / "home"
    info = load_snapshot(make_snapshot(root / "runs/00001-tiny/snapshots/0000001000")).info
    metrics = root / "runs/00001-tiny/eval/metrics.jsonl"
    metrics.parent.mkdir()
    metrics.write_text(json.dumps(ROW | {"snapshot_hash": info.weights_sha256}) + "\n")
    faces = root / "data/faces/tiny"
    faces.mkdir(parents=True)
    torch.manual_seed(3)
    keep_standalone(
        Classifier(16, info.vocabulary.sizes, 8).eval(),
        faces / "classifier-0.pt2",
        image_size=16,
        vocabulary=info.vocabulary,
        dataset_id=info.dataset_id,
    )
    return root


def pack(home: Path, out: Path, **settings: Any) -> Path:
    package.run(PackageOptions(workspace=home, out=out, name="tiny", quiet=True, **settings))
    return out / "tiny"


def draw(workspace: Path, out: Path, **settings: Any) -> None:
    common = {"workspace": workspace, "out": out, "device": "cpu", "quiet": True, "count": 2}
    generate.run(GenerateOptions(**{**common, **settings}))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_package_says_which_run_it_went_on_from_but_not_where_that_lies(
    home: Path, tmp_path: Path, precision: Literal["fp32", "fp16"]
) -> None:
    path = home / "runs/00001-tiny/snapshots/0000001000.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["extra"]["from"] = str(home / "runs/00000-first")
    path.write_text(json.dumps(content), encoding="utf-8")
    folder = pack(home, tmp_path / "packages", precision=precision)
    assert load_snapshot(folder / "tiny").info.extra["from"] == "00000-first"
    assert str(home) not in (folder / "tiny.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_package_names_its_realness_net(
    home: Path, tmp_path: Path, precision: Literal["fp32", "fp16"]
) -> None:
    """Packed again, too; without one nothing is named."""
    path = home / "runs/00001-tiny/snapshots/0000001000.json"
    info = RealnessInfo(16, load_snapshot(path).info.weights_sha256, "toys", "p", "f", 0.5)
    realness_path(path).write_bytes(to_onnx(Student(16).eval(), 0.0, info))
    first = pack(home, tmp_path / "first", precision=precision)
    named = hashlib.sha256((first / PACKAGED).read_bytes()).hexdigest()
    assert load_snapshot(first / "tiny").info.extra[PACKAGED_HASH] == named
    again = pack(home, tmp_path / "again", snapshot=first)
    assert load_snapshot(again / "tiny").info.extra[PACKAGED_HASH] == named
    (first / PACKAGED).unlink()
    without = pack(home, tmp_path / "without", snapshot=first)
    assert PACKAGED_HASH not in load_snapshot(without / "tiny").info.extra
    (again / PACKAGED).write_bytes(b"another")
    with pytest.raises(UserError, match="not the realness net that this model was packaged with"):
        draw(home, tmp_path / "x", snapshot=again, best_of=2)


def test_an_exported_classifier_tells_nothing_of_the_machine(home: Path) -> None:
    content = (home / "data/faces/tiny/classifier-0.pt2").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content


def test_a_packaged_snapshot_is_all_one_needs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn with from an empty workspace: the same pictures, best-of-N, counts and scores."""
    folder = pack(home, tmp_path / "models", about="Drawn by hand, free for all.")
    draw(home, tmp_path / "a", best_of=4)
    shutil.rmtree(home)
    monkeypatch.setattr("acgan.drawing.snapshots.SHIPPED", folder.parent)
    draw(tmp_path / "empty", tmp_path / "b", best_of=4)
    draw(tmp_path / "empty", tmp_path / "c", best_of=4, snapshot=Path("tiny"))
    pictures = [
        [load_pixels(tmp_path / run / f"0-000{n}.png") for n in (0, 1)] for run in ("a", "b", "c")
    ]
    assert pictures[0] == pictures[1] == pictures[2]
    draw(tmp_path / "empty", tmp_path / "d", recipe=tmp_path / "a/0-0001.png")
    packed = load_snapshot(find_snapshot(None, tmp_path / "empty"))
    scores = scores_of(packed.path, packed.info.weights_sha256)
    assert accuracy_per_class(scores) == {"hair_color": {"blue": 0.8}}  # red was asked 3 times
    card = (folder / "MODEL_CARD.md").read_text()
    for text in ("Drawn by hand", "| hair color | blue |", "80%", "0.900 | 0.950", "too alike"):
        assert text in card


def test_the_nets_that_trained_it_come_along_if_asked(home: Path, tmp_path: Path) -> None:
    snapshot = find_snapshot(None, home)
    save_training_nets(snapshot, {"encoder": torch.nn.Linear(2, 3)})
    packed = pack(home, tmp_path / "with") / "tiny.json"
    assert load_training_nets(packed)["encoder"]["weight"].shape == (3, 2)
    packed = pack(home, tmp_path / "without", training=False) / "tiny.json"
    assert load_training_nets(packed) == {}


def load_pixels(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as image:
        return image.tobytes()


def test_halved_weights_draw_nearly_the_same_and_their_scores_follow(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, half = pack(home, tmp_path / "a"), pack(home, tmp_path / "b", precision="fp16")
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < said["mean_difference"] < 1
    sizes = [(folder / "tiny.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.7 * sizes[0]
    info = load_snapshot(half / "tiny").info
    assert scores_of(half / "tiny.json", info.weights_sha256) is not None
    assert "fp16" in (half / "MODEL_CARD.md").read_text()


def test_halved_weights_that_draw_something_else_are_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "FP16_MEAN_DIFFERENCE", -1)
    with pytest.raises(UserError, match="halved weights draw different pictures"):
        pack(home, tmp_path / "models", precision="fp16")
    assert list((tmp_path / "models").iterdir()) == []


def test_what_is_there_is_never_replaced(home: Path, tmp_path: Path) -> None:
    folder = pack(home, tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="is not replaced"):
        pack(home, tmp_path)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="cannot be a folder name"):
        package.run(PackageOptions(workspace=home, out=tmp_path, name="../x"))


def test_without_scores_or_classifier_the_card_says_so(tmp_path: Path) -> None:
    make_snapshot(tmp_path / "runs/00001-tiny/snapshots/0000001000")
    folder = pack(tmp_path, tmp_path / "models")
    assert "has not been scored" in (folder / "MODEL_CARD.md").read_text()
    assert sorted(path.name for path in folder.iterdir()) == [
        "MODEL_CARD.md", "tiny.json", "tiny.safetensors",
    ]  # fmt: skip


def run_installed(code: Path, folder: Path, *command: str) -> dict[str, Any]:
    """`python -m acgan ...` with the code of a folder, in another, empty one."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "acgan", *command, "--device", "cpu", "--quiet"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
def test_an_installed_project_draws_in_an_empty_folder(home: Path, tmp_path: Path) -> None:
    """A wheel of the project, with a model of the test's own, holds all that `generate` needs."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools 77 or newer is absent")
    source = tmp_path / "source"
    models = shutil.ignore_patterns("models", "__pycache__")
    for top in ("acgan", "avatar_common"):
        shutil.copytree(ROOT / top, source / top, ignore=models)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pack(home, source / "acgan" / "models")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--no-index", "--target", str(tmp_path / "installed"), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = run_installed(
        tmp_path / "installed", tmp_path / "empty", "generate", "--count", "2", "--best-of", "2"
    )
    assert said["snapshot"] == "tiny"
    assert (tmp_path / "empty/avatars/0-0001.png").is_file()
    assert (tmp_path / "installed/acgan/py.typed").is_file()
    code = (
        "import acgan\n"
        "model = acgan.load('tiny')\n"
        "face = model.draw(hair_color='blue', count=2, seed=7, best_of=2)[1]\n"
        "face.save('face.png')\n"
        "assert model.again('face.png').tobytes() == face.tobytes()\n"
        "print(acgan.__file__)\n"
    )
    python = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "empty", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
    )  # fmt: skip
    assert python.returncode == 0, python.stderr
    assert str(tmp_path / "installed") in python.stdout


@pytest.mark.parametrize("snapshot", shipped_snapshots() or [None])
def test_what_is_shipped_is_small_told_about_and_draws(
    snapshot: Path | None, tmp_path: Path
) -> None:
    if snapshot is None:
        pytest.skip("no snapshot ships with the project")
    files = [path for path in snapshot.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_SHIPPED_MB * 2**20
    assert (snapshot.parent / "MODEL_CARD.md").is_file()
    packed = load_snapshot(snapshot)
    assert accuracy_per_class(scores_of(snapshot, packed.info.weights_sha256))
    command = ("generate", "--snapshot", snapshot.parent.name, "--count", "2", "--best-of", "2")
    said = run_installed(ROOT, tmp_path / "empty", *command)
    assert said["snapshot"] == snapshot.stem
    assert shipped_snapshots()[0].is_relative_to(SHIPPED)
