"""Generators made to fail: the verdicts must name each failure, and none on real faces."""

from __future__ import annotations

import pytest

from bench.eval import verdicts_on
from bench.ladder import is_climbing, is_kept
from bench.planted import PLANTED, Material, is_named, real_faces
from eval.intervals import Value
from eval.measure import measure
from eval.metric import Plan
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier

Toys = tuple[Reals, TrainedClassifier, Material]
PLAN = Plan(count=400, depth="quick")


QUICK = "noise"  # the others are left to the slow tests


@pytest.mark.parametrize(
    "name",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PLANTED],
)
def test_a_planted_failure_is_named(toys: Toys, name: str) -> None:
    reals, classifier, material = toys
    verdicts = verdicts_on(PLANTED[name][0](material), reals, classifier, PLAN)
    assert is_named(name, [verdict.name for verdict in verdicts])


def test_another_verdict_does_not_name_a_failure() -> None:
    """Smears are still faces; faces of another set are not merely a little rough."""
    assert is_named("smeared", ["rough_drawing", "blurred"])
    assert not is_named("smeared", ["not_faces", "blurred"])
    assert not is_named("eyes_apart", ["not_faces"])
    assert is_named("another_set", ["poor_drawing", "ignores_labels"])
    assert not is_named("another_set", ["rough_drawing", "ignores_labels"])


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_real_faces_pass(toys: Toys, seed: int) -> None:
    reals, classifier, material = toys
    plan = Plan(count=PLAN.count, seed=seed, depth="quick")
    assert verdicts_on(real_faces(material), reals, classifier, plan) == []


def test_no_ticks_for_pictures_that_are_no_faces(toys: Toys) -> None:
    """Under "these are not faces" nothing stands that only faces can do well."""
    reals, classifier, material = toys
    scores = measure(PLANTED["noise"][0](material), reals, classifier, PLAN, name="noise")
    assert [check.question for check in scores.checks if check.level == "good"] == []


def test_the_ladder_must_climb_in_every_step() -> None:
    assert is_climbing("frechet_ratio", [9, 5, 1])
    assert not is_climbing("frechet_ratio", [9, 5, 6, 1])
    assert is_climbing("clean", [0.2, 0.5, 0.95])
    assert not is_climbing("recall", [0.2, 0.2])


def test_saturating_numbers_may_stand_still_but_not_fall() -> None:
    def steps(*values: float) -> list[Value]:
        return [Value(value, value - 0.03, value + 0.03, 0.95) for value in values]

    assert is_kept(steps(0.5, 0.96, 0.95))
    assert not is_kept(steps(0.5, 0.96, 0.85, 0.95))
    assert not is_kept(steps(0.96, 0.95))
