"""Answers of the three kinds: recorded ones by table, and what is left of them after fuzzing."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_common.errors import UserError
from crawler.policy import Policy
from crawler.records import BadAnswer, Page, Post
from crawler.sites import KINDS
from demo.booru.danbooru import Danbooru
from demo.booru.gelbooru import Gelbooru
from demo.booru.moebooru import Moebooru
from demo.booru.posts import Catalogue
from demo.booru.samples import make_posts
from tests.shared_data import shared_data

ROOT = "https://booru.example"


def recorded(name: str) -> bytes:
    return (shared_data("booru-responses") / name).read_bytes()


RECORDED = [
    # file, kind, listing, posts, total, id, rating, md5, ext, size, width, height, tag kinds, time
    ("danbooru_posts.json", "danbooru", "json", 7, None, 6148688, "general",
     "dc123eec97d06c3aa9cd53d65a2c7abf", "jpg", 294721, 1500, 2500,
     {"general", "artist", "character", "copyright", "meta"}, "2023-03-17T07:50:48.762000+00:00"),
    ("moebooru_posts.json", "moebooru", "json", 10, None, 354323, "general",
     "e53d6e7c9046076fdb2ce4ab07e9f0c5", "png", 11053134, 4096, 2317,
     {"general"}, "2023-03-17T05:09:24+00:00"),
    ("gelbooru_posts.json", "gelbooru", "json", 6, 6877, 8333903, "sensitive",
     "9de2b8efd300f1aaf8ba84ce5d8205e1", "jpg", None, 3600, 5100,
     {"general"}, "2023-03-15T14:46:20+00:00"),
    ("gelbooru_results.xml", "gelbooru", "xml", 20, 2249332, 3889506, "general",
     "e70f631ce2bc1ab02b371489d81dceaa", "jpg", None, 880, 863,
     {"general"}, "2017-09-20T15:31:21+00:00"),
]  # fmt: skip


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case[0])
def test_recorded_answers(case: tuple[Any, ...]) -> None:
    (name, kind, listing, count, total, post_id, rating, md5, ext, size, width, height, kinds,
     time) = case  # fmt: skip
    page = KINDS[kind].parse(recorded(name), ROOT, listing)
    assert (len(page.posts), page.malformed, page.total) == (count, 0, total)
    post = page.posts[0]
    assert (post.post_id, post.rating, post.md5, post.file_ext) == (post_id, rating, md5, ext)
    assert (post.file_size, post.width, post.height) == (size, width, height)
    assert (set(post.tags), post.created_at) == (kinds, time)
    assert post.file_url is not None
    assert post.md5 is not None
    assert post.md5 in post.file_url
    assert not post.deleted
    policy = Policy(ratings=("general", "sensitive"))
    assert [policy.refusal(post) for post in page.posts].count(None) == count


def test_recorded_pages_of_people_are_no_listings() -> None:
    for name in ("danbooru_results.html", "gelbooru_results.html"):
        body = recorded(name)
        for kind in KINDS.values():
            for listing in kind.listings:
                with pytest.raises(BadAnswer, match="HTML page"):
                    kind.parse(body, ROOT, listing)


def test_hidden_danbooru_post_has_no_file() -> None:
    row = {"id": 5, "rating": "g", "file_ext": "png", "tag_string_general": "solo"}
    (post,) = KINDS["danbooru"].parse(json.dumps([row]).encode(), ROOT, "json").posts
    assert (post.md5, post.file_url, post.tags) == (None, None, {"general": ("solo",)})
    assert Policy().refusal(post) == "hidden"


def test_gelbooru_row_without_url_gets_one_from_its_directory() -> None:
    row = {"id": 9, "hash": "0" * 32, "directory": "12/3", "image": "a1.jpeg", "rating": "safe"}
    (post,) = KINDS["gelbooru"].parse(json.dumps([row]).encode(), ROOT, "json").posts
    assert post.file_url == f"{ROOT}/images/12/3/a1.jpeg"
    for image in ("../../etc/passwd", "a?b.png", "", 7):
        climbing = json.dumps([row | {"image": image, "directory": "../x"}]).encode()
        (post,) = KINDS["gelbooru"].parse(climbing, ROOT, "json").posts
        assert post.file_url is None


def test_gelbooru_forms_of_nothing() -> None:
    kind = KINDS["gelbooru"]
    assert kind.parse(b"", ROOT, "json") == Page(())
    attributes = b'{"@attributes":{"limit":100,"offset":0,"count":0}}'
    assert kind.parse(attributes, ROOT, "json") == Page((), total=0)
    single = b'{"@attributes":{"count":1},"post":{"id":3}}'
    assert [post.post_id for post in kind.parse(single, ROOT, "json").posts] == [3]
    assert kind.parse(b'<posts count="0" offset="0"/>', ROOT, "xml") == Page((), total=0)
    with pytest.raises(BadAnswer, match="search down"):
        kind.parse(b'<response success="false" reason="search down"/>', ROOT, "xml")
    with pytest.raises(BadAnswer):
        kind.parse(b"Too deep! Pull it back some.", ROOT, "xml")


def test_xml_fields_as_elements() -> None:
    body = b"<posts count='1'><post><id type='integer'>4</id><rating>q</rating></post></posts>"
    (post,) = KINDS["gelbooru"].parse(body, ROOT, "xml").posts
    assert (post.post_id, post.rating) == (4, "questionable")


@pytest.mark.parametrize(
    ("word", "rating"),
    [("s", "general"), ("safe", "general"), ("general", "general"), ("sensitive", "sensitive"),
     ("q", "questionable"), ("Questionable", "questionable"), ("e", "explicit"), ("", None),
     ("x", None)],
)  # fmt: skip
def test_gelbooru_ratings(word: str, rating: str | None) -> None:
    body = json.dumps([{"id": 1, "rating": word}]).encode()
    assert KINDS["gelbooru"].parse(body, ROOT, "json").posts[0].rating == rating


def moebooru_html(faults: set[str]) -> bytes:
    catalogue = Catalogue(make_posts(40, 3))
    answer = Moebooru().answer(catalogue, ROOT, "/post", {"limit": "40"}, faults)
    assert answer is not None
    return answer.body


def test_moebooru_html_gives_what_its_json_gives() -> None:
    catalogue = Catalogue(make_posts(40, 3))
    answer = Moebooru().answer(catalogue, ROOT, "/post.json", {"limit": "40"}, set())
    assert answer is not None
    kind = KINDS["moebooru"]
    assert kind.parse(moebooru_html(set()), ROOT, "html") == kind.parse(answer.body, ROOT, "json")


def test_bare_moebooru_html_takes_the_linked_file_never_the_thumbnail() -> None:
    page = KINDS["moebooru"].parse(moebooru_html({"bare_html"}), ROOT, "html")
    originals = {post.post_id: post for post in make_posts(40, 3)}
    assert len(page.posts) == 40
    for post in page.posts:
        original = originals[post.post_id]
        assert post.md5 == original.md5
        assert post.file_url is not None
        assert "preview" not in post.file_url
        assert post.variant == ("original" if original.jpeg is None else "jpeg")
        assert (post.width, post.height) == (12, 10)
        assert "solo" in post.tags["general"]


def test_empty_moebooru_html() -> None:
    body = Moebooru().empty_page("/post", {}).body
    assert KINDS["moebooru"].parse(body, ROOT, "html") == Page(())


def test_searches() -> None:
    danbooru, moebooru, gelbooru = (KINDS[kind] for kind in ("danbooru", "moebooru", "gelbooru"))
    assert danbooru.search("a b", ("general", "sensitive")) == "a b rating:g,s"
    assert danbooru.request("a", 7, 200, "json").params["page"] == "b7"
    assert moebooru.search("a", ("general",)) == "a rating:s"
    assert moebooru.search("a", ("general", "explicit")) == "a -rating:q"
    assert moebooru.search("a", ("general", "questionable", "explicit")) == "a"
    assert moebooru.request("a", 7, 100, "json").params["tags"] == "a id:<7"
    # By itself the HTML page lists by the time of release.
    assert moebooru.request("a", 7, 100, "html").params["tags"] == "a id:<7 order:id_desc"
    search = moebooru.request("a order:id_desc", None, 100, "html").params["tags"]
    assert search == "a order:id_desc"
    with pytest.raises(UserError, match="sensitive"):
        moebooru.search("a", ("sensitive",))
    expected = "a -rating:sensitive -rating:questionable -rating:explicit"
    assert gelbooru.search("a", ("general",)) == expected


def sample_answers() -> list[tuple[str, str, bytes]]:
    catalogue = Catalogue(make_posts(5, 1))
    xml = {"page": "dapi", "s": "post", "q": "index"}
    answers = [
        ("danbooru", "json", Danbooru().answer(catalogue, ROOT, "/posts.json", {}, set())),
        ("moebooru", "json", Moebooru().answer(catalogue, ROOT, "/post.json", {}, set())),
        ("moebooru", "html", Moebooru().answer(catalogue, ROOT, "/post", {}, set())),
        ("moebooru", "html", Moebooru().answer(catalogue, ROOT, "/post", {}, {"bare_html"})),
        ("gelbooru", "xml", Gelbooru().answer(catalogue, ROOT, "/index.php", xml, set())),
        ("gelbooru", "json",
         Gelbooru().answer(catalogue, ROOT, "/index.php", xml | {"json": "1"}, set())),
    ]  # fmt: skip
    return [(kind, listing, answer.body) for kind, listing, answer in answers if answer]


SAMPLES = sample_answers()
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["\ud800", "http://[", "//", "a" * 5000, "1e999", "-1", "../..", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def parse_safely(kind: str, listing: str, body: bytes) -> None:
    """The only error is ours; whatever is parsed can be judged and stored."""
    try:
        page = KINDS[kind].parse(body, ROOT, listing)  # type: ignore[arg-type]
    except BadAnswer:
        return
    for post in page.posts:
        check_clean(post)
        chosen = Policy(variant="sample").chosen(post)
        Policy().refusal(chosen)


def check_clean(post: Post) -> None:
    assert 0 < post.post_id < 2**63
    for value in (post.width, post.height, post.file_size, post.parent_id):
        assert value is None or 0 <= value < 2**63
    strings = [post.source, post.created_at, post.file_ext, post.file_url or "", *post.tags]
    strings += [name for names in post.tags.values() for name in names]
    for string in strings:
        string.encode()
        assert "\x1b" not in string
        assert "\x00" not in string
    assert post.file_url is None or len(post.file_url) < 10_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), sample=st.sampled_from([s for s in SAMPLES if s[1] == "json"]))
def test_fuzzed_fields(data: st.DataObject, sample: tuple[str, str, bytes]) -> None:
    """Fields missing, null or of another type."""
    kind, listing, body = sample
    rows = copy.deepcopy(json.loads(body))
    for _ in range(data.draw(st.integers(1, 8))):
        row = data.draw(st.sampled_from(rows))
        if not isinstance(row, dict) or not row:
            continue
        key = data.draw(st.sampled_from(sorted(row)))
        if data.draw(st.booleans()):
            del row[key]
        else:
            row[key] = data.draw(JUNK)
    if data.draw(st.integers(0, 5)) == 0:
        rows[0] = data.draw(JUNK)
    parse_safely(kind, listing, json.dumps(rows).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    cuts=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)), max_size=6
    ),
    form=st.sampled_from(SAMPLES),
)
def test_fuzzed_bytes(
    sample: tuple[str, str, bytes],
    cuts: list[tuple[float, int, bytes]],
    form: tuple[str, str, bytes],
) -> None:
    """Pieces cut out and put in, and answers of another kind or form than was asked for."""
    body = sample[2]
    for where, length, piece in cuts:
        at = int(where * len(body))
        body = body[:at] + piece + body[at + length :]
    parse_safely(sample[0], sample[1], body)
    parse_safely(form[0], form[1], body)


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_junk(body: bytes) -> None:
    for kind, listing, _ in SAMPLES:
        parse_safely(kind, listing, body)


def test_hostile_json_and_xml() -> None:
    bombs = [
        b"[" * 100_000,
        b'[{"id":' + b"9" * 5000 + b"}]",
        b'<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><posts><post id="&b;"/></posts>',
        b'<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><posts><post source="1">'
        b"<id>&x;</id></post></posts>",
        b"<posts>" * 5000,
    ]
    for body in bombs:
        for kind, listing, _ in SAMPLES:
            parse_safely(kind, listing, body)
