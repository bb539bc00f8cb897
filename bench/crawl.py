"""`bench crawl`: our crawl beside gallery-dl's on stand-ins, or the state at a million posts."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.raw import RawFolder
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import Unavailable
from bench.options import CrawlOptions
from crawler.sites import KINDS
from crawler.state import State
from demo.booru import BooruPost, StandIn, serve
from demo.booru.samples import make_posts

log = logging.getLogger(__name__)
TAGS = "solo"
# Where gallery-dl's configuration keeps the instances of a kind, and what a search looks like.
GALLERY_DL = {
    "danbooru": ("Danbooru", "{root}/posts?tags={tags}"),
    "moebooru": ("moebooru", "{root}/post?tags={tags}"),
    "gelbooru": ("gelbooru_v02", "{root}/index.php?page=post&s=list&tags={tags}"),
}


def run(options: CrawlOptions) -> None:
    """Print one JSON object with the figures."""
    if options.dry_run:
        what = "build a state and time it" if options.state_posts else "crawl three stand-ins twice"
        explain_dry_run(options, [what])
    elif options.state_posts:
        emit_json({"state": _state_figures(options.state_posts)})
    else:
        if importlib.util.find_spec("gallery_dl") is None:
            raise Unavailable("gallery-dl is not installed", hint="pip install -e '.[dev]'")
        emit_json({"kinds": {kind: _race(kind, options) for kind in GALLERY_DL}})


def _race(kind: str, options: CrawlOptions) -> dict[str, Any]:
    posts = list(make_posts(options.posts, options.seed))
    figures: dict[str, Any] = {}
    found: dict[str, set[str]] = {}
    with serve(posts, kind, latency_s=options.latency_ms / 1000) as stand_in:  # type: ignore[arg-type]
        for name, crawl in (("ours", _ours), ("gallery_dl", _gallery_dl)):
            with tempfile.TemporaryDirectory() as folder:
                command, pictures = crawl(kind, stand_in, Path(folder), options)
                started = time.monotonic()
                done = subprocess.run(command, capture_output=True, text=True)
                figures[f"{name}_seconds"] = round(time.monotonic() - started, 2)
                if done.returncode:
                    raise Unavailable(f"{name} failed: {done.stderr.strip()[-300:]}")
                found[name] = _md5s(pictures)
            log.info("%s: %s took %.1f s", kind, name, figures[f"{name}_seconds"])
    expected = {post.md5 for post in posts if post.rating == "g"}
    return {
        "same_files": found["ours"] == found["gallery_dl"] == expected,
        "files": len(found["ours"]),
        **figures,
        "time_ratio": round(figures["ours_seconds"] / figures["gallery_dl_seconds"], 3),
    }


def _ours(
    kind: str, stand_in: StandIn, folder: Path, options: CrawlOptions
) -> tuple[list[str], Path]:
    command = [
        sys.executable, "-m", "crawler", "fetch", "--site", stand_in.url, "--kind", kind,
        "--tags", TAGS, "--limit", "0", "--rate", "0", "--retry-wait", "0.05", "--quiet",
        "--connections", str(options.connections), "--workspace", str(folder),
    ]  # fmt: skip
    return command, RawFolder(Workspace(folder).raw).images


def _gallery_dl(
    kind: str, stand_in: StandIn, folder: Path, options: CrawlOptions
) -> tuple[list[str], Path]:
    section, search = GALLERY_DL[kind]
    instance = {"root": stand_in.url, "pattern": stand_in.url.removeprefix("http://")}
    config = folder / "gallery-dl.json"
    waits = {"sleep": 0, "sleep-request": 0, "sleep-extractor": 0, "sleep-retries": 0}
    config.write_text(json.dumps({"extractor": {section: {"stand-in": instance}, **waits}}))
    tags = KINDS[kind].search(TAGS, ("general",))
    pictures = folder / "pictures"
    command = [
        sys.executable, "-m", "gallery_dl", "--config-ignore", "--config", str(config), "--quiet",
        "--directory", str(pictures), search.format(root=stand_in.url, tags=quote(tags)),
    ]  # fmt: skip
    return command, pictures


def _md5s(folder: Path) -> set[str]:
    return {
        hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _state_figures(count: int) -> dict[str, Any]:
    """Seconds and peak memory of `status` and of a resumed `fetch` on a state of `count` posts."""
    with tempfile.TemporaryDirectory() as folder, serve([]) as stand_in:
        raw = Workspace(Path(folder)).raw
        started = time.monotonic()
        _fill(raw, stand_in, count)
        log.info("built a state of %d posts in %.0f s", count, time.monotonic() - started)
        status = [sys.executable, "-m", "crawler", "status", "--workspace", folder, "--quiet"]
        fetch = [
            sys.executable, "-m", "crawler", "fetch", "--site", stand_in.url, "--kind", "danbooru",
            "--tags", TAGS, "--limit", str(count), "--rate", "0", "--retry-wait", "0", "--quiet",
            "--name", "site-0", "--workspace", folder,
        ]  # fmt: skip
        bare = [sys.executable, "-c", "import crawler.fetch"]
        timed_status = _timed(status)
        timed_fetch = _timed(fetch, until=lambda: bool(stand_in.requests["listing"]))
        return {
            "posts": count,
            "megabytes": round(RawFolder(raw).database.stat().st_size / 1e6),
            "status_seconds": timed_status.seconds,
            "status_cpu_seconds": timed_status.cpu_seconds,
            "resume_seconds": timed_fetch.until_seconds,
            "whole_fetch_seconds": timed_fetch.seconds,
            "whole_fetch_cpu_seconds": timed_fetch.cpu_seconds,
            "start_of_python_seconds": _timed(bare).seconds,
            "peak_memory_mb": max(timed_status.peak_mb, timed_fetch.peak_mb),
        }


@dataclass(frozen=True)
class _Timed:
    """Wall seconds until a condition held and until the end, CPU seconds, and peak memory."""

    until_seconds: float
    seconds: float
    cpu_seconds: float
    peak_mb: float


def _timed(command: list[str], until: Callable[[], bool] = lambda: True) -> _Timed:
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not until() and time.monotonic() - started < 600:
        time.sleep(0.002)
    until_seconds = time.monotonic() - started
    _, code, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    errors = process.stderr.read().decode() if process.stderr else ""
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise Unavailable(f"{command[3:5]} failed: {errors[-300:]}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return _Timed(
        round(until_seconds, 2),
        round(seconds, 2),
        round(cpu_seconds, 2),
        round(kilobytes / 1024, 1),
    )


def _fill(raw: Path, stand_in: StandIn, count: int) -> None:
    """A finished crawl of so many posts on two sites, with a usual share of other endings."""
    sample = next(make_posts(1))
    tags = json.dumps({**sample.tags, "character": [f"tag_{n}" for n in range(25)]})
    endings: list[tuple[str, str | None]] = [("done", None)] * 17 + [
        ("skipped", "rating explicit"), ("skipped", "hidden"), ("failed", "md5 mismatch"),
    ]  # fmt: skip
    with closing(State(raw)) as state, state.transaction():
        state.connection.executemany(
            "INSERT INTO posts (site, post_id, md5, rating, tags, artist, source, file_url, "
            "variant, file_ext, file_size, width, height, created_at, status, reason, file) "
            "VALUES (?, ?, ?, 'general', ?, 'someone', ?, ?, 'original', 'jpg', 1, 1, 1, '', "
            "?, ?, ?)",
            (_row(number, count, sample, tags, endings) for number in range(count)),
        )
        state.connection.execute(
            "INSERT INTO queries VALUES ('site-0', ?, 'general', ?, ?, ?, ?)",
            (TAGS, stand_in.url, json.dumps([[1, count]]), count, count),
        )


def _row(
    number: int, count: int, sample: BooruPost, tags: str, endings: list[tuple[str, str | None]]
) -> tuple[object, ...]:
    md5 = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    status, reason = endings[number % len(endings)]
    file = f"images/{md5[:2]}/{md5}.jpg" if status == "done" else None
    site = "site-0" if 2 * number < count else "site-1"
    url = f"https://files.example/original/{md5}.jpg"
    return site, number + 1, md5, tags, sample.source, url, status, reason, file
