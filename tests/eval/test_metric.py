"""One metric is one file and one line; classifiers that trained or chose are refused; odd sets."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import eval.metrics as metrics_package
from avatar_common.errors import UserError
from bench.planted import Material, real_faces
from eval.cache import ArrayCache
from eval.classifier import ClassifierSettings, steps_of, train_classifier
from eval.intervals import around, bootstrap, of_mean
from eval.measure import measure
from eval.metric import Case, Metric, Plan, Result, Results
from eval.metrics import METRICS, accuracy, control, inception, memorisation, outside
from eval.networks import CHOOSER, SCORING, refuse_trained
from eval.page_parts import Row
from eval.reading import GroupAccuracy, Reading
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier
from eval.twins import without_twins
from eval.verdicts import Check, Verdict, verdicts_of
from tests.eval.toy_faces import toy_set

Toys = tuple[Reals, TrainedClassifier, Material]
QUICK = Plan(100, depth="quick")
ROOT = Path(__file__).resolve().parents[2]

NEW_METRIC = """
from dataclasses import dataclass
from eval.metric import Metric, Result
from eval.page_parts import Row
from eval.verdicts import Check, Verdict

@dataclass(frozen=True)
class Brightness(Result):
    drawn: float
    real: float
    def summary(self):
        return {"brightness": self.drawn}
    def checks(self, results):
        dark = [Verdict("dark", "flawed", "Its faces are dark.", {"brightness": self.drawn})]
        return [Check("Are they bright?", "1", dark if self.drawn < self.real / 2 else [])]
    def rows(self):
        return [Row("brightness", f"{self.drawn:.1f}", f"{self.real:.1f}", "mean")]

def measure(case):
    return Brightness(float(case.pictures.mean()), float(case.reals.test_pictures.mean()))

METRIC = Metric("brightness", measure)
"""


REPORT = """
import json, sys
from pathlib import Path
import eval.networks
from bench.planted import Material, real_faces
from eval.measure import measure
from eval.metric import Plan
from eval.page import write_page
from tests.eval.toy_faces import toy_set

eval.networks.SIDE = 64
reals, unseen = toy_set(train=120, test=120, unseen=80)
drawer = real_faces(Material(reals.train_pictures, unseen, unseen, reals.vocabulary, None))
scores = measure(drawer, reals, None, Plan(60, depth="quick"), name="x")
write_page(Path("report.html"), scores, [])
questions = [check.question for check in scores.checks]
found = {name: scores.to_json().get(name) for name in ("brightness", "summary")}
print(json.dumps({"package": eval.__file__, "questions": questions, **found}))
"""


def report_with_brightness(folder: Path) -> dict[str, Any]:
    """What a report of a copy of `eval` says that has the new file and the new line."""
    shutil.copytree(ROOT / "eval", folder / "eval", ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "eval" / "metrics"
    (package / "brightness.py").write_text(NEW_METRIC, encoding="utf-8")
    listed = (package / "__init__.py").read_text(encoding="utf-8").splitlines(keepends=True)
    listed.insert(listed.index('    "sharpness",\n') + 1, '    "brightness",\n')
    (package / "__init__.py").write_text("".join(listed), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert Path(told["package"]).is_relative_to(folder)
    return told


def test_a_new_metric_is_one_file_and_one_line(tmp_path: Path) -> None:
    """Its number, check, page row and JSON name come from its own module."""
    told = report_with_brightness(tmp_path)
    found = told["brightness"]
    assert found["drawn"] == pytest.approx(found["real"], rel=0.2)
    assert told["summary"]["brightness"] == found["drawn"]
    assert "Are they bright?" in told["questions"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<td>{found['drawn']:.1f}</td>" in page


def test_every_module_of_the_folder_is_listed() -> None:
    folder = Path(metrics_package.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    listed = {metric.measure.__module__.rpartition(".")[2] for metric in METRICS}
    assert modules == listed


def test_a_network_that_trained_may_not_score(toys: Toys) -> None:
    """By hash, whatever the package's name says."""
    first, second = SCORING
    kept, refused = refuse_trained(SCORING, {"renamed-package": first.sha256})
    assert kept == [second]
    assert list(refused) == [first.name]
    assert refuse_trained(SCORING, {CHOOSER.package: CHOOSER.sha256})[0] == list(SCORING)
    reals, classifier, material = toys
    scores = measure(
        *(real_faces(material), reals, classifier, QUICK),
        name="x",
        used_networks={"a": first.sha256},
        metrics=[outside.METRIC],
    )
    found = scores.results.get(outside.Outside)
    assert [one.network.name for one in found.networks] == [second.name]
    assert "may not score" in scores.results.not_measured[first.name]
    with pytest.raises(UserError, match="every scoring network"):
        measure(
            *(real_faces(material), reals, classifier, QUICK),
            name="x",
            used_networks={one.package: one.sha256 for one in SCORING},
            metrics=[outside.METRIC],
        )


def test_inception_that_trained_may_not_score(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the hash of the weights file that was given; other weights score."""
    reals, classifier, material = toys
    weights = tmp_path / "any-name.pth"
    torch.save({"weight": torch.zeros(1)}, weights)
    monkeypatch.setattr(inception, "find_spec", lambda name: True)
    monkeypatch.setattr(inception, "score_crowd", lambda case, network, crowds: None)
    used = hashlib.sha256(weights.read_bytes()).hexdigest()
    found = [
        measure(
            *(real_faces(material), reals, classifier, Plan(60, inception=weights)),
            name="x",
            used_networks={"renamed": sha256},
            metrics=[Metric("inception", inception.measure)],
        ).results
        for sha256 in (used, "f" * 64)
    ]
    assert "may not score" in found[0].not_measured["inception"]
    assert found[0].found == {}
    assert list(found[1].found) == ["inception"]


def test_an_attribute_that_nobody_can_read_is_left_out(toys: Toys) -> None:
    """Labels by chance: in no mean and no verdict, but named; flags by balanced accuracy."""
    reals, classifier, material = toys
    rng = np.random.default_rng(0)
    by_chance = reals.test_labels.copy()
    by_chance[:, 1] = rng.integers(0, reals.vocabulary.sizes[1], len(by_chance))
    blind = replace(reals, test_labels=by_chance)
    scores = measure(
        real_faces(material), blind, classifier, QUICK, name="x", metrics=[accuracy.METRIC]
    )
    assert "not measurable" in scores.results.not_measured["eye_color"]
    assert set(scores.summary()) == {"accuracy_ratio", "accuracy_ratio_hair_color"}
    assert [check.verdicts for check in scores.checks] == [[], []]
    never = Reading(np.array([[90, 0], [10, 0]]))
    hat = GroupAccuracy("hat", ("0", "1"), never, Reading(np.array([[88, 2], [1, 9]])))
    assert never.accuracy == pytest.approx(0.9)  # never a hat: right for the majority
    assert hat.ratio == pytest.approx(0.5 / hat.real.balanced)
    assert not Reading(np.array([[85, 5], [9, 1]])).is_readable


def test_few_known_labels_train_and_score(toys: Toys) -> None:
    """60 known labels among hundreds of faces: batches without one used to end the training."""
    reals, _ = toy_set(train=430, test=62, unseen=10)
    labels = np.full_like(reals.train_labels, -1)
    labels[:50] = reals.train_labels[:50]
    settings = ClassifierSettings(images_seen=600, least_images=0)
    classifier = train_classifier(
        reals.train_pictures, labels, reals.vocabulary.sizes, settings, device=torch.device("cpu")
    )
    trained = TrainedClassifier(classifier, "few", torch.device("cpu"), ArrayCache(None))
    tested = np.where(np.arange(len(reals.test_labels))[:, None] < 10, reals.test_labels, -1)
    few = replace(reals, train_labels=labels, test_labels=tested)
    _, _, material = toys
    scores = measure(real_faces(material), few, trained, QUICK, name="x", metrics=METRICS[2:])
    assert scores.results.not_measured["hair_color"] == "too few known labels"
    empty = np.full_like(reals.train_labels, -1)
    train_classifier(
        reals.train_pictures, empty, reals.vocabulary.sizes, settings, device=torch.device("cpu")
    )


def test_small_sets_train_for_less() -> None:
    settings = ClassifierSettings()
    assert steps_of(900, settings) * settings.batch <= 25 * 900
    assert steps_of(15_000, settings) * settings.batch == settings.images_seen


def test_near_twins_are_found_mirrored_too() -> None:
    reals, _ = toy_set(train=10, test=60, unseen=10)
    faces = reals.test_pictures
    twins = np.concatenate([faces, faces[:5], faces[5:8, :, :, ::-1]])
    assert without_twins(faces, ArrayCache(None)).tolist() == list(range(60))
    assert without_twins(twins, ArrayCache(None)).tolist() == list(range(60))


def test_bootstrap_covers_a_known_mean() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        values = rng.normal(3, 2, 80)
        low, high = of_mean(values, trial)
        hits += low <= 3 <= high
    assert hits >= 50
    low, high = around(1.0, bootstrap([80], lambda rows: float(rows.mean()), 0))
    assert low < 1 < high


@dataclass(frozen=True)
class Praise(Result):
    def checks(self, results: Results) -> list[Check]:
        bad = Verdict("not_faces", "broken", "No faces.", {})
        return [
            Check("Faces?", "", [bad]),
            Check("All kinds?", "62%", [], needs_faces=True),
            Check("Told?", "", []),
        ]

    def rows(self) -> list[Row]:
        return []


def test_no_tick_under_these_are_not_faces(toys: Toys) -> None:
    reals, classifier, material = toys

    def praise(case: Case) -> Result:
        return Praise()

    metric = Metric("praise", praise)
    scores = measure(real_faces(material), reals, classifier, QUICK, name="x", metrics=[metric])
    assert [check.level for check in scores.checks] == ["broken", "unanswered", "good"]
    assert [one.name for one in verdicts_of(scores.checks)] == ["not_faces"]


def test_a_set_with_mirrored_twins_makes_no_copies(toys: Toys) -> None:
    """Two in five held-out faces are mirrored training faces, and so are two in five draws."""
    reals = toys[0]
    count = min(200, len(reals.test_pictures) // 2)

    def with_twins(pictures: np.ndarray, known: np.ndarray) -> np.ndarray:
        mixed = pictures[:count].copy()
        mixed[: 2 * count // 5] = known[: 2 * count // 5, :, :, ::-1]
        return mixed

    draws = with_twins(reals.test_pictures[count:], np.asarray(reals.train_pictures[count:]))
    reals = replace(
        reals,
        test_pictures=with_twins(reals.test_pictures, np.asarray(reals.train_pictures)),
        test_labels=reals.test_labels[:count],
    )
    found = memorisation.measure_memorisation(draws, reals, 0, ArrayCache(None))
    assert found.copied_share > 0.3
    assert found.real_copied_share == pytest.approx(found.copied_share, abs=0.05)
    assert not any(check.verdicts for check in found.checks(Results()))
    copies = memorisation.measure_memorisation(
        np.asarray(reals.train_pictures[:count]), reals, 0, ArrayCache(None)
    )
    assert [check.verdicts[0].name for check in copies.checks(Results())] == ["copies_training"]


@dataclass(frozen=True)
class Painter:
    """Colours that say the labels; a label left open is drawn by the other one."""

    info: types.SimpleNamespace

    def random_z(self, count: int, seed: int) -> torch.Tensor:
        return torch.zeros(count, 1)

    def draw(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        filled = torch.where(labels < 0, labels.flip(1), labels)
        return filled[:, :, None, None].expand(-1, -1, 4, 4).to(torch.uint8)


def test_what_was_left_open_may_change() -> None:
    rows = np.array([[0, 1], [1, -1], [2, 2], [0, -1], [1, 0]])
    painter = Painter(types.SimpleNamespace(vocabulary=types.SimpleNamespace(names=("a", "b"))))

    def read(pictures: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        return pictures, [np.eye(3)[pictures[:, column, 0, 0]] for column in (0, 1)]

    found = control.measure_switches(painter, rows, {0: 0, 1: 1}, read, seed=0)
    assert [(switch.changed, switch.kept) for switch in found] == [(1, 1), (1, 1)]
