"""A visitor of the page: headless Chromium and its driver."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

T = TypeVar("T")

WAIT_S = 60
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


class Visitor:
    """A browser on the page; waits for what it looks for."""

    def __init__(self, driver: webdriver.Chrome, url: str, downloads: Path) -> None:
        self.driver, self.url, self.downloads = driver, url, downloads

    def open(self, link: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(self.url + link)
        self.until(lambda: self.js("return document.documentElement.dataset.ready"))

    def js(self, code: str, *given: Any) -> Any:
        return self.driver.execute_script(code, *given)

    def find(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        code = "return document.querySelector(arguments[0])?.innerText ?? ''"
        text: str = self.js(code, selector)
        return text

    def value(self, selector: str) -> str:
        value: str = self.js("return document.querySelector(arguments[0]).value", selector)
        return value

    def until(self, condition: Callable[[], T]) -> T:
        """The condition's first true value."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except WebDriverException:
                pass
            time.sleep(0.03)
        raise AssertionError(f"the page did not get there; it says {self.text('#message')!r}")

    def click(self, selector: str, place: int = 0) -> None:
        element = self.until(lambda: self.find(selector)[place : place + 1])[0]
        self.js("arguments[0].click()", element)

    def choose_option(self, selector: str, value: str) -> None:
        self.js(
            "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change'))",
            selector, value,
        )  # fmt: skip

    def pixels(self, selector: str) -> list[str]:
        """What the canvases show, as one text each."""
        code = "return [...document.querySelectorAll(arguments[0])].map(c => c.toDataURL())"
        shown: list[str] = self.js(code, selector)
        return shown

    def faces(self) -> list[str]:
        return self.pixels("#candidates canvas")

    def drawn(self, act: Callable[[], None]) -> list[str]:
        """The grid after an act that draws it anew."""
        before = self.faces()
        act()

        def anew() -> list[str]:
            now = self.faces()
            return now if now != before and len(now) > 1 else []

        return self.until(anew)

    def choose(self, place: int) -> str:
        self.click("#candidates button", place)
        pressed = f"#candidates button:nth-child({place + 1})[aria-pressed=true]"
        self.until(lambda: self.find(pressed))
        return self.pixels("#chosen")[0]

    def wish(self, name: str, value: str) -> list[str]:
        chip = f"#wish-{name} input[value='{value}']"
        return self.drawn(lambda: self.click(chip))

    def download(self, selector: str, ending: str) -> Path:
        for old in self.downloads.iterdir():
            old.unlink()
        self.click(selector)
        return self.until(lambda: [p for p in self.downloads.iterdir() if p.suffix == ending])[0]

    def message(self) -> str:
        return self.until(lambda: self.text("#message"))

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def severe(self) -> list[str]:
        """What the browser complains of."""
        log: list[dict[str, Any]]
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [
            entry["message"]
            for entry in log
            if entry["level"] == "SEVERE" and "status of 4" not in entry["message"]
        ]


@contextmanager
def visiting(url: str, size: str, downloads: Path, *, dark: bool = False) -> Iterator[Visitor]:
    """A browser with a window of this size. Skips the test where Chromium is absent."""
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("chromium or its driver is absent (Debian: chromium chromium-driver)")
    downloads.mkdir(exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                 "--disable-background-networking", "--window-size=1280,900"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield Visitor(driver, url, downloads)
    finally:
        driver.quit()


__all__ = ["SIZES", "Keys", "Visitor", "visiting"]
