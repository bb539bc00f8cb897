"""Running the crawler against a stand-in, and what a faultless crawl of it must hold."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from crawler.fetch import fetch
from crawler.options import FetchOptions
from crawler.policy import PICTURE_EXTENSIONS
from demo.booru import BooruPost, StandIn
from demo.booru.server import Kind

ROOT = Path(__file__).resolve().parents[2]
KINDS: tuple[Kind, ...] = ("danbooru", "moebooru", "gelbooru")


def options(stand_in: StandIn, kind: Kind, workspace: Path, **others: Any) -> FetchOptions:
    """Unpaced options for a stand-in; everything in it by default."""
    values: dict[str, Any] = {
        "site": stand_in.url,
        "kind": kind,
        "tags": "solo",
        "limit": 0,
        "rate": 0.0,
        "retry_wait": 0.001,
        "timeout": 10.0,
        "workspace": workspace,
        "quiet": True,
        "name": "stand-in",
    }
    return FetchOptions(**(values | others))


def crawl(stand_in: StandIn, kind: Kind, workspace: Path, **others: Any) -> None:
    fetch(options(stand_in, kind, workspace, **others))


def command(stand_in: StandIn, kind: Kind, workspace: Path) -> list[str]:
    """The same crawl as a command of its own process."""
    return [
        sys.executable, "-m", "crawler", "fetch", "--site", stand_in.url, "--kind", kind,
        "--tags", "solo", "--limit", "0", "--rate", "0", "--retry-wait", "0.001", "--quiet",
        "--name", "stand-in", "--workspace", str(workspace),
    ]  # fmt: skip


def spawn(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def files_on_disk(workspace: Path) -> dict[str, str]:
    """Name without extension -> md5 of the bytes, for every picture."""
    images = workspace / "data" / "raw" / "images"
    return {
        path.stem: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in images.glob("*/*")
    }


def rows(workspace: Path) -> dict[int, dict[str, Any]]:
    """The recorded posts by id."""
    with closing(sqlite3.connect(workspace / "data" / "raw" / "crawl.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM posts").fetchall()
    return {row["post_id"]: dict(row) for row in found}


def obtainable(post: BooruPost) -> bool:
    """Whether a crawl for general posts can and should get this one's file."""
    true_md5 = hashlib.md5(post.data(), usedforsecurity=False).hexdigest()
    return (
        post.rating == "g"
        and post.file_ext in PICTURE_EXTENSIONS
        and post.md5 == true_md5
        and not (post.hidden or post.unlisted or post.deleted or post.without_url)
    )


def check_exact(posts: list[BooruPost], workspace: Path) -> None:
    """Every obtainable file is there with its md5, nothing else is, and each post has an end."""
    expected = {post.md5 for post in posts if obtainable(post)}
    on_disk = files_on_disk(workspace)
    assert set(on_disk) == expected
    assert all(name == md5 for name, md5 in on_disk.items())
    recorded = rows(workspace)
    for post in posts:
        row = recorded.get(post.post_id)
        if obtainable(post):
            assert row is not None
            assert row["status"] == "done", (post.post_id, row["reason"])
        elif row is not None:
            assert row["status"] in ("skipped", "failed")
            assert row["reason"]
        else:
            assert post.unlisted or post.deleted or post.rating != "g", post.post_id
    assert list((workspace / "data" / "raw" / "parts").iterdir()) == []


def last_json(text: str) -> dict[str, Any]:
    content = json.loads(text.strip().splitlines()[-1])
    assert isinstance(content, dict)
    return content
