"""The attribute reader: its network and file, calibration, `label` and `train-reader`."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from avatar_common.disk.faces import read_face_set, read_label_sources, read_labels
from avatar_common.disk.files import read_csv, write_csv
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.errors import UserError
from demo.artist import Attributes, draw_portrait, random_attributes
from preprocess.import_set import import_set
from preprocess.options import ImportOptions
from preprocess.reader.calibrate import Checked, calibrated, figures
from preprocess.reader.label import label
from preprocess.reader.model import (
    SHIPPED_READER,
    AttributeReader,
    Readable,
    log_shares,
    notes_path,
    reading_of,
    write_notes,
)
from preprocess.reader.network import ReaderNet, write_onnx
from preprocess.reader.options import LabelOptions, TrainReaderOptions
from preprocess.reader.train import own_labels, state_path, train_reader
from preprocess.reader.views import varied_view

COUNT = 24


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Attributes]]:
    """A folder of drawn faces without a table, and what they are."""
    folder = tmp_path_factory.mktemp("drawn")
    truth: list[Attributes] = []
    for number in range(COUNT):
        rng = np.random.default_rng((5, number))
        truth.append(random_attributes(rng))
        Image.fromarray(draw_portrait(64, truth[-1], rng)).save(folder / f"{number:02d}.png")
    return folder, truth


@pytest.fixture
def imported(drawn: tuple[Path, list[Attributes]], tmp_path: Path) -> Path:
    """The drawn faces as a face set without labels."""
    import_set(ImportOptions(source=drawn[0], name="mine", workspace=tmp_path, workers=1))
    return tmp_path / "data" / "faces" / "mine"


def options(folder: Path, **changes: Any) -> LabelOptions:
    return LabelOptions(workspace=folder.parents[2], name=folder.name, **changes)


def cells(folder: Path, attribute: str) -> list[str]:
    return [row[attribute] for _, row in read_csv(folder / "attributes.csv", ("file_name",))]


def sources(folder: Path, attribute: str) -> list[str]:
    vocabulary = read_face_set(folder).vocabulary
    found = read_label_sources(folder, read_labels(folder, vocabulary))
    return [row[attribute] for row in found.values()]


def edit(folder: Path, file_name: str, attribute: str, value: str) -> None:
    """Change one cell of attributes.csv, as a person with an editor does."""
    table = folder / "attributes.csv"
    rows = [row for _, row in read_csv(table, ("file_name",))]
    for row in rows:
        if row["file_name"] == file_name:
            row[attribute] = value
    write_csv(table, tuple(rows[0]), [tuple(row.values()) for row in rows])


# --- the network and its file


def test_opencv_reads_what_torch_wrote(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = ReaderNet([3, 2, 5]).train()
    net(torch.rand(8, 3, 64, 64) * 255)  # so that the normalisations are not the identity
    net.eval()
    path = tmp_path / "reader.onnx"
    write_onnx(net, path)
    groups = [
        Readable(n, "one_of", tuple("abcde"[:c]), 1.0, 0.5)
        for n, c in zip("xyz", (3, 2, 5), strict=True)
    ]
    write_notes(path, groups, {})
    faces = np.random.default_rng(0).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
    with torch.no_grad():
        expected = net(torch.from_numpy(faces).float()).numpy()
        half = net.only([2]).eval()(torch.from_numpy(faces).float()).numpy()
    assert np.abs(AttributeReader(path)._logits(faces) - expected).max() < 0.01
    assert np.abs(half - expected[:, 5:]).max() < 1e-5


def test_what_is_no_reader_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such reader"):
        AttributeReader(tmp_path / "none.onnx")
    copy = tmp_path / "copy.onnx"
    shutil.copy(SHIPPED_READER, copy)
    with pytest.raises(UserError, match="no such file"):
        AttributeReader(copy)
    shutil.copy(notes_path(SHIPPED_READER), notes_path(copy))
    AttributeReader(copy)
    notes = json.loads(notes_path(copy).read_text())
    del notes["attributes"][0]["classes"]
    notes_path(copy).write_text(json.dumps(notes))
    with pytest.raises(UserError, match="not a reader's description"):
        AttributeReader(copy)
    copy.write_bytes(b"\0" * 1000)
    with pytest.raises(UserError, match="not the reader that the JSON"):
        AttributeReader(copy)
    write_notes(copy, [], {})
    with pytest.raises(UserError, match="not a reader that OpenCV can run"):
        AttributeReader(copy)


def test_the_shipped_reader_is_small_and_described() -> None:
    assert SHIPPED_READER.stat().st_size <= 3_000_000
    notes = AttributeReader().notes
    assert {"command", "date", "learnt_from", "read"} <= set(notes)
    vocabulary = load_vocabulary()
    for found in AttributeReader().attributes:
        assert set(found.classes) == set(vocabulary.group(found.name).classes)


def test_a_view_keeps_the_hue() -> None:
    rng = np.random.default_rng(3)
    face = np.full((96, 96, 3), (40, 90, 220), np.uint8)
    views = [varied_view(face, face, rng) for _ in range(40)]
    assert all(v.shape == (64, 64, 3) and v.dtype == np.uint8 for v in views)
    middles = np.stack([v[24:40, 24:40].mean(axis=(0, 1)) for v in views])
    assert (middles[:, 2] > middles[:, 0]).mean() > 0.9
    assert np.ptp(middles, axis=0).min() > 20  # and yet they differ


# --- readings and calibration


def test_images_that_disagree_have_no_confidence() -> None:
    upright = np.array([[4.0, 0.0], [4.0, 0.0]])
    mirrored = np.array([[4.0, 0.0], [0.0, 3.0]])
    reading = reading_of(upright, mirrored, 1.0)
    assert reading.confidence[0] > 0.9
    assert reading.confidence[1] == 0


def test_a_sets_own_shares_are_found_and_settle_doubt() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(3000) < 0.1).astype(int)  # class 1 is rare; the net was taught 1:1
    logits = rng.normal(0, 1, (3000, 2)) + 2.0 * np.eye(2)[labels]
    shares = np.exp(log_shares(logits)) / 2
    assert 0.1 < shares[1] < 0.25  # between the truth and an equal share
    plain = (logits.argmax(axis=1) == labels).mean()
    assert (reading_of(logits, logits, 1.0).classes == labels).mean() > plain + 0.01
    assert np.abs(log_shares(logits[:2])).max() < 0.2  # two faces tell nothing


def test_confidence_says_how_often_a_reading_is_right() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 4000)
    honest = rng.normal(0, 1, (4000, 4)) + 2.0 * np.eye(4)[labels]
    checked = [Checked("other", 3 * honest, 3 * honest, labels)]  # three times too sure
    found = calibrated(Readable("x", "one_of", tuple("abcd"), 1.0, 0.0), checked, coverage=0.7)
    assert found.temperature == pytest.approx(1.5, abs=0.15)  # logits 2 apart, variance 1
    (row,) = figures(found, checked)
    assert row["written"] == pytest.approx(0.7, abs=0.01)
    assert row["right"] > 0.85
    for least, count, right in row["by_confidence"]:
        if count > 100:
            assert least - 0.05 < right < least + 0.15


# --- label


def test_label_fills_what_is_unknown(drawn: tuple[Path, list[Attributes]], imported: Path) -> None:
    label(options(imported))
    for attribute in ("hair_color", "eye_color"):
        written = cells(imported, attribute)
        pairs = [(w, t[attribute]) for w, t in zip(written, drawn[1], strict=True) if w]
        assert len(pairs) >= 0.5 * COUNT
        assert np.mean([w == t for w, t in pairs]) >= 0.9
        assert set(sources(imported, attribute)) <= {"reader", ""}
    faces = read_face_set(imported)
    assert faces.vocabulary.names == ("hair_color", "eye_color")
    assert faces.info["counts"]["labelled"] > 0


def test_label_writes_over_nobody(imported: Path) -> None:
    label(options(imported, min_confidence=0.0))
    before = cells(imported, "hair_color")
    edit(imported, "00.png", "hair_color", "white")
    edit(imported, "01.png", "hair_color", "")
    label(options(imported, refill=True, min_confidence=0.999))
    after = cells(imported, "hair_color")
    assert after[:2] == ["white", ""]
    assert sources(imported, "hair_color")[:2] == ["person", "person"]
    assert all(new in (old, "") for old, new in zip(before[2:], after[2:], strict=True))
    assert "" in after[2:]  # what it is not sure of is taken back
    again = (imported / "attributes.csv").read_bytes()
    label(options(imported, min_confidence=0.999))
    assert (imported / "attributes.csv").read_bytes() == again


def test_a_column_of_ones_own_is_not_dropped(imported: Path) -> None:
    table = imported / "attributes.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{lines[0]},mood", *(f"{line},happy" for line in lines[1:])]))
    before = table.read_bytes()
    with pytest.raises(UserError, match=r"attributes\.csv:1: the set has no attribute 'mood'"):
        label(LabelOptions(workspace=imported.parents[2], quiet=True))
    assert table.read_bytes() == before


def test_a_tables_labels_stay_and_lacking_attributes_come(
    drawn: tuple[Path, list[Attributes]], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(drawn[0], source)
    rows = "\n".join(f"{n:02d}.png,{'green' if n < 5 else ''}" for n in range(COUNT))
    (source / "labels.csv").write_text(f"file_name,eye_color\n{rows}\n")
    import_set(ImportOptions(source=source, name="half", workspace=tmp_path, workers=1))
    folder = tmp_path / "data" / "faces" / "half"
    label(options(folder, attributes=("hair_color",)))
    assert read_face_set(folder).vocabulary.names == ("hair_color", "eye_color")
    assert cells(folder, "eye_color") == ["green"] * 5 + [""] * (COUNT - 5)
    label(options(folder))
    assert cells(folder, "eye_color")[:5] == ["green"] * 5
    assert sources(folder, "eye_color")[:5] == ["table"] * 5
    assert "reader" in sources(folder, "eye_color")


def test_mistakes_of_label(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="does not read 'glasses'"):
        label(options(imported, attributes=("glasses",)))
    with pytest.raises(UserError, match="0 to 1"):
        label(options(imported, min_confidence=60))
    with pytest.raises(UserError, match="no such face set"):
        label(options(imported.parent / "other"))
    before = (imported / "attributes.csv").read_bytes()
    label(options(imported, dry_run=True))
    assert "would read hair_color of 24 faces" in capsys.readouterr().out
    assert (imported / "attributes.csv").read_bytes() == before


# --- train-reader


def two_colours(folder: Path, workspace: Path, count: int, noise: int) -> None:
    """A face set of faces with red or blue hair."""
    folder.mkdir()
    rows = ["file_name,hair_color"]
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, noise, (32, 32, 3)) + 60
        pixels[:12, :, 0 if number % 2 else 2] += 150
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'red' if number % 2 else 'blue'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    import_set(ImportOptions(source=folder, workspace=workspace, workers=1))


@pytest.mark.slow
def test_train_reader_learns_and_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_colours(tmp_path / "a", tmp_path, 130, 80)
    two_colours(tmp_path / "b", tmp_path, 60, 20)
    out = tmp_path / "mine.onnx"
    train_reader(
        TrainReaderOptions(
            out=out, data=("a",), check=("b",), views=480, batch=24, workspace=tmp_path
        )
    )
    read = json.loads(capsys.readouterr().out.splitlines()[-1])["read"]["hair_color"]
    assert read[0]["set"] == "b"
    assert read[0]["right"] > 0.95
    assert read[0]["written"] >= 0.6
    assert not state_path(out).exists()
    reader = AttributeReader(out)
    assert reader.notes["learnt_from"][0]["labels"] == {"hair_color": 130}
    import_set(ImportOptions(source=tmp_path / "b", name="c", workspace=tmp_path, workers=1))
    folder = tmp_path / "data" / "faces" / "c"
    for number in range(0, 60, 2):
        edit(folder, f"{number}.png", "hair_color", "")
    label(options(folder, reader=out))
    assert set(sources(folder, "hair_color")) == {"person", "table"}  # a person emptied them


@pytest.mark.slow
def test_train_reader_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    two_colours(tmp_path / "a", tmp_path, 130, 80)
    asked = TrainReaderOptions(
        out=tmp_path / "mine.onnx", data=("a",), views=160, batch=8, workspace=tmp_path
    )
    monkeypatch.setattr("preprocess.reader.train._KEEP_EVERY_S", 0.0)
    calls = []

    def stop_in_the_middle(*args: object) -> torch.Tensor:
        calls.append(args)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    from preprocess.reader import train

    real = train.loss_of
    monkeypatch.setattr(train, "loss_of", stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        train_reader(asked)
    assert not asked.out.exists()
    with caplog.at_level("INFO"):
        train_reader(asked)
    assert "continuing after step 5" in caplog.text
    assert len(calls) == 6 + 15

    # What is not read well enough costs no second training.
    for _ in range(2):
        with pytest.raises(UserError, match="none of the attributes is read well enough"):
            train_reader(dataclasses.replace(asked, seed=1, min_right=1.1))
    assert len(calls) == 6 + 15 + 20
    assert not asked.out.exists()


def test_mistakes_of_train_reader(imported: Path, tmp_path: Path) -> None:
    asked = TrainReaderOptions(out=tmp_path / "x.onnx", data=("mine",), workspace=tmp_path)
    with pytest.raises(UserError, match="no attribute has two classes with 60 labels"):
        train_reader(asked)
    with pytest.raises(UserError, match="no such face set"):
        train_reader(TrainReaderOptions(out=tmp_path / "x.onnx", data=("gone",)))


def test_labels_of_another_vocabulary_are_matched_by_name(imported: Path) -> None:
    label(options(imported))
    faces = read_face_set(imported)
    group = faces.vocabulary.group("hair_color")
    turned = type(group)("hair_color", "one_of", tuple(reversed(group.classes))[:-1])
    found = own_labels(faces, [turned, load_vocabulary().group("glasses")])
    assert (found[:, 1] == -1).all()
    for theirs, ours in zip(faces.labels[:, 0], found[:, 0], strict=True):
        name = group.classes[theirs] if theirs >= 0 else ""
        assert ours == (turned.classes.index(name) if name in turned.classes else -1)
