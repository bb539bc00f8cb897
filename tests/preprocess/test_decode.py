"""Every kind of bad or odd picture: handled, or set aside with its reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from preprocess.decode import BadPicture, Picture

RED = (200, 40, 40)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str = "RGB", colour: float | tuple[int, ...] | str = RED) -> Image.Image:
    return Image.new(mode, (60, 40), colour)


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def exif_rotated() -> bytes:
    image = plain()
    image.paste((0, 0, 255), (0, 0, 10, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif, quality=95)


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def sixteen_bits() -> bytes:
    return encoded(Image.fromarray(np.full((40, 60), 40000, np.uint16)), "PNG")


def sixteen_bits_rgb() -> bytes:
    pixels = np.full((40, 60, 3), RED[::-1], np.uint16) * 257
    return cv2.imencode(".png", pixels)[1].tobytes()


def see_through_palette() -> Image.Image:
    image = Image.new("P", (60, 40), 0)
    image.putpalette([*RED, 0, 0, 255])
    return image


def animated(kind: str, **options: object) -> bytes:
    return encoded(plain(), kind, save_all=True, append_images=[plain(colour="blue")], **options)


def picture(data: bytes) -> Picture:
    return Picture(data, max_megapixels=64.0, max_aspect=5.0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: b"", "empty file"),
        (lambda: bytes(5000), "not a picture"),
        (lambda: b"<html>not found</html>", "not a picture"),
        (lambda: encoded(noise(200, 200), "JPEG")[:5000], "broken picture"),
        (lambda: encoded(noise(200, 200), "PNG")[:5000], "broken picture"),
        (lambda: encoded(noise(200, 200), "WEBP")[:5000], "not a picture"),
        (lambda: encoded(noise(200, 200), "GIF")[:5000], "broken picture"),
        (lambda: encoded(Image.new("RGB", (30000, 40)), "PNG"), "extreme aspect"),
        (lambda: png_claiming(30000, 8000), "too many pixels"),
        (lambda: png_claiming(60000, 60000), "too many pixels"),
        (lambda: encoded(noise(60, 40), "JPEG")[:30], "not a picture"),
    ],
)
def test_set_aside_with_a_reason(data: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(BadPicture) as bad:
        picture(data()).full()
    assert bad.value.reason == reason


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (lambda: encoded(plain(), "PNG"), RED),
        (lambda: encoded(plain().quantize(), "PNG"), RED),
        (lambda: encoded(plain("RGBA", (*RED, 0)), "PNG"), (255, 255, 255)),
        (lambda: encoded(plain("RGBA", (*RED, 255)), "PNG"), RED),
        (lambda: encoded(plain("LA", (90, 0)), "PNG"), (255, 255, 255)),
        (lambda: encoded(see_through_palette(), "PNG", transparency=0), (255, 255, 255)),
        (sixteen_bits, (156, 156, 156)),
        (sixteen_bits_rgb, (200, 40, 40)),
        (lambda: encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
        (lambda: animated("GIF"), RED),
        (lambda: animated("WEBP", lossless=True), RED),
        (lambda: animated("PNG"), RED),
        (lambda: encoded(plain(), "WEBP", lossless=True), RED),
        (lambda: encoded(plain("L", 77), "PNG"), (77, 77, 77)),
        (lambda: encoded(plain("1", 1), "PNG"), (255, 255, 255)),
    ],
)
def test_odd_kinds_become_rgb(data: Callable[[], bytes], colour: tuple[int, int, int]) -> None:
    image = picture(data()).full()
    assert image.mode == "RGB"
    assert image.size == (60, 40)
    assert np.abs(np.asarray(image)[20, 30].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("name", ["face.png", "face.txt", "face"])
def test_the_extension_is_not_believed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(plain(), "JPEG", quality=95))
    found = Picture(path, max_megapixels=64.0, max_aspect=5.0)
    assert found.format == "JPEG"
    assert np.abs(np.asarray(found.full())[20, 30].astype(int) - RED).max() <= 6


def test_a_missing_file_is_set_aside(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="missing file"):
        Picture(tmp_path / "gone.png", max_megapixels=64.0, max_aspect=5.0)


def test_exif_turns_the_picture_upright() -> None:
    found = picture(exif_rotated())
    assert (found.width, found.height) == (40, 60)
    pixels = np.asarray(found.full())
    assert pixels.shape == (60, 40, 3)
    assert pixels[3, 20, 2] > 200  # the blue left edge is on top now
    assert pixels[50, 20, 0] > 150


def test_reduced_keeps_the_long_side_and_the_content() -> None:
    image = noise(50, 25).resize((1600, 800), Image.Resampling.BICUBIC)
    for kind in ("JPEG", "PNG"):
        small = picture(encoded(image, kind)).reduced(384)
        assert 384 <= max(small.shape[:2]) < 768
        whole = np.asarray(image.resize((small.shape[1], small.shape[0]), Image.Resampling.BOX))
        assert np.abs(small.astype(int) - whole).mean() < 4
