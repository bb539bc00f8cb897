from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import acgan
from acgan.drawing import generate
from acgan.drawing.ask import ask
from acgan.drawing.best_of import Reader
from acgan.drawing.options import GenerateOptions
from acgan.drawing.painter import Painter
from acgan.nets.realness import RealnessInfo, realness_path
from acgan.nets.snapshot import load_snapshot
from avatar_common.disk.classifiers import NOTES_FILE, find_classifier
from avatar_common.disk.runs import read_snapshot_info
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from eval.classifier import Classifier
from eval.standalone import keep_standalone
from eval.student import Student, to_onnx
from tests.drawing.snapshots import make_snapshot


def draw(workspace: Path, out: Path, **settings: Any) -> None:
    common = {"workspace": workspace, "out": out, "device": "cpu", "quiet": True}
    generate.run(GenerateOptions(**{**common, **settings}))


def drawn(path: Path) -> list[tuple[int, int]]:
    """The candidate and the N of each picture in a PNG's recipe; raw draws are (0, 1)."""
    with Image.open(path) as image:
        pictures = json.loads(image.info["avatar-recipe"])["pictures"]
    return [(p.get("candidate", 0), p.get("best_of", 1)) for p in pictures]


def test_recipes_of_files_and_grids_reproduce_bit_for_bit(workspace: Path, tmp_path: Path) -> None:
    draw(workspace, tmp_path / "a", count=5, seed=7, attributes=("hair_color=blue",))
    for name in ("7-0003.png", "grid.png"):
        draw(workspace, tmp_path / "b", recipe=tmp_path / "a" / name)
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_a_recipe_finds_its_snapshot_among_others(tmp_path: Path) -> None:
    make_snapshot(tmp_path / "runs/00000-old/snapshots/0000000100")
    draw(tmp_path, tmp_path / "a", count=1)
    make_snapshot(tmp_path / "runs/00001-new/snapshots/0000000100", seed=1)
    draw(tmp_path, tmp_path / "b", recipe=tmp_path / "a/0-0000.png")
    assert (tmp_path / "b/0-0000.png").read_bytes() == (tmp_path / "a/0-0000.png").read_bytes()
    shutil.rmtree(tmp_path / "runs/00000-old")
    with pytest.raises(UserError, match="another snapshot"):
        draw(tmp_path, tmp_path / "c", recipe=tmp_path / "a/0-0000.png")


def test_a_recipe_never_replaces_its_own_picture(workspace: Path, tmp_path: Path) -> None:
    draw(workspace, tmp_path, count=1)
    with pytest.raises(UserError, match="replace the picture itself"):
        draw(workspace, tmp_path, recipe=tmp_path / "grid.png")


def test_each_class_on_a_named_sheet(workspace: Path, tmp_path: Path) -> None:
    attributes = ("hair_color=each", "eye_color=each")
    draw(workspace, tmp_path, count=1, attributes=attributes, save="grid")
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]
    with Image.open(tmp_path / "grid.png") as sheet:
        recipe = json.loads(sheet.info["avatar-recipe"])
        size = sheet.size
    newest = Workspace(workspace).newest_snapshot()
    assert newest is not None
    info = read_snapshot_info(newest)
    hair, eyes = (
        [
            class_name
            for class_name, count in zip(group.classes, info.class_counts[group.name], strict=True)
            if count > 0
        ]
        for group in (info.vocabulary.group("hair_color"), info.vocabulary.group("eye_color"))
    )
    assert recipe["row_names"] == [f"{name} hair" for name in hair]
    assert recipe["column_names"] == eyes
    assert size[0] > len(eyes) * 18
    assert size[1] > len(hair) * 18
    assert recipe["pictures"][0]["attributes"]["hair_color"] == hair[0]
    assert len({picture["z"] for picture in recipe["pictures"]}) == 1
    draw(workspace, tmp_path / "again", recipe=tmp_path / "grid.png")
    assert (tmp_path / "again/grid.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "--count must be"),
        ({"count": 10**9}, "--count must be"),
        ({"best_of": 0}, "--best-of must be"),
        ({"best_of": 2}, "no classifier is cached"),
        ({"attributes": ("hair_color=each", "eye_color=each", "smile=each")}, "one or two"),
        ({"attributes": ("shoes=each",)}, "no attribute 'shoes'"),
        ({"attributes": ("hair_color=each",), "count": 9999}, "at most 10000"),
        ({"attributes": ("hair_color=each",), "name": ("alice",)}, "cannot be combined"),
        ({"name": ("x" * 10_000,)}, "a name may have"),
        ({"recipe": Path(__file__)}, "neither a PNG nor a recipe"),
        ({"recipe": Path(__file__).parent}, "is a folder"),
    ],
)
def test_a_mistake_is_one_line(
    workspace: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        draw(workspace, tmp_path, **settings)


@pytest.fixture
def with_classifier(workspace: Path, tmp_path: Path, painter: Painter) -> Path:
    """A copy of the workspace with a classifier that tells pictures by their brightness."""
    shutil.copytree(workspace / "runs", tmp_path / "runs")
    faces = tmp_path / "data/faces/tiny"
    faces.mkdir(parents=True)
    torch.manual_seed(3)
    classifier = Classifier(16, painter.info.vocabulary.sizes, 8)
    keep_standalone(
        classifier.eval(),
        faces / "classifier-0.pt2",
        image_size=16,
        vocabulary=painter.info.vocabulary,
        dataset_id=painter.info.dataset_id,
    )
    return tmp_path


def test_best_of_takes_what_the_classifier_sees_best(
    with_classifier: Path, painter: Painter
) -> None:
    classifier = find_classifier(painter.snapshot.path, painter.info, with_classifier)
    reader = Reader(classifier, painter.info)

    def scores(folder: Path) -> np.ndarray:
        pictures, rows = [], []
        for path in sorted(folder.glob("0-*.png")):
            with Image.open(path) as image:
                recipe = json.loads(image.info["avatar-recipe"])
                pictures.append(np.array(image))
            rows.append(painter.info.vocabulary.encode(recipe["pictures"][0]["attributes"]))
        return reader.score_of(reader.read(np.stack(pictures))[1], rows)

    asked = {"count": 6, "attributes": ("hair_color=blue", "eye_color=red", "smile=1")}
    draw(with_classifier, with_classifier / "plain", **asked)
    draw(with_classifier, with_classifier / "best", best_of=8, **asked)
    plain, best = scores(with_classifier / "plain"), scores(with_classifier / "best")
    assert (best >= plain).all()
    assert (best > plain).any()
    draw(with_classifier, with_classifier / "again", recipe=with_classifier / "best/0-0004.png")
    assert (with_classifier / "again/0-0004.png").read_bytes() == (
        with_classifier / "best/0-0004.png"
    ).read_bytes()


def test_the_classifier_of_other_faces_is_not_taken(
    with_classifier: Path, tmp_path: Path, painter: Painter
) -> None:
    (classifier,) = with_classifier.glob("data/faces/tiny/classifier-*.pt2")
    with zipfile.ZipFile(classifier) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(classifier, "w") as archive:
        for name, data in files.items():
            other = data.replace(painter.info.dataset_id.encode(), b"another")
            archive.writestr(name, other if name.endswith(NOTES_FILE) else data)
    with pytest.raises(UserError, match="no classifier is cached"):
        draw(with_classifier, tmp_path / "x", best_of=2)


def test_a_damaged_classifier_is_one_line(with_classifier: Path) -> None:
    (with_classifier / "data/faces/tiny/classifier-0.pt2").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="not a classifier"):
        draw(with_classifier, with_classifier / "x", best_of=2)


@pytest.fixture
def with_realness(with_classifier: Path, painter: Painter) -> Path:
    """The same with a realness net beside the snapshot."""
    info = RealnessInfo(16, painter.info.weights_sha256, "toys", "a-package", "f" * 64, 0.5)
    torch.manual_seed(3)
    path = realness_path(with_classifier / "runs/00001-tiny/snapshots/0000001000.json")
    path.write_bytes(to_onnx(Student(16).eval(), -9.0, info))  # a limit that no draw reaches
    return with_classifier


def test_with_a_realness_net_the_best_of_4_is_usual(
    with_realness: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = acgan.load(with_realness / "runs/00001-tiny", workspace=with_realness)
    draw(with_realness, with_realness / "a", count=6, attributes=("smile=1",))
    assert json.loads(capsys.readouterr().out)["best_of"] == 4
    chosen = model.portraits(["smile=1"], 6, 0, 4)
    found = drawn(with_realness / "a/grid.png")
    assert found == [(portrait.candidate, 4) for portrait in chosen]
    assert len(set(found)) > 1
    draw(with_realness, with_realness / "b", count=2, attributes=("hair_color=each",))
    sheet = drawn(with_realness / "b/grid.png")
    assert {n for _, n in sheet} == {4}
    capsys.readouterr()
    for settings, pictures in (
        ({"count": 5}, 20),
        ({"count": 2, "attributes": ("hair_color=each",)}, 4 * len(sheet)),
        ({"count": 5, "best_of": 2}, 10),
        ({"name": ("alice", "bob")}, 2),
    ):
        draw(with_realness, with_realness / "c", dry_run=True, **settings)
        assert f"would draw {pictures} pictures" in capsys.readouterr().out


def test_one_of_one_and_names_are_as_drawn(
    with_realness: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = acgan.load(with_realness / "runs/00001-tiny", workspace=with_realness)
    out = with_realness / "out"
    draw(with_realness, out, count=3, best_of=1)
    assert json.loads(capsys.readouterr().out)["best_of"] == 1
    for number, face in enumerate(model.draw(count=3, seed=0)):
        with Image.open(out / f"0-{number:04d}.png") as image:
            assert json.loads(image.info["avatar-recipe"]) == face.recipe
    draw(with_realness, out, count=2, best_of=1, attributes=("hair_color=each",))
    assert set(drawn(out / "grid.png")) == {(0, 1)}
    draw(with_realness, out, name=("alice",))
    with Image.open(out / "alice.png") as image:
        assert json.loads(image.info["avatar-recipe"]) == model.for_name("alice").recipe
    draw(with_realness, out, name=("alice",), best_of=4)
    assert drawn(out / "alice.png")[0][1] == 4


def test_without_a_realness_net_pictures_are_as_drawn(
    with_classifier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(with_classifier, with_classifier / "a", count=2)
    assert json.loads(capsys.readouterr().out)["best_of"] == 1
    assert drawn(with_classifier / "a/grid.png") == [(0, 1)] * 2


def test_threads_do_not_change_the_bits(workspace: Path) -> None:
    snapshot = load_snapshot(workspace / "runs/00001-tiny/snapshots/0000001000.json")
    portraits = ask(Painter(snapshot), [], 3, 0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = Painter(snapshot).draw(portraits)
        torch.set_num_threads(2)
        two = Painter(snapshot).draw(portraits)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one, two)
