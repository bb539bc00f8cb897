from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_common.disk import identity
from avatar_common.disk.faces import (
    FACE_COLUMNS,
    find_face_set,
    packed_path,
    read_face_set,
    read_label_sources,
    read_labels,
    split_of,
    write_label_sources,
)
from avatar_common.disk.files import write_csv, write_json
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.errors import UserError


def make_face_set(path: Path) -> Path:
    vocabulary = load_vocabulary().only(["hair_color", "glasses"])
    write_json(
        path / "dataset.json",
        {"dataset_id": "abc", "image_size": 64, "vocabulary": vocabulary.to_json()},
        schema_version=1,
    )
    write_csv(
        path / "faces.csv",
        FACE_COLUMNS,
        [
            (f"{i}.png", f"site:{i}", "p", 0, 0, 10, 10, 0.9, 30.5, f"g{i}", split)
            for i, split in enumerate(["train", "test", "train"])
        ],
    )
    write_csv(
        path / "attributes.csv",
        ("file_name", *vocabulary.names),
        [("2.png", "", ""), ("0.png", "blue", "1"), ("1.png", "orange", "0")],
    )
    (path / "images").mkdir()
    for i in range(3):
        (path / "images" / f"{i}.png").write_bytes(bytes([i] * 9))
    return path


def test_reading(tmp_path: Path) -> None:
    faces = read_face_set(make_face_set(tmp_path))
    assert (len(faces), faces.image_size) == (3, 64)
    assert faces.labels.tolist() == [[8, 1], [0, 0], [-1, -1]]
    assert faces.indices("test").tolist() == [1]
    assert faces.image_path(0) == tmp_path / "images" / "0.png"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("attributes.csv", "blue", "teal", r"attributes\.csv:3: hair_color has no class 'teal'"),
        ("attributes.csv", "0.png", "9.png", "1 faces have no row, the first is 0.png"),
        ("attributes.csv", "0.png", "1.png", r"attributes\.csv:4: 1.png has a row already"),
        ("attributes.csv", "glasses", "specs", "column 'glasses' is missing"),
        ("faces.csv", "test", "tset", r"faces\.csv:3: split 'tset' is not train or test"),
        ("faces.csv", "30.5", "sharp", r"faces\.csv:2: could not convert"),
        ("faces.csv", "1.png", "../1.png", r"faces\.csv:3: '../1.png' is not a plain file name"),
        ("dataset.json", "image_size", "size", r"dataset\.json: 'image_size' is missing"),
        ("dataset.json", '"schema_version": 1', '"schema_version": 2', "schema version 2"),
    ],
)
def test_errors_name_file_and_line(
    tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    path = make_face_set(tmp_path) / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        read_face_set(tmp_path)


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


def exchange(path: Path) -> None:
    """Two files swap places: sizes and times of modification are the same ones as before."""
    first, second, third = (path / "images" / name for name in ("0.png", "1.png", "x"))
    first.rename(third)
    second.rename(first)
    third.rename(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: edit(path / "attributes.csv", "blue", "red"),
        lambda path: edit(path / "attributes.csv", "blue", ""),
        lambda path: edit(path / "faces.csv", "test", "train"),
        lambda path: edit(path / "dataset.json", '"aqua",', '"teal",'),
        lambda path: (path / "images" / "1.png").write_bytes(b"another"),
        exchange,
    ],
)
def test_the_id_is_of_what_is_there(change: Callable[[Path], object], tmp_path: Path) -> None:
    path = make_face_set(tmp_path / "faces" / "a")
    before = read_face_set(path)
    assert before.dataset_id != "abc", "what is recorded is no proof"
    assert read_face_set(path).dataset_id == before.dataset_id
    assert find_face_set(tmp_path / "faces", before.dataset_id) == path
    for name in ("0.png", "1.png"):
        os.utime(path / "images" / name, ns=(0, 0))
    assert read_face_set(path).dataset_id == before.dataset_id
    change(path)
    after = read_face_set(path)
    assert after.dataset_id != before.dataset_id
    pictures = change is exchange or (path / "images" / "1.png").read_bytes() == b"another"
    assert (packed_path(after) != packed_path(before)) == pictures
    assert find_face_set(tmp_path / "faces", before.dataset_id) is None


def test_pictures_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_face_set(tmp_path)
    hashed: list[str] = []
    real = identity._hash

    def noted(path: Path) -> str:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(identity, "_hash", noted)
    for _ in range(2):
        read_face_set(path)
        assert hashed == ["0.png", "1.png", "2.png"]
    (path / "images" / "1.png").write_bytes(b"new")
    read_face_set(path)
    assert hashed[3:] == ["1.png"]
    (path / ".picture_hashes.csv").write_bytes(b"\xff\x00,")
    found = read_face_set(path)
    assert len(hashed) == 7
    path.chmod(0o500)
    assert read_face_set(path).dataset_id == found.dataset_id
    path.chmod(0o700)


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    (make_face_set(tmp_path) / "images" / "1.png").unlink()
    with pytest.raises(UserError, match=r"1 of 3 pictures of the face set are gone.*1\.png"):
        read_face_set(tmp_path)


def test_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such face set"):
        read_face_set(tmp_path / "none")
    (make_face_set(tmp_path) / "attributes.csv").unlink()
    with pytest.raises(UserError, match="preprocess tag"):
        read_face_set(tmp_path)


def test_the_split_is_stable_and_of_the_right_size() -> None:
    splits = [split_of(f"group{i}") for i in range(4000)]
    assert splits == [split_of(f"group{i}") for i in range(4000)]
    assert 0.13 < np.mean([split == "test" for split in splits]) < 0.17


def test_where_a_label_came_from(tmp_path: Path) -> None:
    path = make_face_set(tmp_path)
    vocabulary = read_face_set(path).vocabulary

    def sources() -> list[list[str]]:
        found = read_label_sources(path, read_labels(path, vocabulary))
        return [list(found[f"{i}.png"].values()) for i in range(3)]

    assert sources() == [["table", "table"], ["table", "table"], ["", ""]]
    said = {
        "0.png": {"hair_color": "reader", "glasses": "table"},
        "1.png": {"hair_color": "reader", "glasses": "tag"},
        "2.png": {"hair_color": "", "glasses": "person"},
    }
    write_label_sources(path, vocabulary, read_labels(path, vocabulary), said)
    assert sources() == [["reader", "table"], ["reader", "tag"], ["", "person"]]
    table = path / "attributes.csv"  # a person edits: another class, an empty cell, a filled one
    text = table.read_text().replace("blue,1", "red,1").replace("orange,0", ",0")
    table.write_text(text.replace("2.png,,", "2.png,pink,"))
    assert sources() == [["person", "table"], ["person", "tag"], ["person", "person"]]
    table = path / "label_sources.csv"
    table.write_text(table.read_text().replace("reader:orange", "orange"))
    with pytest.raises(UserError, match=r"label_sources\.csv:.*'orange' is not source:value"):
        sources()
