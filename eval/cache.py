"""Arrays kept by content: the key holds the hashes of data, snapshot and extractor."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifest.files import atomic_file

log = logging.getLogger(__name__)


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
        with atomic_file(path) as file:
            np.savez(file, *made)
        return made
