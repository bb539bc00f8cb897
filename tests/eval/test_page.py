"""The report's page in a real browser: what a person meets on the first screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium")

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from bench.planted import PLANTED, Material, Planted, real_faces
from eval.measure import measure
from eval.metric import Plan
from eval.reals import Reals
from eval.report import publish
from eval.trained_classifier import TrainedClassifier

SCREENS = {"desk": (1280, 800), "phone": (390, 844)}
DRAWERS = {"good": real_faces, "broken": PLANTED["noise"][0], "easy": PLANTED["over_easy"][0]}
BROKEN_IMAGES = "return [...document.images].filter(i => !i.naturalWidth).length"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--hide-scrollbars"),
)


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("chromium or its driver is absent (Debian: chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    yield driver
    driver.quit()


@pytest.fixture(
    scope="module",
    params=["good", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("broken", "easy"))],
)
def page(
    request: pytest.FixtureRequest,
    toys: tuple[Reals, TrainedClassifier, Material],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """The page of one kind of model: its kind and its path."""
    reals, classifier, material = toys
    out = tmp_path_factory.mktemp(request.param)
    drawer: Planted = DRAWERS[request.param](material)
    scores = measure(drawer, reals, classifier, Plan(400, depth="quick"), name="toys")
    publish(scores, out, 1.0)
    return request.param, out / "report.html"


def console(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the browser said since it was last asked."""
    said: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return said


def show(driver: webdriver.Chrome, path: Path, screen: str) -> tuple[int, int]:
    width, height = SCREENS[screen]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(path.as_uri())
    return width, height


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_opens_without_an_error(
    driver: webdriver.Chrome, page: tuple[str, Path], screen: str
) -> None:
    console(driver)
    width, _ = show(driver, page[1], screen)
    assert console(driver) == []
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(BROKEN_IMAGES) == 0


@pytest.mark.parametrize("screen", SCREENS)
def test_the_first_screen_tells(
    driver: webdriver.Chrome, page: tuple[str, Path], screen: str
) -> None:
    """One verdict, what is wrong with the number behind it, and drawn faces beside real ones."""
    kind, path = page
    _, height = show(driver, path, screen)

    def found(selector: str) -> list[WebElement]:
        return driver.find_elements(By.CSS_SELECTOR, selector)

    def bottom(element: WebElement) -> float:
        return float(element.rect["y"] + element.rect["height"])

    headline = found("h1")[0]
    expected = {"good": "good", "broken": "broken", "easy": "flaw"}[kind]
    assert expected in headline.text
    assert bottom(headline) < height / 4
    assert max(map(bottom, found(".sheet img"))) <= height
    assert [one.text for one in found(".sheet figcaption b")] == ["Drawn", "Real"]
    wrong = found(".wrong li")
    assert bool(wrong) == (kind != "good")
    if wrong:
        assert bottom(wrong[0]) <= height
        assert any(letter.isdigit() for letter in wrong[0].text)
