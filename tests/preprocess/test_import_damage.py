"""Damaged tables and archives: a line that names the place, or set aside."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from avatar_common.errors import UserError
from tests.preprocess.test_import import FORMS, imported, make_folder, make_zip, png, with_table

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            with_table("tags.csv", "1,blue hair red eyes\n2,teal hair red eyes\n"),
            "tags.csv:2.*teal",
        ),
        (with_table("tags.csv", "1,blue hair red eyes\n2,blue hair\n"), "tags.csv:2.*form"),
        (with_table("tags.csv", "1,blue hair red eyes\n99,blue hair red eyes\n"), "tags.csv:2.*99"),
        (
            with_table("tags.csv", "1,blue hair red eyes\n1,pink hair red eyes\n"),
            "tags.csv:2.*already",
        ),
        (with_table("labels.csv", "file,hair,eyes\n1.png,blue\n"), "labels.csv:2.*3 cells"),
        (with_table("labels.csv", "file,hair,eyes\n1.png,blue,plaid\n"), "labels.csv:2.*plaid"),
        (with_table("labels.csv", "file,hair,eyes\n,blue,red\n"), "labels.csv:2.*no picture"),
        (with_table("labels.csv", "file,hair,eyes\n../1.png,blue,red\n"), "labels.csv:2.*climbs"),
        (with_table("labels.csv", "file,year\n1.png,2011\n"), "labels.csv:1.*attribute"),
        (with_table("labels.csv", "hair,eyes\nblue,red\n"), "labels.csv:1.*names the file"),
        (with_table("labels.csv", b"file,hair\n1.png,bl\xff\n"), "labels.csv:2.*UTF-8"),
        (with_table("labels.csv", ""), "labels.csv.*empty"),
        (with_table("tags_clean.csv", "1,a:1\tb:2\n2,a:1\tb\n"), "tags_clean.csv:2.*tag:count"),
        (with_table("images/metadata.jsonl", '{"file_name": "1.png"'), "jsonl:1.*JSON"),
        (with_table("images/metadata.jsonl", '{"hair_color": "red"}'), "jsonl:1.*names the file"),
        (with_table("images/metadata.jsonl", '{"file": "1.png", "x": 1}'), "jsonl:1.*attribute"),
        (
            with_table("labels.csv", "file,hair,hair_color\n1.png,blue,red\n"),
            "labels.csv:1.*several columns hold hair_color",
        ),
        (
            with_table("labels.csv", "file,hair,hair\n1.png,blue,red\n"),
            "labels.csv:1.*several columns hold hair_color",
        ),
        (
            with_table("a/labels.csv", "file,hair\n") | {"b/labels.csv": "file,hair\n"},
            "several tables.*a/labels.csv, b/labels.csv",
        ),
        ({"labels.csv": "file,hair,eyes\n"}, "no picture"),
    ],
)
def test_malformed_tables_name_file_and_row(
    files: dict[str, bytes | str], message: str, tmp_path: Path
) -> None:
    for source in (make_folder(tmp_path / "f", files), make_zip(tmp_path / "z.zip", files)):
        with pytest.raises(UserError, match=message) as error:
            imported(source, tmp_path / "w")
        assert "\n" not in str(error.value)


def test_bad_rows_can_be_set_aside(tmp_path: Path) -> None:
    table = "file,hair,eyes\n1.png,plaid,red\n99.png,blue,red\n2.png,blonde,\n7.png,unknown,blue\n"
    files = with_table("labels.csv", table) | {"images/2.png": b"broken"}
    faces = imported(make_folder(tmp_path / "s", files), tmp_path / "w", skip_bad_rows=True)
    assert faces.file_names == ("1.png", "7.png", "12.png")  # of those set aside, the row only
    assert faces.vocabulary.names == ("eye_color",)
    assert faces.labels[:, 0].tolist() == [-1, faces.vocabulary.groups[0].index_of("blue"), -1]
    rejects = (faces.path / "rejects.csv").read_text().splitlines()[1:]
    assert [line.split(",")[3] for line in rejects] == ["bad row", "bad row", "not a picture"]


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png"]
)
def test_a_zip_that_climbs_out_is_refused(name: str, tmp_path: Path) -> None:
    source = make_zip(tmp_path / "s.zip", FORMS["two colours"] | {name: png(1)})
    with pytest.raises(UserError, match="climbs out"):
        imported(source, tmp_path / "w")
    assert not (tmp_path / "evil.png").exists()


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(2**20))
    data = bytearray(path.read_bytes())
    claimed = (0xF0000000).to_bytes(4, "little")
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = claimed
    path.write_bytes(data)
    with pytest.raises(UserError, match="would unpack to"):
        imported(path, tmp_path / "w")


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04 half"])
def test_what_is_no_zip_gives_a_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(data)
    with pytest.raises(UserError, match="neither a folder nor a readable zip"):
        imported(tmp_path / "s.zip", tmp_path / "w")
