from __future__ import annotations

import errno
from pathlib import Path

import pytest

from avatar_common.disk.files import (
    atomic_file,
    read_csv,
    read_json,
    write_csv,
    write_json,
    write_text,
)
from avatar_common.errors import Unavailable, UserError


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_json(path, {"größe": 3}, schema_version=2)
    assert read_json(path, schema_version=2) == {"schema_version": 2, "größe": 3}
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "a JSON object was expected"),
        ('{"schema_version": 7}', "schema version 7, this program reads version 1"),
        ("{}", "schema version None"),
    ],
)
def test_json_errors_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_json(path, schema_version=1)
    assert str(caught.value).startswith(str(path))


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "a.json", schema_version=1)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.writelines([b"half", "not bytes"])  # type: ignore[list-item]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(Unavailable, match="no space left"), atomic_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_csv_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ["x", "y"], [(1, 'a "quoted", cell'), (None, "ü")])
    rows = list(read_csv(path, ["x", "y"]))
    assert rows == [(2, {"x": "1", "y": 'a "quoted", cell'}), (3, {"x": "", "y": "ü"})]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffx,y\r\n1,ü\r\n2,\r\n,\r\n",
        "x;y\n1;ü\n2;\n;\n",
        "x\ty\n1\tü\n2\t\n",
        "x,y\r1,ü\r2,\r",
    ],
)
def test_a_spreadsheet_may_have_saved_a_csv(data: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data.encode())
    assert [row for _, row in read_csv(path, ["x", "y"])] == [
        {"x": "1", "y": "ü"},
        {"x": "2", "y": ""},
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x,z\n1,2\n", r"a\.csv:1: column 'y' is missing"),
        (b"", r"a\.csv:1: column 'x' is missing; there are none"),
        (b"x,y\n1,2\n1\n", r"a\.csv:3: 2 cells were expected"),
        (b"x,y\n1,2,3\n", r"a\.csv:2: 2 cells were expected"),
        (b"x,y\n\xff,2\n", "not readable as CSV"),
    ],
)
def test_csv_errors_name_file_and_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        list(read_csv(path, ["x", "y"]))


def test_lists_of_whole_numbers_are_one_line_each(tmp_path: Path) -> None:
    content = {"rows": [[1, -2], [3]], "mixed": [1, 0.5], "empty": [], "text": ["[\n1\n]"]}
    write_json(tmp_path / "a.json", content, schema_version=1)
    assert "    [1, -2],\n    [3]\n" in (tmp_path / "a.json").read_text()
    found = read_json(tmp_path / "a.json", schema_version=1)
    assert found == {"schema_version": 1, **content}
