"""The small parts: addresses, politeness, picture headers, credentials, queries."""

from __future__ import annotations

import io
import random
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from avatar_common.errors import UserError
from crawler.addresses import AddressGuard, UnsafeAddress, is_public
from crawler.client import is_challenge
from crawler.options import FetchOptions
from crawler.picture import Header, read_header
from crawler.policy import Policy
from crawler.politeness import (
    RateLimiter,
    Stopped,
    backoff_s,
    contact_of,
    retry_after_s,
    user_agent,
)
from crawler.queries import queries_of
from crawler.records import Post
from demo.booru.samples import make_posts, png

SITE = "https://safebooru.donmai.us"


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False),
     ("192.168.0.1", False), ("172.16.0.1", False), ("169.254.169.254", False), ("0.0.0.0", False),
     ("100.64.0.1", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False),
     ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True),
     ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False)],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://8.8.8.8/x", "gopher://8.8.8.8", "//8.8.8.8/x", "http://",
     "http://user@8.8.8.8/", "http://a:b@8.8.8.8/", "http://127.0.0.2/", "http://[::1]/",
     "http://169.254.169.254/latest", "http://8.8.8.8:99999/", "http://[bad"],
)  # fmt: skip
def test_unsafe_urls(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        AddressGuard("http://127.0.0.1:9").check_url(url)


def test_the_site_itself_may_be_private() -> None:
    guard = AddressGuard("http://127.0.0.1:9")
    guard.check_url("http://127.0.0.1:8080/x.png")
    guard.check_address("127.0.0.1")
    with pytest.raises(UnsafeAddress):
        guard.check_address("10.0.0.1")
    with pytest.raises(UnsafeAddress):
        guard.check_url("http://10.0.0.1/")


def test_rate_limit_spaces_requests_over_threads() -> None:
    limiter = RateLimiter(100.0, threading.Event())
    started = time.monotonic()

    def wait_often() -> None:
        for _ in range(5):
            limiter.wait("a")

    threads = [threading.Thread(target=wait_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.19
    started = time.monotonic()
    limiter.wait("another host")
    assert time.monotonic() - started < 0.1


def test_a_stop_ends_a_wait() -> None:
    stop = threading.Event()
    limiter = RateLimiter(0.001, stop)
    limiter.wait("a")
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        limiter.wait("a")


def test_pause_holds_the_host() -> None:
    limiter = RateLimiter(0, threading.Event())
    limiter.pause("a", 0.2)
    started = time.monotonic()
    limiter.wait("a")
    assert time.monotonic() - started >= 0.19


def test_retry_after() -> None:
    assert retry_after_s("7") == 7
    now = time.time()
    assert retry_after_s(formatdate(now + 60, usegmt=True)) == pytest.approx(60, abs=5)
    assert retry_after_s("Wed, 31 Dec 2025 00:00:00 GMT") == 0
    odd = ("Wed, 31 Dec 2025 00:00:00", "Fri, 31 Dec 9999999 23:59:59 GMT", "9" * 5000)
    assert all(seconds is None or seconds >= 0 for seconds in map(retry_after_s, odd))
    for unclear in (None, "", "soon", "-3", "²"):
        assert retry_after_s(unclear) is None


def test_backoff_doubles_with_jitter_up_to_a_minute() -> None:
    rng = random.Random(0)
    for attempt in range(12):
        waits = [backoff_s(attempt, 1.0, rng) for _ in range(200)]
        top = min(60.0, 2.0**attempt)
        assert top / 2 <= min(waits) < max(waits) <= top


def test_user_agent_is_honest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVATAR_CONTACT", raising=False)
    assert contact_of(None) is None
    assert "anime-avatar-acgan/" in user_agent(None)
    monkeypatch.setenv("AVATAR_CONTACT", "me@example.org")
    assert "me@example.org" in user_agent(contact_of(None))
    for unusable in ("Mozilla/5.0 (X11)", "a\r\nCookie: x", "é"):
        with pytest.raises(UserError):
            contact_of(unusable)


def test_challenge_marks() -> None:
    assert is_challenge(403, {"cf-mitigated": "challenge"}, b"")
    assert is_challenge(503, {"server": "cloudflare"}, b"<title>Just a moment...</title>")
    assert not is_challenge(403, {"server": "cloudflare"}, b'{"message":"access denied"}')
    assert not is_challenge(200, {"server": "cloudflare"}, b"Just a moment...")


def test_picture_headers() -> None:
    posts = list(make_posts(200, 5, faults=("odd_pictures",)))
    forms = set()
    for post in posts:
        data = post.data()
        header = read_header(io.BytesIO(data))
        assert header is not None
        assert (header.width, header.height) == (12, 10)
        forms.add(header.ext)
    assert forms == {"jpg", "png", "gif"}
    assert read_header(io.BytesIO(png(b"x", width=700, height=3))) == Header("png", 700, 3)
    webp = {
        b"VP8L\0\0\0\0/" + (11 | 9 << 14).to_bytes(4, "little"): Header("webp", 12, 10),
        b"VP8X\0\0\0\0\0\0\0\0\x0b\0\0\x09\0\0": Header("webp", 12, 10),
        b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x0c\0\x0a\0": Header("webp", 12, 10),
    }
    for body, expected in webp.items():
        data = (b"RIFF\0\0\0\0WEBP" + body).ljust(40, b"\0")
        assert read_header(io.BytesIO(data)) == expected
    for nothing in (b"", b"PK\x03\x04", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x01", b"<html>",
                    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xda\0\x04ab"):  # fmt: skip
        assert read_header(io.BytesIO(nothing)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, None), ({"rating": None}, "rating unknown"), ({"rating": "explicit"}, "rating explicit"),
     ({"rating": "explicit", "deleted": True}, "rating explicit"), ({"deleted": True}, "deleted"),
     ({"md5": None, "file_url": None}, "hidden"), ({"file_url": None}, "no file url"),
     ({"md5": None}, "no md5"), ({"md5": None, "variant": "jpeg"}, None),
     ({"tags": {"general": ("solo", "Comic")}}, "tagged comic"),
     ({"tags": {"general": ("solo",), "artist": ("someone_(sketch)",)}}, "tagged *_(sketch)"),
     ({"tags": {"general": ("comic_style",)}}, "not tagged solo"),
     ({"tags": {"general": ("1girl", "so[l]o")}}, "not tagged solo"),
     ({"file_ext": "webm"}, "type webm"), ({"file_ext": ""}, "type unknown"),
     ({"file_size": 10**9}, "too large"), ({"width": 30_000, "height": 30_000}, "too many pixels")],
)  # fmt: skip
def test_refusals(changes: dict[str, object], reason: str | None) -> None:
    post = {"post_id": 1, "rating": "general", "md5": "0" * 32, "file_url": "http://x/a.png",
            "file_ext": "png", "tags": {"general": ("solo",)}}  # fmt: skip
    policy = Policy(also=("solo",), without=("comic", "*_(sketch)"))
    assert policy.refusal(Post(**(post | changes))) == reason  # type: ignore[arg-type]


def test_sample_variant() -> None:
    post = Post(
        1, "general", "0" * 32, "http://x/a.png", sample_url="http://x/b.jpg", file_ext="png"
    )
    chosen = Policy(variant="sample").chosen(post)
    assert (chosen.variant, chosen.file_url, chosen.file_ext) == ("sample", "http://x/b.jpg", "jpg")
    assert Policy().chosen(post) == post


def test_default_queries() -> None:
    found = [(query.site, query.kind.kind, query.tags) for query in queries_of(FetchOptions())]
    assert found == [
        ("safebooru.donmai.us", "danbooru", "solo portrait"),
        ("konachan.net", "moebooru", "close"),
    ]


@pytest.mark.parametrize(
    ("options", "tags", "also", "without"),
    [({}, "solo portrait", (), ()),
     ({"also": ("Orange hair",)}, "orange_hair solo", ("portrait",), ()),
     ({"tags": "solo", "also": ("orange_hair", "smile")}, "solo orange_hair", ("smile",), ()),
     ({"tags": "solo smile", "also": ("x",)}, "solo smile", ("x",), ()),
     ({"tags": "solo", "without": ("comic", "a,b")}, "solo -comic", (), ("comic", "a", "b")),
     ({"tags": "a b c"}, "a b c", (), ()),
     ({"tags": "solo", "also": ("score:>5",), "without": ("id:<9", "comic")},
      "solo -comic score:>5 -id:<9", (), ("comic",)),
     ({"tags": "", "also": ("solo", "solo"), "without": ("*_comic",)}, "solo -*_comic", (),
      ("*_comic",))],
)  # fmt: skip
def test_further_tags_and_blacklists(
    options: dict[str, object], tags: str, also: tuple[str, ...], without: tuple[str, ...]
) -> None:
    """Danbooru takes two tags: what finds no room is looked for in the rows."""
    (query,) = queries_of(FetchOptions(site=SITE, **options))  # type: ignore[arg-type]
    assert (query.tags, query.also, query.without) == (tags, also, without)
    if not options:
        assert query.key == tags


def test_every_choice_of_tags_has_its_own_cursor() -> None:
    choices: list[dict[str, object]] = [
        {}, {"also": ("a",)}, {"also": ("a", "b")}, {"without": ("a",)}, {"without": ("a", "b")},
        {"tags": "solo"}, {"tags": "solo", "also": ("a", "b")}, {"tags": "solo", "without": ("a",)},
    ]  # fmt: skip
    keys = {queries_of(FetchOptions(site=SITE, **choice))[0].key for choice in choices}  # type: ignore[arg-type]
    assert len(keys) == len(choices)


@pytest.mark.parametrize(
    ("options", "what"),
    [({"also": ("a",), "without": ("a",)}, "in --also and in --without"),
     ({"also": ("-a",)}, "--also: '-a' is not a tag"), ({"also": ("order:score",)}, "post id"),
     ({"tags": "x"}, "--site"), ({"site": "https://unknown.example"}, "--kind"),
     ({"site": SITE, "tags": "order:score"}, "post id"), ({"site": "ftp://x"}, "not the root"),
     ({"site": "https://u:p@x.example", "kind": "danbooru"}, "not the root"),
     ({"site": SITE, "listing": "html"}, "no html listing"),
     ({"site": SITE, "rating": ()}, "rating"),
     ({"site": "yande.re", "rating": ("sensitive",)}, "sensitive"),
     ({"limit": -1}, "--limit"), ({"rate": float("nan")}, "--rate"),
     ({"connections": 0}, "--connections"),
     ({"site": "https://x:99999", "kind": "danbooru"}, "not the root")],
)  # fmt: skip
def test_queries_that_cannot_be_asked(options: dict[str, object], what: str) -> None:
    with pytest.raises(UserError, match=what):
        queries_of(FetchOptions(**options))  # type: ignore[arg-type]


def test_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def found(site: str) -> object:
        return queries_of(FetchOptions(site=site, kind="danbooru"))[0].credentials

    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine safebooru.donmai.us login me password key1\ndefault login x password y"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert found("https://another.example") is None
    assert found("http://safebooru.donmai.us") is None
    credentials = found(SITE)
    assert "key1" not in repr(credentials)
    assert credentials.secret == "key1"  # type: ignore[attr-defined]
    monkeypatch.setenv("AVATAR_CREDENTIALS_SAFEBOORU_DONMAI_US", "you:key2")
    assert found("http://safebooru.donmai.us") is None
    assert "sent over https alone" in caplog.text
    assert found(SITE).secret == "key2"  # type: ignore[attr-defined]
    monkeypatch.setenv("AVATAR_CREDENTIALS_SAFEBOORU_DONMAI_US", "secret-without-colon")
    with pytest.raises(UserError) as raised:
        found(SITE)
    assert "secret-without-colon" not in str(raised.value)
