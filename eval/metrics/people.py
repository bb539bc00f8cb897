"""What people say: the only number that settles whether pictures convince (`eval people`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eval.answers import Answer, read_answers
from eval.intervals import wilson_interval
from eval.metric import Case, Metric, Result
from eval.page_parts import Row, percent


@dataclass(frozen=True)
class Count:
    """Pairs decided for this model, of how many."""

    hits: int
    count: int

    @property
    def share(self) -> float:
        return self.hits / self.count

    def to_json(self) -> dict[str, Any]:
        return {"share": self.share, "n": self.count, "interval": self.interval}

    @property
    def interval(self) -> tuple[float, float]:
        """95%, Wilson's."""
        return wilson_interval(self.hits, self.count)


@dataclass(frozen=True)
class People(Result):
    """How often its faces were taken for the real one, and preferred to another model's."""

    taken_for_real: Count | None
    preferred: dict[str, Count]

    def to_json(self) -> dict[str, Any]:
        return {
            "taken_for_real": self.taken_for_real.to_json() if self.taken_for_real else None,
            "preferred_to": {name: count.to_json() for name, count in self.preferred.items()},
        }

    def summary(self) -> dict[str, float]:
        return {"taken_for_real": self.taken_for_real.share} if self.taken_for_real else {}

    def rows(self) -> list[Row]:
        found = []
        if self.taken_for_real:
            how = f"by people, {self.taken_for_real.count} pairs; 50%: nobody can tell"
            found.append(Row("taken for the real face", in_words(self.taken_for_real), "50%", how))
        for name, count in self.preferred.items():
            how = f"by people, {count.count} pairs of the same labels"
            found.append(Row(f"preferred to {name[:8]}", in_words(count), "–", how))
        return found


def in_words(count: Count) -> str:
    """A share in percent, with its interval."""
    low, high = count.interval
    return f"{percent(count.share)} ({percent(low)} to {percent(high)})"


def counted(answers: list[Answer], weights_sha256: str) -> People | None:
    """The answers about one snapshot; None where there are none."""
    mine = [one for one in answers if weights_sha256 in (one.chosen, one.other)]
    if not mine:
        return None
    real = [one for one in mine if one.kind == "real"]
    hits = sum(one.chosen == weights_sha256 for one in real)
    others = sorted({name for one in mine if one.kind == "ab" for name in (one.chosen, one.other)})
    preferred = {}
    for name in others:
        pairs = [one for one in mine if one.kind == "ab" and name in (one.chosen, one.other)]
        if name != weights_sha256:
            won = sum(one.chosen == weights_sha256 for one in pairs)
            preferred[name] = Count(won, len(pairs))
    return People(Count(hits, len(real)) if real else None, preferred)


def measure(case: Case) -> Result | str:
    """What people have answered about this snapshot so far."""
    answers = read_answers(case.answers) if case.answers else []
    found = counted(answers, case.drawer.info.weights_sha256)
    return found or "no answers yet: run `python -m eval people`"


METRIC = Metric("people", measure)
