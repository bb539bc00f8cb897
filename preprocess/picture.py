"""The work on one picture, the same in every kind of worker: find faces, cut them, measure them."""

from __future__ import annotations

import functools
import io
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import imagehash
import numpy as np
from PIL import Image

from avatar_common.disk.files import write_bytes
from preprocess.decode import BadPicture, Picture, RgbArray
from preprocess.detect import DetectorConfig, Face, FaceDetector
from preprocess.geometry import BoxXywh, Square, enlarged_square, within_picture

RESAMPLING = Image.Resampling.LANCZOS  # antialiased: its support grows with the shrinking factor
# Squares over three times the size wanted are averaged down to that before the filter.
REDUCING_GAP = 3.0
FILLED_ASPECT = 1.5
FACE_HASH_SIDE, PICTURE_HASH_SIDE = 16, 8
_HASHED_SIDE_PX = 128
CRASHED = "crashed the decoder"
# Reasons that may be gone by the next run.
TEMPORARY_REASONS = frozenset(("missing file", CRASHED))


MEASURED_SIDE_PX = 64


@dataclass(frozen=True)
class PictureTask:
    """One picture to work on. `key` names its faces' files; `stamp` changes when its bytes do."""

    key: str
    path: Path
    post: str
    picture: str
    stamp: str


@dataclass(frozen=True)
class CropSettings:
    """All that decides what comes out of a picture; recorded in dataset.json."""

    size: int
    enlarge: float
    min_score: float
    min_face_px: int
    min_sharpness: float
    min_colourfulness: float
    whole: Literal["auto", "always", "never"]
    max_padding: float
    max_aspect: float
    max_megapixels: float
    detector: DetectorConfig


@dataclass(frozen=True)
class FaceRecord:
    """A face that was kept: `box` is the square cut out, `face_box` the detection (both xywh)."""

    file_name: str
    box: BoxXywh
    face_box: BoxXywh
    score: float
    sharpness: float
    face_hash: str


@dataclass(frozen=True)
class PictureRecord:
    """What came out of one picture; one line of the journal."""

    key: str
    post: str
    picture: str
    stamp: str
    found: int = 0
    picture_hash: str = ""
    faces: list[FaceRecord] = field(default_factory=list)
    rejects: list[tuple[str, str, object]] = field(default_factory=list)
    """(face number or "", reason, the number or text behind it)"""

    def to_json(self) -> dict[str, Any]:
        """As the journal holds it."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> PictureRecord:
        """The inverse of `to_json`."""
        faces = [FaceRecord(**face) for face in content.pop("faces")]
        return PictureRecord(**content, faces=faces)


@functools.cache
def _detector(config: DetectorConfig) -> FaceDetector:
    """One detector per process; one thread each, as there is one process per core."""
    cv2.setNumThreads(1)
    return FaceDetector(config)


def rejected(task: PictureTask, reason: str, value: object = "") -> PictureRecord:
    """The record of a picture that gave nothing."""
    return PictureRecord(
        task.key, task.post, task.picture, task.stamp, rejects=[("", reason, value)]
    )


def process_picture(task: PictureTask, settings: CropSettings, images: Path) -> PictureRecord:
    """Crop the faces of one picture into `images`. A bad picture gives a record with its reason."""
    # Search a reduced picture; decode the full one only where there is something to cut.
    try:
        picture = Picture(
            task.path, max_megapixels=settings.max_megapixels, max_aspect=settings.max_aspect
        )
        small = picture.reduced(settings.detector.working_side_px)
        if settings.whole == "always":
            faces = [_whole(small)]
        else:
            faces = _detector(settings.detector).detect(small)
        full = picture.full() if faces else None
    except BadPicture as bad:
        return rejected(task, bad.reason, bad.value)
    if full is None:
        return rejected(task, "no face")
    record = PictureRecord(
        task.key,
        task.post,
        task.picture,
        task.stamp,
        found=sum(face.score >= settings.min_score for face in faces),
        picture_hash=picture_hash(small),
    )

    # From here on in pixels of the full picture, from which faces are cut.
    scale_x, scale_y = full.width / small.shape[1], full.height / small.shape[0]
    boxes = [
        (x * scale_x, y * scale_y, w * scale_x, h * scale_y)
        for x, y, w, h in (face.box_xywh for face in faces)
    ]
    filling = _filling(boxes, [face.score for face in faces], full, settings)

    # Every detection becomes a PNG or a reject with its reason; none is dropped silently.
    for number, (face, box) in enumerate(zip(faces, boxes, strict=True)):
        kept: tuple[Square, Image.Image, float] | BadPicture
        if filling is not None and number != filling:
            kept = BadPicture("in a face that fills the picture", round(face.score, 4))
        else:
            kept = _cut_face(full, box, face.score, settings)
        if isinstance(kept, BadPicture):
            record.rejects.append((str(number), kept.reason, kept.value))
            continue
        square, crop, sharp = kept
        file_name = f"{task.key}-{number}.png"
        write_bytes(images / file_name, png_bytes(crop), durable=False)
        record.faces.append(
            FaceRecord(
                file_name,
                box=_rounded((square.x, square.y, square.side, square.side)),
                face_box=_rounded(box),
                score=round(face.score, 4),
                sharpness=round(sharp, 4),
                face_hash=str(imagehash.phash(crop, hash_size=FACE_HASH_SIDE)),
            )
        )
    return record


def _whole(small: RgbArray) -> Face:
    """The central square of a picture as if it had been found as a face."""
    height, width = small.shape[:2]
    side = min(width, height)
    return Face(((width - side) / 2, (height - side) / 2, side, side), 1.0)


def _filling(
    boxes: list[BoxXywh], scores: list[float], full: Image.Image, settings: CropSettings
) -> int | None:
    """Which face fills the picture, if one does: then what else is found there is a part of it."""
    if settings.whole != "auto" or max(full.size) > FILLED_ASPECT * min(full.size):
        return None
    filling = [
        number
        for number, (box, score) in enumerate(zip(boxes, scores, strict=True))
        if score >= settings.min_score and max(box[2:]) * settings.enlarge >= min(full.size)
    ]
    return max(filling, key=lambda number: scores[number], default=None)


def picture_hash(small: np.ndarray) -> str:
    """Perceptual hash, hex, of a uint8 picture [h, w, 3]; averaged first, which is far cheaper."""
    image = Image.fromarray(small)
    factor = max(image.size) // _HASHED_SIDE_PX
    averaged = image.reduce(factor) if factor > 1 else image
    return str(imagehash.phash(averaged, hash_size=PICTURE_HASH_SIDE))


def _cut_face(
    full: Image.Image, box: BoxXywh, score: float, settings: CropSettings
) -> tuple[Square, Image.Image, float] | BadPicture:
    """The square, its pixels and their sharpness, or why the face is not used."""
    if score < settings.min_score:
        return BadPicture("low score", round(score, 4))
    if min(box[2:]) < settings.min_face_px:
        return BadPicture("small face", round(min(box[2:]), 1))
    enlarge = 1.0 if settings.whole == "always" else settings.enlarge
    square = enlarged_square(box, enlarge, full.width, full.height)
    if settings.whole != "never":
        square = within_picture(square, full.width, full.height)
    padding = square.padding_share(full.width, full.height)
    if padding > settings.max_padding:
        return BadPicture("reaches past the picture", round(padding, 3))
    crop = cut_square(full, square, settings.size)
    pixels = np.asarray(crop)
    sharp = sharpness(pixels)
    if sharp < settings.min_sharpness:
        return BadPicture("blurred", round(sharp, 4))
    colour = colourfulness(pixels)
    if colour < settings.min_colourfulness:
        return BadPicture("monochrome", round(colour, 1))
    return square, crop, sharp


def cut_square(image: Image.Image, square: Square, size: int) -> Image.Image:
    """The square's content at `size` px, Lanczos-filtered from the full-resolution picture.

    Where the square reaches past the picture it is filled with one flat colour, the median of the
    edge pixels there: repeated or mirrored borders would be learned as streaks.
    """
    left, top = max(0, -int(square.x // 1)), max(0, -int(square.y // 1))
    right = max(0, int(-(-(square.x + square.side) // 1)) - image.width)
    bottom = max(0, int(-(-(square.y + square.side) // 1)) - image.height)
    if left or top or right or bottom:
        canvas_size = (image.width + left + right, image.height + top + bottom)
        ground = _edge_colour(image, sides=bool(left or right), ends=bool(top or bottom))
        canvas = Image.new("RGB", canvas_size, ground)
        canvas.paste(image, (left, top))
        image, square = canvas, Square(square.x + left, square.y + top, square.side)
    box = (square.x, square.y, square.x + square.side, square.y + square.side)
    return image.resize(
        (size, size), RESAMPLING, box=_within(box, image.size), reducing_gap=REDUCING_GAP
    )


def _within(box: BoxXywh, size: tuple[int, int]) -> BoxXywh:
    """Take rounding errors of the last digit off a box (left, top, right, bottom)."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], size[0]), min(box[3], size[1])


def _edge_colour(image: Image.Image, *, sides: bool, ends: bool) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    edges = [pixels[:, 0], pixels[:, -1]] if sides else []
    edges += [pixels[0], pixels[-1]] if ends else []
    red, green, blue = np.median(np.concatenate(edges), axis=0).astype(int)
    return int(red), int(green), int(blue)


def png_bytes(image: Image.Image) -> bytes:
    """The picture as PNG; the same pixels always give the same bytes."""
    buffer = io.BytesIO()
    # Run-length coding halves the time of the default at the same size for faces.
    image.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def _rounded(box: BoxXywh) -> BoxXywh:
    x, y, w, h = (round(value, 2) for value in box)
    return x, y, w, h


def sharpness(rgb: RgbArray) -> float:
    """Mean squared Laplacian over the variance of the gray crop at 64 px; blur brings it to 0.

    Dividing by the variance keeps soft colours from counting as blur, and measuring at one size
    makes one threshold fit every crop size. `rgb` is uint8 [S, S, 3]; a flat crop gives 0.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    side = (MEASURED_SIDE_PX, MEASURED_SIDE_PX)
    shrink = cv2.INTER_AREA if gray.shape[0] > MEASURED_SIDE_PX else cv2.INTER_LINEAR
    gray = np.asarray(cv2.resize(gray, side, interpolation=shrink), np.float32)
    variance = float(gray.var())
    if variance < 1.0:
        return 0.0
    return float(np.mean(cv2.Laplacian(gray, cv2.CV_32F) ** 2)) / variance


def colourfulness(rgb: RgbArray) -> float:
    """The 90th percentile of (largest - smallest channel), 0..255; about 0 for gray drawings."""
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    return float(np.percentile(spread, 90))
