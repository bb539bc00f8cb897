"""Whole crawls of the stand-ins: what is fetched, what is not, and why."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import sqlite3
import time
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import crawler.download
from avatar_common.disk.raw import downloaded_pictures
from avatar_common.errors import Unavailable, UserError
from crawler.options import StatusOptions
from crawler.state import only_one
from crawler.status import status
from demo.booru import FAULTS, BooruPost, Faults, serve
from demo.booru.faults import FILE_FAULTS, LISTING_FAULTS
from demo.booru.samples import make_posts, png
from demo.booru.server import Kind
from tests.crawler.crawls import (
    KINDS,
    check_exact,
    command,
    crawl,
    files_on_disk,
    last_json,
    obtainable,
    rows,
    spawn,
)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_obtainable_and_every_reason(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = Faults.all(seed=1, slow_s=0.02, retry_after_s=0)
    posts = list(make_posts(250, 1, faults=faults.names))
    with serve(posts, kind, faults=faults) as stand_in:
        crawl(stand_in, kind, tmp_path)
        first = last_json(capsys.readouterr().out)
        check_exact(posts, tmp_path)
        assert all(agent.startswith("anime-avatar-acgan/") for agent in stand_in.agents)
        sent = stand_in.requests["file"]
        crawl(stand_in, kind, tmp_path)
        again = last_json(capsys.readouterr().out)
        assert stand_in.requests["file"] == sent
    assert again["posts"] == first["posts"]
    reasons = set(first["posts"]["stand-in"]["reasons"])
    assert {"hidden", "no file url", "md5 mismatch", "rating explicit", "type webm"} <= reasons
    assert first["files"] == len([post for post in posts if obtainable(post)])
    pictures = list(downloaded_pictures(tmp_path / "data" / "raw"))
    assert len(pictures) == first["files"]
    assert all(picture.md5 == picture.path.stem for picture in pictures)
    assert all(picture.path.read_bytes() for picture in pictures)
    status(StatusOptions(workspace=tmp_path))
    assert last_json(capsys.readouterr().out)["posts"] == first["posts"]


@pytest.mark.parametrize("kind", KINDS)
def test_limit_newer_posts_and_more(kind: Kind, tmp_path: Path) -> None:
    posts = list(make_posts(60, 2))
    old, new = posts[:50], posts[50:]
    with serve(old, kind, arrivals=new) as stand_in:
        crawl(stand_in, kind, tmp_path, limit=20, rating=("general", "questionable", "explicit"))
        first = set(rows(tmp_path))
        asked = len(stand_in.queries)
        crawl(stand_in, kind, tmp_path, limit=20, rating=("general", "questionable", "explicit"))
        assert set(rows(tmp_path)) == first
        assert len(stand_in.queries) == asked + 1
        stand_in.catalogue.arrive(10)
        crawl(stand_in, kind, tmp_path, limit=20, rating=("general", "questionable", "explicit"))
        newest = {post.post_id for post in new} & set(rows(tmp_path))
        assert newest
        assert set(rows(tmp_path)) == first | newest
        crawl(stand_in, kind, tmp_path, limit=0, rating=("general", "questionable", "explicit"))
    expected = {post.post_id for post in posts if post.rating != "s" or kind == "moebooru"}
    assert set(rows(tmp_path)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_lying_rating_filter_never_brings_a_picture(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one request is made for such a file, so its bytes are never on disk for a moment."""
    written: list[str] = []
    fetch_file = crawler.download._fetch

    def watched(url: str, *others: object) -> tuple[str, int]:
        digest, size = fetch_file(url, *others)  # type: ignore[arg-type]
        written.append(digest)
        return digest, size

    monkeypatch.setattr(crawler.download, "_fetch", watched)
    posts = list(make_posts(200, 3))
    with serve(posts, kind, faults=Faults(["lying_rating"])) as stand_in:
        crawl(stand_in, kind, tmp_path)
        sent = set(stand_in.files_sent)
    general = {post.md5 for post in posts if post.rating == "g"}
    assert sent == set(written) == set(files_on_disk(tmp_path)) == general
    refused = [row for row in rows(tmp_path).values() if row["status"] == "skipped"]
    assert len(refused) == len(posts) - len(general)
    assert all(row["reason"].startswith("rating ") for row in refused)


def no_files() -> Faults:
    """Listings as usual, 503 for every file."""
    faults = Faults()
    faults.draw = lambda lane, key: "http_503" if lane == "file" else None  # type: ignore[method-assign]
    return faults


def test_leftovers_of_a_laxer_run_are_not_fetched(tmp_path: Path) -> None:
    """Explicit posts that an earlier run listed and did not get: not under --rating general."""
    posts = [replace(post, rating="e") for post in make_posts(20, 4)]
    with serve(posts, "danbooru", faults=no_files()) as stand_in:
        with pytest.raises(Unavailable, match="20 files did not come: http 503 20"):
            crawl(stand_in, "danbooru", tmp_path, rating=("explicit",), retries=0)
        assert {row["reason"] for row in rows(tmp_path).values()} == {"http 503"}
        with closing(sqlite3.connect(tmp_path / "data/raw/crawl.sqlite")) as connection:
            connection.execute("UPDATE posts SET status = 'listed' WHERE post_id % 2")
            connection.commit()
        stand_in.faults = Faults()
        crawl(stand_in, "danbooru", tmp_path)
        assert not stand_in.files_sent
        assert files_on_disk(tmp_path) == {}
        crawl(stand_in, "danbooru", tmp_path, rating=("explicit",))
        assert len(files_on_disk(tmp_path)) == len(posts)


def test_one_file_for_the_same_bytes_on_two_sites(tmp_path: Path) -> None:
    posts = list(make_posts(40, 6))
    twin = replace(posts[0], post_id=9000)
    with serve([*posts, twin], "danbooru") as first, serve(posts, "moebooru") as second:
        crawl(first, "danbooru", tmp_path, name="first")
        crawl(second, "moebooru", tmp_path, name="second")
        assert not second.files_sent
        assert max(first.files_sent.values()) == 1
    recorded = rows(tmp_path)
    assert recorded[twin.post_id]["file"] == recorded[posts[0].post_id]["file"]
    pictures = list(downloaded_pictures(tmp_path / "data" / "raw"))
    assert (
        len(pictures) == len({picture.md5 for picture in pictures}) == len(files_on_disk(tmp_path))
    )


def one_post(data: bytes, ext: str = "png", **changes: object) -> BooruPost:
    (post,) = make_posts(1)
    values = {"content": data, "md5": hashlib.md5(data).hexdigest(), "file_ext": ext, "rating": "g",
              "file_size": len(data)}  # fmt: skip
    return replace(post, **(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("post", "options", "reason"),
    [(one_post(png(b"a", width=9000, height=9000)), {"max_megapixels": 10.0}, "too many pixels"),
     (one_post(png(b"b") + b"\0" * 5000, file_size=0), {"max_file_mb": 0.001}, "too large"),
     (one_post(b"<html>not a picture</html>"), {}, "not a picture"),
     (one_post(b""), {}, "empty file")],
    ids=["pixels", "bytes", "magic", "empty"],
)  # fmt: skip
def test_files_that_are_not_kept(
    post: BooruPost, options: dict[str, float], reason: str, tmp_path: Path
) -> None:
    # An empty body may be another one at the next run; the others are what they are.
    outcome = pytest.raises(Unavailable) if reason == "empty file" else nullcontext()
    with serve([post], "danbooru") as stand_in, outcome:
        crawl(stand_in, "danbooru", tmp_path, retries=1, **options)
    assert rows(tmp_path)[post.post_id]["reason"] == reason
    assert files_on_disk(tmp_path) == {}


def test_a_png_called_jpg_is_kept_under_its_true_name(tmp_path: Path) -> None:
    post = one_post(png(b"c"), "jpg")
    with serve([post], "gelbooru") as stand_in:
        crawl(stand_in, "gelbooru", tmp_path)
    assert rows(tmp_path)[post.post_id]["file"] == f"images/{post.md5[:2]}/{post.md5}.png"


def test_redirects_to_private_addresses_are_refused(tmp_path: Path) -> None:
    posts = list(make_posts(5, 7))
    with (
        serve(posts, "danbooru", faults=Faults(["private_redirect"])) as stand_in,
        pytest.raises(Unavailable, match="did not come: unsafe address"),
    ):
        crawl(stand_in, "danbooru", tmp_path)
    assert {row["reason"] for row in rows(tmp_path).values()} == {"unsafe address"}
    assert files_on_disk(tmp_path) == {}


def test_a_name_that_leads_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of the connection counts, not what the name looks like; nothing is sent."""
    look_up = socket.getaddrinfo

    def deceived(host: str, *others: object, **more: object) -> object:
        return look_up("127.0.0.2" if host == "cdn.example" else host, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", deceived)
    with socket.socket() as inside:
        try:
            inside.bind(("127.0.0.2", 0))
        except OSError:
            pytest.skip("this system has one loopback address only")
        inside.listen()
        inside.settimeout(0.5)
        with serve(make_posts(3), "danbooru") as stand_in:
            port = inside.getsockname()[1]
            monkeypatch.setattr("demo.booru.server.PRIVATE_URL", f"http://cdn.example:{port}/x.png")
            stand_in.faults = Faults(["private_redirect"])
            with pytest.raises(Unavailable, match="did not come: unsafe address"):
                crawl(stand_in, "danbooru", tmp_path, connections=1)
        connection, _ = inside.accept()
        with connection:
            assert connection.recv(100) == b""
    assert {row["reason"] for row in rows(tmp_path).values()} == {"unsafe address"}


def test_a_challenge_stops_with_one_line(tmp_path: Path) -> None:
    with serve(make_posts(5), "danbooru", faults=Faults(["cloudflare"])) as stand_in:
        process = spawn(command(stand_in, "danbooru", tmp_path))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 3
        assert len(errors.strip().splitlines()) == 1
        assert "Cloudflare" in errors
        assert sum(stand_in.requests.values()) == 1


def test_retry_after_is_kept(tmp_path: Path) -> None:
    faults = Faults(["http_429"], schedule=["http_429"], retry_after_s=1)
    with serve(make_posts(3), "danbooru", faults=faults) as stand_in:
        begin = time.monotonic()
        crawl(stand_in, "danbooru", tmp_path)
        assert time.monotonic() - begin >= 1.0
    assert len(files_on_disk(tmp_path)) > 0


def test_a_long_retry_after_stops(tmp_path: Path) -> None:
    faults = Faults(["http_429"], share=1.0, retry_after_s=7200)
    with (
        serve(make_posts(3), "danbooru", faults=faults) as stand_in,
        pytest.raises(Unavailable, match="120 minutes"),
    ):
        crawl(stand_in, "danbooru", tmp_path)


def test_three_tags_on_danbooru(tmp_path: Path) -> None:
    with (
        serve(make_posts(3), "danbooru") as stand_in,
        pytest.raises(UserError, match="more than 2 tags"),
    ):
        crawl(stand_in, "danbooru", tmp_path, tags="solo smile 1girl")


def test_a_site_that_ignores_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(make_posts(300), "moebooru") as stand_in:
        search = stand_in.catalogue.search

        def deaf(query: str, **others: object) -> list[BooruPost]:
            return search(re.sub(r"id:<\d+", "", query), **others)  # type: ignore[arg-type]

        monkeypatch.setattr(stand_in.catalogue, "search", deaf)
        with pytest.raises(UserError, match="ignores the bound"):
            crawl(stand_in, "moebooru", tmp_path)


def test_closed_api_goes_on_with_html(tmp_path: Path) -> None:
    posts = list(make_posts(120, 8))
    with serve(posts, "moebooru", faults=Faults(["closed_api"])) as stand_in:
        crawl(stand_in, "moebooru", tmp_path)
    check_exact(posts, tmp_path)


def test_bare_html_records_the_variant(tmp_path: Path) -> None:
    posts = list(make_posts(60, 9))
    with serve(posts, "moebooru", faults=Faults(["bare_html"])) as stand_in:
        crawl(stand_in, "moebooru", tmp_path, listing="html")
    recorded = rows(tmp_path)
    for post in posts:
        if post.rating == "g":
            row = recorded[post.post_id]
            assert row["status"] == "done"
            assert row["variant"] == ("original" if post.jpeg is None else "jpeg")
            assert row["file"].endswith(".jpg")
    on_disk = files_on_disk(tmp_path)
    assert all(name == md5 for name, md5 in on_disk.items())
    assert {picture.md5 for picture in downloaded_pictures(tmp_path / "data/raw")} == set(on_disk)


def test_gelbooru_json_and_its_empty_bodies(tmp_path: Path) -> None:
    faults = Faults(["closed_api", "empty_page", "empty_body"], share=0.4)
    posts = list(make_posts(250, 10))
    with serve(posts, "gelbooru", faults=faults) as stand_in:
        crawl(stand_in, "gelbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_a_site_that_moved_is_found_again(tmp_path: Path) -> None:
    """The same name at another address: what was left over is fetched from there."""
    posts = list(make_posts(120, 11))
    with (
        serve(posts, "danbooru", faults=no_files()) as stand_in,
        pytest.raises(Unavailable, match="in a row"),
    ):
        crawl(stand_in, "danbooru", tmp_path, retries=0)
    with serve(posts, "danbooru") as stand_in:
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_faults_have_names_that_exist() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Faults(["http_418"])
    assert set(LISTING_FAULTS) | set(FILE_FAULTS) <= set(FAULTS)


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    kind=st.sampled_from(KINDS),
    schedule=st.lists(
        st.none() | st.sampled_from(sorted({*LISTING_FAULTS, *FILE_FAULTS})), max_size=120
    ),
    content_seed=st.integers(0, 5),
)
@example(kind="danbooru", schedule=["empty_page", "empty_page"], content_seed=0)
@example(kind="moebooru", schedule=[None, "short_page", None, "html", "cut_off"], content_seed=1)
@example(kind="gelbooru", schedule=["empty_page", "empty_body", "truncated"], content_seed=2)
@example(kind="danbooru", schedule=["short_page", *FILE_FAULTS * 6], content_seed=3)
def test_any_schedule_of_faults(
    kind: Kind,
    schedule: list[str | None],
    content_seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    workspace = tmp_path_factory.mktemp("crawl")
    faults = Faults.all(schedule=schedule, slow_s=0.01, retry_after_s=0)
    posts = list(make_posts(40, content_seed, faults=faults.names))
    with serve(posts, kind, faults=faults) as stand_in:
        crawl(stand_in, kind, workspace)
        right = {post.md5 for post in posts if obtainable(post)}
        assert all(stand_in.files_sent[md5] == 1 for md5 in right)
    check_exact(posts, workspace)
    shutil.rmtree(workspace)


def test_records_first_files_later(tmp_path: Path) -> None:
    posts = list(make_posts(300, 13))
    with serve(posts, "danbooru") as stand_in:
        crawl(stand_in, "danbooru", tmp_path, records_only=True)
        assert not stand_in.requests["file"]
        assert {row["status"] for row in rows(tmp_path).values()} == {"listed"}
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_two_crawls_at_once_are_refused(tmp_path: Path) -> None:
    with (
        serve(make_posts(3), "danbooru") as stand_in,
        only_one(tmp_path / "data" / "raw"),
        pytest.raises(UserError, match="another crawl"),
    ):
        crawl(stand_in, "danbooru", tmp_path)


def test_another_order_is_refused(tmp_path: Path) -> None:
    with serve(make_posts(30), "danbooru") as stand_in:
        stand_in.catalogue.search = lambda query, **others: stand_in.catalogue.posts()[::-1]  # type: ignore[method-assign]
        with pytest.raises(UserError, match="by id"):
            crawl(stand_in, "danbooru", tmp_path)
