"""`label --review`: the desk, its server, and the page in a real browser."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from avatar_common.disk.files import read_csv
from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.errors import UserError
from preprocess.import_set import import_set
from preprocess.options import ImportOptions
from preprocess.reader.label import read_tables
from preprocess.reader.review import Desk, Server

FACES = 12
GUESSES = ["red", "blue", "red", "green"] * 3
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(FACES):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / f"{number:02d}.png")
    (source / "labels.csv").write_text("file_name,hair_color\n00.png,black\n")
    import_set(ImportOptions(source=source, name="mine", workspace=tmp_path, workers=1))
    return tmp_path / "data" / "faces" / "mine"


def desk_of(folder: Path) -> Desk:
    general = load_vocabulary()
    groups = [general.group("hair_color"), general.group("glasses")]
    guesses = {"hair_color": [(name, 0.3 + 0.01 * n) for n, name in enumerate(GUESSES)]}
    return Desk(read_tables(folder, groups, general), groups, general, guesses)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server("127.0.0.1", 0) as server:
        server.show(desk_of(folder))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def hair(folder: Path, table: str = "attributes.csv") -> list[str]:
    return [row["hair_color"] for _, row in read_csv(folder / table, ("file_name",))]


def ask(server: Server, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url.rstrip("/") + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["error"]


def test_answers_are_written_at_once(folder: Path) -> None:
    desk = desk_of(folder)
    sheet = desk.sheet("hair_color")
    assert sheet["faces"][0] == ["black", "table", "red", 0.3]
    assert sheet["faces"][1] == ["", "", "blue", 0.31]
    done = desk.answer("hair_color", {0: "white", 1: "blue", 2: ""})
    assert done["changes"][0] == ["hair_color", 0, ["white", "person", "red", 0.3]]
    assert hair(folder)[:4] == ["white", "blue", "", ""]
    assert hair(folder, "label_sources.csv")[:4] == ["person:white", "person:blue", "person:", ""]
    desk.answer("hair_color", {0: None, 1: None})
    assert hair(folder)[:2] == ["black", ""]
    assert hair(folder, "label_sources.csv")[:2] == ["table:black", ""]
    desk.answer("glasses", {5: "1"})
    (row,) = [row for _, row in read_csv(folder / "attributes.csv", ()) if row["glasses"]]
    assert (row["file_name"], row["glasses"]) == ("05.png", "1")


def test_two_desks_keep_each_others_answers(folder: Path) -> None:
    first, second = desk_of(folder), desk_of(folder)
    first.answer("hair_color", {3: "green"})
    second.answer("hair_color", {4: "red"})
    assert hair(folder)[3:5] == ["green", "red"]
    assert first.sheet("hair_color")["faces"][4][:2] == ["red", "person"]


def test_many_answers_at_once_lose_none(folder: Path) -> None:
    desk = desk_of(folder)
    threads = [
        threading.Thread(target=desk.answer, args=("hair_color", {row: "pink"}))
        for row in range(FACES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hair(folder) == ["pink"] * FACES
    assert desk.changes(FACES - 1)["version"] == FACES


def test_wrong_answers_change_nothing(folder: Path) -> None:
    desk = desk_of(folder)
    before = (folder / "attributes.csv").read_bytes()
    wrong: tuple[dict[int, str | None], ...]
    wrong = ({1: "plaid"}, {1: "red", FACES: "red"}, {-1: "red"})
    for values in wrong:
        with pytest.raises(UserError):
            desk.answer("hair_color", values)
    assert (folder / "attributes.csv").read_bytes() == before
    assert desk.sheet("hair_color")["faces"][1][1] == ""


def test_the_server_answers_its_own_page_only(server: Server) -> None:
    status, page = ask(server, "/")
    assert status == 200
    assert server.token.encode() in page
    assert ask(server, "/face/3")[1].startswith(b"\x89PNG")
    body = {"attribute": "hair_color", "values": {"1": "red"}}
    assert ask(server, "/answer", body)[0] == 403
    assert ask(server, "/", host="evil.example:80")[0] == 403
    assert ask(server, "/answer", body, **{"x-review": server.token})[0] == 200
    assert json.loads(ask(server, "/changes?since=0")[1])["changes"][0][1] == 1
    for path in ("/face/99", "/face/x", "/sheet", "/sheet?attribute=x", "/changes?since=x", "/x"):
        assert ask(server, path)[0] in (400, 404), path
    wrong = {"attribute": "hair_color", "values": {"1": "plaid"}}
    status, why = ask(server, "/answer", wrong, **{"x-review": server.token})
    assert (status, "plaid" in why) == (400, True)
    assert ask(server, "/answer", [], **{"x-review": server.token})[0] == 400


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UserError, match="cannot listen at"):
            Server("127.0.0.1", other.getsockname()[1])


def test_ctrl_c_ends_the_command(folder: Path) -> None:
    command = [sys.executable, "-m", "preprocess", "label", "--review", "--no-browser"]
    process = subprocess.Popen(
        [*command, "--workspace", str(folder.parents[2]), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert "review mine at http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["answers"] == 0
    assert "Traceback" not in err


def until(condition: Callable[[], Any]) -> Any:
    """The condition's first true value."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("the page did not get there")


def open_browser() -> Any:
    """Chromium without a window; skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("chromium or its driver is absent (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(driver_path))


def test_the_page_in_a_browser(server: Server, folder: Path) -> None:
    """Classes, keys, ranges, all right, undo, and a second tab."""
    driver = open_browser()
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def find(selector: str) -> list[Any]:
        elements: list[Any] = driver.find_elements(By.CSS_SELECTOR, selector)
        return elements

    def open_class(name: str) -> None:
        """At one go, for the buttons are made anew whenever something changes."""
        script = (
            "const found = [...document.querySelectorAll('#classes button')]"
            ".find((b) => b.textContent.startsWith(arguments[0])); found?.click(); return !!found"
        )
        until(lambda: driver.execute_script(script, name))

    def captions() -> list[str]:
        script = "return [...document.querySelectorAll('figcaption')].map((c) => c.textContent)"
        texts: list[str] = driver.execute_script(script)
        return texts

    def press(key: str) -> None:
        find("body")[0].send_keys(key)

    try:
        driver.get(server.url)
        open_class("red")
        until(lambda: len(find("figure")) == 5)  # six guesses, one of them a table's black
        assert captions()[0] == "red 32%"
        press("b")  # the least sure is blue, and the frame moves on
        until(lambda: hair(folder)[2] == "blue")
        find("figure")[1].click()
        driver.execute_script(
            "document.querySelectorAll('figure')[3].dispatchEvent("
            "new MouseEvent('click', {shiftKey: true, bubbles: true}))"
        )
        until(lambda: len(find("figure.chosen")) == 3)
        press("i")
        until(lambda: hair(folder).count("pink") == 3)
        driver.find_element(By.ID, "undo").click()
        until(lambda: hair(folder).count("pink") == 0)
        open_class("green")
        until(lambda: len(find("figure")) == 3)
        press(Keys.ENTER)
        until(lambda: hair(folder).count("green") == 3)
        until(lambda: driver.find_element(By.ID, "empty").is_displayed())
        open_class("blue")
        until(lambda: len(captions()) == 3)
        server.desk.answer("hair_color", {1: "aqua"})  # another tab
        until(lambda: captions()[0] == "aqua ✓")
        assert hair(folder, "label_sources.csv")[0] == "table:black"
    finally:
        driver.quit()
