"""What the page does, without the page."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from acgan.make.recipe import Portrait
from acgan.make.scores import accuracy_per_class, scores_of
from acgan.make.snapshots import shipped_snapshots
from acgan.make.vary import vary
from acgan.serve.cupboard import Cupboard
from acgan.serve.library import Library, option_text, unseen
from acgan.serve.studio import Shown, Studio, Visit, remember, settings
from manifest import UserError

NEW, OLD = "00002-other/0000001000", "00001-tiny/0000001000"


@pytest.fixture
def studio(workspace: Path) -> Iterator[Studio]:
    cupboard = Cupboard()
    yield Studio(Library(workspace, None, torch.device("cpu")), cupboard)
    cupboard.close()


def one(studio: Studio, name: str = NEW) -> Shown:
    return studio.draw(name, {"hair_color": "blue"}, 7, 1)[0][0]


def test_all_snapshots_can_be_chosen_newest_first_then_those_that_ship(studio: Studio) -> None:
    assert studio.library.names == [NEW, OLD, *(path.stem for path in shipped_snapshots())]


def test_the_same_request_gives_the_same_files(studio: Studio) -> None:
    first, second = (studio.draw(NEW, {"smile": "1"}, 3, 4)[1] for _ in range(2))
    assert first == second
    assert len(set(first)) == 4


def test_a_downloaded_file_brings_its_settings_back(studio: Studio) -> None:
    shown = one(studio, OLD)
    for file in (studio.picture(shown), studio.picture(shown, 4), studio.recipe(shown)):
        back = studio.read_file(file)
        assert back.snapshot == OLD
        np.testing.assert_array_equal(back.portrait.z, shown.portrait.z)
        assert studio.attributes_of(back)["hair_color"] == "blue"
        assert back.portrait.seed == 7
    with Image.open(studio.picture(shown, 4)) as image:
        assert image.size == (64, 64)


def test_variations_start_with_the_chosen_one_and_stay_near(studio: Studio) -> None:
    shown = one(studio)
    near, _ = studio.variations(shown, 0.1, 6)
    far, _ = studio.variations(shown, 1.0, 6)
    assert near[0].portrait is shown.portrait
    distance = [
        np.mean([np.linalg.norm(s.portrait.z - shown.portrait.z) for s in found[1:]])
        for found in (near, far)
    ]
    assert distance[0] < distance[1] / 3


def test_variations_keep_the_distribution() -> None:
    random = np.random.default_rng(1)
    normal = Portrait(random.standard_normal(4000).astype(np.float32), ((1.0, ()),))
    uniform = Portrait(random.uniform(size=4000).astype(np.float32), ((1.0, ()),))
    assert vary(normal, 1, 0.5, 0, "normal")[0].z.std() == pytest.approx(1, abs=0.05)
    z = vary(uniform, 1, 0.5, 0, "uniform")[0].z
    assert z.min() >= 0
    assert z.max() <= 1
    assert z.std() == pytest.approx(1 / math.sqrt(12), abs=0.02)


def test_sweep_and_morph_give_moving_pictures(studio: Studio) -> None:
    shown, other = studio.draw(NEW, {}, 1, 2)[0]
    for move in ("", "smile", "hair_color"):
        files = studio.sweep(shown, move, 8)
        with Image.open(files.gif) as gif:
            assert gif.n_frames == 14
    with Image.open(studio.morph(shown, other, 9).gif) as gif:
        assert gif.n_frames == 16


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.draw("../../etc/passwd", {}, 1, 4), "no snapshot"),
        (lambda s: s.draw(None, {}, 1, 4), "no snapshot"),
        (lambda s: s.draw(["x"], {}, 1, 4), "no snapshot"),
        (lambda s: s.draw(NEW, {}, 1, 10**9), "count must be a number from 1 to 36"),
        (lambda s: s.draw(NEW, {}, 1, -1), "count must be"),
        (lambda s: s.draw(NEW, {}, 1, "16"), "count must be"),
        (lambda s: s.draw(NEW, {}, None, 4), "seed must be"),
        (lambda s: s.draw(NEW, {}, float("nan"), 4), "seed must be"),
        (lambda s: s.draw(NEW, {}, 1.5, 4), "whole number"),
        (lambda s: s.draw(NEW, {}, 2**60, 4), "seed must be"),
        (lambda s: s.draw(NEW, {"hair_color": "<img src=x>"}, 1, 4), "no class"),
        (lambda s: s.draw(NEW, {"shoes": "red"}, 1, 4), "no attribute 'shoes'"),
        (lambda s: s.variations(None, 0.5, 4), "choose an avatar first"),
        (lambda s: s.variations(one(s), math.inf, 4), "strength must be"),
        (lambda s: s.sweep(one(s), "smile", 10**6), "steps must be"),
        (lambda s: s.sweep(one(s), "x" * 10**6, 10), "no attribute"),
        (lambda s: s.morph(one(s), None, 10), "choose two"),
        (lambda s: s.morph(one(s), one(s, OLD), 10), "different snapshots"),
        (lambda s: s.morph(one(s), one(s), 10**6), "frames must be"),
        (lambda s: s.picture(one(s), 10**6), "size must be"),
        (lambda s: s.read_file("/etc/passwd"), "no file arrived"),
        (lambda s: s.read_file(None), "no file arrived"),
        (lambda s: settings(["hair_color"], [["blue"]]), "choose an option"),
        (lambda s: settings(["hair_color"], ["x" * 999]), "choose an option"),
    ],
)
def test_a_bad_request_is_refused_in_a_line(
    studio: Studio, ask: Callable[[Studio], Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        ask(studio)
    assert len(str(error.value)) < 300


def test_a_recipe_of_a_foreign_snapshot_is_refused(studio: Studio, tmp_path: Path) -> None:
    file = Path(studio.recipe(one(studio)))
    content = json.loads(file.read_text())
    content["snapshot"] = "0" * 64
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="a snapshot that is not here"):
        studio.read_file(str(file))


def test_unseen_classes_and_pairs_are_named(studio: Studio) -> None:
    info = studio.library.infos[NEW]
    assert unseen(info, {"hair_color": "random", "smile": "random"}) == []
    assert unseen(info, {"hair_color": "orange", "smile": "1"}) == ["orange hair"]
    seen = {(row[0], row[1]) for row in info.label_rows}
    hair, eyes = info.vocabulary.group("hair_color"), info.vocabulary.group("eye_color")
    for h, e in [(h, e) for h in range(1, 12) for e in range(11)]:
        found = unseen(info, {"hair_color": hair.classes[h], "eye_color": eyes.classes[e]})
        assert bool(found) == ((h, e) not in seen)


def test_options_tell_faces_and_accuracy(studio: Studio, workspace: Path, tmp_path: Path) -> None:
    assert option_text("blue", 2123, 0.934) == "blue\n2,123 faces · 93%"
    assert option_text("blue", 0, None) == "blue\nnever seen"
    texts = {value: text for text, value in studio.library.choices(NEW)["hair_color"]}
    assert texts["orange"] == "orange\nnever seen"
    snapshot = tmp_path / "runs/00001-x/snapshots/1.json"
    metrics = tmp_path / "runs/00001-x/eval/metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    few, none = {"fake": 1.0, "n_fake": 3}, {"fake": None, "n_fake": 0}
    scores = {"per_class": {"blue": {"fake": 0.5, "n_fake": 50}, "red": none, "pink": few}}
    row = {"snapshot_hash": "abc", "accuracy": {"hair_color": scores}}
    metrics.write_text(json.dumps(row) + "\n")
    assert accuracy_per_class(scores_of(snapshot, "abc")) == {"hair_color": {"blue": 0.5}}
    assert scores_of(snapshot, "other") is None
    metrics.write_text("{broken")
    assert scores_of(snapshot, "abc") is None


def test_history_has_each_once_and_an_end(studio: Studio) -> None:
    visit = Visit()
    shown = studio.draw(NEW, {}, 1, 3)[0]
    for place in [0, 1, 2, 0] * 30:
        visit = remember(visit, shown[place])
    assert [s.portrait.index for s in visit.history] == [0, 2, 1]
    for _ in range(60):
        visit = remember(visit, one(studio))
    assert len(visit.history) == 48


def test_the_cupboard_forgets_the_old_and_the_oldest(tmp_path: Path) -> None:
    cupboard = Cupboard(most_bytes=250, most_age_s=1000)
    now = time.time()
    paths = [Path(cupboard.put(f"{n}.png", bytes([n]) * 100)) for n in range(4)]
    for age, path in zip((2000, 900, 800, 10), paths, strict=True):
        os.utime(path, (now - age, now - age))
    cupboard.sweep(now)
    assert [path.exists() for path in paths] == [False, False, True, True]
    cupboard.close()
    assert not cupboard.path.exists()
