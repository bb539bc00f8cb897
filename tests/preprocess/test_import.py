from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from avatar_common.disk.faces import FaceSet, packed_path, read_face_set, read_faces
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.errors import UserError
from preprocess.export import export
from preprocess.import_set import import_set
from preprocess.options import ExportOptions, ImportOptions

pytestmark = pytest.mark.usefixtures("in_this_process")

SIZE = 32
PEOPLE = {  # number -> hair, eyes
    1: ("blue", "red"),
    2: ("blonde", "green"),
    7: ("gray", "blue"),
    12: ("pink", "brown"),
}


Files = Mapping[str, bytes | str]
Maker = Callable[[Path, Files], Path]
Form = Literal["imagefolder", "stylegan"]


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).save(buffer, "PNG")
    return buffer.getvalue()


def make_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def pictures(folder: str) -> dict[str, bytes | str]:
    return {f"{folder}{number}.png": png(number) for number in PEOPLE}


def lines(form: str) -> str:
    return "".join(form.format(n=n, hair=h, eyes=e) for n, (h, e) in PEOPLE.items())


FORMS = {
    "two colours": pictures("images/") | {"tags.csv": lines("{n},{hair} hair {eyes} eyes\n")},
    "in a subfolder": {
        f"extra/{name}": data
        for name, data in (
            pictures("images/") | {"tags.csv": lines("{n},{hair} hair {eyes} eyes\n")}
        ).items()
    },
    "file,hair,eyes": pictures("images/")
    | {"labels.csv": "file,hair,eyes\n" + lines("{n}.png,{hair},{eyes}\n")},
    "own columns": pictures("")
    | {
        "attributes.csv": "file_name,eye_color,hair_color,note\n"
        + lines("{n}.png,{eyes},{hair},x\n")
    },
    "tag counts": pictures("faces/")
    | {"tags_clean.csv": lines("{n},touhou:99\t{hair} hair:5\t{eyes} eyes:3\tsmile:1\t\n")},
    "hugging face csv": pictures("train/")
    | {"train/metadata.csv": "file_name,hair_color,eye_color\n" + lines("{n}.png,{hair},{eyes}\n")},
    "hugging face jsonl": pictures("test/")
    | {
        "test/metadata.jsonl": lines(
            '{{"file_name": "{n}.png", "hair_color": "{hair}", "eye_color": "{eyes}"}}\n'
        )
    },
    "booru spelling": pictures("")
    | {"labels.csv": "file,hair,eyes\n" + lines("{n},{hair}_hair,{eyes} eyes\n")},
}


def imported(source: Path, workspace: Path, **options: Any) -> FaceSet:
    import_set(
        ImportOptions(source=source, workspace=workspace, name="x", workers=1, rare=0, **options)
    )
    return read_face_set(workspace / "data" / "faces" / "x")


def check(faces: FaceSet) -> None:
    """The set holds all people with their labels and pixels, in the packed file too."""
    packed = np.load(packed_path(faces))
    decoded = [faces.vocabulary.decode(row) for row in faces.labels.tolist()]
    assert [(row["hair_color"], row["eye_color"]) for row in decoded] == list(PEOPLE.values())
    for index, number in enumerate(PEOPLE):
        assert (packed[index].transpose(1, 2, 0) == pixels(number)).all()
        assert (np.asarray(Image.open(faces.image_path(index))) == pixels(number)).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("make", [make_zip, make_folder])
def test_every_form(form: str, make: Maker, tmp_path: Path) -> None:
    source = make(tmp_path / "source.zip", FORMS[form])
    check(imported(source, tmp_path / "w"))


def test_class_folders(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "s", {"gray/1.png": png(1), "silver/1.png": png(2)})
    for folders in (["gray", "plain"], ["blue", "red"]):  # one is no class; of hair or of eyes?
        files = {f"{folder}/{n}.png": png(n) for n, folder in enumerate(folders)}
        with pytest.raises(UserError, match=r"no label table.*--group.*--unlabelled"):
            imported(make_folder(tmp_path / folders[0], files), tmp_path / "w")
    faces = imported(source, tmp_path / "w", group="hair_color")
    assert faces.vocabulary.names == ("hair_color",)
    assert faces.labels[:, 0].tolist() == [3, 3]
    assert len(set(faces.file_names)) == 2


@pytest.mark.parametrize("make", [make_zip, make_folder])
def test_class_folders_keep_pictures_and_labels(make: Maker, tmp_path: Path) -> None:
    files = {f"train/{hair}/{n}.png": png(n) for n, (hair, _) in PEOPLE.items()}
    first = imported(make(tmp_path / "s.zip", files), tmp_path / "w")  # the folders say it all
    export(ExportOptions(workspace=tmp_path / "w", format="stylegan", out=tmp_path / "out.zip"))
    for faces in (first, imported(tmp_path / "out.zip", tmp_path / "w2")):
        packed = np.load(packed_path(faces))
        found = {
            packed[i].tobytes(): faces.vocabulary.decode(row)
            for i, row in enumerate(faces.labels.tolist())
        }
        assert found == {
            pixels(n).transpose(2, 0, 1).tobytes(): {"hair_color": hair}
            for n, (hair, _) in PEOPLE.items()
        }


@pytest.mark.parametrize("source", ["two colours", "tag counts", "hugging face jsonl"])
@pytest.mark.parametrize("form", ["imagefolder", "stylegan"])
def test_round_trip(form: Form, source: str, tmp_path: Path) -> None:
    first = imported(make_zip(tmp_path / "s.zip", FORMS[source]), tmp_path / "w")
    out = tmp_path / ("out.zip" if form == "stylegan" else "out")
    export(ExportOptions(workspace=tmp_path / "w", format=form, out=out))
    again = imported(out, tmp_path / "w2")
    check(again)
    assert again.splits.tolist() == first.splits.tolist()
    before, after = (read_faces(faces.path) for faces in (first, again))
    assert [face.group for face in before] == [face.group for face in after]


def test_stylegan_brings_its_own_vocabulary(tmp_path: Path) -> None:
    words = tmp_path / "words.toml"
    words.write_text(
        "schema_version = 1\nthorough_tags = 8\nseveral_people_tags = []\n"
        '[[group]]\nname = "cat_ears"\nkind = "flag"\ntags = ["cat_ears"]\n'
        '[[group]]\nname = "hair_color"\nkind = "one_of"\nclasses = {teal = [], blue = []}\n'
    )
    table = "file,hair,cat_ears\n1.png,teal,1\n2.png,blue,0\n"
    files: Files = {"1.png": png(1), "2.png": png(2), "labels.csv": table}
    source = make_folder(tmp_path / "s", files)
    first = imported(source, tmp_path / "w", vocabulary=words)
    export(ExportOptions(workspace=tmp_path / "w", format="stylegan", out=tmp_path / "out.zip"))
    again = imported(tmp_path / "out.zip", tmp_path / "w2")
    assert again.vocabulary.to_json() == first.vocabulary.to_json()
    assert again.labels.tolist() == first.labels.tolist() == [[1, 0], [0, 1]]


STYLEGAN_VOCABULARY = [
    {"name": "hair_color", "kind": "one_of", "classes": ["blue", "red"]},
    {"name": "smile", "kind": "flag", "classes": ["0", "1"]},
]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["2.png"], "not of the form"),
        (7, "not of the form"),
        (["2.png", [1, 0, 1]], "3 label values, 4 were expected"),
        (["2.png", [1, 1, 1, 1]], "several classes of hair_color"),
        (["2.png", [0.5, 0, 0, 0]], "neither 0 nor 1"),
        (["2.png", ["a", 0, 0, 0]], "neither 0 nor 1"),
    ],
)
def test_bad_stylegan_rows_are_named_or_set_aside(
    row: object, message: str, tmp_path: Path
) -> None:
    labels = [["1.png", [1.0, 0.0, 0.0, 0.0]], row, ["7.png", [0, 1, 0, 1]]]
    content = json.dumps({"labels": labels, "vocabulary": STYLEGAN_VOCABULARY})
    source = make_zip(tmp_path / "s.zip", pictures("") | {"dataset.json": content})
    with pytest.raises(UserError, match=rf"dataset\.json: labels\[1\]: .*{message}"):
        imported(source, tmp_path / "w")
    faces = imported(source, tmp_path / "w", skip_bad_rows=True)
    assert faces.file_names == ("1.png", "2.png", "7.png", "12.png")
    assert faces.labels.tolist() == [[0, -1], [-1, -1], [1, 1], [-1, -1]]
    assert "labels[1]" in (faces.path / "rejects.csv").read_text()


def test_odd_names_and_foreign_files(tmp_path: Path) -> None:
    long = "x" * 240
    files = {f"blonde/{long}.png": png(1), "red/2.png": png(2), "red/3.png": b"broken"}
    folder = make_folder(tmp_path / "s", files | {"dataset.json": b"\xff\xfe{" + b"\xc3" * 500})
    bad_name = os.fsdecode(b"b\xff.png")
    (folder / "red" / "3.png").rename(folder / "red" / f"3{bad_name}")
    (folder / "blonde" / bad_name).write_bytes(png(7))
    faces = imported(folder, tmp_path / "w")  # the folders say it all
    assert len(faces.file_names) == 3
    assert {face.picture for face in read_faces(faces.path)} == {
        f"blonde/{long}.png",
        "red/2.png",
        "blonde/b\\udcff.png",
    }
    assert "red/3b\\udcff.png" in (faces.path / "rejects.csv").read_text()


def many_people() -> dict[str, bytes | str]:
    """Enough faces for both splits."""
    names = [f"{n}.png" for n in range(40)]
    table = "file,hair\n" + "".join(f"{name},blue\n" for name in names)
    return {name: png(n) for n, name in enumerate(names)} | {"labels.csv": table}


def test_imagefolder_of_one_split_replaces_a_full_one(tmp_path: Path) -> None:
    faces = imported(make_zip(tmp_path / "s.zip", many_people()), tmp_path / "w")
    out = tmp_path / "out"
    export(ExportOptions(workspace=tmp_path / "w", out=out))
    assert (out / "test" / "metadata.csv").is_file()
    export(ExportOptions(workspace=tmp_path / "w", out=out, split="train"))
    assert not list((out / "test").glob("*"))
    train = faces.splits.tolist().count("train")
    assert 0 < train < 40
    assert len(imported(out, tmp_path / "w2").file_names) == train
    (out / "train" / "metadata.csv").unlink()  # as a kill would leave it
    export(ExportOptions(workspace=tmp_path / "w", out=out))
    assert len(list(out.glob("*/*.png"))) == 40


def test_imagefolder_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    imported(make_zip(tmp_path / "s.zip", FORMS["two colours"]), tmp_path / "w")
    theirs = {f"{split}/{name}": "x" for split in ("train", "test") for name in ("a.png", "b.txt")}
    theirs |= {"train/metadata.csv": "file_name\n", "test/metadata.csv": "file_name\n"}
    out = make_folder(tmp_path / "out", theirs)
    with pytest.raises(UserError, match="not an imagefolder that this command wrote"):
        export(ExportOptions(workspace=tmp_path / "w", out=out))
    assert {str(path.relative_to(out)) for path in out.rglob("*.*")} == set(theirs)
    (tmp_path / "empty").mkdir()
    export(ExportOptions(workspace=tmp_path / "w", out=tmp_path / "empty"))


@pytest.mark.parametrize("form", ["imagefolder", "stylegan"])
def test_the_export_of_another_set_is_not_replaced(form: Form, tmp_path: Path) -> None:
    for name in ("a", "b"):
        source = make_folder(tmp_path / name, pictures(""))
        import_set(ImportOptions(source=source, workspace=tmp_path / "w", quiet=True))
    options: dict[str, Any] = {
        "workspace": tmp_path / "w",
        "format": form,
        "out": tmp_path / "out.zip",
    }
    export(ExportOptions(name="a", **options))
    export(ExportOptions(name="a", **options))
    with pytest.raises(UserError, match="holds the export of the face set a"):
        export(ExportOptions(name="b", **options))
    other = make_zip(tmp_path / "theirs.zip", {"dataset.json": "{}"})
    with pytest.raises(UserError, match=r"exists and is not an .* that this command wrote"):
        export(ExportOptions(name="b", **(options | {"out": other})))


def test_export_is_the_same_twice_and_one_hot(tmp_path: Path) -> None:
    imported(make_zip(tmp_path / "s.zip", FORMS["two colours"]), tmp_path / "w")
    for name in ("a.zip", "b.zip"):
        export(ExportOptions(workspace=tmp_path / "w", format="stylegan", out=tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        labels = json.loads(archive.read("dataset.json"))["labels"]
    assert [sum(row) for _, row in labels] == [2.0] * len(PEOPLE)
    assert labels[0][0] == "00000/img00000000.png"


def with_table(name: str, table: str | bytes) -> dict[str, bytes | str]:
    return pictures("images/") | {name: table}


def test_size_resizes_and_the_second_import_does_nothing(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "s.zip", FORMS["two colours"])
    faces = imported(source, tmp_path / "w", size=16)
    assert faces.image_size == 16
    assert np.load(packed_path(faces)).shape == (4, 3, 16, 16)
    files = (packed_path(faces), faces.image_path(0))
    before = [file.stat().st_mtime_ns for file in files]
    assert imported(source, tmp_path / "w", size=16).dataset_id == faces.dataset_id
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_lost_picture_is_imported_again_by_a_worker(tmp_path: Path) -> None:
    source = make_zip(tmp_path / "s.zip", FORMS["two colours"])
    lost = imported(source, tmp_path / "w").image_path(0)
    content = lost.read_bytes()
    lost.unlink()
    imported(source, tmp_path / "w")
    assert lost.read_bytes() == content


@pytest.mark.parametrize("make", [make_zip, make_folder])
@pytest.mark.parametrize("folder", ["", "faces/", "cropped/0/", "deep/1/"])
def test_faces_without_labels_are_a_face_set(
    folder: str, make: Maker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    faces = imported(make(tmp_path / "s.zip", pictures(folder)), tmp_path / "w")
    assert len(faces) == len(PEOPLE)
    assert faces.vocabulary.names == load_vocabulary().names
    assert (faces.labels == -1).all()
    assert "next: python -m preprocess label --name x" in caplog.text
    assert "is rare" not in caplog.text
    assert "crawler" not in caplog.text


def test_pictures_beside_the_table_are_counted_not_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two zips unpacked over each other leave one table for the pictures of both."""
    table = "1,blue hair red eyes\n2,blonde hair green eyes\n"
    faces = imported(make_folder(tmp_path / "s", with_table("tags.csv", table)), tmp_path / "w")
    assert (faces.labels[:, 0] >= 0).tolist() == [True, True, False, False]
    assert "2 of 4 pictures have no row in tags.csv, the first is images/12.png" in caplog.text
    assert any(record.levelname == "WARNING" for record in caplog.records)
    assert faces.info["counts"]["labelled"] == 2


def test_a_table_can_be_left_alone(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "s", with_table("prices.csv", "a;b\n"))
    assert (imported(source, tmp_path / "w", unlabelled=True).labels == -1).all()
