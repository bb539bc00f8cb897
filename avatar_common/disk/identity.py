"""Which face set this is, computed from what lies there.

An id that was written down goes stale when somebody edits a label or exchanges a picture.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from avatar_common.disk.files import read_csv, write_csv
from avatar_common.errors import UserError

IMAGES_FOLDER = "images"
HASHES_TABLE = ".picture_hashes.csv"
HASHES_COLUMNS = ("file_name", "size", "mtime_ns", "ctime_ns", "sha256")

Stamp = tuple[str, str, str]
"""A file's size and times; whoever changes or exchanges a file changes its ctime at least."""


def hash_rows(rows: Iterable[Iterable[object]], picture_hashes: Iterable[str]) -> str:
    """The dataset id: 16 hex digits over all rows (faces and attributes) and pictures, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(("\x1f".join(map(str, row)) + "\n").encode())
    for picture_hash in picture_hashes:
        digest.update(picture_hash.encode())
    return digest.hexdigest()[:16]


def picture_hashes(path: Path, file_names: Sequence[str]) -> list[str]:
    """The SHA-256 of each picture of the face set at `path`, in hex.

    What was hashed once is kept in `.picture_hashes.csv` and read again only where size or times
    have changed. Raises `UserError` naming the first picture that is gone.
    """
    images = path / IMAGES_FOLDER
    stamps = _stamps(images)
    missing = [name for name in file_names if name not in stamps]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(file_names)} pictures of the face set are gone, the first is "
            f"{missing[0]}",
            where=str(images),
            hint="run the import or crop that made the set again",
        )
    kept = _kept_hashes(path / HASHES_TABLE)
    hashes = {
        name: found[1]
        if (found := kept.get(name)) and found[0] == stamps[name]
        else _hash(images / name)
        for name in file_names
    }
    if any(kept.get(name) != (stamps[name], digest) for name, digest in hashes.items()):
        rows = [(name, *stamps[name], digest) for name, digest in hashes.items()]
        with suppress(OSError, UserError):  # somebody else's disk may be full or for reading only
            write_csv(path / HASHES_TABLE, HASHES_COLUMNS, rows)
    return [hashes[name] for name in file_names]


def last_hashes(path: Path) -> dict[str, str]:
    """The hashes that `picture_hashes` kept last, whatever has become of the pictures since."""
    return {name: digest for name, (_, digest) in _kept_hashes(path / HASHES_TABLE).items()}


def _stamps(images: Path) -> Mapping[str, Stamp]:
    if not images.is_dir():
        return {}
    stamps = {}
    with os.scandir(images) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                status = entry.stat()
                times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                stamps[entry.name] = (str(times[0]), str(times[1]), str(times[2]))
    return stamps


def _kept_hashes(table: Path) -> dict[str, tuple[Stamp, str]]:
    """What an earlier reader kept; a table that cannot be read is made again."""
    with suppress(UserError, OSError, csv.Error):
        return {
            row["file_name"]: ((row["size"], row["mtime_ns"], row["ctime_ns"]), row["sha256"])
            for _, row in read_csv(table, HASHES_COLUMNS)
        }
    return {}


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
