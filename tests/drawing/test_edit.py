"""Changing colours in pictures that were not drawn here."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import acgan
from acgan.drawing.editing import run
from acgan.drawing.find import Finder
from acgan.drawing.options import EditOptions
from acgan.drawing.own_picture import open_face
from acgan.drawing.transfer import colour_change
from acgan.nets import build_encoder
from acgan.nets.snapshot import save_training_nets
from avatar_common.disk.runs import read_snapshot_info
from avatar_common.errors import UserError
from eval.classifier import Classifier
from eval.standalone import keep_standalone
from tests.drawing.snapshots import make_snapshot

SIDE = 32


def to_pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> acgan.Model:
    """An untrained model with encoder and classifier."""
    root = tmp_path_factory.mktemp("model")
    path = make_snapshot(root / "tiny", image_size=SIDE)
    info = read_snapshot_info(path)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        classifier = Classifier(SIDE, info.vocabulary.sizes, 8).eval()
        save_training_nets(path, {"encoder": build_encoder(info.architecture)})
    keep_standalone(
        classifier, root / "classifier.pt2", image_size=SIDE, vocabulary=info.vocabulary,
        dataset_id=info.dataset_id,
    )  # fmt: skip
    return acgan.load(path)


# The change of colour


def scene(hair: tuple[float, float, float], shift: int = 0, side: int = 64) -> torch.Tensor:
    """A plain head, [3,side,side] in 0..1: hair above, a face below, nothing behind."""
    unit = side // 64
    picture = torch.ones(3, side, side)
    left, right = (16 + shift) * unit, (48 + shift) * unit
    picture[:, 8 * unit : 28 * unit, left:right] = torch.tensor(hair)[:, None, None]
    skin = torch.tensor((0.98, 0.85, 0.78))[:, None, None]
    picture[:, 28 * unit : 56 * unit, left + 4 * unit : right - 4 * unit] = skin
    return picture


BLUE, DARK_BLUE, PINK = (0.3, 0.4, 0.8), (0.2, 0.25, 0.6), (0.95, 0.55, 0.75)


@pytest.mark.parametrize("side", [64, 256])
def test_the_hair_changes_and_nothing_else(side: int) -> None:
    """The drawings have another blue than the picture, and stand one pixel aside."""
    unit = side // 64
    picture = scene(DARK_BLUE, side=side)
    picture[:, 12 * unit : 24 * unit, 31 * unit : 32 * unit] = 0.1  # a line that no drawing has
    found = colour_change(picture, scene(BLUE, 1), scene(PINK, 1)).on(picture)
    assert found.shape == picture.shape
    hair = found[:, 14 * unit : 24 * unit, 20 * unit : 28 * unit].mean(dim=(1, 2))
    assert (hair - torch.tensor(PINK)).abs().max() < 0.08
    face = slice(34 * unit, 52 * unit), slice(24 * unit, 40 * unit)
    assert (found - picture)[:, *face].abs().max() < 0.02
    assert (found - picture)[:, :, : 6 * unit].abs().max() < 0.02
    line, beside = found[:, 18 * unit, 31 * unit], found[:, 18 * unit, 24 * unit]
    assert (beside - line).mean() > 0.15
    # A plain difference would leave the left edge as it was and paint the ground on the right.
    row, pink, dark = 18 * unit, torch.tensor(PINK), torch.tensor(DARK_BLUE)
    edge = found[:, row, 16 * unit : 17 * unit].mean(dim=1)
    assert ((edge - dark) / (pink - dark))[0] > 0.5
    ground = found[:, row, 48 * unit : 49 * unit].mean(dim=1)
    assert (1 - ground).abs().max() < 0.5 * (pink - dark).max()


def with_eyes(picture: torch.Tensor, colour: tuple[float, float, float], top: int) -> torch.Tensor:
    """The head with two eyes of 7 px, [3,64,64]."""
    found = picture.clone()
    for left in (22, 35):
        found[:, top : top + 7, left : left + 7] = torch.tensor(colour)[:, None, None]
    return found


def test_eyes_drawn_aside_are_found() -> None:
    head = scene(DARK_BLUE)
    picture = with_eyes(head, DARK_BLUE, 34)
    red = (0.8, 0.1, 0.1)
    found = colour_change(
        picture, with_eyes(head, DARK_BLUE, 37), with_eyes(head, red, 37)
    ).on(picture)  # fmt: skip
    for left in (22, 35):
        eye = found[:, 35:40, left + 1 : left + 6].mean(dim=(1, 2))
        assert (eye - torch.tensor(red)).abs().max() < 0.1
    assert (found - picture)[:, 44:].abs().max() < 0.1


def test_eyes_drawn_on_a_cheek_do_not_colour_it() -> None:
    head = scene(DARK_BLUE)
    picture = with_eyes(head, DARK_BLUE, 32)
    before, after = (with_eyes(head, colour, 45) for colour in (DARK_BLUE, (0.8, 0.1, 0.1)))
    found = colour_change(picture, before, after).on(picture)
    assert (found - picture)[:, 46:51, 23:28].abs().mean() < 0.05


def test_no_change_is_no_change() -> None:
    picture = scene(DARK_BLUE)
    change = colour_change(picture, scene(BLUE), scene(BLUE))
    torch.testing.assert_close(change.on(picture), picture)


# Finding


def test_a_drawn_face_is_found_again(model: acgan.Model) -> None:
    """The encoder knows nothing here: the search does it."""
    face = model.draw(seed=4)[0]
    finder: Finder = model.finder
    row = model.portrait(face).labels
    images = torch.from_numpy(np.array(face)).permute(2, 0, 1)[None] / 127.5 - 1
    labels = torch.tensor([row])

    def away(steps: int) -> float:
        z = finder.search(images, labels, steps)
        return float((model.painter.snapshot.generator(z, labels) - images).abs().mean())

    assert away(60) < 0.5 * away(0)


def test_what_is_found_can_be_drawn_again(model: acgan.Model) -> None:
    face = model.draw(seed=4)[0].enlarge(2, "smooth")
    found = model.find(face)
    assert found.size == (SIDE, SIDE)
    assert set(found.attributes) == {"hair_color", "eye_color", "smile"}
    np.testing.assert_array_equal(to_pixels(model.again(found)), to_pixels(found))
    np.testing.assert_array_equal(to_pixels(model.find(face)), to_pixels(found))


# Editing


def test_edit(model: acgan.Model, tmp_path: Path) -> None:
    file = tmp_path / "me.jpg"
    model.draw(seed=4)[0].enlarge(3, "smooth").save(file)
    found = model.find(file)
    other = "pink" if found.attributes["hair_color"] != "pink" else "blue"
    changed = model.edit(file, hair_color=other)
    assert changed.size == (3 * SIDE, 3 * SIDE)
    assert np.abs(to_pixels(changed) - to_pixels(Image.open(file))).max() > 20
    again = model.edit(file.read_bytes(), like=found, hair_color=other)
    np.testing.assert_array_equal(to_pixels(again), to_pixels(changed))
    same = model.edit(file, like=found, hair_color=found.attributes["hair_color"])
    assert np.abs(to_pixels(same) - to_pixels(Image.open(file))).max() <= 1
    both = model.edit(file, like=found, hair_color=other, eye_color="red")
    assert both.size == changed.size


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "say what to change"),
        ({"smile": "1"}, "smile cannot be changed in a picture"),
        ({"hair_color": "random"}, "needs a class"),
        ({"hair_color": "mauve"}, "mauve"),
        ({"hair": "blue"}, "no attribute 'hair'"),
    ],
)
def test_what_cannot_be_edited(model: acgan.Model, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.edit(Image.new("RGB", (64, 64)), **asked)


def test_a_model_without_encoder_says_so(workspace: Path) -> None:
    tiny = acgan.load(workspace / "runs/00001-tiny")
    assert not tiny.can_find
    with pytest.raises(UserError, match="no encoder"):
        tiny.edit(Image.new("RGB", (64, 64)), hair_color="pink")


def test_the_command(
    model: acgan.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "me.png"
    whole = Image.new("RGB", (3 * SIDE, 2 * SIDE), "white")
    whole.paste(model.draw(seed=4)[0], (SIDE, 0))
    whole.save(file)
    settings: dict[str, Any]
    settings = {"snapshot": model.painter.snapshot.path, "out": tmp_path / "out", "quiet": True}
    asked = ("hair_color=pink", "eye_color=red")
    with pytest.raises(UserError, match="--box LEFT TOP SIDE"):
        run(EditOptions(picture=file, attributes=asked, **settings))
    run(EditOptions(picture=file, box=(SIDE, 0, SIDE), attributes=asked, scale=2, **settings))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["picture"] == str(tmp_path / "out" / "me-pink-red.png")
    assert set(told["read"]) == {"hair_color", "eye_color", "smile"}
    with Image.open(told["picture"]) as written:
        assert written.size == (2 * SIDE, 2 * SIDE)
    for scale in (0, 10**9):
        with pytest.raises(UserError, match="--scale must be 1 to"):
            run(EditOptions(picture=file, box=(0, 0, 32), attributes=asked, scale=scale))


# Pictures from elsewhere


def png_that_claims(side: int) -> bytes:
    """A PNG of a few bytes whose header says that it is enormous."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body
        chunks += struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def jpeg_of_many_scans() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG", progressive=True)
    start, *scans = file.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    return b"\xff\xda".join([start, *scans, *[scans[-1]] * 1000]) + b"\xff\xd9"


def broken_png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(file, "PNG")
    return file.getvalue()[:500]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable"),
        (b"GIF89a", "not a readable"),
        (b"<svg/>" * 1000, "not a readable"),
        (broken_png(), "not a readable"),
        (jpeg_of_many_scans(), "more than 50 scans"),
        (png_that_claims(8193), "more than 8192 px"),
        (png_that_claims(2**31 - 1), "more than 8192 px"),
        (png_that_claims(0), "not a readable"),
    ],
)
def test_broken_and_huge_pictures(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(data)
    for given in (data, tmp_path / "x.png"):
        with pytest.raises(UserError, match=message):
            open_face(given)


def test_files_that_are_none(tmp_path: Path) -> None:
    for given in (tmp_path, tmp_path / "nobody.png", tmp_path / ("n" * 10_000), "a\0b"):
        with pytest.raises(UserError) as found:
            open_face(given)
        assert len(str(found.value)) < 400
    (tmp_path / "large.png").touch()
    with (tmp_path / "large.png").open("r+b") as file:
        file.truncate(10**9)
    with pytest.raises(UserError, match="larger than 64 MB"):
        open_face(tmp_path / "large.png")


@pytest.mark.parametrize("box", [(0, 0, 0), (0, 0, 10**9), (-1, 0, 40), (30, 0, 40), (0, 0, -5)])
def test_boxes_that_do_not_fit(box: tuple[int, int, int]) -> None:
    with pytest.raises(UserError, match="no face fits"):
        open_face(Image.new("RGB", (64, 64)), box)


def test_what_is_transparent_becomes_white() -> None:
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 20, 40))
    face = to_pixels(open_face(image))
    assert face[5, 5].tolist() == [0, 0, 255]
    assert face[5, 35].tolist() == [255, 255, 255]
    large = open_face(Image.new("RGB", (3000, 3010)))
    assert large.size == (2048, 2048)
