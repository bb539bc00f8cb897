"""The questions of a report, in the order in which a person would ask them.

Checks are two-sided where both sides are failures: pictures too alike or too unlike, too soft or
too noisy, accuracy too low or above the reals. docs/scores.md explains the limits.
"""

from __future__ import annotations

from collections.abc import Callable

from eval.checks_labels import check_control, check_labels, check_over_easy
from eval.checks_pictures import check_memory, check_range, check_realism, check_variety
from eval.scores import Scores
from eval.verdicts import Check

CHECKS: tuple[Callable[[Scores], Check], ...] = (
    check_realism,
    check_labels,
    check_variety,
    check_range,
    check_memory,
    check_over_easy,
    check_control,
)


def run_checks(scores: Scores) -> list[Check]:
    """Every question with its number and its verdicts."""
    return [check(scores) for check in CHECKS]
