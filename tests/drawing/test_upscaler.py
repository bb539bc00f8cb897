"""The net that enlarges: trained for a moment, and the one that ships."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from acgan.drawing import enlarge, train_upscaler
from acgan.drawing.export import onnx_session
from acgan.drawing.options import UpscalerOptions
from avatar_common.errors import UserError

pytest.importorskip("onnxscript")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A zip of discs with sharp edges, and a file that is none of them."""
    path = tmp_path / "faces.zip"
    y, x = np.mgrid[:64, :64]
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("broken.png", b"x")
        for number in range(40):
            middle, colours = random.integers(20, 44, 2), random.integers(0, 256, (2, 3), np.uint8)
            inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < random.integers(80, 400)
            file = io.BytesIO()
            Image.fromarray(colours[inside.astype(int)]).save(file, "PNG")
            archive.writestr(f"{number}.png", file.getvalue())
    return path


@pytest.mark.slow
def test_a_moment_of_training_beats_bicubic(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "up.onnx"
    train_upscaler.run(
        UpscalerOptions(data=faces, minutes=0.1, out=out, device="cpu", threads=1, quiet=True)
    )
    said = json.loads(capsys.readouterr().out)
    assert (said["faces"], said["held_out"]) == (36, 4)
    assert said["psnr_db"]["ours"] > said["psnr_db"]["bicubic"]
    assert out.stat().st_size < 2**20
    session = onnx_session(out.read_bytes())
    for size in (16, 40):
        given = np.full((2, size, size, 3), 100, np.uint8)
        (found,) = session.run(None, {"pictures": given})
        assert found.shape == (2, 2 * size, 2 * size, 3)
        assert abs(found[:, 8:-8, 8:-8].astype(int) - 100).max() < 30


def test_the_linear_part_is_the_best_there_is() -> None:
    """Pictures enlarged by a filter of that size give that filter back."""
    generator = torch.Generator().manual_seed(0)
    filtering = torch.nn.Conv2d(3, 12, 7, padding=3, padding_mode="replicate", bias=False)
    small = torch.rand(8, 3, 40, 40, generator=generator)
    with torch.no_grad():
        large = torch.nn.functional.pixel_shuffle(filtering(small), 2)
        net = train_upscaler.Upscaler()
        net.fit_base([train_upscaler.Batch(small, large)])
        torch.testing.assert_close(net(small), large, atol=2e-3, rtol=0)


def test_wrong_data_is_one_line(tmp_path: Path) -> None:
    for content in (b"no zip", b""):
        (tmp_path / "faces.zip").write_bytes(content)
        with pytest.raises(UserError, match="neither a folder nor a zip"):
            train_upscaler.run(UpscalerOptions(data=tmp_path / "faces.zip"))
    with pytest.raises(UserError, match="square pictures of one size"):
        train_upscaler.run(UpscalerOptions(data=tmp_path))


@pytest.mark.skipif(not enlarge.UPSCALER.is_file(), reason="no upscaler ships")
def test_the_shipped_one_is_used_and_small() -> None:
    assert enlarge.UPSCALER.stat().st_size <= 2**20
    y, x = np.mgrid[:32, :32]
    disc = ((x - 15.5) ** 2 + (y - 15.5) ** 2 < 100)[..., None] * np.array([200, 60, 90], np.uint8)
    image = Image.fromarray(disc.astype(np.uint8))
    for side in (64, 100, 128, 256):
        found = enlarge.resize(image, side)
        assert found.size == (side, side)
        smooth = np.asarray(enlarge.resize(image, side, "smooth")).astype(int)
        assert 0 < abs(np.asarray(found).astype(int) - smooth).mean() < 12
    assert enlarge.resize(image, 20).size == (20, 20)
    np.testing.assert_array_equal(
        np.asarray(enlarge.resize(image, 40)), np.asarray(enlarge.resize(image, 40, "smooth"))
    )
