from __future__ import annotations

import json
from pathlib import Path

import pytest

from avatar_common.errors import UserError
from bench.crop import run
from bench.options import CropOptions
from demo.crowd import draw_post
from preprocess.detect import SHIPPED_CASCADE

SMALLEST_MB = 80
"""What a process with NumPy and OpenCV takes at the very least, about 115 MB as measured."""


def test_only_pictures_copied_and_all_processes_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["file,x,y,w,h"]
    for post in map(draw_post, range(6), [3] * 6):
        name = f"{post.index}.{post.file_ext}"
        (tmp_path / name).write_bytes(post.data)
        rows += [",".join(map(str, (name, *person.face_xywh))) for person in post.characters]
    (tmp_path / "boxes.csv").write_text("\n".join(rows) + "\n")
    options = CropOptions(pictures=tmp_path, naive_cascade=SHIPPED_CASCADE, count=2, workers=1)
    run(options)
    figures = json.loads(capsys.readouterr().out)
    assert figures["recall"] == 1.0
    assert figures["peak_mb"] > 2 * SMALLEST_MB
    assert figures["speedup"] > 0
    with pytest.raises(UserError, match="0 is less than 1"):
        run(CropOptions(pictures=tmp_path, naive_cascade=SHIPPED_CASCADE, count=0))
