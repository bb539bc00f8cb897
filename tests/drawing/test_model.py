"""The Python interface."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import acgan
from acgan.drawing import generate
from acgan.drawing.best_of import Picker
from acgan.drawing.chance import latent, normals, seed_of_name, uniforms, words
from acgan.drawing.options import GenerateOptions, VaryOptions
from acgan.drawing.variations import run as run_vary
from avatar_common.errors import UserError
from tests.drawing.snapshots import make_snapshot

load: Any = acgan.load  # also of what its types forbid


@pytest.fixture(scope="module")
def model(workspace: Path) -> acgan.Model:
    return acgan.load(workspace / "runs/00001-tiny")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_importing_is_cheap() -> None:
    code = (
        "import sys, acgan\n"
        "assert 'torch' not in sys.modules\n"
        "acgan.load\n"
        "banned = {'tyro', 'rich', 'avatar_common.commands', 'acgan.training.train'}\n"
        "bad = banned & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_draw_gives_images_that_carry_their_recipe(model: acgan.Model, tmp_path: Path) -> None:
    faces = model.draw(hair_color="blue", smile=True, count=3, seed=7)
    assert [face.size for face in faces] == [(16, 16)] * 3
    assert all(face.attributes["hair_color"] == "blue" for face in faces)
    assert all(face.attributes["smile"] == "1" for face in faces)
    assert faces[0].seed == 7
    np.testing.assert_array_equal(pixels(faces[1]), pixels(model.draw(
        hair_color="blue", smile=True, count=2, seed=7)[1]))  # fmt: skip
    faces[2].save(tmp_path / "a.png")
    faces[2].enlarge(4).save(tmp_path / "b.png")
    shown = faces[2]._repr_png_()
    assert shown is not None
    for again in (tmp_path / "a.png", str(tmp_path / "b.png"), faces[2].recipe, faces[2],
                  shown, faces[2].copy(), pickle.loads(pickle.dumps(faces[2])),
                  (tmp_path / "b.png").read_bytes()):  # fmt: skip
        np.testing.assert_array_equal(pixels(model.again(again)), pixels(faces[2]))
    assert model.draw()[0].seed != model.draw()[0].seed


def test_numbers_of_numpy_are_numbers(model: acgan.Model) -> None:
    numbers: Any = np.arange(9, dtype=np.uint8)
    ours = model.draw(seed=numbers[7], count=numbers[2])
    assert [face.recipe for face in ours] == [f.recipe for f in model.draw(seed=7, count=2)]


def test_enlarging(model: acgan.Model) -> None:
    face = model.draw(seed=1)[0]
    assert face.at(50).size == (50, 50)
    blocks = pixels(face.enlarge(3, "pixels"))
    np.testing.assert_array_equal(blocks[1::3, 1::3], pixels(face))
    for side in (0, 10**9):
        with pytest.raises(UserError, match="1 to 2048"):
            face.at(side)


def test_the_same_name_has_the_same_face(model: acgan.Model) -> None:
    face = model.for_name("alice")
    digest = hashlib.sha256(b"alice").digest()
    assert face.seed == int.from_bytes(digest, "big") >> (256 - 53)
    np.testing.assert_array_equal(pixels(face), pixels(model.draw(seed=face.seed)[0]))
    assert model.for_name("Alice").seed != face.seed
    assert model.for_name("Alice", fold_case=True).seed == face.seed
    composed = "Zoë"
    decomposed = unicodedata.normalize("NFD", composed)
    assert seed_of_name(composed) == seed_of_name(decomposed)
    pink = model.for_name("alice", hair_color="pink")
    assert pink.attributes["hair_color"] == "pink"
    assert pink.recipe["pictures"][0]["z"] == face.recipe["pictures"][0]["z"]


@pytest.mark.parametrize("name", ["", "x" * 10_000, "é" * 600, "\ud800", 7, None])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(UserError):
        seed_of_name(name)


def test_numbers_are_those_of_the_documentation() -> None:
    """Kept here so that no release ever changes a face: change these and every name's changes."""
    block = hashlib.sha256(b"7/2/z/0").digest()
    assert words(7, 2, "z", 3).tolist() == [
        int.from_bytes(block[i : i + 4], "big") for i in (0, 4, 8)
    ]
    assert seed_of_name("alice") == 1542618457563584
    np.testing.assert_allclose(normals(0, 0, "z", 3), NORMALS, rtol=1e-12)
    z = np.concatenate([latent(seed, 0, 0, 64, "normal") for seed in range(200)])
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, abs=0.02)
    assert uniforms(3, 0, "z", 999).mean() == pytest.approx(0.5, abs=0.03)


NORMALS = [-0.3297366745669641, 0.8239945542690291, 0.10139103613024229]


def test_names_rarely_share_a_look_and_spread_over_classes(model: acgan.Model) -> None:
    """10,000 names: no two with nearly the same z, classes as often as training faces have them."""
    seeds = [seed_of_name(f"user{n}") for n in range(10_000)]
    assert len(set(seeds)) == 10_000
    z = np.stack([latent(seed, 0, 0, 8, "normal") for seed in seeds])
    order = np.argsort(z[:, 0])
    near = np.linalg.norm(z[order][1:] - z[order][:-1], axis=1)
    assert near.min() > 0.05
    rows = [model.candidates((), 1, seed, 1)[0][0].labels for seed in seeds[:2000]]
    for column in range(3):
        drawn = np.bincount([row[column] for row in rows], minlength=12) / len(rows)
        trained = np.bincount([r[column] for r in model.info.label_rows], minlength=12) / 64
        assert abs(drawn - trained).max() < 0.04


def test_vary_move_sweep_and_morph(model: acgan.Model) -> None:
    face, other = model.draw(count=2, seed=3)
    near, far = (model.vary(face, count=6, strength=s, seed=0) for s in (0.05, 1.0))
    distance = [np.mean([abs(pixels(v) - pixels(face)).mean() for v in vs]) for vs in (near, far)]
    assert distance[0] < distance[1] / 2
    assert {v.attributes["hair_color"] for v in far} == {face.attributes["hair_color"]}
    pink = model.move(face, hair_color="pink")
    assert pink.attributes == face.attributes | {"hair_color": "pink"}
    path = model.morph(face, other, frames=9)
    assert len(path) == 9
    np.testing.assert_array_equal(pixels(path[0]), pixels(face))
    np.testing.assert_array_equal(pixels(path[8]), pixels(other))
    assert model.move(path[4], smile=0).attributes["smile"] == "0"
    assert len(model.sweep(face, "hair_color=blue..pink", 5)) == 5
    assert len(model.sweep(face)) == 8


def test_attributes_tell_classes_counts_and_accuracy(model: acgan.Model) -> None:
    hair = model.attributes["hair_color"]
    assert list(model.attributes) == ["hair_color", "eye_color", "smile"]
    assert hair.counts["orange"] == 0
    assert sum(model.attributes["smile"].counts.values()) == 64
    assert hair.accuracy == {}
    shipped = acgan.load(acgan.shipped()[0])
    assert any(attribute.accuracy for attribute in shipped.attributes.values())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.draw(shoes="red"), "no attribute 'shoes'"),
        (lambda m: m.draw(hair_color="tartan"), "no class 'tartan'"),
        (lambda m: m.draw(hair_color=""), "needs a class"),
        (lambda m: m.draw(count=0), "count must be"),
        (lambda m: m.draw(count=10**9), "count must be"),
        (lambda m: m.draw(seed=-1), "seed must be"),
        (lambda m: m.draw(seed=2**60), "seed must be"),
        (lambda m: m.draw(best_of=0), "best of must be"),
        (lambda m: m.draw(best_of=2), "no classifier"),
        (lambda m: m.vary(m.draw()[0], strength=3), "strength must be"),
        (lambda m: m.vary(Image.new("RGB", (4, 4))), "carries no recipe"),
        (lambda m: m.vary("nowhere.png"), "no such file"),
        (lambda m: m.vary({}), "not a recipe"),
        (lambda m: m.vary(b"x"), "neither a PNG"),
        (lambda m: m.vary(3), "not a picture"),
        (lambda m: m.morph(m.draw()[0], m.draw()[0], 10**6), "number of frames"),
        (lambda m: m.sweep(m.draw()[0], "shoes"), "no attribute"),
        (lambda m: m.draw(**{"hair-color": "blue", "hair_color": "pink"}), "named twice"),
        (lambda m: acgan.load("nothing-here"), "no such snapshot"),
        (lambda m: acgan.load("n" * 10_000), "too long"),
        (lambda m: load(3), "not by int"),
        (lambda m: load(device="abacus"), "no device"),
        (lambda m: m.draw(count="4"), "the count must be a whole number"),
        (lambda m: m.draw(seed=1.5), "the seed must be a whole number"),
        (lambda m: m.draw(best_of=2.0), "whole number"),
        (lambda m: m.vary(m.draw()[0], strength="0.3"), "the strength"),
        (lambda m: m.vary("n" * 10_000), "too long"),
        (lambda m: m.vary("a\0b"), "null byte"),
        (lambda m: m.sweep(m.draw()[0], "hair_color", steps=2.5), "whole number"),
        (lambda m: m.draw()[0].enlarge(float("inf")), "a number above 0"),
        (lambda m: m.draw()[0].enlarge(2, "magic"), "no way to enlarge"),
        (lambda m: m.draw()[0].at(2.5), "whole number"),
        (lambda m: m.edit(None, hair_color="pink"), "not a picture"),
        (lambda m: m.edit(m.draw()[0], box=(1, 2), hair_color="pink"), "three whole numbers"),
    ],
)
def test_a_mistake_is_one_line(model: acgan.Model, ask: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        ask(model)
    assert "\n" not in str(error.value)


class Brightness:
    """Stands in for a realness net: the brighter, the more real."""

    def score(self, pictures: np.ndarray) -> np.ndarray:
        assert pictures.shape[1] == 3
        brightness: np.ndarray = pictures.mean(axis=(1, 2, 3))
        return brightness


class Misreading:
    """Stands in for a reader that finds one class in every picture."""

    def __init__(self, right: list[int]) -> None:
        self._right = right

    def read(self, pictures: np.ndarray) -> tuple[None, np.ndarray]:
        return None, np.zeros((len(pictures), 1), np.float32)

    def count_right(self, scores: np.ndarray, rows: Any, groups: list[int]) -> np.ndarray:
        return np.array(self._right) * len(groups)

    def score_of(self, scores: np.ndarray, rows: Any) -> np.ndarray:
        return np.arange(len(scores))


def test_the_best_shows_what_was_asked_then_looks_most_real(
    workspace: Path,
) -> None:
    model = acgan.load(workspace / "runs/00001-tiny")
    model.picker = Picker(model.info, None, Brightness())  # type: ignore[arg-type]
    (best,) = model.draw(seed=5, best_of=6)
    found = [p for same in model.candidates((), 1, 5, 6) for p in same]
    brightness = model.painter.draw(found).mean(axis=(1, 2, 3))
    recipe = best.recipe["pictures"][0]
    assert (recipe["candidate"], recipe["best_of"]) == (int(brightness.argmax()), 6)
    np.testing.assert_array_equal(pixels(model.again(best)), pixels(best))
    assert recipe == model.draw(seed=5, best_of=6, count=2)[0].recipe["pictures"][0]
    rows, pictures = [p.labels for p in found], model.painter.draw(found)
    worst = int(brightness.argmin())
    reading = Misreading([int(place == worst) for place in range(6)])
    both = Picker(model.info, reading, Brightness())  # type: ignore[arg-type]
    assert both.choose(pictures, rows, ["smile"], 6) == [worst]
    assert both.choose(pictures, rows, [], 6) == [int(brightness.argmax())]
    alone = Picker(model.info, reading, None)  # type: ignore[arg-type]
    assert alone.choose(pictures, rows, [], 6) == [5]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_generate_draws_the_faces_of_names(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "names.txt"
    listed.write_text("bob\n\n../../etc/passwd\nÄnne\nbob\ngrid\n")
    common: dict[str, Any] = {"workspace": workspace, "device": "cpu", "quiet": True}
    generate.run(
        GenerateOptions(**common, out=tmp_path / "a", name=("alice",), names=listed, scale=3)
    )
    assert json.loads(capsys.readouterr().out)["count"] == 5
    found = files(tmp_path / "a")
    assert len(found) == 6
    assert {"alice.png", "bob.png", "grid.png"} < set(found)
    assert any(name.startswith("etc-passwd-") for name in found)
    with Image.open(tmp_path / "a/alice.png") as image:
        assert image.size == (48, 48)
        face = acgan.load(workspace / "runs/00001-tiny").again(image)
    assert face.seed == seed_of_name("alice")
    listed.write_text("bob\n" + "x" * 2000)
    with pytest.raises(UserError, match=r"names\.txt:2: a name may have"):
        generate.run(GenerateOptions(**common, out=tmp_path / "b", names=listed))
    for endless in (Path("/dev/zero"), tmp_path / "large.txt"):
        if endless.name == "large.txt":
            endless.write_bytes(b"x" * (2**24 + 1))
        if endless.exists():
            with pytest.raises(UserError, match="larger than 16 MB"):
                generate.run(GenerateOptions(**common, out=tmp_path / "b", names=endless))
    with pytest.raises(UserError, match="--scale must be"):
        generate.run(GenerateOptions(**common, out=tmp_path / "b", scale=10**9))


def test_vary_draws_more_of_a_png(workspace: Path, tmp_path: Path) -> None:
    other = make_snapshot(tmp_path / "runs/00009-other/snapshots/1", seed=1)
    model = acgan.load(other)
    face = model.draw(seed=1, hair_color="blue")[0]
    face.save(tmp_path / "face.png")
    run_vary(
        VaryOptions(
            workspace=tmp_path, picture=tmp_path / "face.png", count=3, strength=0,
            attributes=("hair_color=pink",), out=tmp_path / "v", device="cpu", quiet=True,
        )
    )  # fmt: skip
    assert files(tmp_path / "v") == [f"face-000{n}.png" for n in range(3)] + ["grid.png"]
    with Image.open(io.BytesIO((tmp_path / "v/face-0002.png").read_bytes())) as image:
        np.testing.assert_array_equal(pixels(image), pixels(model.move(face, hair_color="pink")))
    with pytest.raises(UserError, match="--picture"):
        run_vary(VaryOptions(workspace=tmp_path))
