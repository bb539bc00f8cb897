from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.crowd import draw_post

pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.mark.slow
def test_a_local_cluster_makes_the_same_bytes(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(8):
        post = draw_post(index, 3)
        (pictures / f"{index}.{post.file_ext}").write_bytes(post.data)
    made = {}
    for name, how in (("one", ["--workers", "1"]), ("cluster", ["--ray", "local"])):
        workspace = tmp_path / name
        command = [sys.executable, "-m", "preprocess", "crop", "--pictures", str(pictures)]
        subprocess.run([*command, "--workspace", str(workspace), *how], check=True)
        faces = workspace / "data" / "faces" / "faces"
        made[name] = {p.relative_to(faces): p.read_bytes() for p in faces.rglob("*") if p.is_file()}
    assert made["one"] == made["cluster"]
