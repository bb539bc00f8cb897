"""Listings out of order, damaged, closed or without end."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_common.errors import Unavailable, UserError
from demo.booru import BooruPost, Faults, serve
from demo.booru.answers import Answer
from demo.booru.server import Kind
from tests.crawler.bad_days import answering, general
from tests.crawler.crawls import KINDS, check_exact, crawl, files_on_disk, last_json, rows


def test_html_that_lists_by_release_is_asked_for_by_id(tmp_path: Path) -> None:
    posts = general(250, 9)
    faults = Faults(["closed_api", "by_release"])
    with serve(posts, "moebooru", faults=faults) as stand_in:
        crawl(stand_in, "moebooru", tmp_path)
        assert all("order%3Aid_desc" in query for query in stand_in.queries if "/post?" in query)
    check_exact(posts, tmp_path)


def test_json_out_of_order_is_asked_for_by_id(tmp_path: Path) -> None:
    posts = general(250, 9)
    with serve(posts, "gelbooru") as stand_in:
        search = stand_in.catalogue.search

        def by_score(query: str, **others: object) -> list[BooruPost]:
            found = search(query, **others)  # type: ignore[arg-type]
            return found if "sort:id:desc" in query else sorted(found, key=lambda post: post.score)

        stand_in.catalogue.search = by_score  # type: ignore[method-assign]
        crawl(stand_in, "gelbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_a_row_out_of_order_costs_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An old post on top of the first page, whatever is asked for, as a pinned one would be."""
    posts = general(60, 10)

    def pinned(path: str, answer: Answer) -> Answer:
        if path != "/posts.json":
            return answer
        found = json.loads(answer.body)
        found = [found[30], *found] if found[30:] else found
        return replace(answer, body=json.dumps(found).encode())

    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, pinned)
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


@pytest.mark.parametrize(
    ("kind", "listing"),
    [("danbooru", "json"), ("moebooru", "json"), ("gelbooru", "xml"), ("gelbooru", "json")],
)
def test_a_control_character_costs_its_row(
    kind: Kind, listing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = general(12, 11)
    with serve(posts, kind, faults=Faults(["control_character"])) as stand_in:
        crawl(stand_in, kind, tmp_path, listing=listing)
    assert last_json(capsys.readouterr().out)["run"]["malformed_rows"] == 1
    check_exact(sorted(posts, key=lambda post: post.post_id)[:-1], tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_that_wants_a_key(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said at once, with its words and where a key goes; with one, all is well."""
    posts = general(12, 12)
    with serve(posts, kind, faults=Faults(["wants_key"])) as stand_in:
        with pytest.raises(UserError, match="Missing authentication") as stop:
            crawl(stand_in, kind, tmp_path)
        assert "$AVATAR_CREDENTIALS_127_0_0_1" in str(stop.value)
        assert stand_in.requests["listing"] <= 2
        monkeypatch.setenv("AVATAR_CREDENTIALS_127_0_0_1", "me:secret")
        crawl(stand_in, kind, tmp_path)
    check_exact(posts, tmp_path)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "body", [b"Missing authentication", b"<html><title>Sign in</title>", b'{"message":"API key"}']
)
def test_a_refused_listing_is_quoted(status: int, body: bytes, tmp_path: Path) -> None:
    with serve(general(3), "danbooru") as stand_in:
        answering(stand_in, lambda path, answer: Answer(body, status))
        with pytest.raises(UserError, match=r"Missing auth|Sign in|API key") as stop:
            crawl(stand_in, "danbooru", tmp_path)
    assert "AVATAR_CREDENTIALS" in str(stop.value)


def test_words_that_stay_the_same_are_believed_soon(tmp_path: Path) -> None:
    with serve(general(3), "danbooru") as stand_in:
        answering(stand_in, lambda path, answer: Answer(b"We are moving house. Come back later"))
        with pytest.raises(Unavailable, match="moving house"):
            crawl(stand_in, "danbooru", tmp_path)
        assert stand_in.requests["listing"] == 3


def without_ids(bad: set[int]) -> Callable[[str, Answer], Answer]:
    def change(path: str, answer: Answer) -> Answer:
        if path != "/posts.json":
            return answer
        found = json.loads(answer.body)
        for row in found:
            if row["id"] in bad:
                for key in ("id", "md5", "file_url", "large_file_url"):
                    row.pop(key, None)
        return replace(answer, body=json.dumps(found).encode())

    return change


@pytest.mark.parametrize(
    ("bad", "counted"),
    [({1001}, 1), ({1001, 1008, 1009}, 3), ({1012}, 1), ({1001, 1002, 1003, 1012}, 4)],
)  # fmt: skip
def test_rows_without_an_id_end_no_walk(
    bad: set[int], counted: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = general(12, 13)
    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, without_ids(bad))
        for _ in range(2):
            crawl(stand_in, "danbooru", tmp_path)
        run = json.loads(capsys.readouterr().out.splitlines()[0])["run"]
        assert run["malformed_rows"] == counted
    check_exact([post for post in posts if post.post_id not in bad], tmp_path)


def test_a_last_row_that_never_comes_again_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind the last post of a page stands something that the next page does not show."""

    def with_junk(path: str, answer: Answer) -> Answer:
        found = json.loads(answer.body) if path == "/posts.json" else []
        return (
            replace(answer, body=json.dumps([*found, {"id": None}]).encode()) if found else answer
        )

    posts = general(12, 13)
    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, with_junk)
        crawl(stand_in, "danbooru", tmp_path)
    assert last_json(capsys.readouterr().out)["run"]["malformed_rows"] == 1
    check_exact(posts, tmp_path)


def test_damaged_rows_are_asked_for_again(tmp_path: Path) -> None:
    """A later run of the same command takes what has become readable."""
    posts = general(30, 13)
    bad = {1003, 1004, 1011, 1029, 1030}
    with serve(posts, "danbooru") as stand_in:
        usual = stand_in.booru.answer
        answering(stand_in, without_ids(bad))
        crawl(stand_in, "danbooru", tmp_path)
        assert len(rows(tmp_path)) == 25
        stand_in.booru.answer = usual  # type: ignore[method-assign]
        crawl(stand_in, "danbooru", tmp_path)
        check_exact(posts, tmp_path)
        asked = stand_in.requests["listing"]
        crawl(stand_in, "danbooru", tmp_path)
        assert stand_in.requests["listing"] == asked + 1


def test_a_listing_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    with serve(general(12, 13), "danbooru") as stand_in:
        answering(stand_in, without_ids(set(range(1001, 1013))))
        with pytest.raises(Unavailable, match="the listing cannot be read"):
            crawl(stand_in, "danbooru", tmp_path)
        stand_in.booru = type(stand_in.booru)()
        crawl(stand_in, "danbooru", tmp_path)
    assert len(files_on_disk(tmp_path)) == 12


def test_a_page_of_nothing_but_bad_rows_is_stepped_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two pages of them in mid-listing, and one more row: what lies below is found."""
    posts = general(700, 14)
    bad = set(range(1150, 1551))
    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, without_ids(bad))
        crawl(stand_in, "danbooru", tmp_path)
    assert last_json(capsys.readouterr().out)["run"]["malformed_rows"] == len(bad)
    check_exact([post for post in posts if post.post_id not in bad], tmp_path)


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    kind=st.sampled_from(KINDS),
    html=st.booleans(),
    marks=st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from([b"\x00", b"\x0b", b"\xff", b'"', b"<", b"&", b"}", b"]", b"\\", b","]),
        ),
        min_size=1, max_size=3,
    ),
    cut=st.none() | st.floats(0.3, 1.0),
)  # fmt: skip
def test_any_standing_damage_of_every_page(
    kind: Kind,
    html: bool,
    marks: list[tuple[float, bytes]],
    cut: float | None,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every post is recorded, or the run counts rows that it could not read, or says why not."""
    workspace = tmp_path_factory.mktemp("crawl")
    posts = general(30, 15)

    def damaged(path: str, answer: Answer) -> Answer:
        if answer.md5 is not None:
            return answer
        body = answer.body
        for where, mark in marks:
            at = int(where * len(body))
            body = body[:at] + mark + body[at:]
        return replace(answer, body=body[: int(cut * len(body))] if cut else body)

    capsys.readouterr()
    with serve(posts, kind) as stand_in:
        answering(stand_in, damaged)
        listing = "html" if html and kind == "moebooru" else "auto"
        try:
            crawl(stand_in, kind, workspace, listing=listing, records_only=True, retries=1)
        except UserError:
            return
    run = last_json(capsys.readouterr().out)["run"]
    with closing(sqlite3.connect(workspace / "data" / "raw" / "crawl.sqlite")) as connection:
        recorded = {row[0] for row in connection.execute("SELECT post_id FROM posts")}
    missing = {post.post_id for post in posts} - recorded
    # A stray mark inside of an id makes another one of it; such a row is not missing.
    strangers = recorded - {post.post_id for post in posts}
    assert len(missing) <= run["malformed_rows"] + len(strangers) or run["malformed_rows"] > 0
