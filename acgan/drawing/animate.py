"""Moving pictures: GIF with Pillow, MP4 with ffmpeg where it is installed."""

from __future__ import annotations

import io
import json
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from acgan.drawing.enlarge import resize
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNHWC

log = logging.getLogger(__name__)

PALETTE_WIDTH_PX = 64
MOST_SCALE = 16
MOST_FPS = 50  # a GIF counts hundredths of a second, and browsers slow down what is faster


def check_film(scale: int, fps: int) -> None:
    """Raises `UserError` for an enlargement or a speed that no film can have; scale 0 fits."""
    if not 0 <= scale <= MOST_SCALE:
        raise UserError(f"--scale must be 0 (automatic) to {MOST_SCALE}")
    if not 1 <= fps <= MOST_FPS:
        raise UserError(f"--fps must be 1 to {MOST_FPS}")


def fitting_scale(width: int, at_least_px: int) -> int:
    """The whole number that brings `width` to at least so many pixels."""
    return max(1, -(-at_least_px // width))


def enlarge(pictures: PicturesNHWC, scale: int) -> list[Image.Image]:
    """Faces uint8 [N,S,S,3] enlarged with detail, each on its own."""
    return [resize(Image.fromarray(p), p.shape[1] * scale) for p in pictures]


def gif_bytes(images: Sequence[Image.Image], fps: int, recipe: Mapping[str, Any] | None) -> bytes:
    """An endless GIF, one palette per frame, its recipe in the comment."""
    frames = [_quantize(image) for image in images]
    file = io.BytesIO()
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / fps),
        loop=0,
        disposal=1,
        comment=json.dumps(recipe).encode() if recipe is not None else b"",
    )
    return file.getvalue()


def _quantize(image: Image.Image) -> Image.Image:
    # The palette of a smaller copy is as good and found ten times faster.
    palette = image.reduce(max(1, image.width // PALETTE_WIDTH_PX)).quantize(256)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def there_and_back(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """The frames, then the way back, so that an endless loop has no jump."""
    return [*frames, *frames[-2:0:-1]]


def write_mp4(path: Path, images: Sequence[Image.Image], fps: int) -> bool:
    """Write an MP4 (H.264, playable in browsers); False, with a note, where ffmpeg is missing."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        log.info("no ffmpeg here, so no MP4 (Debian: apt-get install ffmpeg)")
        return False
    width, height = images[0].size
    command = [ffmpeg, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-an"]
    # Players want 4:2:0, which needs even sides.
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
    frames = b"".join(image.tobytes() for image in images)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.mp4"
        command += ["-movflags", "+faststart", str(file)]
        done = subprocess.run(command, input=frames, capture_output=True)
        if done.returncode != 0:
            reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
            log.warning("ffmpeg made no MP4: %s", reason)
            return False
        write_bytes(path, file.read_bytes())
    return True
