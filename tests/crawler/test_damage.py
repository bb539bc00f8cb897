"""Damaged listings at the readers: no traceback, and no row is lost without being counted."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.fields import decode
from crawler.records import BadAnswer, Page, Post
from crawler.sites import KINDS
from crawler.words import said, wants_key, what_is
from demo.booru.answers import BooruKind
from demo.booru.danbooru import Danbooru
from demo.booru.gelbooru import Gelbooru
from demo.booru.moebooru import Moebooru
from demo.booru.posts import Catalogue
from demo.booru.samples import make_posts

ROOT = "https://booru.example"
ROWS = 6
DAPI = {"page": "dapi", "s": "post", "q": "index"}
ASKED: dict[tuple[str, str], tuple[BooruKind, str, dict[str, str]]] = {
    ("danbooru", "json"): (Danbooru(), "/posts.json", {}),
    ("moebooru", "json"): (Moebooru(), "/post.json", {}),
    ("moebooru", "html"): (Moebooru(), "/post", {}),
    ("gelbooru", "xml"): (Gelbooru(), "/index.php", DAPI),
    ("gelbooru", "json"): (Gelbooru(), "/index.php", DAPI | {"json": "1"}),
}
FORMS = sorted(ASKED)


def listing(form: tuple[str, str]) -> bytes:
    booru, path, params = ASKED[form]
    answer = booru.answer(Catalogue(make_posts(ROWS, 1)), ROOT, path, params, set())
    assert answer is not None
    return answer.body


BODIES = {form: listing(form) for form in FORMS}
WHOLE = {form: KINDS[form[0]].parse(BODIES[form], ROOT, form[1]) for form in FORMS}  # type: ignore[arg-type]
# The ids as they stand in the answer, to aim at single rows.
IDS = [post.post_id for post in WHOLE["danbooru", "json"].posts]


def parse(form: tuple[str, str], body: bytes) -> Page:
    return KINDS[form[0]].parse(body, ROOT, form[1])  # type: ignore[arg-type]


def start_of(form: tuple[str, str], post_id: int) -> int:
    """Where the row of a post begins."""
    mark = {"json": rf'\{{"(?:height": \d+, ")?id": {post_id}', "html": rf'<li id="p{post_id}"',
            "xml": rf'<post [^>]*\bid="{post_id}"'}[form[1]]  # fmt: skip
    found = re.search(mark.encode(), BODIES[form])
    assert found
    return found.start()


@pytest.mark.parametrize("form", FORMS)
def test_the_samples_are_whole(form: tuple[str, str]) -> None:
    page = WHOLE[form]
    assert [post.post_id for post in page.posts] == IDS
    assert len(IDS) == ROWS
    assert (page.malformed, page.tail, page.damaged, page.cut) == (0, 0, False, False)
    for post_id in IDS:
        start_of(form, post_id)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("byte", [b"\x0b", b"\x00", b"\x1f", b"\xff", b"\xc3", b"\xed\xa0\x80"])
@pytest.mark.parametrize("row", [0, 2, ROWS - 1])
def test_one_bad_byte_costs_one_row(form: tuple[str, str], byte: bytes, row: int) -> None:
    body = BODIES[form]
    at = body.index(b"solo", start_of(form, IDS[row])) + 2
    page = parse(form, body[:at] + byte + body[at:])
    if form == ("moebooru", "html"):
        # The page has the row once more, for its script.
        assert page == WHOLE[form] or page.malformed == 1
        return
    assert [post.post_id for post in page.posts] == IDS[:row] + IDS[row + 1 :]
    assert page.malformed == 1
    assert page.damaged
    assert not page.cut
    assert all(post in WHOLE[form].posts for post in page.posts)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "before",
    [b"\xef\xbb\xbf", b"\n\n  ", b"<br />\n<b>Warning</b>: Undefined index in <b>/x</b><br />\n",
     b"Notice: {x} is [deprecated]\n"],
    ids=["mark", "space", "php", "notice"],
)  # fmt: skip
def test_what_stands_before_the_listing_costs_nothing(form: tuple[str, str], before: bytes) -> None:
    page = parse(form, before + BODIES[form])
    assert page.posts == WHOLE[form].posts
    assert page.malformed == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_encodings(form: tuple[str, str], encoding: str) -> None:
    assert parse(form, BODIES[form].decode().encode(encoding)) == WHOLE[form]


@pytest.mark.parametrize("declared", ["utf-16", "shift_jis", "nonsense", "unicode_escape", "utf-8"])
def test_a_wrong_prologue_is_not_believed(declared: str) -> None:
    """The bytes are UTF-8, whatever the prologue says."""
    body = BODIES["gelbooru", "xml"].replace(b"UTF-8", declared.encode(), 1)
    body = body.replace(b"artist_", "アーティスト_é".encode())
    page = parse(("gelbooru", "xml"), body)
    assert page.malformed == 0
    assert all("アーティスト_é" in str(post.tags) for post in page.posts)


def test_a_right_prologue_is_believed() -> None:
    text = BODIES["gelbooru", "xml"].decode().replace("UTF-8", "Shift_JIS", 1)
    page = parse(("gelbooru", "xml"), text.replace("artist_", "アーティスト_").encode("shift_jis"))
    assert page.malformed == 0
    assert all("アーティスト_" in str(post.tags) for post in page.posts)


@pytest.mark.parametrize("written", [b"https://x.example/?a=1&b=2", b"caf&eacute;&nbsp;&x;"])
def test_an_ampersand_that_nobody_escaped_costs_nothing(written: bytes) -> None:
    body = BODIES["gelbooru", "xml"].replace(b"https://art.example/", written + b"/")
    page = parse(("gelbooru", "xml"), body)
    assert [post.post_id for post in page.posts] == IDS
    assert page.malformed == 0
    assert all(post.source.startswith(written.decode()) for post in page.posts)


def losses(page: Page, whole: Page) -> int:
    """Rows that are neither there nor counted."""
    kept = {post.post_id for post in page.posts} & {post.post_id for post in whole.posts}
    return max(0, len(whole.posts) - len(kept) - page.malformed)


PIECES = st.sampled_from(
    [b"\x00", b"\x0b", b"\xff\xfe", b'"', b"'", b"<", b">", b"&", b"{", b"}", b"]", b"[", b",",
     b"\\", b"<post", b"/>", b"</posts>", b'{"id":', b"-->", b"<!--", b"]]>", b"&nbsp;", b"</li>"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    where=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 30),
    piece=st.just(b"") | PIECES | st.binary(max_size=6),
)
@example(form=("gelbooru", "xml"), where=0.5, length=2000, piece=b"")
@example(form=("danbooru", "json"), where=0.5, length=3000, piece=b"")
@example(form=("gelbooru", "xml"), where=66 / 3290, length=1, piece=b"]")
@example(form=("gelbooru", "xml"), where=0.013671875, length=7, piece=b"")
@example(form=("gelbooru", "json"), where=0.375, length=200, piece=b"")
def test_one_damage_never_costs_a_row_in_silence(
    form: tuple[str, str], where: float, length: int, piece: bytes
) -> None:
    """A piece cut out or put in: what is left is right or counted, or the answer is refused."""
    body, whole = BODIES[form], WHOLE[form]
    at = int(where * len(body))
    try:
        page = parse(form, body[:at] + piece + body[at + length :])
    except BadAnswer:
        return
    known = {post.post_id: post for post in whole.posts}
    # A lost or a stray digit makes another id of one: such a row is there, under that id.
    renamed = sum(post.post_id not in known for post in page.posts)
    missing = losses(page, whole) - renamed
    assert missing <= 0 or page.malformed > 0 or page.cut, missing
    # What was not touched stays what it is.
    unlike = [post for post in page.posts if post != known.get(post.post_id)]
    assert len(unlike) <= 2 + length // 400, unlike


@settings(max_examples=200, deadline=None)
@given(form=st.sampled_from(FORMS), where=st.floats(0, 1, exclude_max=True))
def test_an_answer_that_breaks_off_tells_so(form: tuple[str, str], where: float) -> None:
    """What it holds whole is right, and all that is missing comes after it."""
    body, whole = BODIES[form], WHOLE[form]
    cut = body[: int(where * len(body))]
    if not cut:
        return
    try:
        page = parse(form, cut)
    except BadAnswer:
        return
    ids = [post.post_id for post in page.posts]
    assert ids == IDS[: len(ids)]
    assert page.cut or len(ids) == ROWS or not cut.strip()
    assert page.malformed == page.tail
    if form != ("moebooru", "html"):
        assert page.posts == whole.posts[: len(ids)]


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from([form for form in FORMS if form[1] == "json"]),
    bad=st.sets(st.integers(0, ROWS - 1)),
    junk=st.sampled_from([None, 5, "not a row", [], {}, {"id": None}, {"id": -3}, {"id": [1]}]),
)
def test_rows_that_are_no_posts_are_counted(
    form: tuple[str, str], bad: set[int], junk: object
) -> None:
    rows = json.loads(BODIES[form])
    body = json.dumps([junk if place in bad else row for place, row in enumerate(rows)]).encode()
    try:
        page = parse(form, body)
    except BadAnswer:
        assert bad == set(range(ROWS))
        assert junk == "not a row"
        return
    assert [post.post_id for post in page.posts] == [
        post_id for place, post_id in enumerate(IDS) if place not in bad
    ]
    assert page.malformed == len(bad)
    last_good = max(set(range(ROWS)) - bad, default=-1)
    assert page.tail == ROWS - 1 - last_good


def test_a_listing_in_another_shape() -> None:
    rows = json.loads(BODIES["danbooru", "json"])
    for content in ({"posts": rows}, {"post": rows, "@attributes": {"count": 9}}):
        page = parse(("danbooru", "json"), json.dumps(content).encode())
        assert page.posts == WHOLE["danbooru", "json"].posts
    assert page.total == 9


def test_a_key_twice_is_two_rows_that_lost_what_was_between_them() -> None:
    row = b'{"id": %d, "rating": "s", "md5": "", "tags": "a"}'
    merged = b'{"id": 2, "rating": "s", "md5": "", "rating": "s", "tags": "a"}'
    page = parse(("moebooru", "json"), b"[%s, %s, %s]" % (row % 4, merged, row % 1))
    assert [post.post_id for post in page.posts] == [4, 1]
    assert page.malformed == 2
    # Where all rows have it, it is the site's habit.
    habit = merged.replace(b'"id": 2', b'"id": %d')
    page = parse(("moebooru", "json"), b"[%s, %s]" % (habit % 4, habit % 3))
    assert [post.post_id for post in page.posts] == [4, 3]


def test_tags_as_a_list() -> None:
    page = parse(("moebooru", "json"), b'[{"id": 3, "rating": "s", "tags": ["1girl", 7, "solo"]}]')
    assert page.posts[0].tags == {"general": ("1girl", "solo")}


WORDS = [
    (b'"Missing authentication. Go to api.example.test"', "Missing authentication", True),
    (b"Missing authentication", "Missing authentication", True),
    (b"<error>Missing authentication. Go to x</error>", "Missing authentication. Go to x", True),
    (b'<?xml version="1.0"?>\n<response success="false" reason="search down"/>', "search down",
     False),
    (b'{"success": false, "reason": "access denied"}', "access denied", False),
    (b'{"success": false, "error": "X::Y", "message": "Invalid API key"}', "Invalid API key", True),
    (b'{"errors": ["You must be logged in"]}', "You must be logged in", True),
    (b'{"error": {"message": "token expired"}}', "token expired", True),
    (b'["Please log in first"]', "Please log in first", True),
    (b'[{"error": "api key needed"}]', "api key needed", True),
    (b"Too deep! Pull it back some.", "Too deep! Pull it back some.", False),
    (b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>", "Sign in", True),
    (b"\xef\xbb\xbf<html><title>Down for maintenance</title></html>", "maintenance", False),
]  # fmt: skip


@pytest.mark.parametrize(("body", "words", "key"), WORDS)
def test_a_site_that_answers_in_words_is_quoted(body: bytes, words: str, key: bool) -> None:
    assert words in said(body)
    for form in FORMS:
        with pytest.raises(BadAnswer) as raised:
            parse(form, body)
        assert words in str(raised.value), form
        assert wants_key(str(raised.value)) is key, form


def test_what_is_no_words() -> None:
    for body in (b"", b"   ", b'[{"id": 1, "rat', b"\x00\x01\x02 \xff", b"PK\x03\x04 zip",
                 b"<posts count='3'><post id"):  # fmt: skip
        assert said(body) == ""
    assert what_is(b'[{"id": 1, "rat') == "an answer that is cut off or malformed"
    long = said(b"word " * 1000)
    assert 0 < len(long) <= 200


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_have_a_text(body: bytes) -> None:
    assert isinstance(decode(body), str)
    said(body).encode()
    what_is(body).encode()


@settings(max_examples=50, deadline=None)
@given(
    ids=st.lists(st.integers(1, 50), min_size=1, max_size=20, unique=True),
)
def test_the_fewest_rows_out_of_order_are_left_out(ids: list[int]) -> None:
    from crawler.listing import newest_first

    kept = [post.post_id for post in newest_first([Post(i, "general") for i in ids])]
    assert kept == sorted(kept, reverse=True)
    best = [0] * len(ids)
    for place, post_id in enumerate(ids):
        best[place] = 1 + max((best[n] for n in range(place) if ids[n] > post_id), default=0)
    assert len(kept) == max(best)
