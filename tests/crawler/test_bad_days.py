"""Sites on their bad days: nothing that may pass is final, and nothing is lost in silence."""

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
from crawler.picture import is_whole, read_header
from demo.booru import BooruPost, Faults, StandIn, serve
from demo.booru.answers import HTML_PAGE, Answer
from demo.booru.samples import make_posts, png
from tests.crawler.crawls import KINDS, check_exact, crawl, files_on_disk, last_json, rows

EVERY_RATING = ("general", "questionable", "explicit")


def general(count: int, seed: int = 0, **changes: object) -> list[BooruPost]:
    return [replace(post, rating="g", **changes) for post in make_posts(count, seed)]  # type: ignore[arg-type]


def standing(fault: str | None, lane: str = "file") -> Faults:
    """The same fault for every request of a lane."""
    faults = Faults()
    faults.draw = lambda asked, key: fault if asked == lane else None  # type: ignore[method-assign]
    return faults


def answering(stand_in: StandIn, change: Callable[[str, Answer], Answer]) -> None:
    """Let `change` alter every answer of a stand-in, by its path."""
    usual = stand_in.booru.answer

    def altered(catalogue: object, root: str, path: str, *others: object) -> Answer | None:
        answer = usual(catalogue, root, path, *others)  # type: ignore[arg-type]
        return None if answer is None else change(path, answer)

    stand_in.booru.answer = altered  # type: ignore[method-assign, assignment]


def refused_with(status: int, body: bytes = HTML_PAGE) -> Callable[[str, Answer], Answer]:
    return lambda path, answer: Answer(body, status, "text/html") if answer.md5 else answer


def recompressed(path: str, answer: Answer) -> Answer:
    """Other bytes for each file, of the same type and size in pixels."""
    if answer.md5 is None:
        return answer
    return replace(answer, body=png(b"again " + answer.md5.encode()))


BAD_DAYS = {
    "html": "an HTML page", "placeholder": "a placeholder", "words": "words",
    "cut_picture": "a cut picture", "empty_body": "empty file",
    "corrupt": "md5 mismatch, like many others", "truncated": "truncated", "http_503": "http 503",
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_DAYS)
def test_what_comes_in_place_of_files_is_named_and_passes(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dozen files on a bad day: said, counted, an exit code; all there the day after."""
    posts = [post for post in general(40, 3) if post.file_ext == "png"][:12]
    with serve(posts, "danbooru", faults=standing(fault)) as stand_in:
        with pytest.raises(Unavailable, match=f"12 files did not come: {BAD_DAYS[fault]}") as stop:
            crawl(stand_in, "danbooru", tmp_path, retries=2)
        assert stop.value.exit_code == 3
        said = last_json(capsys.readouterr().out)
        assert said["run"]["missing_files"] == 12
        assert said["posts"]["stand-in"]["reasons"] == {BAD_DAYS[fault]: 12}
        assert stand_in.requests["file"] <= 36
        assert files_on_disk(tmp_path) == {}
        stand_in.faults = Faults()
        crawl(stand_in, "danbooru", tmp_path)
    assert last_json(capsys.readouterr().out)["run"]["missing_files"] == 0
    check_exact(posts, tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_refusals_of_every_file_pass(status: int, tmp_path: Path) -> None:
    posts = general(12)
    with serve(posts, "danbooru") as stand_in:
        usual = stand_in.booru.answer
        answering(stand_in, refused_with(status))
        with pytest.raises(Unavailable, match=f"12 files did not come: http {status}"):
            crawl(stand_in, "danbooru", tmp_path)
        stand_in.booru.answer = usual  # type: ignore[method-assign]
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_a_single_missing_file_stays_missing(tmp_path: Path) -> None:
    """A 404 among files that come is final, and so is a wrong md5; nobody asks again."""
    posts = general(12)
    gone, wrong = posts[3], replace(posts[5], md5="0" * 32)
    posts[5] = wrong

    def one_gone(path: str, answer: Answer) -> Answer:
        return Answer(HTML_PAGE, 404, "text/html") if answer.md5 == gone.md5 else answer

    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, one_gone)
        crawl(stand_in, "danbooru", tmp_path)
        assert rows(tmp_path)[gone.post_id]["reason"] == "http 404"
        assert rows(tmp_path)[wrong.post_id]["reason"] == "md5 mismatch"
        asked = stand_in.requests["file"]
        crawl(stand_in, "danbooru", tmp_path)
        assert stand_in.requests["file"] == asked
    assert len(files_on_disk(tmp_path)) == 10


@pytest.mark.parametrize("fault", [*BAD_DAYS, "recompressed"])
def test_many_in_a_row_stop_the_site(fault: str, tmp_path: Path) -> None:
    posts = [post for post in general(300, 4) if post.file_ext == "png"]
    with serve(posts, "danbooru") as stand_in:
        if fault == "recompressed":
            answering(stand_in, recompressed)
        else:
            stand_in.faults = standing(fault)
        with pytest.raises(Unavailable, match="30 files in a row did not come"):
            crawl(stand_in, "danbooru", tmp_path, retries=2)
        assert stand_in.requests["file"] < 200
        assert "failed" in {row["status"] for row in rows(tmp_path).values()}
    with serve(posts, "danbooru") as stand_in:
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


def test_the_line_that_stops_quotes_the_site(tmp_path: Path) -> None:
    with (
        serve(general(60), "gelbooru", faults=standing("words")) as stand_in,
        pytest.raises(Unavailable, match=r"words \(You must be logged in to see this\)"),
    ):
        crawl(stand_in, "gelbooru", tmp_path, retries=0)


def test_old_failures_do_not_keep_new_files_away(tmp_path: Path) -> None:
    """What failed before is asked for last, however much of it there is."""
    old, new = general(40, 5), general(10, 6)
    new = [replace(post, post_id=post.post_id + 1000) for post in new]
    lost = {post.md5 for post in old}

    def old_lost(path: str, answer: Answer) -> Answer:
        return Answer(HTML_PAGE, 403, "text/html") if answer.md5 in lost else answer

    with serve(old, "danbooru", arrivals=new) as stand_in:
        answering(stand_in, old_lost)
        with pytest.raises(Unavailable, match="in a row"):
            crawl(stand_in, "danbooru", tmp_path)
        stand_in.catalogue.arrive(10)
        with pytest.raises(Unavailable, match="in a row"):
            crawl(stand_in, "danbooru", tmp_path)
    assert set(files_on_disk(tmp_path)) == {post.md5 for post in new}


@pytest.mark.parametrize("fault", ["html", "words", "cut_picture", "placeholder"])
def test_variants_without_an_md5_are_looked_at_too(fault: str, tmp_path: Path) -> None:
    posts = [post for post in general(30, 7) if post.jpeg]
    faults = standing(fault)
    faults.names = frozenset(("bare_html",))
    with serve(posts, "moebooru", faults=faults) as stand_in:
        with pytest.raises(Unavailable, match=f"{len(posts)} files did not come"):
            crawl(stand_in, "moebooru", tmp_path, listing="html", retries=1)
        assert files_on_disk(tmp_path) == {}
        stand_in.faults = Faults(["bare_html"])
        crawl(stand_in, "moebooru", tmp_path, listing="html")
    assert {row["status"] for row in rows(tmp_path).values()} == {"done"}
    assert len(files_on_disk(tmp_path)) == len(posts)


def test_a_sample_of_another_shape_is_another_picture(tmp_path: Path) -> None:
    posts = [replace(post, width=100, height=300) for post in general(10, 8) if post.jpeg]
    with (
        serve(posts, "moebooru", faults=Faults(["bare_html"])) as stand_in,
        pytest.raises(Unavailable, match="another picture"),
    ):
        crawl(stand_in, "moebooru", tmp_path, listing="html")
    assert files_on_disk(tmp_path) == {}


def test_whole_pictures_and_cut_ones(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    forms = set()
    for post in make_posts(120, 5, faults=("odd_pictures",)):
        data = post.data()
        for cut in (0, 1, len(data) // 3):
            path.write_bytes(data[: len(data) - cut])
            with path.open("rb") as file:
                header = read_header(file)
                if header is not None:
                    # The last byte of a PNG belongs to a checksum that nothing else needs.
                    whole = cut == 0 or (cut == 1 and header.ext == "png")
                    assert is_whole(file, header) is whole, (header, cut)
                    forms.add(header.ext)
    assert forms == {"jpg", "png", "gif"}
    webp = b"RIFF" + (26).to_bytes(4, "little") + b"WEBPVP8L" + bytes(18)
    for content, whole in ((webp, True), (webp[:-1], False)):
        path.write_bytes(content)
        with path.open("rb") as file:
            header = read_header(file)
            assert header is not None
            assert is_whole(file, header) is whole


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

        stand_in.catalogue.search = by_score  # type: ignore[method-assign, assignment]
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
    kind: str, listing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = general(12, 11)
    with serve(posts, kind, faults=Faults(["control_character"])) as stand_in:  # type: ignore[arg-type]
        crawl(stand_in, kind, tmp_path, listing=listing)
    assert last_json(capsys.readouterr().out)["run"]["malformed_rows"] == 1
    check_exact(sorted(posts, key=lambda post: post.post_id)[:-1], tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_that_wants_a_key(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said at once, with its words and where a key goes; with one, all is well."""
    posts = general(12, 12)
    with serve(posts, kind, faults=Faults(["wants_key"])) as stand_in:  # type: ignore[arg-type]
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
        with pytest.raises(Unavailable, match="nothing of the listing can be read"):
            crawl(stand_in, "danbooru", tmp_path)
        stand_in.booru = type(stand_in.booru)()
        crawl(stand_in, "danbooru", tmp_path)
    assert len(files_on_disk(tmp_path)) == 12


def test_a_file_larger_than_listed_is_another_one(tmp_path: Path) -> None:
    posts = general(12, 16)
    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, lambda path, a: replace(a, body=a.body + bytes(9000)) if a.md5 else a)
        with pytest.raises(Unavailable, match="12 files did not come: larger than listed"):
            crawl(stand_in, "danbooru", tmp_path, max_file_mb=0.005)
        stand_in.booru = type(stand_in.booru)()
        crawl(stand_in, "danbooru", tmp_path, max_file_mb=0.005)
    check_exact(posts, tmp_path)


def test_half_of_the_files_missing_is_no_chance(tmp_path: Path) -> None:
    posts = general(40, 17)
    half = {post.md5 for post in posts[::2]}

    def half_gone(path: str, answer: Answer) -> Answer:
        return Answer(HTML_PAGE, 404, "text/html") if answer.md5 in half else answer

    with serve(posts, "danbooru") as stand_in:
        answering(stand_in, half_gone)
        with pytest.raises(Unavailable, match="20 files did not come: http 404, like many others"):
            crawl(stand_in, "danbooru", tmp_path)
        stand_in.booru = type(stand_in.booru)()
        crawl(stand_in, "danbooru", tmp_path)
    check_exact(posts, tmp_path)


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
    kind: str,
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
    with serve(posts, kind) as stand_in:  # type: ignore[arg-type]
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
