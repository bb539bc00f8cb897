"""The plan of a crawl, further tags, blacklists and credentials."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crawler.options import PlanOptions
from crawler.plan import plan
from demo.booru import BooruPost, Faults, serve
from demo.booru.samples import make_posts
from demo.booru.server import Kind
from tests.crawler.crawls import (
    KINDS,
    check_exact,
    command,
    crawl,
    files_on_disk,
    last_json,
    obtainable,
    spawn,
)


@pytest.mark.parametrize("kind", KINDS)
def test_plan_foretells_the_fetch(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = [post for post in make_posts(240, 12) if post.rating == "g"]
    with serve(posts, kind) as stand_in:
        values: dict[str, Any]
        values = {"site": stand_in.url, "kind": kind, "tags": "solo", "limit": 150, "rate": 50.0,
                  "workspace": tmp_path, "name": "stand-in"}  # fmt: skip
        plan(PlanOptions(**values))
        told = last_json(capsys.readouterr().out)["sites"]["stand-in"]
        assert not (tmp_path / "data").exists()
        assert not stand_in.requests["file"]
        stand_in.requests.clear()
        crawl(stand_in, kind, tmp_path, limit=150)
        run = last_json(capsys.readouterr().out)["run"]
        assert (told["matching"], told["posts"], told["files"]) == (len(posts), 150, run["fetched"])
        assert abs(told["listing_requests"] - stand_in.requests["listing"]) <= 1
        if kind != "gelbooru":
            assert told["bytes"] == pytest.approx(run["bytes"], rel=0.1)


def test_plan_of_a_site_that_does_not_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that is not full holds all there is."""
    posts = [replace(post, rating="g") for post in make_posts(30, 12)]
    with serve(posts, "moebooru", faults=Faults(["closed_api"])) as stand_in:
        plan(
            PlanOptions(
                site=stand_in.url, kind="moebooru", tags="", rate=0.0, name="x", workspace=tmp_path
            )
        )
    told = last_json(capsys.readouterr().out)["sites"]["x"]
    assert (told["matching"], told["posts"], told["files"]) == (30, 30, 30)


@pytest.mark.parametrize("kind", KINDS)
def test_plan_tells_the_classes(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What a page says of the vocabulary's classes, and what the site says of each."""
    caplog.set_level("INFO")
    posts = [replace(post, rating="g") for post in make_posts(80, 12)]
    with serve(posts, kind) as stand_in:
        values: dict[str, Any]
        values = {"site": stand_in.url, "kind": kind, "tags": "1girl", "rate": 0.0, "limit": 0,
                  "workspace": tmp_path, "name": "stand-in", "by_class": True}  # fmt: skip
        plan(PlanOptions(**values))
        told = last_json(capsys.readouterr().out)["sites"]["stand-in"]
        for group, name, tag in (("hair_color", "blue", "blue_hair"), ("smile", "1", "smile")):
            count = sum(tag in post.tags["general"] for post in posts)
            assert told["classes"][group][name] == pytest.approx(count, abs=1)
            assert told["on_site"][group][name] == {"tag": tag, "posts": count}
        assert told["classes"]["hair_color"]["white"] == 0
        assert told["on_site"]["hair_color"]["white"]["posts"] == 0
        assert not stand_in.requests["file"]
    assert "to fill one: python -m crawler fetch" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_further_tags_and_blacklists(kind: Kind, tmp_path: Path) -> None:
    posts = list(make_posts(120, 21))
    choice = {"also": ("smile", "blue hair"), "without": ("red_eyes", "artist_0*")}

    def wanted(post: BooruPost) -> bool:
        names = post.all_tags()
        return (
            {"smile", "blue_hair"} <= set(names)
            and "red_eyes" not in names
            and not any(name.startswith("artist_0") for name in names)
        )

    right = {post.md5 for post in posts if obtainable(post) and wanted(post)}
    assert right
    with serve(posts, kind) as stand_in:
        crawl(stand_in, kind, tmp_path, **choice)
        assert set(files_on_disk(tmp_path)) == right
        sent = stand_in.requests["file"]
        assert sent == len(right), "no other file was asked for"
        # Without the choice, the rest comes.
        crawl(stand_in, kind, tmp_path)
    check_exact(posts, tmp_path)


def test_leftovers_with_an_unwanted_tag_are_not_fetched(tmp_path: Path) -> None:
    posts = list(make_posts(60, 22))
    with serve(posts, "danbooru") as stand_in:
        crawl(stand_in, "danbooru", tmp_path, records_only=True)
        crawl(stand_in, "danbooru", tmp_path, without=("blue_hair",))
        blue = {post.md5 for post in posts if "blue_hair" in post.tags["general"]}
        assert blue
        assert files_on_disk(tmp_path)
        assert not blue & set(files_on_disk(tmp_path))
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_credentials_are_sent_and_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AVATAR_CREDENTIALS_127_0_0_1", "me:tops3cret")
    faults = Faults(["http_503", "html", "http_429"], share=0.5, retry_after_s=0)
    for kind in KINDS:
        workspace = tmp_path / kind
        with serve(make_posts(60), kind, faults=faults) as stand_in:
            arguments = [*command(stand_in, kind, workspace)]
            arguments.remove("--quiet")
            process = spawn(arguments)
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0
            if kind != "danbooru":
                assert any("tops3cret" in query for query in stand_in.queries)
                assert not any("tops3cret" in path for path in stand_in.files_sent)
        assert "tops3cret" not in output + errors
        for path in workspace.rglob("*"):
            assert not path.is_file() or b"tops3cret" not in path.read_bytes()
        shutil.rmtree(workspace)
