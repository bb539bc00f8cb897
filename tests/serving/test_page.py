"""The page in a real browser: drawn by the server, and by itself from static files."""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

import acgan
from avatar_common.errors import Unavailable, UserError
from tests.serving.conftest import Served
from tests.serving.visitor import Keys, Visitor, visiting

# Whether an element lies in the window; whether every chosen option lies in its row.
IN_VIEW = """
    const { top, bottom } = document.querySelector(arguments[0]).getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;"""
IN_ROW = """
    return [...document.querySelectorAll("#wishes .chip:has(:checked)")].every((chip) => {
      const [one, row] = [chip, chip.parentElement].map((e) => e.getBoundingClientRect());
      return one.left >= row.left - 1 && one.right <= row.right + 1;
    });"""
RUNTIME = "ONNXRUNTIME_WEB"  # names a folder with the npm package, where npm cannot fetch it


class Quiet(SimpleHTTPRequestHandler):
    """A file host."""

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@pytest.fixture(scope="session")
def site(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page as static files, under a folder of a plain file host; its address."""
    pytest.importorskip("onnxruntime")
    from acgan.drawing import export
    from acgan.drawing.options import ExportOptions

    root = tmp_path_factory.mktemp("host")
    runtime = os.environ.get(RUNTIME)
    options = ExportOptions(
        workspace=workspace,
        site=root / "faces",
        also=(workspace / "runs/00001-tiny",),
        runtime=Path(runtime) if runtime else None,
        quiet=True,
    )
    try:
        export.run(options)
    except Unavailable as error:
        pytest.skip(str(error))
    handler = functools.partial(Quiet, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{host.server_address[1]}/faces/"
        host.shutdown()
        thread.join()


@pytest.fixture(
    params=[
        "server desktop",
        "server phone",
        pytest.param("site desktop", marks=pytest.mark.slow),
    ]
)
def visitor(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[Visitor]:
    where, size = request.param.split()
    url = served.url if where == "server" else request.getfixturevalue("site")
    with visiting(url, size, tmp_path / "downloads") as found:
        found.open()
        yield found
        assert found.severe() == []


def recipe_in(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        found: dict[str, Any] = json.loads(image.info["avatar-recipe"])
    return found


@pytest.fixture
def model(workspace: Path) -> acgan.Model:
    return acgan.load(workspace / "runs/00002-other")


def morph_and_sweep(visitor: Visitor) -> None:
    """Morph from the chosen face to a variation of it, and sweep along an attribute."""
    visitor.click("#set-first")
    visitor.drawn(lambda: visitor.click("#vary"))
    visitor.choose(3)
    visitor.click("#set-second")
    visitor.click("#morph")
    visitor.until(lambda: visitor.find("#morph-film canvas"))
    with Image.open(visitor.download("#morph-film .gif", ".gif")) as gif:
        assert isinstance(gif, GifImageFile)
        assert gif.n_frames == 58
        assert gif.size == (256, 256)
        gif.seek(40)
        assert np.asarray(gif.convert("RGB")).std() > 10
    strip = recipe_in(visitor.download("#morph-film .strip", ".png"))
    assert strip["columns"] == len(strip["pictures"]) == 8
    visitor.click("#sweep")
    visitor.until(lambda: visitor.find("#sweep-film canvas"))
    visitor.choose_option("#move", "#0")
    before = visitor.pixels("#sweep-film canvas")
    visitor.click("#sweep")
    visitor.until(lambda: visitor.pixels("#sweep-film canvas") != before)


def test_a_visit(visitor: Visitor, model: acgan.Model) -> None:
    """Wish, re-roll, lock, choose, save, change, vary, morph, sweep, keep, bring back."""
    assert len(visitor.faces()) == 16
    visitor.drawn(lambda: visitor.choose_option("#best-of", "1"))
    visitor.wish("hair_color", "blue")
    seed = visitor.value("#seed")
    visitor.wish("eye_color", "green")
    assert visitor.value("#seed") == seed  # locked: the same characters
    visitor.drawn(lambda: visitor.click("#reroll"))
    assert visitor.value("#seed") != seed  # New faces does what it says, locked or not
    assert not visitor.text("#message")
    visitor.click("#lock")
    rolled = visitor.value("#seed")
    visitor.wish("smile", "1")
    assert visitor.value("#seed") != rolled

    visitor.choose(2)
    seed = visitor.value("#seed")
    assert visitor.text("#caption") == f"blue hair, green eyes, smile · seed {seed}"
    visitor.choose_option("#size", "16")
    png = visitor.download("#png", ".png")
    ours = model.draw(hair_color="blue", eye_color="green", smile=True, seed=int(seed), count=3)[2]
    assert recipe_in(png) == ours.recipe
    with Image.open(png) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert abs(drawn - np.asarray(model.again(png))).max() <= 1
    recipe = json.loads(visitor.download("#recipe", ".json").read_text())
    assert recipe == ours.recipe
    kept = png.parent.parent / "kept.json"
    kept.write_text(json.dumps(recipe))

    before = visitor.pixels("#chosen")
    visitor.choose_option("#change-hair_color", "7")
    visitor.until(lambda: visitor.pixels("#chosen") != before)
    changed = recipe_in(visitor.download("#png", ".png"))
    pink = model.info.vocabulary.group("hair_color").classes[7]
    assert changed == model.move(ours, hair_color=pink).recipe

    morph_and_sweep(visitor)

    visitor.click("#favourite")
    visitor.until(lambda: visitor.text("#favourite") == "★ Kept")
    assert len(visitor.find("#history button")) == 3
    visitor.click("#history button", 2)
    visitor.until(lambda: f"seed {seed}" in visitor.text("#caption"))

    visitor.open()
    assert visitor.text("#caption") == "Take a face from the grid."
    visitor.click("#kept-part summary")
    visitor.until(lambda: len(visitor.find("#favourites button")) == 1)
    visitor.find("#upload")[0].send_keys(str(kept))
    visitor.until(lambda: f"seed {seed}" in visitor.text("#caption"))
    visitor.until(lambda: visitor.value("#seed") == seed)
    checked = "document.querySelector('#wish-hair_color input:checked').value"
    assert visitor.js(f"return {checked}") == "blue"


def test_a_name_and_a_link(visitor: Visitor, model: acgan.Model) -> None:
    visitor.js("document.querySelector('#name').value = arguments[0]", "Zoë / 猫")
    visitor.click("#by-name button")
    visitor.until(lambda: visitor.text("#caption").startswith("Zoë / 猫: "))
    visitor.until(lambda: visitor.js(IN_VIEW, "#chosen"))
    visitor.choose_option("#size", "16")
    face = model.for_name("Zoë / 猫")
    assert recipe_in(visitor.download("#png", ".png")) == face.recipe
    link = visitor.js("return location.hash")
    shown = visitor.pixels("#chosen")
    visitor.drawn(lambda: visitor.click("#vary"))
    visitor.choose(1)
    varied, far = visitor.pixels("#chosen"), visitor.js("return location.hash")
    assert len(link) < 200

    def shows(pixels: list[str]) -> bool:
        return visitor.pixels("#chosen") == pixels

    for text, pixels in ((link, shown), (far, varied)):
        visitor.open(text)
        visitor.choose_option("#size", "16")
        visitor.until(functools.partial(shows, pixels))
        assert visitor.js(IN_ROW)
    for bad in ("#model=nobody&seed=1", "#model=%", "#seed=1", link + "&seed=x",
                "#model=00002-other.0000001000&recipe={}", "#" + "x" * 5000):  # fmt: skip
        visitor.open(bad)
        assert len(visitor.faces()) == 16


def test_a_picture_of_ones_own(visitor: Visitor, model: acgan.Model, tmp_path: Path) -> None:
    """A face in a wide picture is cut out and recoloured, by the server alone."""
    if visitor.js("return document.documentElement.dataset.draws") == "in_browser":
        assert visitor.js("return document.querySelector('#own-part').hidden")
        return
    whole = Image.new("RGB", (200, 120), "white")
    whole.paste(model.draw(seed=3)[0].enlarge(5, "smooth"), (100, 20))
    whole.save(tmp_path / "me.png")
    (tmp_path / "none.png").write_bytes(b"x")
    visitor.js("document.querySelector('#own-part').open = true")
    visitor.find("#own-file")[0].send_keys(str(tmp_path / "none.png"))
    visitor.until(lambda: "not a picture" in visitor.text("#message"))
    visitor.find("#own-file")[0].send_keys(str(tmp_path / "me.png"))
    visitor.until(lambda: visitor.js("return !document.querySelector('#own-cut').hidden"))
    for control, value in (("side", 80), ("left", 100), ("top", 20)):
        visitor.js(
            "const s = document.querySelector(`#own-${arguments[0]}`); s.value = arguments[1];"
            "s.dispatchEvent(new Event('input'))",
            control, value,
        )  # fmt: skip
    visitor.click("#own-take")
    visitor.until(lambda: visitor.js("return !document.querySelector('#own-result').hidden"))
    before, after = visitor.pixels("#own-result canvas")
    assert before == after
    read = visitor.js("return document.querySelector('#own-hair_color option').textContent")
    visitor.choose_option("#own-hair_color", "pink" if "pink" not in read else "blue")
    visitor.until(lambda: visitor.pixels("#own-after")[0] != after)
    assert visitor.pixels("#own-before")[0] == before
    with Image.open(visitor.download("#own-save", ".png")) as saved:
        assert saved.size == (80, 80)
    visitor.choose_option("#own-hair_color", "")
    visitor.until(lambda: visitor.pixels("#own-after")[0] == before)


def test_wrong_input_gets_a_message(visitor: Visitor, tmp_path: Path) -> None:
    visitor.click("#sweep")
    assert "Take a face" in visitor.message()
    bad = tmp_path / "<img src=x onerror=alert(1)>.png"

    def says(words: str) -> bool:
        return words in visitor.text("#message")

    foreign = {"snapshot": "0" * 64, "schema_version": 1, "pictures": []}
    for content, words in (
        (b"\x89PNG\r\n\x1a\nnot really", "carries no recipe"),
        (b"{" * 1000, "neither a PNG nor a recipe"),
        (json.dumps(foreign).encode(), "a model that is not here"),
        (b" " * 5_000_000, "larger than 4 MB"),
    ):
        bad.write_bytes(content)
        visitor.find("#upload")[0].send_keys(str(bad))
        visitor.until(functools.partial(says, words))
    visitor.js("document.querySelector('#seed').value = '-3'")
    visitor.js("document.querySelector('#seed').dispatchEvent(new Event('change'))")
    visitor.until(lambda: "whole number" in visitor.text("#message"))
    visitor.js("document.querySelector('#name').value = 'é'.repeat(600)")
    visitor.click("#by-name button")
    visitor.until(lambda: "1024 bytes" in visitor.text("#message"))


def test_the_best_of_several_is_that_of_python(visitor: Visitor, workspace: Path) -> None:
    """The choice of a seed whose best ones lead: the browser's arithmetic rounds otherwise."""
    seed, rounding = 7, 0.001
    model = acgan.load(workspace / "runs/00002-other", workspace=workspace)
    for same in model.candidates(["smile=1"], 16, seed, 8):
        drawn = model.painter.draw(same)
        ranks = sorted(model.picker.rank(drawn, [p.labels for p in same], ["smile"]))
        assert ranks[-1][0] > ranks[-2][0] or ranks[-1][1] > ranks[-2][1] + 2 * rounding
    assert visitor.value("#best-of") == "4"
    visitor.wish("smile", "1")
    visitor.drawn(lambda: visitor.choose_option("#seed", str(seed)))
    visitor.drawn(lambda: visitor.choose_option("#best-of", "8"))
    ours = model.portraits(["smile=1"], 16, seed, 8)
    shown = "[...document.querySelectorAll('#candidates button')].map(b => b.shown.portrait)"
    theirs = visitor.js(f"return {shown}.map(p => [p.seed, p.index, p.candidate, p.bestOf])")
    assert theirs == [[p.seed, p.index, p.candidate, p.best_of] for p in ours]
    assert len({p.candidate for p in ours}) > 2


def test_another_model_draws_at_once(visitor: Visitor) -> None:
    visitor.choose(0)
    visitor.wish("hair_color", "orange")
    assert "orange hair" in visitor.text("#note")
    visitor.drawn(lambda: visitor.click("#models input[value='00001-tiny.0000001000']"))
    assert visitor.text("#caption") == "Take a face from the grid."
    visitor.choose(1)
    visitor.click("#wish-hair_color input[value='']")
    visitor.until(lambda: not visitor.text("#note"))


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    visitor.js("document.querySelector('#candidates button').focus()")
    visitor.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ENTER)
    visitor.until(lambda: visitor.find("#candidates button:nth-child(6)[aria-pressed=true]"))
    visitor.js("document.querySelector('#wish-hair_color input').focus()")
    visitor.drawn(lambda: visitor.press(Keys.ARROW_RIGHT))
    nameless = visitor.js(
        "return [...document.querySelectorAll('button, input, select, canvas')].filter(e =>"
        " e.checkVisibility() && e.parentElement.tagName !== 'BUTTON' &&"
        " !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert nameless == []
    wide = visitor.js("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


@pytest.mark.slow
def test_a_site_needs_nobody(site: str, tmp_path: Path) -> None:
    """Every request goes to its own folder; once a face is drawn, the network may go away."""
    with visiting(site, "desktop", tmp_path / "downloads") as visitor:
        visitor.open()
        asked = visitor.js("return performance.getEntriesByType('resource').map(e => e.name)")
        assert asked
        assert all(name.startswith(site) for name in asked)
        visitor.driver.execute_cdp_cmd("Network.enable", {})
        visitor.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        visitor.wish("hair_color", "red")
        visitor.choose(1)
        assert recipe_in(visitor.download("#png", ".png"))["pictures"][0]["index"] == 1


def test_a_site_is_written_whole_or_not_at_all(workspace: Path, tmp_path: Path) -> None:
    from acgan.drawing import export
    from acgan.drawing.options import ExportOptions

    common: dict[str, Any] = {"workspace": workspace, "quiet": True}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("x")
    with pytest.raises(UserError, match="is not replaced"):
        export.run(ExportOptions(**common, site=tmp_path / "mine"))
    with pytest.raises(UserError, match="no onnxruntime-web in this folder"):
        export.run(ExportOptions(**common, site=tmp_path / "new", runtime=tmp_path))
    run = workspace / "runs/00002-other"
    shutil.copytree(run, tmp_path / "copy/runs/00002-other")
    two = (run, tmp_path / "copy/runs/00002-other")
    with pytest.raises(UserError, match="two models are called"):
        export.run(ExportOptions(**common, site=tmp_path / "new", also=two, runtime=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "mine"]
