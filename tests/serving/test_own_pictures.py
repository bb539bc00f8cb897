"""Pictures that a visitor sends: found in the model, recoloured, refused."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import acgan
from acgan.serving.library import Library
from tests.serving.conftest import Served, serving
from tests.serving.test_http import NEW, OLD, call, picture


def face_bytes(workspace: Path, kind: str = "PNG") -> bytes:
    """A face that stands for a visitor's own."""
    file = io.BytesIO()
    image = acgan.load(workspace / "runs/00002-other").draw(seed=5)[0].enlarge(3, "smooth")
    image.convert("RGB").save(file, kind)
    return file.getvalue()


def send(served: Served, path: str, body: bytes) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(served.url + path, body)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def status_of_announced(served: Served, path: str, size: int) -> int:
    """The answer to a body that is only announced: the server need not read it to refuse it."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(served.url).netloc, timeout=60)
    connection.putrequest("POST", f"/{path}")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def assert_same_face(found: dict[str, Any], ours: dict[str, Any]) -> None:
    """Equal recipes, but for what forty steps make of another order of additions in a thread."""
    theirs, own = (
        np.frombuffer(base64.b64decode(r["pictures"][0].pop("z")), "<f4") for r in (found, ours)
    )
    np.testing.assert_allclose(theirs, own, atol=1e-3)
    assert found == ours


def test_an_own_picture_is_found_and_edited(served: Served, workspace: Path) -> None:
    model = acgan.load(workspace / "runs/00002-other", workspace=workspace)
    sent = face_bytes(workspace)
    _, _, told = send(served, "find", sent)
    assert_same_face(json.loads(told), model.find(sent).recipe)
    status, headers, data = send(served, "edit?hair_color=pink&eye_color=red", sent)
    assert (status, headers["content-type"]) == (200, "image/png")
    ours = model.edit(sent, eye_color="red", hair_color="pink")
    np.testing.assert_allclose(picture(data).astype(int), np.asarray(ours).astype(int), atol=2)
    _, _, large = send(served, "edit?hair_color=pink&size=96", face_bytes(workspace, "JPEG"))
    assert picture(large).shape == (96, 96, 3)
    edits = {name: json.loads(call(served, f"models/{name}")[2])["edits"] for name in (NEW, OLD)}
    assert edits == {NEW: ["hair_color", "eye_color"], OLD: []}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("edit", 400, "say what to change"),
        ("edit?smile=1", 400, "smile cannot be changed"),
        ("edit?hair_color=mauve", 400, "mauve"),
        ("edit?hair_color=" + "x" * 10_000, 400, "hair_color"),
        ("edit?" + "&".join(["hair_color=pink", "hair_color=red"] * 1500), 400, "named twice"),
        ("edit?hair_color=pink&size=0", 400, "size"),
        (f"edit?hair_color=pink&size={10**9}", 400, "size"),
        ("edit?hair_color=pink&like=x", 400, "no attribute"),
        ("edit?hair_color=pink&model=nobody", 404, "no model"),
        ("find?model=nobody", 404, "no model"),
        (f"edit?hair_color=pink&model={OLD}", 400, "no encoder"),
    ],
)
def test_edits_that_cannot_be(
    served: Served, workspace: Path, path: str, status: int, message: str
) -> None:
    found, _, body = send(served, path, face_bytes(workspace))
    assert found == status
    assert message in json.loads(body)["error"]
    assert len(body) < 600
    assert str(workspace).encode() not in body


def test_sent_pictures_that_are_none(served: Served, workspace: Path) -> None:
    sent = face_bytes(workspace)
    wide = io.BytesIO()
    Image.new("RGB", (64, 40)).save(wide, "PNG")
    tall = io.BytesIO()
    Image.new("1", (4097, 4097)).save(tall, "PNG")
    for body in (b"x", sent[:300], b"{}", wide.getvalue(), tall.getvalue()):
        for path in ("find", "edit?hair_color=pink"):
            status, _, answer = send(served, path, body)
            assert status == 400, body[:20]
            assert set(json.loads(answer)) <= {"error", "hint"}
    assert status_of_announced(served, "find", 2**20 + 1) == 413
    assert send(served, "find", sent)[0] == 200


def test_avatars_are_drawn_while_many_send_pictures(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from acgan.serving import desk

    begun, go_on = threading.Event(), threading.Event()
    find = desk.find_recipe

    def slow(library: Library, name: str, data: bytes) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(60)
        return find(library, name, data)

    monkeypatch.setattr(desk, "find_recipe", slow)
    monkeypatch.setattr(desk, "MOST_FINDING", 3)
    with serving(workspace, client_limit=0.0) as found, ThreadPoolExecutor(9) as clients:
        sent = [face_bytes(workspace) + bytes([number]) for number in range(9)]
        try:
            answers = [clients.submit(send, found, "edit?hair_color=pink", body) for body in sent]
            assert begun.wait(60)
            assert call(found, "avatar/not-drawn-before.png")[0] == 200
            refused = [answer.result(60)[0] for answer in islice(as_completed(answers, 60), 6)]
            assert refused == [503] * 6
        finally:
            go_on.set()
        assert sorted(answer.result()[0] for answer in answers) == [200] * 3 + [503] * 6


def test_nobody_is_found_for_those_who_left(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from acgan.serving import desk

    asked: list[bytes] = []
    begun, go_on = threading.Event(), threading.Event()
    find = desk.find_recipe

    def slow(library: Library, name: str, data: bytes) -> dict[str, Any]:
        asked.append(data)
        begun.set()
        assert go_on.wait(60)
        return find(library, name, data)

    monkeypatch.setattr(desk, "find_recipe", slow)
    sent = [face_bytes(workspace) + bytes([number]) for number in range(6)]
    with serving(workspace, client_limit=0.0, threads=1) as found, ThreadPoolExecutor(1) as one:
        host = urllib.parse.urlsplit(found.url).netloc
        try:
            first = one.submit(send, found, "find", sent[0])
            assert begun.wait(60)
            for body in sent[1:5]:
                connection = http.client.HTTPConnection(host, timeout=60)
                connection.request("POST", "/edit?hair_color=pink", body)
                connection.close()
            time.sleep(0.5)  # until the server has seen them leave
        finally:
            go_on.set()
        assert first.result()[0] == 200
        assert send(found, "find", sent[5])[0] == 200
    assert asked == [sent[0], sent[5]]


def test_finding_faces_counts_as_much_drawing(workspace: Path) -> None:
    sent = face_bytes(workspace)
    with serving(workspace, client_limit=5.0) as found:
        assert send(found, "edit?hair_color=pink", sent)[0] == 200
        assert send(found, "edit?hair_color=blue", sent)[0] in (200, 429)
        assert send(found, "find", face_bytes(workspace, "JPEG"))[0] == 429
