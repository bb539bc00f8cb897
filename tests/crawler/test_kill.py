"""kill -9 in the middle, all faults at once: the same command ends with everything, once."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from demo.booru import Faults, serve
from demo.booru.samples import FIRST_ID, make_posts
from demo.booru.server import Kind
from tests.crawler.crawls import (
    KINDS,
    check_exact,
    command,
    files_on_disk,
    obtainable,
    rows,
    spawn,
)

CONNECTIONS = 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_stop_saves_and_goes_on(number: int, code: int, tmp_path: Path) -> None:
    posts = list(make_posts(150, 3))
    with serve(posts, latency_s=0.02) as stand_in:
        process = spawn([*command(stand_in, "danbooru", tmp_path), "--connections", "2"])
        while sum(stand_in.files_sent.values()) < 20:
            time.sleep(0.005)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == code
        assert "Traceback" not in errors
        done = [row for row in rows(tmp_path).values() if row["status"] == "done"]
        assert len(done) >= 15, "what was fetched is recorded"
        process = spawn(command(stand_in, "danbooru", tmp_path))
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert sum(stand_in.files_sent.values()) <= len(files_on_disk(tmp_path)) + 4
    check_exact(posts, tmp_path)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("danbooru", 400), *(pytest.param(kind, 5000, marks=pytest.mark.slow) for kind in KINDS)],
)
def test_three_kills_with_all_faults(kind: Kind, count: int, tmp_path: Path) -> None:
    faults = Faults.all(seed=7, slow_s=0.05, retry_after_s=0)
    posts = list(make_posts(count, 7, faults=faults.names))
    arrivals = list(make_posts(500, 8, first_id=FIRST_ID + count))
    rng = random.Random(kind)
    kills = 0
    with serve(posts, kind, faults=faults, arrivals=arrivals) as stand_in:
        for third in range(1, 4):
            # Killed at a random moment of its work, not of its start.
            enough = int(count * 0.7 * (third - rng.random()) / 3)
            process = spawn(command(stand_in, kind, tmp_path))
            while sum(stand_in.files_sent.values()) < enough and process.poll() is None:
                time.sleep(0.002)
            kills += process.poll() is None
            process.kill()
            process.communicate()
        assert kills == 3
        process = spawn(command(stand_in, kind, tmp_path))
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        # What arrived on the way, above the ids of that moment, is there after one more run.
        process = spawn(command(stand_in, kind, tmp_path))
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        present = stand_in.catalogue.posts()
        sent = dict(stand_in.files_sent)
    top = max(rows(tmp_path))
    assert top >= posts[-1].post_id
    check_exact([post for post in present if post.post_id <= top], tmp_path)
    right = {post.md5 for post in present if obtainable(post)}
    assert sum(sent[md5] - 1 for md5 in right & sent.keys()) <= kills * 2 * CONNECTIONS
