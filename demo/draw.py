"""Draw the demo's crowd into a folder, once; a kill loses the chunk under way and no more."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from avatar_common.commands import progress
from avatar_common.disk.files import read_json, write_bytes, write_json
from demo.crowd import draw_post

CROWD_SCHEMA_VERSION = 1
CHUNK = 50


def draw_crowd(folder: Path, count: int, seed: int, *, quiet: bool) -> int:
    """Draw posts 0..count-1 that are not in `folder` yet; returns how many were drawn."""
    todo = [
        start for start in range(0, count, CHUNK) if not chunk_path(folder, seed, start).exists()
    ]
    if not todo:
        return 0
    drawn = 0
    with (
        progress("drawing", count, quiet=quiet) as advance,
        ProcessPoolExecutor(initializer=_leave_stopping_to_the_parent) as pool,
    ):
        advance(count - len(todo) * CHUNK)
        for amount in pool.map(partial(_draw_chunk, folder, seed), todo):
            drawn += amount
            advance(amount)
    return drawn


def chunk_path(folder: Path, seed: int, start: int) -> Path:
    """The records of one chunk of posts."""
    return folder / f"posts-{seed}-{start:06d}.json"


def read_crowd(folder: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the records of posts 0..count-1, in order, without the picture's bytes."""
    for start in range(0, count, CHUNK):
        chunk = read_json(chunk_path(folder, seed, start), schema_version=CROWD_SCHEMA_VERSION)
        yield from chunk["posts"][: count - start]


def picture_path(folder: Path, md5: str, file_ext: str) -> Path:
    """Where a drawn picture's bytes lie."""
    return folder / "files" / md5[:2] / f"{md5}.{file_ext}"


def _leave_stopping_to_the_parent() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw_chunk(folder: Path, seed: int, start: int) -> int:
    records = []
    for index in range(start, start + CHUNK):
        post = draw_post(index, seed)
        write_bytes(picture_path(folder, post.md5, post.file_ext), post.data)
        record = asdict(post) | {"post_id": post.post_id, "file_size": len(post.data)}
        del record["data"]
        records.append(json.loads(json.dumps(record, default=float)))
    write_json(
        chunk_path(folder, seed, start), {"posts": records}, schema_version=CROWD_SCHEMA_VERSION
    )
    return CHUNK
