"""Pictures from strangers' files: every kind is turned into plain RGB, or refused with a reason."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

# Our own limit is checked as soon as the header is read, before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
_ORIENTATION_TAG = 0x0112
# So many times the side wanted, a JPEG is worth decoding twice: small to search, whole to cut.
_LARGE = 4

RgbArray = npt.NDArray[np.uint8]


class BadPicture(Exception):
    """A picture that is set aside: the reason (a few words) and the number or text behind it."""

    def __init__(self, reason: str, value: object = "") -> None:
        super().__init__(f"{reason} {value}")
        self.reason, self.value = reason, value


class Picture:
    """One picture file: its size first, pixels when asked for, upright and without alpha."""

    def __init__(self, source: Path | bytes, *, max_megapixels: float, max_aspect: float) -> None:
        """Read the header. Raises `BadPicture`."""
        try:
            self._data = source if isinstance(source, bytes) else source.read_bytes()
        except OSError as error:
            raise BadPicture("missing file", error.strerror) from None
        if not self._data:
            raise BadPicture("empty file")
        if self._data.startswith(b"version https://git-lfs"):
            raise BadPicture("a Git LFS pointer")
        image = self._open()
        self.format = image.format
        self._opened: Image.Image | None = image
        self._whole: Image.Image | None = None
        width, height = image.size
        if width * height > max_megapixels * 1e6:
            raise BadPicture("too many pixels", width * height)
        aspect = max(width, height) / max(min(width, height), 1)
        if aspect > max_aspect:
            raise BadPicture("extreme aspect", round(aspect, 2))
        self._orientation = self._read_orientation(image)
        turned = self._orientation in (5, 6, 7, 8)
        self.width, self.height = (height, width) if turned else (width, height)

    def full(self) -> Image.Image:
        """The whole picture, RGB, first frame. Raises `BadPicture`."""
        if self._whole is None:
            self._whole = self._decode(None)
        return self._whole

    def reduced(self, long_side_px: int) -> RgbArray:
        """The picture at a fraction of its size, its long side at least `long_side_px` or whole.

        A large JPEG is decoded at the lower scale outright, which is several times faster. Others
        are decoded whole, which serves `full` as well, and averaged over whole blocks.
        uint8 [h, w, 3]. Raises `BadPicture`.
        """
        long_side = max(self.width, self.height)
        scaled = self.format == "JPEG" and long_side >= _LARGE * long_side_px
        image = self._decode(long_side_px) if scaled else self.full()
        factor = max(image.size) // long_side_px
        return np.asarray(image.reduce(factor) if factor > 1 else image)

    def _open(self) -> Image.Image:
        try:
            return self._opened_data()
        # Decoders raise whatever broken bytes lead them to; any of it means a bad picture.
        except Exception:
            pass
        try:  # a comment or a profile, of which only the pixels' decoder has a limit
            self._data = without_metadata(self._data)
            return self._opened_data()
        except Exception:
            raise BadPicture("not a picture", self._data[:8].hex(" ")) from None

    def _opened_data(self) -> Image.Image:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(self._data), formats=FORMATS)

    def _read_orientation(self, image: Image.Image) -> int:
        """1 to 8, as EXIF has it; of a PNG this decodes the pixels, in the image kept for it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return int(image.getexif().get(_ORIENTATION_TAG, 1))
        except Exception:  # broken EXIF data is no reason to lose the picture
            self._opened = None
            return 1

    def _decode(self, long_side_px: int | None) -> Image.Image:
        # The image that the header was read from serves once: drawing scaled changes it.
        image, self._opened = self._opened or self._open(), None
        try:
            return self._upright(image, long_side_px)
        except Exception as error:
            problem = str(error)[:80]
        try:  # metadata may stand behind the pixels as well
            self._data = without_metadata(self._data)
            return self._upright(self._open(), long_side_px)
        except Exception:
            raise BadPicture("broken picture", problem) from None

    def _upright(self, image: Image.Image, long_side_px: int | None) -> Image.Image:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if long_side_px is not None:
                share = long_side_px / max(image.size)
                image.draft("RGB", (round(image.width * share), round(image.height * share)))
            image.load()
            upright = image if self._orientation == 1 else ImageOps.exif_transpose(image)
            return plain_rgb(upright)


def without_metadata(png: bytes) -> bytes:
    """A PNG with the chunks only that its pixels need. Raises `ValueError` for what is no PNG.

    The decoder refuses the whole picture for a large or damaged comment, or colour profile.
    """
    if not png.startswith(PNG_SIGNATURE):
        raise ValueError("not a PNG")
    kept, start = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while start + 12 <= len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        if png[start + 4 : start + 8] in PNG_CHUNKS:
            kept.append(png[start:end])
        start = end
    return b"".join(kept)


def plain_rgb(image: Image.Image) -> Image.Image:
    """RGB of any mode: 16 bits scaled to 8, see-through parts over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image, dtype=np.float64))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] == 255:
            return layer.convert("RGB")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Gray of unknown depth to 0..255: fractions times 255, more than 8 bits as 16."""
    top = float(values.max(initial=0.0))
    scale = 255.0 if top <= 1.0 else 1.0 if top <= 255.0 else 255.0 / max(top, 65535.0)
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
