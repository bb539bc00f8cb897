"""Sites on their bad days: nothing that may pass is final, and nothing is lost in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avatar_common.errors import Unavailable
from crawler.picture import is_whole, read_header
from demo.booru import Faults, serve
from demo.booru.answers import HTML_PAGE, Answer
from demo.booru.samples import make_posts, png
from tests.crawler.bad_days import answering, general, refused_with, standing
from tests.crawler.crawls import check_exact, crawl, files_on_disk, last_json, rows

EVERY_RATING = ("general", "questionable", "explicit")


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
