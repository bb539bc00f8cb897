"""The pictures of an import: cut to squares, measured, written as PNG."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import imagehash
import numpy as np
from PIL import Image

from avatar_common.commands import progress
from avatar_common.disk.faces import FaceFolder
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from preprocess.archive import Archive
from preprocess.decode import BadPicture, Picture
from preprocess.import_forms import Entry
from preprocess.options import ImportOptions
from preprocess.picture import FACE_HASH_SIDE, RESAMPLING, png_bytes, sharpness
from preprocess.workers import run_tasks, worker_count

MAX_MEGAPIXELS, MAX_ASPECT, MAX_ENLARGING = 64.0, 3.0, 2.0
MAX_STEM = 60


@dataclass(frozen=True)
class Imported:
    """What became of one picture: measured, or rejected with (reason, number)."""

    entry: Entry
    file_name: str
    side: int = 0
    sharpness: float = 0.0
    face_hash: str = ""
    reject: tuple[str, object] | None = None


def import_pictures(
    source: Archive, entries: Sequence[Entry], size: int, folder: Path, options: ImportOptions
) -> list[Imported]:
    """Write every picture as a square PNG; the results in the order of their file names."""
    tasks = list(zip(entries, file_names(entries), strict=True))
    work = functools.partial(
        import_picture, source=source, size=size, images=FaceFolder(folder).images
    )
    done = []
    with progress("pictures", len(tasks), quiet=options.quiet) as advance:
        for result in run_tasks(
            work,
            [tasks[start : start + 32] for start in range(0, len(tasks), 32)],
            workers=worker_count(options.workers),
            on_crash=_crashed,
        ):
            done += result
            advance(len(result))
    return sorted(done, key=lambda result: natural_key(result.file_name))


def _crashed(tasks: Iterable[tuple[Entry, str]]) -> list[Imported]:
    return [Imported(entry, name, reject=("crashed the decoder", "")) for entry, name in tasks]


def import_picture(
    tasks: Iterable[tuple[Entry, str]], source: Archive, size: int, images: Path
) -> list[Imported]:
    """Cut pictures to their central square at `size` px and write them as PNG."""
    return [_import_one(entry, name, source, size, images) for entry, name in tasks]


def _import_one(entry: Entry, file_name: str, source: Archive, size: int, images: Path) -> Imported:
    try:
        picture = Picture(
            source.read(entry.picture), max_megapixels=MAX_MEGAPIXELS, max_aspect=MAX_ASPECT
        )
        side = min(picture.width, picture.height)
        if side * MAX_ENLARGING < size:
            raise BadPicture("small picture", side)
        square = central_square(picture.full(), size)
    except BadPicture as bad:
        return Imported(entry, file_name, reject=(bad.reason, bad.value))
    except UserError as error:
        return Imported(entry, file_name, reject=("unreadable", error.what))
    write_bytes(images / file_name, png_bytes(square), durable=False)
    return Imported(
        entry,
        file_name,
        side=side,
        sharpness=round(sharpness(np.asarray(square)), 4),
        face_hash=str(imagehash.phash(square, hash_size=FACE_HASH_SIDE)),
    )


def central_square(image: Image.Image, size: int) -> Image.Image:
    """The central square at `size` px; a picture that is one already keeps its pixels."""
    if image.size == (size, size):
        return image
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), RESAMPLING, box=(left, top, left + side, top + side))


def file_names(entries: Sequence[Entry]) -> list[str]:
    """A plain, unique PNG name per entry: the picture's own stem wherever that is possible."""
    stems = Counter(PurePosixPath(entry.picture).stem for entry in entries)
    names = []
    for entry in entries:
        stem = PurePosixPath(entry.picture).stem
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)
        if stems[stem] > 1 or slug != stem or stem.startswith("-") or len(stem) > MAX_STEM:
            digest = hashlib.sha256(os.fsencode(entry.picture)).hexdigest()[:8]
            slug = f"{slug.strip('-.')[:MAX_STEM]}-{digest}".lstrip("-")
        names.append(f"{slug}.png")
    return names


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sorting key by which 2.png comes before 10.png."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
