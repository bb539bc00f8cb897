"""The stand-ins behave as their models do; a client that none of us wrote agrees."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from avatar_common.errors import UserError
from bench.crawl import run
from bench.options import CrawlOptions
from demo.booru import Faults, StandIn, serve
from demo.booru.options import BooruOptions
from demo.booru.run import _faults, folder_posts
from demo.booru.samples import make_posts, png
from tests.crawler.crawls import last_json

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(stand_in: StandIn, path: str, agent: str = "a test", **params: object) -> tuple[int, bytes]:
    url = f"{stand_in.url}{path}?{urllib.parse.urlencode(params)}"
    request = urllib.request.Request(url, headers={"User-Agent": agent})
    try:
        with OPENER.open(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def ids(answer: tuple[int, bytes]) -> list[int]:
    assert answer[0] == 200
    return [row["id"] for row in json.loads(answer[1])]


def test_danbooru_paging() -> None:
    with serve(make_posts(450), "danbooru") as stand_in:
        every = list(range(1450, 1000, -1))
        assert ids(get(stand_in, "/posts.json")) == every[:20]
        assert ids(get(stand_in, "/posts.json", limit=1000)) == every[:200]
        assert ids(get(stand_in, "/posts.json", limit=0)) == every[:1]
        assert ids(get(stand_in, "/posts.json", limit=10, page=3)) == every[20:30]
        assert ids(get(stand_in, "/posts.json", limit=3, page="b1100")) == [1099, 1098, 1097]
        assert ids(get(stand_in, "/posts.json", limit=3, page="a1100")) == [1103, 1102, 1101]
        assert ids(get(stand_in, "/posts.json", page=1000)) == []
        status, body = get(stand_in, "/posts.json", page=1001)
        assert (status, json.loads(body)["success"]) == (410, False)
        assert get(stand_in, "/posts.json", tags="a b c")[0] == 422
        assert get(stand_in, "/posts.json", tags="a b rating:g id:>5")[0] == 200
        assert get(stand_in, "/posts/7.json")[0] == 404
        _, body = get(stand_in, "/counts/posts.json", tags="solo")
        assert json.loads(body) == {"counts": {"posts": 450}}


def test_danbooru_files_and_hidden_fields() -> None:
    posts = list(make_posts(200, faults=("hidden",)))
    with serve(posts, "danbooru") as stand_in:
        rows: list[dict[str, Any]] = json.loads(get(stand_in, "/posts.json", limit=200)[1])
        hidden = {post.post_id for post in posts if post.hidden}
        assert hidden
        assert {row["id"] for row in rows if "md5" not in row and "file_url" not in row} == hidden
        row = next(row for row in rows if "file_url" in row)
        path = urllib.parse.urlsplit(row["file_url"]).path
        assert path.startswith(f"/original/{row['md5'][:2]}/{row['md5'][2:4]}/")
        data = next(post.data() for post in posts if post.md5 == row["md5"])
        assert get(stand_in, path)[1] == data


def test_moebooru_limits_and_xml() -> None:
    with serve(make_posts(120), "moebooru") as stand_in:
        assert len(ids(get(stand_in, "/post.json"))) == 40
        assert len(ids(get(stand_in, "/post.json", limit=100, page=2))) == 20
        assert ids(get(stand_in, "/post.json", limit=100, page=9)) == []
        assert len(ids(get(stand_in, "/post.json", tags="limit:7", limit=100))) == 7
        assert get(stand_in, "/post.json", tags="a b c d e f g")[0] == 500
        root = etree.fromstring(get(stand_in, "/post.xml", limit=5, page=2)[1])
        assert (root.get("count"), root.get("offset"), len(root)) == ("120", "5", 5)


def test_gelbooru_pages_and_offsets() -> None:
    api = {"page": "dapi", "s": "post", "q": "index"}
    with serve(make_posts(120), "gelbooru") as stand_in:
        root = etree.fromstring(get(stand_in, "/index.php", **api, limit=50, pid=1)[1])
        assert (root.get("count"), root.get("offset"), len(root)) == ("120", "50", 50)
        rows = json.loads(get(stand_in, "/index.php", **api, limit=3, json=1)[1])
        assert [row["id"] for row in rows] == [1120, 1119, 1118]
        assert get(stand_in, "/index.php", **api, json=1, tags="nothing")[1] == b""
        assert b"Too deep" in get(stand_in, "/index.php", **api, pid=300)[1]
        page = get(stand_in, "/index.php", page="post", s="list", pid=42)[1]
        assert b'id="p1078"' in page
        assert b'id="p1079"' not in page


def test_library_agents_get_the_challenge() -> None:
    with serve(make_posts(3), faults=Faults(["cloudflare_library_agents"])) as stand_in:
        status, body = get(stand_in, "/posts.json", agent="python-requests/2.31")
        assert (status, b"_cf_chl_opt" in body) == (403, True)
        assert get(stand_in, "/posts.json", agent="honest/1.0")[0] == 200


def test_the_same_seed_gives_the_same_posts_and_faults() -> None:
    assert list(make_posts(30, 3, faults=("odd_pictures",))) == list(
        make_posts(30, 3, faults=("odd_pictures",))
    )
    drawn = [
        [Faults.all(seed=seed).draw("file", f"/{n}") for n in range(200)] for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_folder_as_a_booru(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(b"a"))
    (tmp_path / "a.txt").write_text("solo smile")
    (tmp_path / "notes.md").write_text("not a picture")
    with serve(folder_posts(tmp_path)) as stand_in:
        (row,) = json.loads(get(stand_in, "/posts.json", tags="smile")[1])
        assert get(stand_in, urllib.parse.urlsplit(row["file_url"]).path)[1] == png(b"a")


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(UserError, match="http_418"):
        _faults(BooruOptions(faults=("http_418",)))
    assert "http_429" in _faults(BooruOptions(faults=("all",))).names


@pytest.mark.slow
def test_gallery_dl_gets_the_same_files(capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("gallery_dl") is None:
        pytest.skip("gallery-dl is not installed")
    run(CrawlOptions(posts=230, latency_ms=0.0))
    kinds = last_json(capsys.readouterr().out)["kinds"]
    assert {kind: figures["same_files"] for kind, figures in kinds.items()} == {
        "danbooru": True, "moebooru": True, "gelbooru": True,
    }  # fmt: skip
