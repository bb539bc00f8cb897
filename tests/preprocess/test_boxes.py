from __future__ import annotations

from pathlib import Path

import pytest

from avatar_common.errors import UserError
from preprocess.boxes import TrueFace, read_boxes

HEADER = b"file,x,y,w,h\n"


def test_a_table_with_blank_lines_and_a_picture_without_faces(tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_bytes(b"\xef\xbb\xbf" + HEADER + b"a.png,1,2,3,4.5\n\nb.png,,,,\n")
    assert read_boxes(table) == {"a.png": [TrueFace((1, 2, 3, 4.5))], "b.png": []}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEADER + b"a.png,1,2,0,4\n", "boxes.csv:2: not a box"),
        (HEADER + b"a.png,1,2,3,-4\n", "boxes.csv:2: not a box"),
        (HEADER + b"a.png,nan,2,3,4\n", "boxes.csv:2: not a box"),
        (HEADER + b"a.png,1,2,inf,4\n", "boxes.csv:2: not a box"),
        (HEADER + b"\n\na.png,1,two,3,4\n", "boxes.csv:4: not a box"),
        (HEADER + b"a.png,1\n", "boxes.csv:2: not a box"),
        (b"x,y,w,h,file\n1,2,3,4\n", "boxes.csv:2: not a box"),
        (b"name,x,y,w,h\na.png,1,2,3,4\n", "boxes.csv:2: not a box"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "boxes.csv: not readable as CSV"),
        (b"file,x\n" + b"a" * 200_000, "boxes.csv: not readable as CSV"),
    ],
)
def test_malformed_tables_name_the_row(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_bytes(data)
    with pytest.raises(UserError, match=message) as error:
        read_boxes(tmp_path / "boxes.csv")
    assert "\n" not in str(error.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such table"):
        read_boxes(tmp_path)
