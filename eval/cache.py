"""Arrays kept by content: a key holds the pictures' hash, and what read them in which version."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_common.disk.files import atomic_file

log = logging.getLogger(__name__)

CACHE_FOLDER = "eval-cache"  # in the face set; it may be deleted at any time


def content_hash(*arrays: np.ndarray) -> str:
    """16 hex digits over the bytes of arrays; what is kept under them never goes out of date."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class ArrayCache:
    """A folder of .npz files; without a folder nothing is kept."""

    folder: Path | None

    def arrays(self, key: str, make: Callable[[], Sequence[np.ndarray]]) -> list[np.ndarray]:
        """The arrays kept under `key`, made (and kept) when they are not there."""
        if self.folder is None:
            return list(make())
        path = self.folder / f"{key}.npz"
        if path.is_file():
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    return [kept[f"arr_{index}"] for index in range(len(kept.files))]
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                log.warning("%s is damaged; making it again", path)
        made = list(make())
        with atomic_file(path) as target:
            np.savez(target, *made)
        return made
