"""Tables and archives from other systems: read where they are clear, refused with their row."""

from __future__ import annotations

import codecs
import json
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avatar_common.disk.faces import FaceSet, read_face_set, read_label_sources, read_labels
from avatar_common.errors import UserError
from preprocess.import_set import import_set
from preprocess.options import ImportOptions
from tests.preprocess.test_import import imported, make_folder, make_zip, pixels, png

pytestmark = pytest.mark.usefixtures("in_this_process")

PEOPLE = {"1.png": ("blue", "green"), "2.png": ("pink", "red"), "3.png": ("blonde", "blue")}
FLAGS = {"1.png": "1", "2.png": "0", "3.png": "1"}


def pictures(folder: str = "") -> dict[str, bytes | str]:
    return {f"{folder}{name}": png(number) for number, name in enumerate(PEOPLE)}


def table(form: str, head: str = "", end: str = "\n") -> str:
    rows = (form.format(f=f, n=f[0], h=h, e=e, s=FLAGS[f]) for f, (h, e) in PEOPLE.items())
    return end.join([*([head] if head else []), *rows]) + end


def colours(faces: FaceSet) -> dict[str, tuple[str, str]]:
    rows = [faces.vocabulary.decode(row) for row in faces.labels.tolist()]
    return {
        name: (row["hair_color"], row["eye_color"])
        for name, row in zip(faces.file_names, rows, strict=True)
    }


CLEAR: dict[str, bytes | str] = {
    "semicolons": table("{f};{h};{e}", "file;hair;eyes"),
    "tabs": table("{f}\t{h}\t{e}", "file\thair\teyes"),
    "bars": table("{f}|{h}|{e}", "file|hair|eyes"),
    "spaces": table("{f}   {h}  {e}", "file hair eyes"),
    "Excel's first line": "sep=;\n" + table("{f};{h};{e}", "file;hair;eyes"),
    "Excel's empty cells": table("{f};{h};{e};;", "file;hair;eyes;;") + ";;;;\n",
    "a mark": b"\xef\xbb\xbf" + table("{f},{h},{e}", "file,hair,eyes").encode(),
    "UTF-16": table("{f}\t{h}\t{e}", "file\thair\teyes").encode("utf-16"),
    "UTF-16, no mark": table("{f},{h},{e}", "file,hair,eyes").encode("utf-16-le"),
    "UTF-16, big": codecs.BOM_UTF16_BE + table("{f},{h},{e}", "file,hair,eyes").encode("utf-16-be"),
    "UTF-32": table("{f},{h},{e}", "file,hair,eyes").encode("utf-32"),
    "Windows": table("{f},{h},{e}", "file,hair,eyes", "\r\n"),
    "old Macs": table("{f},{h},{e}", "file,hair,eyes", "\r"),
    "blank lines": "\n\n" + table("{f},{h},{e}\n\n", "file,hair,eyes\n"),
    "quotes": table('"{f}","{h}", "{e}"', '"file","hair","eyes"'),
    "single quotes": table("{f},'{h}','{e}'", "file,hair,eyes"),
    "capitals": table("{f},{h},{e}", "File,Hair Color,EYE-COLOUR").replace("blue", "BLUE "),
    "the index that pandas writes": table("0,{f},{h},{e}", ",file,hair,eyes"),
    "a caption with commas": table('{f},"a girl, {h}",{h},{e}', "file,text,hair,eyes"),
    "a caption of two lines": table('{f},"a\n{h}, girl",{h},{e}', "file,text,hair,eyes"),
    "a lone quote": table("{f},{h},{e},b", "file,hair,eyes,text").replace(
        "e,green,b", 'e,green,"a'
    ),
    "two lone quotes": table('{f},{h},{e},"b', "file,hair,eyes,text"),
    "a quote that opens in one row and closes in another": "file,hair,eyes,text\n"
    '1.png,blue,green,"a\n2.png,pink,red,b\n3.png,blonde,blue,c"\n',
    "a quote inside": table('{f},5" tall,{h},{e}', "file,text,hair,eyes"),
    "other bytes where nobody looks": table("{f},caf\xe9,{h},{e}", "file,text,hair,eyes").encode(
        "latin-1"
    ),
    "folders of Windows": table("C:\\Users\\me\\set\\{f},{h},{e}", "file,hair,eyes"),
    "folders of another machine": table("/home/me/set/{f},{h},{e}", "path,hair,eyes"),
    "from here": table("./{f},{h},{e}", "path,hair,eyes"),
    "numbers as pandas has them beside empty cells": table("{n}.0,{h},{e}", "id,hair,eyes"),
    "suffix in capitals": table("{n}.PNG,{h},{e}", "id,hair,eyes"),
    "texts as a spreadsheet keeps them": table('="{f}",{h},{e}', "file,hair,eyes"),
    "a row twice, and the same": table("{f},{h},{e}\n{f},{h},{e}", "id,hair,eyes"),
    "the course's form": table("{n},{h} hair {e} eyes"),
    "the course's form in capitals": table("{n},{h} Hair {e} Eyes").title(),
    "the course's form with a header": table("{n},{h} hair {e} eyes", "id,tags"),
    "booru tags": table("{f},1girl solo {h}_hair {e}_eyes", "file_name,tags"),
    "booru tags with commas": table('{f},"1girl, solo, {h} hair, {e} eyes"', "file_name,tags"),
    "a column a tag": "file,blue_hair,pink_hair,blonde_hair,eyes\n"
    "1.png,1,-1,-1,green\n2.png,-1,1,-1,red\n3.png,-1,-1,1,blue\n",
}


@pytest.mark.parametrize("form", CLEAR)
def test_what_is_clear_is_read(form: str, tmp_path: Path) -> None:
    text = CLEAR[form]
    data = text if isinstance(text, bytes) else text.encode()
    faces = imported(make_folder(tmp_path / "s", pictures() | {"labels.csv": data}), tmp_path / "w")
    assert colours(faces) == PEOPLE


def test_a_line_separator_in_a_string_is_no_line(tmp_path: Path) -> None:
    form = '{{"file_name": "{f}", "text": "a\u2028b\x85c", "hair": "{h}", "eyes": "{e}"}}'
    files = pictures() | {"metadata.jsonl": table(form, end="\r\n")}
    assert colours(imported(make_folder(tmp_path / "s", files), tmp_path / "w")) == PEOPLE


UNCLEAR: dict[str, tuple[bytes | str, str]] = {
    "an unclosed quote": (
        'file,hair,eyes\n1.png,"blue,green\n2.png,pink\n',
        r"csv:2: a quote opens",
    ),
    "a quote that another row's closes": (
        'file,text,hair,eyes\n1.png,"a,blue,green\n2.png,x,pink,red\n3.png,"b,blonde,blue,x\n',
        r"csv:2: a quote opens",
    ),
    "a separator too many": ("file,hair,eyes\n1.png,blue,green,x\n", r"csv:2: 3 cells.*are 4"),
    "a cell too few": ("file,hair,eyes\n1.png,blue,green\n2.png,pink\n", r"csv:3: 3 cells.*are 2"),
    "a NUL byte": ("file,hair,eyes\n1.png,blue,gr\0een\n", r"csv:2: a NUL byte"),
    "bytes of another encoding": (b"file,hair\n1.png,bl\xfc\n", r"csv:2:.*not UTF-8.*--encoding"),
    "a file name of another encoding": (
        "file,hair\n\u9854.png,blue\n".encode("cp932"),
        r"csv:2:.*not UTF-8.*--encoding",
    ),
    "no header": ("1.png,blue,green\n", r"csv:1: no column names the file; there are 1.png"),
    "a header only": ("file,hair,eyes\n", r"csv:1: the table has no row"),
    "a header in the middle": ("file,hair\n1.png,blue\nfile,hair\n", r"csv:3: .*no class 'hair'"),
    "two tables": ("file,hair\n1.png,blue\n1.png,pink\n", r"csv:3: '1.png' has a row already"),
    "more rows than pictures": (
        "file,hair\n1.png,blue\n7.png,blue\n8.png,blue\n",
        r"csv:3: there is no picture '7.png' and 1 more rows find none \(--skip-bad-rows",
    ),
    "only -1": ("file,smile\n1.png,-1\n2.png,-1\n", r"csv: -1 may mean no or unknown"),
    "a probability": ("file,smile\n1.png,0.93\n", r"csv:2: smile has no class '0.93'"),
    "a tag column that is no yes or no": (
        "file,blue_hair\n1.png,much\n",
        r"csv:2: blue_hair is a yes",
    ),
    "a wide one": ("file,hair" + "," * 6000 + "\n1.png,blue\n", r"csv: 6002 columns are too many"),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_what_is_unclear_is_refused_with_its_row(kind: str, tmp_path: Path) -> None:
    text, message = UNCLEAR[kind]
    data = text if isinstance(text, bytes) else text.encode()
    source = make_folder(tmp_path / "s", pictures() | {"labels.csv": data})
    with pytest.raises(UserError, match=message) as error:
        imported(source, tmp_path / "w")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1", "-1", "-1"), [1, 0, 0]),  # CelebA's own
        (("1", "-1", "0"), [1, -1, 0]),  # our own tensors'
        (("1,0", "0,0", ""), [1, 0, -1]),  # a German spreadsheet
        (("1.0", "0.0", "nan"), [1, 0, -1]),
        (("TRUE", "FALSE", "N/A"), [1, 0, -1]),
        (("Y", "n", "?"), [1, 0, -1]),
        (("yes", "No", "unknown"), [1, 0, -1]),
    ],
)
def test_yes_and_no_in_any_form(
    cells: tuple[str, ...], expected: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = "".join(f"{name};{cell}\n" for name, cell in zip(PEOPLE, cells, strict=True))
    files = pictures() | {"labels.csv": f"file;smile\n{rows}"}
    faces = imported(make_folder(tmp_path / "s", files), tmp_path / "w")
    assert faces.labels[:, 0].tolist() == expected
    assert ("-1 is taken for" in caplog.text) == ("-1" in cells)


def test_a_flag_without_a_no_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for value in ("0", "1"):
        rows = "".join(f"{name},{value}\n" for name in PEOPLE)
        files = pictures() | {"labels.csv": f"file,smile\n{rows}"}
        imported(make_folder(tmp_path / value, files), tmp_path / f"w{value}")
        assert f"smile: every known label is {value}" in caplog.text


def test_celebas_own_list(tmp_path: Path) -> None:
    rows = "1.png -1  1 -1\n2.png  1 -1 -1\n3.png -1 -1  1\n"
    files = pictures() | {"list_attr_celeba.txt": f"3\nBlond_Hair Smiling Black_Hair\n{rows}"}
    faces = imported(make_folder(tmp_path / "s", files), tmp_path / "w")
    assert faces.vocabulary.names == ("hair_color", "smile")
    assert [faces.vocabulary.decode(row) for row in faces.labels.tolist()] == [
        {"hair_color": "", "smile": "1"},
        {"hair_color": "blonde", "smile": "0"},
        {"hair_color": "black", "smile": "0"},
    ]


@pytest.mark.parametrize("by_name", [False, True])
def test_json_in_one_piece(by_name: bool, tmp_path: Path) -> None:
    people = {name: {"hair": hair, "eyes": eyes} for name, (hair, eyes) in PEOPLE.items()}
    rows = people if by_name else [{"file_name": name, **row} for name, row in people.items()]
    source = make_folder(tmp_path / "s", pictures() | {"metadata.json": json.dumps(rows)})
    assert colours(imported(source, tmp_path / "w")) == PEOPLE


def test_a_stylegan_set_without_labels(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "s", pictures("00000/") | {"dataset.json": '{"labels": null}'})
    assert (imported(source, tmp_path / "w").labels == -1).all()


def test_losses_are_explained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = pictures() | {"9.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n"}
    assert len(imported(make_folder(tmp_path / "s", files), tmp_path / "w")) == 3
    assert "a Git LFS pointer: 1 of 4 pictures; the file itself was not fetched" in caplog.text


def test_a_spreadsheet_is_not_passed_over(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "s", pictures() | {"labels.xlsx": b"PK"})
    with pytest.raises(UserError, match=r"labels\.xlsx: not a table of plain text.*CSV"):
        imported(source, tmp_path / "w")


def test_names_in_any_script(tmp_path: Path) -> None:
    """macOS takes accents apart; a Japanese Windows writes zips without telling the encoding."""
    names = ["が.png", "café.png"]
    files = {unicodedata.normalize("NFD", name): png(n) for n, name in enumerate(names)}
    rows = "".join(f"{name},blue\n" for name in names)
    source = make_folder(tmp_path / "顔", files | {"labels.csv": f"file,hair\n{rows}"})
    import_set(ImportOptions(source=source, workspace=tmp_path / "w", quiet=True))
    faces = read_face_set(tmp_path / "w" / "data" / "faces" / "顔")
    assert (faces.labels >= 0).all()
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("xx.png")
        archive.writestr(info, png(1))
        archive.writestr("labels.csv", "file,hair\n顔.png,blue\n")
    path.write_bytes(path.read_bytes().replace(b"xx.png", "顔.png".encode("cp932")))
    assert imported(path, tmp_path / "w2").labels.tolist() == [[8]]


def test_a_zip_with_backslashes(tmp_path: Path) -> None:
    files = {f"set\\images\\{name}": data for name, data in pictures().items()}
    files |= {"set\\images\\": b"", "set\\labels.csv": table("{f},{h},{e}", "file,hair,eyes")}
    assert colours(imported(make_zip(tmp_path / "s.zip", files), tmp_path / "w")) == PEOPLE
    files = {f"faces\\{hair}\\{name}": png(1) for name, (hair, _) in PEOPLE.items()}
    faces = imported(make_zip(tmp_path / "c.zip", files), tmp_path / "w2")
    assert set(faces.labels[:, 0].tolist()) == {8, 7, 11}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_one_name_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for number in (1, 2):
            archive.writestr("a.png", png(number))
    faces = imported(tmp_path / "s.zip", tmp_path / "w")
    assert faces.file_names == ("a.png",)
    assert (np.asarray(Image.open(faces.image_path(0))) == pixels(2)).all()
    assert "1 files have the name of a later one" in caplog.text


@pytest.mark.parametrize("name", ["---", "。。"])
def test_a_source_that_gives_no_name(name: str, tmp_path: Path) -> None:
    source = make_folder(tmp_path / name, pictures())
    with pytest.raises(UserError, match="give --name"):
        import_set(ImportOptions(source=source, workspace=tmp_path / "w", quiet=True))


def test_two_sets_of_one_folder_name(tmp_path: Path) -> None:
    def fill(path: Path, first: int) -> Path:
        return make_folder(path, {f"{n}.png": png(first + n) for n in range(4)})

    first = imported(fill(tmp_path / "a" / "images", 0), tmp_path / "w")
    with pytest.raises(UserError, match=r"holds another set: of 4 of its faces, 0 are in.*--name"):
        imported(fill(tmp_path / "b" / "images", 10), tmp_path / "w")
    assert read_face_set(first.path).dataset_id == first.dataset_id
    (fill(tmp_path / "a" / "images", 0) / "9.png").write_bytes(png(99))  # it has grown
    assert len(imported(tmp_path / "a" / "images", tmp_path / "w")) == 5
    assert imported(tmp_path / "a" / "images", tmp_path / "w", size=16).image_size == 16


def test_what_a_person_said_outlives_a_second_import(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = pictures() | {"labels.csv": table("{f},{h},{e}", "file,hair,eyes")}
    source = make_folder(tmp_path / "s", files)
    faces = imported(source, tmp_path / "w")
    edited = faces.path / "attributes.csv"
    edited.write_text(edited.read_text().replace("pink,red", "green,"))
    (source / "4.png").write_bytes(png(4))
    again = imported(source, tmp_path / "w")
    assert colours(again) == PEOPLE | {"2.png": ("green", ""), "4.png": ("", "")}
    labels = read_labels(again.path, again.vocabulary)
    sources = {
        name: set(row.values()) for name, row in read_label_sources(again.path, labels).items()
    }
    assert sources == {"1.png": {"table"}, "2.png": {"person"}, "3.png": {"table"}, "4.png": {""}}
    (source / "2.png").write_bytes(png(77))  # another picture: what was said is not of it
    assert colours(imported(source, tmp_path / "w"))["2.png"] == ("pink", "red")
    assert "1 faces that a person labelled have other pictures now" in caplog.text
    assert "2.png,green," in (again.path / "attributes-before.csv").read_text()


def with_chunk(kind: bytes, data: bytes, *, at_end: bool) -> bytes:
    """A PNG with one chunk more, before or behind its pixels."""
    plain = png(5)
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    place = len(plain) - 12 if at_end else 33
    return plain[:place] + chunk + plain[place:]


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"iCCP", b"p\0\0" + zlib.compress(bytes(2**21))),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21))),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2**21))),
        (b"zTXt", b"Comment\0\0" + b"no zlib at all"),
        (b"eXIf", b"nonsense"),
    ],
)
def test_a_picture_with_large_or_broken_metadata(
    kind: bytes, data: bytes, at_end: bool, tmp_path: Path
) -> None:
    files = {"a.png": with_chunk(kind, data, at_end=at_end), "b.png": png(6)}
    faces = imported(make_folder(tmp_path / "s", files), tmp_path / "w")
    assert faces.file_names == ("a.png", "b.png")
    assert (np.asarray(Image.open(faces.image_path(0))) == pixels(5)).all()


def test_many_comments_are_no_reason(tmp_path: Path) -> None:
    plain, longer = (
        png(5),
        with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**20)), at_end=False),
    )
    comment = longer[33 : 33 + len(longer) - len(plain)]
    data = plain[:33] + 70 * comment + plain[33:]
    assert len(imported(make_folder(tmp_path / "s", {"a.png": data}), tmp_path / "w")) == 1


# -- Damaged on purpose: neither a traceback nor a silent loss.
