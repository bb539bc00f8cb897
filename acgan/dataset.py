"""A face set as arrays: packed uint8 pictures and a label table, read without a loader."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn.functional import interpolate

from avatar_common.disk.faces import FaceSet, Split, packed_path, read_face_set, write_packed
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

RESIZE_CHUNK = 512


class PackedRows:
    """Some rows of a packed file, read from the disk when indexed: for sets beyond memory."""

    def __init__(self, packed: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> None:
        self._packed, self._rows = packed, rows
        self.shape = (len(rows), *packed.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(
        self, index: int | slice | Sequence[int] | npt.NDArray[np.integer | np.bool]
    ) -> npt.NDArray[np.uint8]:
        return np.asarray(self._packed[self._rows[index]])


@dataclass(frozen=True)
class Faces:
    """Pictures uint8 [N,3,S,S] (an array, or rows of a file) and labels int64 [N,A].

    Labels are class indices in the vocabulary's order, -1 for unknown.
    """

    images: npt.NDArray[np.uint8] | PackedRows
    labels: npt.NDArray[np.int64]
    vocabulary: Vocabulary
    dataset_id: str
    path: Path

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_size(self) -> int:
        """Side in px."""
        return int(self.images.shape[-1])

    def class_counts(self) -> dict[str, list[int]]:
        """Per group, how many of these faces each class has."""
        return {
            group.name: np.bincount(
                self.labels[self.labels[:, a] >= 0, a], minlength=len(group.classes)
            ).tolist()
            for a, group in enumerate(self.vocabulary)
        }


def load_faces(
    path: Path, split: Split | None = None, *, image_size: int | None = None, in_memory: bool = True
) -> Faces:
    """Read one split of a face set (all rows when `split` is None).

    With `in_memory=False` the pictures stay in their packed file and are read row by row. Another
    `image_size` than the set's resizes (antialiased), into another packed file when they are not
    held in memory. Raises `UserError`.
    """
    face_set = read_face_set(path)
    packed = open_packed(face_set)
    rows = np.arange(len(face_set)) if split is None else face_set.indices(split)
    size = image_size or face_set.image_size
    images: npt.NDArray[np.uint8] | PackedRows
    if not in_memory:
        images = PackedRows(open_resized(face_set, packed, size), rows)
    else:
        images = np.array(packed[rows])
        images = images if size == face_set.image_size else resize_images(images, size)
    return Faces(images, face_set.labels[rows], face_set.vocabulary, face_set.dataset_id, path)


def fits_in_memory(path: Path) -> bool:
    """Whether a face set's pictures take at most half of the memory that is free now."""
    face_set = read_face_set(path)
    size = len(face_set) * 3 * face_set.image_size**2
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return True  # systems that do not say
    return size <= free // 2


def open_packed(face_set: FaceSet) -> npt.NDArray[np.uint8]:
    """The packed pictures, uint8 [N,3,S,S] in the order of faces.csv, as a read-only memory map.

    Packs the PNGs first when the file is missing or does not fit the face set. Raises `UserError`
    naming a bad picture.
    """
    path = packed_path(face_set)
    expected = (len(face_set), 3, face_set.image_size, face_set.image_size)
    if path.is_file():
        try:
            packed: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            log.warning("%s is damaged; packing the pictures again", path)
        else:
            if packed.shape == expected and packed.dtype == np.uint8:
                return packed
            log.warning("%s does not fit the face set; packing the pictures again", path)
    size = face_set.image_size
    pictures = (_read_picture(face_set.image_path(row), size) for row in range(len(face_set)))
    write_packed(path, len(face_set), size, pictures)
    found: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def open_resized(
    face_set: FaceSet, packed: npt.NDArray[np.uint8], size: int
) -> npt.NDArray[np.uint8]:
    """The packed pictures at this side; those of another are kept in a file of their own."""
    if size == face_set.image_size:
        return packed
    path = packed_path(face_set)
    path = path.with_name(f"{path.stem}-{size}px.npy")
    if not path.is_file():
        starts = range(0, len(packed), RESIZE_CHUNK)
        chunks = (resize_images(packed[start : start + RESIZE_CHUNK], size) for start in starts)
        write_packed(path, len(packed), size, chunks)
    found: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def _read_picture(path: Path, size: int) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise UserError(f"not a readable picture: {reason}", where=str(path)) from None
    if picture.shape != (size, size, 3):
        raise UserError(
            f"{picture.shape[1]}x{picture.shape[0]} px, the face set says {size}", where=str(path)
        )
    found: npt.NDArray[np.uint8] = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return found


def resize_images(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize uint8 [N,3,S,S] to another side, bilinear with antialiasing."""
    out = np.empty((len(images), 3, size, size), np.uint8)
    for start in range(0, len(images), RESIZE_CHUNK):
        chunk = torch.from_numpy(np.array(images[start : start + RESIZE_CHUNK])).float()
        small = interpolate(chunk, (size, size), mode="bilinear", antialias=True)
        out[start : start + RESIZE_CHUNK] = small.round_().clamp_(0, 255).byte().numpy()
    return out
