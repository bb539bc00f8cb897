"""Where crop finds its pictures: the crawl, or a folder of one's own."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from avatar_common.disk.raw import downloaded_pictures
from avatar_common.errors import UserError
from preprocess.decode import SUFFIXES
from preprocess.picture import PictureTask

log = logging.getLogger(__name__)


def crawled_tasks(raw: Path) -> Iterator[PictureTask]:
    """The crawl's pictures, each keyed by its file's name, the md5 of its bytes.

    Raises `UserError` when there is no crawl.
    """
    for found in downloaded_pictures(raw):
        picture = found.path.relative_to(raw).as_posix()
        yield PictureTask(found.path.stem, found.path, found.post, picture, found.path.stem)


def folder_tasks(folder: Path) -> Iterator[PictureTask]:
    """The pictures of a folder and its subfolders, by path; hidden files are left out.

    Raises `UserError` when there is no such folder.
    """
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder))
    others = 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if path.suffix.lower() not in SUFFIXES and path.suffix:
            others += 1
            continue
        # A name that is not UTF-8 goes into the tables with \x.. in place of the odd bytes.
        yield _folder_task(path, os.fsencode(relative.as_posix()).decode(errors="backslashreplace"))
    if others:
        log.info("%d files without a picture's suffix are left out", others)


def _folder_task(path: Path, relative: str) -> PictureTask:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:40]
    key = f"{slug}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}".lstrip("-")
    status = path.stat()
    return PictureTask(
        key, path, f"file:{relative}", relative, f"{status.st_size}-{status.st_mtime_ns}"
    )
