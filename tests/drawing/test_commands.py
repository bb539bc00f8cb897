"""The commands themselves, run in this process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from acgan.drawing import interpolate, traverse
from acgan.drawing.animate import gif_bytes
from acgan.drawing.enlarge import resize
from acgan.drawing.options import InterpolateOptions, TraverseOptions
from acgan.drawing.painter import Painter
from acgan.drawing.recipe import read_recipe_file, recipe_from_json
from acgan.drawing.sheet import sheet
from acgan.drawing.snapshots import find_snapshot
from avatar_common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_traverse_writes_a_strip_that_can_be_drawn_again(
    workspace: Path, tmp_path: Path, painter: Painter, capsys: pytest.CaptureFixture[str]
) -> None:
    options = TraverseOptions(
        workspace=workspace, out=tmp_path, move="smile", steps=4, rows=2, device="cpu", quiet=True
    )
    traverse.run(options)
    said = json.loads(capsys.readouterr().out)
    with Image.open(said["strip"]) as image:
        strip = np.array(image)
    recipe = recipe_from_json(read_recipe_file(tmp_path / "traverse.png"), painter.info, "x")
    again = sheet(painter.draw(recipe.portraits), 4, column_names=recipe.column_names)
    np.testing.assert_array_equal(strip, again)
    with Image.open(said["gif"]) as gif:
        assert isinstance(gif, GifImageFile)
        assert gif.n_frames == 6
        frame = np.asarray(gif.convert("RGB")).astype(int)
    # Each face is enlarged alone, as everywhere else; the sheet as a whole would show other edges.
    faces = [Image.fromarray(face) for face in painter.draw(recipe.portraits)[::4]]
    alone = Image.fromarray(sheet(np.stack([np.asarray(resize(face, 128)) for face in faces]), 2))
    with Image.open(io.BytesIO(gif_bytes([alone], 12, None))) as expected:
        np.testing.assert_array_equal(frame, np.asarray(expected.convert("RGB")))


def test_interpolate_takes_seeds_attributes_and_pngs(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common: dict[str, Any]
    common = {"workspace": workspace, "device": "cpu", "quiet": True, "frames": 12, "strip": 4}
    interpolate.run(InterpolateOptions(**common, keys=("1", "2"), out=tmp_path / "a"))
    earlier = str(tmp_path / "a" / "interpolate.png")
    keys = ("7", "hair_color=blue,seed=3", earlier)
    interpolate.run(InterpolateOptions(**common, keys=keys, loop=True, out=tmp_path / "b"))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with Image.open(said[1]["gif"]) as gif:
        assert isinstance(gif, GifImageFile)
        assert gif.n_frames == 11
    with Image.open(said[1]["strip"]) as strip:
        assert strip.size == (4 * 18 - 2, 16)


def test_mp4_is_written_by_ffmpeg(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor last; do :; done\nwc -c > "$last"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    options = InterpolateOptions(
        workspace=workspace, keys=("1", "2"), frames=5, strip=2, out=tmp_path, scale=1,
        device="cpu", quiet=True,
    )  # fmt: skip
    interpolate.run(options)
    assert int((tmp_path / "interpolate.mp4").read_text()) == 5 * 16 * 16 * 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["traverse", "--steps", "1"], "--steps must be"),
        (["traverse", "--rows", "1000000"], "--rows must be"),
        (["traverse", "--hair-colour", "blue"], "no attribute 'hair_colour'"),
        (["traverse", "--hair-color", "tartan"], "no class 'tartan'"),
        (["traverse", "--seed", "-1"], "seed must be"),
        (["interpolate", "--keys", "1"], "--keys needs"),
        (["interpolate", "--keys", "1", "nowhere.png"], "no such file"),
        (["interpolate", "--keys", "1", "2", "--frames", "9999999"], "--frames must be"),
        (["interpolate", "--snapshot", "nowhere"], "shipped are: drawn64"),
        (["interpolate", "--keys", "1", "2.5"], "a seed is a whole number"),
        (["traverse", "--out", __file__], "a folder is needed"),
        (["generate", "--out", __file__], "a folder is needed"),
        (["interpolate", "--out", __file__], "a folder is needed"),
    ],
)
def test_a_mistake_is_one_line(
    workspace: Path,
    command: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from acgan.__main__ import COMMANDS
    from acgan.drawing.request import fold_attributes
    from avatar_common.commands import main

    argv = [*command, "--workspace", str(workspace), "--device", "cpu", "--quiet"]
    with pytest.raises(SystemExit) as stop:
        main("acgan", COMMANDS, fold_attributes(COMMANDS, argv))
    assert stop.value.code == 2
    captured = capfd.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_the_newest_snapshot_else_the_shipped_one(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = workspace / "runs/00001-tiny/snapshots/0000001000.json"
    assert find_snapshot(None, workspace) == newest
    assert find_snapshot(workspace / "runs/00001-tiny", tmp_path) == newest
    monkeypatch.setattr("acgan.drawing.snapshots.SHIPPED", workspace / "runs/00001-tiny")
    assert find_snapshot(None, tmp_path) == newest
    monkeypatch.setattr("acgan.drawing.snapshots.SHIPPED", tmp_path)
    with pytest.raises(UserError, match="no snapshot here"):
        find_snapshot(None, tmp_path)


def test_help_of_every_command_is_light() -> None:
    for command in ("traverse", "interpolate"):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "acgan", command, "--help"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0
        assert "torch" not in done.stderr
