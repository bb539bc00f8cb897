"""Avatars over HTTP: by the real command, by many clients, by hostile ones."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import acgan
from acgan.serving.app import host_names
from acgan.serving.bounds import Bounds, Shares, name_of_host
from acgan.serving.cache import Cache
from acgan.serving.options import ServeOptions
from tests.serving.conftest import Served, serving

ROOT = Path(__file__).resolve().parents[2]

CLIENTS = 1000
MOST_GROWTH_MB = 40
NEW, OLD = "00002-other.0000001000", "00001-tiny.0000001000"


def call(
    served: Served, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> tuple[int, Any, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(served.url + path, data, dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def picture(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def recipe(data: bytes) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as image:
        found: dict[str, Any] = json.loads(image.info["avatar-recipe"])
    return found


def test_a_name_has_one_face_and_it_is_that_of_python(served: Served, workspace: Path) -> None:
    model = acgan.load(workspace / "runs/00002-other")
    ours = model.for_name("alice/é", hair_color="blue")
    path = "avatar/" + urllib.parse.quote("alice/é", safe="") + ".png"
    status, headers, data = call(served, path + "?hair_color=blue")
    assert status == 200
    assert headers["content-type"] == "image/png"
    assert abs(picture(data) - np.asarray(ours)).max() <= 1
    assert recipe(data) == ours.recipe
    assert abs(picture(data) - np.asarray(model.again(data))).max() <= 1
    assert "max-age=604800" in headers["cache-control"]
    status, _, empty = call(
        served, path + "?hair_color=blue", {"if-none-match": f'"x", {headers["etag"]}'}
    )
    assert (status, empty) == (304, b"")
    assert picture(call(served, path + "?size=40&scale_by=pixels")[2]).shape == (40, 40, 3)
    upper, folded = (call(served, f"avatar/{n}.png?fold_case=1")[2] for n in ("Alice", "alice"))
    assert upper == folded
    other = call(served, f"{path}?model={OLD}")[2]
    assert recipe(other)["snapshot"] != recipe(data)["snapshot"]


def test_seeds_give_what_generate_gives(served: Served, workspace: Path) -> None:
    ours = acgan.load(workspace / "runs/00002-other").draw(seed=7, count=4, smile=1)[3]
    status, _, data = call(served, "avatar?seed=7&index=3&smile=1")
    assert status == 200
    assert recipe(data) == ours.recipe


def test_what_it_can_is_told(served: Served) -> None:
    models = json.loads(call(served, "models")[2])["models"]
    assert [model["name"] for model in models][:2] == [NEW, OLD]
    assert "blue" in models[0]["attributes"]["hair_color"]
    told = json.loads(call(served, f"models/{NEW}")[2])
    assert len(told["label_rows"]) == 64
    assert told["class_counts"]["hair_color"][0] == 0
    assert told["best_of"] == 4
    paths = json.loads(call(served, "openapi.json")[2])["paths"]
    assert {"/avatar", "/avatar/{name}.png", "/models", "/draw", "/rank"} < set(paths)


def test_recipes_are_drawn_and_ranked(served: Served, workspace: Path) -> None:
    model = acgan.load(workspace / "runs/00002-other", workspace=workspace)
    first, last = model.draw(seed=1, count=2)
    faces = model.morph(first, last, frames=5)
    content = faces[0].recipe | {"pictures": [f.recipe["pictures"][0] for f in faces]}
    status, _, data = call(served, "draw", body=content)
    assert status == 200
    assert abs(picture(data) - np.concatenate([np.asarray(f) for f in faces])).max() <= 1
    large = call(served, "draw", body=faces[0].recipe | {"size": 48})[2]
    assert picture(large).shape == (48, 48, 3)
    status, _, data = call(served, "rank", body=content | {"asked": ["smile"]})
    portraits = [model.portrait(face) for face in faces]
    rows = [portrait.labels for portrait in portraits]
    ours = model.picker.rank(model.painter.draw(portraits), rows, ["smile"])
    np.testing.assert_allclose(json.loads(data)["ranks"], ours, atol=1e-3)


def test_the_best_of_several(served: Served, workspace: Path) -> None:
    model = acgan.load(workspace / "runs/00002-other", workspace=workspace)
    data = call(served, "avatar?seed=7&best_of=8&hair_color=blue")[2]
    assert recipe(data) == model.draw(seed=7, best_of=8, hair_color="blue")[0].recipe
    assert recipe(data)["pictures"][0]["best_of"] == 8


def test_a_head_without_a_body(served: Served) -> None:
    status, body = raw(served, "HEAD", "/avatar/alice.png", None, {})
    assert (status, body) == (200, b"")
    assert raw(served, "POST", "/avatar/alice.png", None, {})[0] == 405


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("avatar/a.png?size=0", 400),
        ("avatar/a.png?size=1000000000", 400),
        ("avatar/a.png?size=-1", 400),
        ("avatar/a.png?size=NaN", 400),
        ("avatar/a.png?hair_color=tartan", 400),
        ("avatar/a.png?hair_color=" + "x" * 10_000, 400),
        ("avatar/a.png?shoes=<script>alert(1)</script>", 400),
        ("avatar/a.png?best_of=1000", 400),
        ("avatar/a.png?model=../../etc/passwd", 404),
        ("avatar/" + "x" * 10_240 + ".png", 400),
        ("avatar/.png", 400),
        ("avatar/%00.png", 200),
        ("avatar/%ff%fe.png", 200),
        ("avatar/..%2f..%2f..%2fetc%2fpasswd.png", 200),
        ("avatar/" + "%F0%9F%90%B1" * 20 + ".png", 200),
        ("avatar", 400),
        ("avatar?seed=-1", 400),
        ("avatar?seed=1e400", 400),
        ("avatar?seed=9007199254740992", 400),
        ("avatar?seed=1&index=9999999999999999999999", 400),
        ("models/..%2f..%2fetc%2fpasswd", 404),
        ("..%2f..%2f..%2fetc/passwd", 404),
        ("%2e%2e/%2e%2e/pyproject.toml", 404),
        ("static/../../../etc/passwd", 404),
        ("docs", 404),
    ],
)
def test_hostile_requests_are_refused(served: Served, path: str, status: int) -> None:
    found, headers, body = call(served, urllib.parse.quote(path, safe="/?=&%.<>"))
    assert found == status
    assert b"Traceback" not in body
    assert b"root:" not in body
    if status >= 400:
        assert headers["content-type"] == "application/json"
        assert json.loads(body)["error"].count("\n") == 0
        assert len(body) < 1000


def bad_recipes(good: dict[str, Any]) -> list[Any]:
    one = good["pictures"][0]
    return [
        [], 7, "x", {}, {"snapshot": "0" * 64, "schema_version": 1}, good | {"pictures": []},
        good | {"pictures": [one] * 65}, good | {"pictures": "x"}, good | {"pictures": [7]},
        good | {"pictures": [one | {"z": "!"}]}, good | {"pictures": [one | {"z": 1}]},
        good | {"pictures": [one | {"attributes": {"smile": "x" * 9999}}]},
        good | {"pictures": [one | {"attributes": None}]}, good | {"columns": "x"},
        good | {"size": 0}, good | {"size": "x"}, good | {"size": 10**9},
        good | {"size": 32, "pictures": [one, one]},
    ]  # fmt: skip


def test_hostile_bodies_are_refused(served: Served, workspace: Path) -> None:
    good = acgan.load(workspace / "runs/00002-other").draw(seed=1)[0].recipe
    for route in ("draw", "rank"):
        for body in bad_recipes(good):
            status, _, data = call(served, route, body=body)
            unread = route == "rank" and isinstance(body, dict) and "size" in body
            if body == good | {"columns": "x"} or unread:
                assert status == 200  # what is not asked for is not read
                continue
            assert status == 400, body
            assert b"Traceback" not in data
    for asked in ("x", [7], ["shoes"], [["smile"]]):
        assert call(served, "rank", body=good | {"asked": asked})[0] == 400
    deep = b"[" * 100_000
    assert raw(served, "POST", "/draw", deep, {})[0] == 400


def raw(
    served: Served, method: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[int, bytes]:
    host = urllib.parse.urlparse(served.url).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (BrokenPipeError, ConnectionResetError):
        return 413, b""  # refused before all of it was sent
    finally:
        connection.close()


def test_a_body_that_does_not_arrive(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("acgan.serving.api.BODY_WITHIN_S", 0.2)
    host, port = urllib.parse.urlparse(served.url).netloc.split(":")
    for leaves_early in (False, True):
        with socket.create_connection((host, int(port)), timeout=20) as client:
            head = f"POST /draw HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{"
            client.sendall(head.encode())
            if not leaves_early:
                assert client.recv(4096).startswith(b"HTTP/1.1 400")
    time.sleep(0.1)
    assert call(served, "health")[0] == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_large_and_endless_bodies_are_refused(served: Served) -> None:
    assert raw(served, "POST", "/draw", b"x" * 6_000_000, {})[0] == 413
    endless = (b"x" * 1000 for _ in range(10))
    assert raw(served, "POST", "/draw", endless, {})[0] == 413


def test_behind_a_proxy(served: Served, workspace: Path) -> None:
    status, body = raw(served, "GET", "/health", None, {"Host": "evil.example"})
    assert status == 400
    assert "evil.example" in json.loads(body)["error"]
    options = {"hosts": ("faces.example",), "root_path": "/faces", "page": False}
    with serving(workspace, **options, client_limit=1.0) as proxied:
        assert raw(proxied, "GET", "/health", None, {"Host": "faces.example:8080"})[0] == 200
        assert raw(proxied, "GET", "/health", None, {"Host": "other.example"})[0] == 400
        assert raw(proxied, "GET", "/avatar/a.png", None, {})[0] == 200
        assert raw(proxied, "GET", "/", None, {})[0] == 404
        told = json.loads(raw(proxied, "GET", "/openapi.json", None, {})[1])
        assert told["servers"] == [{"url": "/faces"}]
        mine, others = {"X-Forwarded-For": "10.0.0.1"}, {"X-Forwarded-For": "10.0.0.2"}
        found = [raw(proxied, "GET", f"/avatar/{n}.png", None, mine)[0] for n in range(20)]
        assert found[:9] == [200] * 9
        assert found[-1] == 429
        assert raw(proxied, "GET", "/avatar/0.png", None, mine)[0] == 200  # cached
        assert raw(proxied, "GET", "/avatar/99.png", None, others)[0] == 200


def test_names_of_hosts() -> None:
    assert [name_of_host(h) for h in ("a:1", "a", "[::1]:80", "[::1]")] == [
        "a", "a", "[::1]", "[::1]",
    ]  # fmt: skip
    assert host_names(ServeOptions(host="0.0.0.0")) == []
    assert "localhost" in host_names(ServeOptions())
    assert "a.example" in host_names(ServeOptions(host="0.0.0.0", hosts=("a.example",)))


def resident_mb() -> float:
    """Of this process: server and clients together."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_thousand_clients(served: Served) -> None:
    """All at once, each on a connection of its own: a face, or a word that it is too much."""

    async def visit(number: int) -> int:
        host, port = urllib.parse.urlparse(served.url).netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            head = f"GET /avatar/n{number % 600}.png HTTP/1.1\r\nHost: {host}\r\nConnection: close"
            writer.write(f"{head}\r\n\r\n".encode())
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()
        assert b"Traceback" not in answer
        return int(answer.split(b" ", 2)[1])

    async def all_visit() -> list[int]:
        return await asyncio.gather(*(visit(number) for number in range(CLIENTS)))

    asyncio.run(all_visit())
    before = resident_mb()
    found = asyncio.run(all_visit())
    assert set(found) <= {200, 503}
    assert found.count(200) > CLIENTS / 4
    assert resident_mb() - before < MOST_GROWTH_MB
    assert call(served, "health")[0] == 200


@pytest.mark.slow
def test_the_command_draws_by_onnx_runtime(workspace: Path) -> None:
    """The real thing: from the start to the stop by a signal."""
    pytest.importorskip("onnxruntime")
    command = [sys.executable, "-W", "ignore", "-m", "acgan", "serve", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--workspace", str(workspace)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        _, _, data = call(Served(url), "avatar/alice.png")
        ours = acgan.load(workspace / "runs/00002-other").for_name("alice")
        assert abs(picture(data) - np.asarray(ours)).max() <= 1
    finally:
        server.terminate()
        assert server.wait(30) in (0, 143, -15)
        if server.stdout is not None:
            server.stdout.close()
    assert list((workspace / "data/cache").glob("*.onnx"))


def test_the_same_question_by_many_is_answered_alike(served: Served) -> None:
    with ThreadPoolExecutor(16) as clients:
        found = set(clients.map(lambda _: call(served, "avatar/many.png")[2], range(64)))
    assert len(found) == 1


def test_shares_are_fair_and_bounded() -> None:
    now = [0.0]
    shares = Shares(2.0, lambda: now[0])
    assert [shares.wait_s("a", 10) for _ in range(3)] == [0.0, 0.0, 5.0]
    assert shares.wait_s("b", 1) == 0.0
    now[0] = 5.0
    assert shares.wait_s("a", 10) == 0.0
    for number in range(20_000):
        shares.wait_s(f"c{number}", 1)
    assert len(shares._buckets) == 10_000
    assert Shares(0.0).wait_s("a", 10**9) == 0.0


def test_the_cache_is_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", disk_bytes=1000, memory_bytes=300)
    for number in range(20):
        cache.put(str(number), bytes([number]) * 100)
        time.sleep(0.002)
    assert cache.recent("0") is None
    assert cache.recent("19") == bytes([19]) * 100
    files = list((tmp_path / "c").rglob("*.png"))
    assert 500 <= sum(path.stat().st_size for path in files) <= 1000
    assert cache.get("0") is None
    again = Cache(tmp_path / "c", disk_bytes=1000, memory_bytes=300)
    assert again.get("19") == bytes([19]) * 100
    again.close()
    assert files[0].exists()
    passing = Cache(None, disk_bytes=1000, memory_bytes=300)
    passing.put("a", b"x")
    passing.close()
    assert not passing.folder.exists()


def test_websockets_and_other_schemes_pass_the_bounds() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(Bounds(app, ["a"])({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_base64_of_z_is_little_endian(workspace: Path) -> None:
    """What the page reads."""
    face = acgan.load(workspace / "runs/00002-other").draw(seed=1)[0]
    data = base64.b64decode(face.recipe["pictures"][0]["z"])
    assert np.frombuffer(data, "<f4").shape == (8,)
