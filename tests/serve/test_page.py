"""The page in a real browser: Chromium and its driver, headless."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serve.conftest import Served

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WAIT_S = 40
SETTLE_S = 1.5  # the page listens to its controls a moment after it shows them
WIDTHS = {"desktop": 1280, "phone": 390}


class Visitor:
    """A browser on the page; waits for what it looks for."""

    def __init__(self, driver: webdriver.Chrome, url: str, downloads: Path) -> None:
        self.driver, self.url, self.downloads = driver, url, downloads

    def open(self) -> None:
        self.driver.get(self.url)
        self.until(lambda: self.find("#draw"))
        self.until(lambda: self.value("#seed input"))
        time.sleep(SETTLE_S)

    def find(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> Any:
        """The condition's first true value."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                found = condition()
            except WebDriverException:
                found = None
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError("the page did not get there")

    def click(self, selector: str, place: int = 0) -> None:
        element = self.until(lambda: self.find(selector)[place : place + 1])[0]
        self.driver.execute_script("arguments[0].scrollIntoView({block:'center'})", element)
        self.driver.execute_script("arguments[0].click()", element)

    def value(self, selector: str) -> str:
        return self.find(selector)[0].get_attribute("value")

    def pictures(self, selector: str = "#candidates") -> list[str]:
        """Where the pictures shown come from, once all are loaded."""
        return self.driver.execute_script(
            "const all = [...document.querySelectorAll(arguments[0] + ' img')];"
            "return all.every(i => i.complete && i.naturalWidth) ? all.map(i => i.src) : []",
            selector,
        )

    def draw(self, button: str = "#draw") -> list[str]:
        before = self.pictures()
        self.click(button)
        return self.until(lambda: (now := self.pictures()) != before and len(now) > 1 and now)

    def choose(self, place: int) -> str:
        before = self.pictures("#chosen")
        self.click("#candidates .thumbnail-item", place)
        return self.until(lambda: (now := self.pictures("#chosen")) != before and now)[0]

    def set_option(self, slot: int, text: str) -> None:
        box = self.until(lambda: self.find(f"#attribute-{slot} input"))[0]
        self.driver.execute_script("arguments[0].scrollIntoView({block:'center'})", box)
        box.click()
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text, Keys.ENTER, Keys.TAB)
        self.until(lambda: text in self.value(f"#attribute-{slot} input"))

    def download(self, selector: str, ending: str) -> Path:
        for old in self.downloads.iterdir():
            old.unlink()
        self.click(selector)
        return self.until(lambda: [p for p in self.downloads.iterdir() if p.suffix == ending])[0]

    def message(self) -> str:
        return self.until(lambda: [t.text for t in self.find(".toast-body") if t.text])[-1]


@pytest.fixture(params=WIDTHS)
def visitor(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[Visitor]:
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("chromium or its driver is absent (Debian: chromium chromium-driver)")
    width, downloads = WIDTHS[request.param], tmp_path / "downloads"
    downloads.mkdir()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        visitor = Visitor(driver, served.url, downloads)
        visitor.open()
        yield visitor
    finally:
        driver.quit()


def recipe_in(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        return json.loads(image.info["avatar-recipe"])


DROPDOWN = pytest.mark.xfail(
    reason="open: the class typed into an attribute's menu is not taken within the wait", run=False
)


@DROPDOWN
def test_a_visit(visitor: Visitor) -> None:
    """Choose attributes, draw, re-roll, lock, choose, download, vary, morph, sweep, bring back."""
    visitor.set_option(0, "blue")
    first = visitor.draw()
    assert len(first) == 16
    assert visitor.draw("#reroll") != first

    visitor.click("#lock input")
    seed = visitor.value("#seed input")
    visitor.set_option(1, "green")
    visitor.draw()
    assert visitor.value("#seed input") == seed

    visitor.choose(2)
    visitor.until(lambda: "blue hair, green eyes" in visitor.find("#caption")[0].text)
    png = visitor.download("#download-png", ".png")
    picture = recipe_in(png)["pictures"][0]
    assert picture["seed"] == int(seed)
    assert picture["index"] == 2
    assert picture["attributes"]["hair_color"] == "blue"
    kept = png.rename(png.parent.parent / "kept.png")
    recipe = json.loads(visitor.download("#download-recipe", ".json").read_text())
    assert recipe["pictures"][0] == picture

    visitor.click("#set-first")
    visitor.until(lambda: visitor.pictures("#first"))
    visitor.draw("#vary")
    visitor.choose(3)
    visitor.click("#set-second")
    visitor.until(lambda: visitor.pictures("#second"))
    visitor.click("button#morph")
    visitor.until(lambda: visitor.pictures("#morph-gif"))
    with Image.open(visitor.download("#download-morph-gif", ".gif")) as gif:
        assert gif.n_frames == 58

    open_tab(visitor, "Sweep")
    visitor.click("button#sweep")
    visitor.until(lambda: visitor.pictures("#sweep-strip"))

    visitor.open()
    assert not visitor.pictures("#chosen")
    open_tab(visitor, "Bring one back")
    upload = visitor.until(lambda: visitor.find("#upload input[type=file]"))[0]
    upload.send_keys(str(kept))
    visitor.until(lambda: visitor.pictures("#chosen"))
    visitor.until(lambda: visitor.value("#seed input") == seed)
    assert "blue" in visitor.value("#attribute-0 input")
    assert "green" in visitor.value("#attribute-1 input")
    assert visitor.draw()[2].rpartition("/")[2] == f"avatar-{seed}-2.png"


def open_tab(visitor: Visitor, name: str) -> None:
    """Open a tab, from the menu of those that do not fit where the page is narrow."""

    def wanted() -> Any:
        tabs = visitor.find("button[role=tab], .overflow-dropdown button")
        return [t for t in tabs if t.get_attribute("textContent").strip() == name]

    if not any(tab.is_displayed() for tab in wanted()):
        visitor.click(".overflow-menu > button")
    shown = visitor.until(lambda: [tab for tab in wanted() if tab.is_displayed()])[0]
    visitor.driver.execute_script("arguments[0].click()", shown)


def test_wrong_input_gets_a_message(visitor: Visitor, tmp_path: Path) -> None:
    visitor.click("#vary")
    assert "choose an avatar first" in visitor.message()
    visitor.open()
    open_tab(visitor, "Bring one back")
    bad = tmp_path / "<img src=x onerror=alert(1)>.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    visitor.until(lambda: visitor.find("#upload input[type=file]"))[0].send_keys(str(bad))
    assert "neither a PNG nor a recipe" in visitor.message()
    assert not visitor.find(".toast-body img[src=x]")


@DROPDOWN
def test_options_tell_what_is_known_and_what_was_never_seen(visitor: Visitor) -> None:
    visitor.set_option(0, "orange")
    assert "never seen" in visitor.value("#attribute-0 input")
    visitor.draw()
    visitor.until(lambda: "orange hair" in visitor.find("#note")[0].text)


def test_nothing_is_asked_of_others_and_nothing_overflows(visitor: Visitor) -> None:
    visitor.draw()
    visitor.choose(0)
    requests = [json.loads(entry["message"]) for entry in visitor.driver.get_log("performance")]
    asked = {
        entry["message"]["params"]["request"]["url"]
        for entry in requests
        if entry["message"]["method"] == "Network.requestWillBeSent"
    }
    assert asked
    assert [u for u in asked if not u.startswith((visitor.url, "data:", "blob:"))] == []
    width = visitor.driver.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width[0] <= width[1]
    edges = visitor.driver.execute_script(
        "return [...document.querySelectorAll('#candidates img')]"
        ".map(i => i.getBoundingClientRect().right)"
    )
    assert max(edges) <= width[1]
