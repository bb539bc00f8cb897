"""Generators made to fail: the verdicts must name each failure, and none on real faces."""

from __future__ import annotations

import pytest

from bench.eval import name_failures
from bench.planted import PLANTED, Material
from eval.judge import TrainedJudge
from eval.plan import Plan
from eval.reals import Reals

Toys = tuple[Reals, TrainedJudge, Material]
PLAN = Plan(count=600, depth="quick")


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_failure_is_named(toys: Toys, name: str) -> None:
    reals, judge, material = toys
    verdicts = name_failures(material, reals, judge, PLAN, name)
    assert PLANTED[name][1] in [verdict.name for verdict in verdicts]


@pytest.mark.parametrize("seed", [0, 1])
def test_real_faces_pass(toys: Toys, seed: int) -> None:
    reals, judge, material = toys
    plan = Plan(count=600, seed=seed, depth="quick")
    assert name_failures(material, reals, judge, plan, "") == []
