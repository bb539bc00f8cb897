"""What a report says in plain words: failures with the numbers behind them, and one headline."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["broken", "flawed"]
Level = Literal["good", "flawed", "broken"]


@dataclass(frozen=True)
class Verdict:
    """One failure: its name, how bad, a sentence for people, and the numbers behind it."""

    name: str
    severity: Severity
    text: str
    numbers: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One question that the report answers; without verdicts it was passed.

    `judged` is false where another failure leaves nothing to judge.
    """

    question: str
    number: str
    verdicts: list[Verdict]
    judged: bool = True

    @property
    def level(self) -> Level | Literal["unjudged"]:
        if self.verdicts:
            broken = any(verdict.severity == "broken" for verdict in self.verdicts)
            return "broken" if broken else "flawed"
        return "good" if self.judged else "unjudged"


def verdicts_of(checks: list[Check]) -> list[Verdict]:
    """All failures, the worst first."""
    found = [verdict for check in checks for verdict in check.verdicts]
    return sorted(found, key=lambda verdict: verdict.severity != "broken")


def headline(verdicts: list[Verdict]) -> tuple[Level, str]:
    """A level (good, flawed, broken) and one sentence."""
    broken = [verdict for verdict in verdicts if verdict.severity == "broken"]
    if broken:
        return "broken", "This model is broken."
    if verdicts:
        flaws = "a flaw" if len(verdicts) == 1 else f"{len(verdicts)} flaws"
        return "flawed", f"This model works, with {flaws}."
    return "good", "This model is good: its faces pass every check that real faces pass."


def percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f}%"
