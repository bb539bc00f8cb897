from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from avatar_common.disk.faces import (
    packed_path,
    read_face_set,
    read_faces,
    read_label_sources,
    read_labels,
)
from avatar_common.disk.identity import HASHES_TABLE
from avatar_common.disk.raw import CRAWL_SCHEMA, CRAWL_SCHEMA_VERSION
from avatar_common.errors import UserError
from demo.crowd import DrawnPost, draw_post
from preprocess.crop import REMEDIES, crop, describe, settings_of
from preprocess.detect import SHIPPED_CASCADE
from preprocess.journal import Journal
from preprocess.options import CropOptions, TagOptions
from preprocess.picture import PictureTask, rejected
from preprocess.tag import tag
from tests.preprocess.test_decode import png_claiming

POSTS = 14


@pytest.fixture(scope="module")
def posts() -> list[DrawnPost]:
    return [draw_post(index, 3) for index in range(POSTS)]


@pytest.fixture(scope="module")
def folder(posts: list[DrawnPost], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    for post in posts:
        (path / f"{post.index:03d}.{post.file_ext}").write_bytes(post.data)
    (path / "broken.jpg").write_bytes(posts[0].data[: len(posts[0].data) // 2])
    (path / "empty.png").write_bytes(b"")
    (path / "page.jpg").write_bytes(b"<html>gone</html>")
    (path / "notes.txt").write_text("not a picture")
    Image.new("RGB", (3000, 100)).save(path / "strip.png")
    (path / "zeros.jpg").write_bytes(bytes(4000))
    (path / "bomb.png").write_bytes(png_claiming(60000, 60000))
    (path / f"{POSTS:03d}.png").write_bytes(posts[0].data)  # a JPEG by its content
    return path


def content(face_set: Path) -> dict[str, bytes]:
    """All files but the one that holds the pictures' times."""
    return {
        str(path.relative_to(face_set)): path.read_bytes()
        for path in sorted(face_set.rglob("*"))
        if path.is_file() and path.name != HASHES_TABLE
    }


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def crop_folder(folder: Path, workspace: Path, **options: Any) -> Path:
    crop(CropOptions(pictures=folder, workspace=workspace, quiet=True, **options))
    return workspace / "data" / "faces" / "faces"


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crop_folder(folder, tmp_path_factory.mktemp("one"), workers=1)


def test_faces_and_rejects(undisturbed: Path) -> None:
    faces = read_faces(undisturbed)
    assert len(faces) >= POSTS * 0.7
    copies = [face for face in faces if face.picture.startswith(("000.", f"{POSTS:03d}."))]
    assert len({face.picture for face in copies}) == 2
    assert len({(face.group, face.split) for face in copies}) == 1
    for face in faces:
        assert size_of(undisturbed / "images" / face.file_name) == (64, 64)
        assert face.box_w == face.box_h > 0
    rejects = (undisturbed / "rejects.csv").read_text()
    for name, reason in (
        ("broken.jpg", "broken picture"),
        ("empty.png", "empty file"),
        ("page.jpg", "not a picture"),
        ("strip.png", "extreme aspect,30.0"),
        ("zeros.jpg", "not a picture"),
        ("bomb.png", "too many pixels,3600000000"),
    ):
        assert f"{name},file:{name},,{reason}" in rejects


def test_a_kill_and_any_number_of_workers_change_nothing(
    folder: Path, undisturbed: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "preprocess", "crop", "--pictures", str(folder)]
    command += ["--workspace", str(tmp_path), "--workers", "2", "--quiet"]
    journal = tmp_path / "data" / "faces" / "faces" / "journal.jsonl"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if journal.is_file() and journal.read_bytes().count(b"\n") >= 4:
            break
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (journal.parent / "faces.csv").exists()
    with journal.open("ab") as file:
        file.write(b'{"key": "torn')
    (journal.parent / "images" / ".x.png.part").write_bytes(b"half")
    done_before = journal.read_bytes().count(b"\n") - 1
    assert 3 <= done_before < POSTS + 4
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
    assert content(journal.parent) == content(undisturbed)


def test_a_second_run_does_nothing_and_a_new_picture_is_added(folder: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    names = sorted(path.name for path in folder.iterdir() if path.name < "006")
    for name in names[:-1]:
        os.link(folder / name, pictures / name)
    face_set = crop_folder(pictures, tmp_path, workers=1)
    times = {path: path.stat().st_mtime_ns for path in face_set.rglob("*.*")}
    for leftover in (".faces.csv.ab12.part", ".packed-1.npy.cd34.part", "images/.a.png.ef56.part"):
        (face_set / leftover).write_bytes(b"half")
    crop_folder(pictures, tmp_path, workers=1)
    assert times == {path: path.stat().st_mtime_ns for path in face_set.rglob("*.*")}
    os.link(folder / names[-1], pictures / names[-1])
    grown = content(crop_folder(pictures, tmp_path, workers=1))
    assert grown == content(crop_folder(pictures, tmp_path / "other", workers=1))
    (pictures / names[0]).unlink()
    crop_folder(pictures, tmp_path, workers=1)
    assert names[0] not in {face.picture for face in read_faces(face_set)}


def test_faces_of_a_folder_are_a_set_of_unknown_labels(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        face_set = crop_folder(folder, tmp_path, workers=1)
    assert [m for m in caplog.messages if m.startswith("next: ")] == [
        "next: python -m preprocess label"
    ]
    faces = read_face_set(face_set)
    assert (faces.labels == -1).all()
    table = face_set / "attributes.csv"  # labels may simply be written into it
    name = faces.file_names[0]
    table.write_text(table.read_text().replace(f"{name},", f"{name},blue"))
    labels = read_labels(face_set, faces.vocabulary)
    assert read_label_sources(face_set, labels)[name]["hair_color"] == "person"
    assert labels[name]["hair_color"] == "blue"


def test_other_settings_start_anew(folder: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    for name in sorted(path.name for path in folder.iterdir())[:3]:
        os.link(folder / name, pictures / name)
    crop_folder(pictures, tmp_path, workers=1)
    face_set = crop_folder(pictures, tmp_path, workers=1, size=32)
    assert {size_of(path) for path in (face_set / "images").iterdir()} == {(32, 32)}


def test_mistakes_give_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        crop_folder(tmp_path / "absent", tmp_path)
    with pytest.raises(UserError, match="nothing was crawled yet"):
        crop(CropOptions(workspace=tmp_path))
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError) as caught:
        crop_folder(tmp_path / "mine", tmp_path)
    assert "crawler" not in str(caught.value)
    (tmp_path / "bad.xml").write_text("<x/>")
    (tmp_path / "p").mkdir()
    Image.new("RGB", (90, 90)).save(tmp_path / "p" / "a.png")
    with pytest.raises(UserError, match=r"cannot read this cascade"):
        crop_folder(tmp_path / "p", tmp_path, cascade=tmp_path / "bad.xml")
    with pytest.raises(UserError, match="no usable face in 1 pictures"):
        crop_folder(tmp_path / "p", tmp_path, workers=1)


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("blurred", {}),
        ("monochrome", {}),
        ("small face", {}),
        ("reaches past the picture", {"whole": "never"}),
        ("low score", {"min_score": 1.0}),
    ],
)
def test_a_face_is_left_out_for_its_reason(
    posts: list[DrawnPost],
    tmp_path: Path,
    reason: str,
    options: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Image.open(io.BytesIO(posts[0].data)) as image:
        picture = image.convert("RGB")
    x, y, side, _ = posts[0].characters[0].face_xywh
    margin = side // 5
    changed = {
        "blurred": lambda: picture.filter(ImageFilter.GaussianBlur(side / 20)),
        "monochrome": lambda: picture.convert("L"),
        "small face": lambda: picture.reduce(side // 28),
        "reaches past the picture": lambda: picture.crop(
            (x - margin, y - margin, x + side + margin, y + side + margin)
        ),
        "low score": lambda: picture,
    }
    (tmp_path / "p").mkdir()
    changed[reason]().save(tmp_path / "p" / "a.png")
    with pytest.raises(UserError, match="no usable face"):
        crop_folder(tmp_path / "p", tmp_path, workers=1, **options)
    rejects = (tmp_path / "data" / "faces" / "faces" / "rejects.csv").read_text().splitlines()
    assert [row.split(",")[:4] for row in rejects[1:]] == [["a.png", "file:a.png", "0", reason]]
    assert f"{reason}: 1 of 1 pictures; {REMEDIES[reason]}" in caplog.text


def test_a_picture_that_a_face_fills_is_taken_whole(posts: list[DrawnPost], tmp_path: Path) -> None:
    """Somebody's face crops, enlarged: no flat frame is painted and no part cut off."""
    pictures = tmp_path / "p"
    pictures.mkdir()
    for post in posts[:4]:
        x, y, side, _ = post.characters[0].face_xywh
        with Image.open(io.BytesIO(post.data)) as image:
            box = (x - side // 5, y - side // 5, x + side + side // 5, y + side + side // 5)
            image.convert("RGB").crop(box).resize((256, 256)).save(pictures / f"{post.index}.png")
    for face in read_faces(crop_folder(pictures, tmp_path, workers=1)):
        assert (face.box_x, face.box_y, face.box_w, face.box_h) == (0, 0, 256, 256)
    found = read_faces(crop_folder(pictures, tmp_path / "all", workers=1, whole="always"))
    assert [(face.box_w, face.score) for face in found] == [(256, 1)] * 4


@pytest.mark.parametrize(
    ("reason", "done"),
    [("missing file", False), ("crashed the decoder", False), ("no face", True)],
)
def test_only_what_may_change_is_tried_again(tmp_path: Path, reason: str, done: bool) -> None:
    task = PictureTask("a", tmp_path / "a.png", "test:1", "a.png", "stamp")
    with closing(Journal(tmp_path / "journal.jsonl", {})) as journal:
        journal.add(rejected(task, reason))
        assert journal.holds("a", "stamp", set()) == done
    with closing(Journal(tmp_path / "journal.jsonl", {})) as journal:
        assert journal.holds("a", "stamp", set()) == done


def test_model_files_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked.xml").symlink_to(SHIPPED_CASCADE)
    settings = settings_of(CropOptions(cascade=Path("linked.xml"), verifier=Path("linked.xml")))
    assert settings.detector.cascade == settings.detector.verifier == tmp_path / "linked.xml"
    described = describe(settings)["detector"]
    assert described["cascade"] == described["verifier"]
    assert described["cascade"].startswith("linked.xml sha256:")


@pytest.fixture
def crawled(posts: list[DrawnPost], tmp_path: Path) -> Path:
    raw = tmp_path / "data" / "raw"
    raw.mkdir(parents=True)
    with closing(sqlite3.connect(raw / "crawl.sqlite")) as database:
        database.executescript(CRAWL_SCHEMA)
        database.execute(f"PRAGMA user_version = {CRAWL_SCHEMA_VERSION}")
        for post in posts:
            file = f"images/{post.md5[:2]}/{post.md5}.{post.file_ext}"
            (raw / file).parent.mkdir(parents=True, exist_ok=True)
            (raw / file).write_bytes(post.data)
            row = {
                "site": "test",
                "post_id": post.index,
                "md5": post.md5,
                "rating": "general",
                "tags": json.dumps({"general": [*post.general_tags, "solo"]}),
                "status": "done",
                "file": file,
            }
            database.execute(
                f"INSERT INTO posts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )
        database.commit()
    return tmp_path


def test_crop_then_tag(crawled: Path, posts: list[DrawnPost]) -> None:
    crop(CropOptions(workspace=crawled, workers=1, quiet=True))
    tag(TagOptions(workspace=crawled, rare=0))
    faces = read_face_set(crawled / "data" / "faces" / "faces")
    by_md5 = {post.md5: post for post in posts}
    pictures = [row.picture for row in read_faces(faces.path)]
    for index, name in enumerate(faces.file_names):
        post = by_md5[name.rpartition("-")[0]]
        hair = faces.vocabulary.decode(faces.labels[index].tolist())["hair_color"]
        if pictures.count(pictures[index]) > 1:
            assert hair == ""
        elif hair:
            assert hair.replace("gray", "grey") + "_hair" in post.general_tags or hair == "gray"
    assert (faces.labels >= 0).any()
    packed = np.load(packed_path(faces), mmap_mode="r")
    assert packed.shape == (len(faces), 3, 64, 64)
    first = np.asarray(Image.open(faces.image_path(0)))
    assert (packed[0].transpose(1, 2, 0) == first).all()
    tag(TagOptions(workspace=crawled, rare=0))
    assert read_face_set(faces.path).dataset_id == faces.dataset_id


def test_a_lost_face_comes_back_and_its_labels_stay(crawled: Path) -> None:
    crop(CropOptions(workspace=crawled, workers=1, quiet=True))
    tag(TagOptions(workspace=crawled, rare=0))
    face_set = crawled / "data" / "faces" / "faces"
    before = content(face_set)
    next((face_set / "images").iterdir()).unlink()
    crop(CropOptions(workspace=crawled, workers=1, quiet=True))
    assert content(face_set) == before


def test_a_picture_that_was_missing_is_cropped_later(crawled: Path) -> None:
    picture = next((crawled / "data" / "raw" / "images").rglob("*.*"))
    away = picture.rename(crawled / "away")
    crop(CropOptions(workspace=crawled, workers=1, quiet=True))
    face_set = crawled / "data" / "faces" / "faces"
    assert ",missing file," in (face_set / "rejects.csv").read_text()
    away.rename(picture)
    crop(CropOptions(workspace=crawled, workers=1, quiet=True))
    assert ",missing file," not in (face_set / "rejects.csv").read_text()
