"""Pictures that were not drawn here: opened within bounds, and cut to the face."""

from __future__ import annotations

import io
import operator
import struct
import warnings
import zlib
from os import PathLike
from pathlib import Path

from PIL import Image, ImageOps

from acgan.drawing.enlarge import MOST_SIDE_PX
from avatar_common.disk.files import read_at_most
from avatar_common.errors import UserError

OwnPicture = Image.Image | str | PathLike[str] | bytes
Box = tuple[int, int, int]
"""Left, top and side of a square, px."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MOST_BYTES = 64 * 2**20
MOST_PICTURE_SIDE_PX = 8192
LEAST_FACE_PX = 16
MOST_SCANS = 50  # progressive JPEGs have about 10; each takes time, and a kilobyte can name thirty
MOST_ASKEW = 1.05
JPEG_START, JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)


def open_face(
    picture: OwnPicture, box: Box | None = None, most_side: int = MOST_PICTURE_SIDE_PX
) -> Image.Image:
    """The face in a picture as a square RGB image of 16 to 2048 px.

    A square picture is taken whole; `box` cuts one out. What is transparent becomes white. Raises
    `UserError` for what is no picture, has a side over `most_side`, or is not square without a box.
    """
    image, where = _opened(picture, most_side)
    if box is None and max(image.size) > MOST_ASKEW * min(image.size):
        raise UserError(
            f"{image.width}x{image.height} px, and a square around the face was expected",
            where=where,
            hint="name it: --box LEFT TOP SIDE; or `python -m preprocess crop --pictures FOLDER`"
            " finds faces",
        )
    try:
        left, top, side = map(operator.index, box or (0, 0, min(image.size)))
    except (TypeError, ValueError):
        raise UserError("a box is three whole numbers: left, top and side") from None
    inside = left >= 0 and top >= 0 and left + side <= image.width and top + side <= image.height
    if side < LEAST_FACE_PX or not inside:
        raise UserError(
            f"no face fits a square of {side} px at {left}, {top} in {image.width}x{image.height}",
            where=where,
            hint=f"it must lie inside and have {LEAST_FACE_PX} px or more",
        )
    face = image.crop((left, top, left + side, top + side))
    return face if side <= MOST_SIDE_PX else face.resize((MOST_SIDE_PX, MOST_SIDE_PX))


def _opened(picture: OwnPicture, most_side: int) -> tuple[Image.Image, str]:
    """The whole picture, upright, RGB, and what to call it in messages."""
    if isinstance(picture, Image.Image):
        _check_size(picture, "image", most_side)
        return _flat(picture), "image"
    if not isinstance(picture, (str, PathLike, bytes)):
        raise UserError(f"not a picture: {type(picture).__name__}")
    where = "bytes" if isinstance(picture, bytes) else str(picture)[:200]
    data = picture if isinstance(picture, bytes) else _read(Path(picture), where)
    if len(data) > MOST_BYTES:
        raise UserError(f"larger than {MOST_BYTES >> 20} MB", where=where)
    if data[:2] == JPEG_START and data.count(JPEG_SCAN) > MOST_SCANS:
        raise UserError(f"a JPEG of more than {MOST_SCANS} scans", where=where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data), formats=FORMATS)
        with opened:
            _check_size(opened, where, most_side)
            return _flat(ImageOps.exif_transpose(opened)), where
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(where, most_side) from None
    except UserError:
        raise
    except DAMAGE:
        raise UserError(f"not a readable {', '.join(FORMATS)} picture", where=where) from None


def _read(path: Path, where: str) -> bytes:
    try:
        if path.is_dir():
            raise UserError("is a folder, a picture was expected", where=where)
        return read_at_most(path, MOST_BYTES, where)
    except OSError as error:
        raise UserError((error.strerror or str(error)).lower(), where=where) from None
    except ValueError:
        raise UserError("no such file", where=where) from None


def _check_size(image: Image.Image, where: str, most_side: int) -> None:
    if max(image.size) > most_side:
        raise _too_large(where, most_side)


def _too_large(where: str, most_side: int) -> UserError:
    return UserError(f"a side has more than {most_side} px", where=where)


def _flat(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
