"""Forgetting posts, tags and artists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from avatar_common.errors import UserError
from crawler.forget import forget
from crawler.options import ForgetOptions
from demo.booru import StandIn, serve
from demo.booru.samples import make_posts
from demo.booru.server import Kind
from tests.crawler.crawls import (
    crawl,
    files_on_disk,
    last_json,
    rows,
)


def test_forgotten_pictures_stay_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    posts = list(make_posts(80, 5))
    artist = posts[10].tags["artist"][0]
    gone = {post.md5 for post in posts if post.tags["artist"][0] == artist}
    blue = {post.md5 for post in posts if "blue_hair" in post.tags["general"]}
    single = next(post for post in posts if post.rating == "g" and post.md5 not in gone | blue)
    gone |= blue | {single.md5}
    everything = {post.md5 for post in posts if post.rating == "g"}
    with serve(posts, "danbooru") as stand_in, serve(posts, "gelbooru") as other:
        crawl(stand_in, "danbooru", tmp_path)
        crawl(other, "gelbooru", tmp_path, name="other")
        assert set(files_on_disk(tmp_path)) == everything
        capsys.readouterr()
        forget(ForgetOptions(workspace=tmp_path, artist=(artist,), tag=("Blue hair",),
                             post=(f"stand-in:{single.post_id}",)))  # fmt: skip
        counts = last_json(capsys.readouterr().out)
        assert counts["files"] == len(everything & gone)
        assert counts["posts"] == 2 * counts["files"], "the same files on the other site too"
        assert set(files_on_disk(tmp_path)) == everything - gone
        before = stand_in.requests["file"] + other.requests["file"]
        sites: tuple[tuple[StandIn, Kind, str], ...]
        sites = ((stand_in, "danbooru", "stand-in"), (other, "gelbooru", "other"))
        for server, kind, name in sites:
            crawl(server, kind, tmp_path, name=name, tags="1girl")
        assert stand_in.requests["file"] + other.requests["file"] == before
    assert set(files_on_disk(tmp_path)) == everything - gone
    forgotten = [row for row in rows(tmp_path).values() if row["status"] == "forgotten"]
    assert forgotten
    assert all(
        (row["tags"], row["md5"], row["file_url"]) == ("{}", None, None) for row in forgotten
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"post": ("7",)}, {"post": ("x:y",)}, {"tag": (" ",)}],
)
def test_forget_says_what_is_wrong(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError):
        forget(ForgetOptions(workspace=tmp_path, **options))
