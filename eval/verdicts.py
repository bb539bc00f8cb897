"""What a report says in plain words: failures with the numbers behind them, and one headline."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Severity = Literal["broken", "flawed"]
Level = Literal["good", "flawed", "broken"]

FEW_FLAWS = 2
NO_FACES = ("not_faces", "noise")

TITLES = {
    "attributes_missed": "Often not what you ask for",
    "classes_missing": "Some classes never drawn",
    "copies_training": "Copies training faces",
    "entangled": "Attributes hang together",
    "flags_missing": "Some attributes without effect",
    "ignores_labels": "Ignores what you ask for",
    "ignores_z": "Always the same face",
    "judges_disagree": "Classifiers disagree",
    "labels_shuffled": "Draws something else than asked",
    "low_recall": "Few kinds of faces",
    "low_variety": "Too little variety",
    "narrow": "Only usual faces",
    "near_training": "Close to training faces",
    "over_easy": "Easier than real faces",
    "poor_drawing": "Poor drawing",
    "rough_drawing": "Rough drawing",
    "too_unlike": "Too little in common",
}


@dataclass(frozen=True)
class Verdict:
    """One failure: its name, how bad, a sentence for people, and the numbers behind it.

    `brief` is what the headline says of it in brackets.
    """

    name: str
    severity: Severity
    text: str
    numbers: dict[str, float]
    brief: str = ""

    @property
    def title(self) -> str:
        """The failure in a few plain words."""
        return TITLES.get(self.name, self.name.replace("_", " ").capitalize())

    def to_json(self) -> dict[str, Any]:
        """As metrics.jsonl holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One question that the report answers; without verdicts it was passed.

    `answerable` is false where another failure leaves nothing to ask; `needs_faces` says that
    passing means nothing for pictures that are no faces.
    """

    question: str
    number: str
    verdicts: list[Verdict]
    answerable: bool = True
    needs_faces: bool = False

    @property
    def level(self) -> Level | Literal["unanswered"]:
        """Good, flawed or broken, by its verdicts; or unanswered."""
        if self.verdicts:
            broken = any(verdict.severity == "broken" for verdict in self.verdicts)
            return "broken" if broken else "flawed"
        return "good" if self.answerable else "unanswered"


def without_empty_praise(checks: list[Check]) -> list[Check]:
    """Where the pictures are no faces, no tick stands for what only faces can do well."""
    names = {verdict.name for verdict in verdicts_of(checks) if verdict.severity == "broken"}
    if not names & set(NO_FACES):
        return checks
    return [
        replace(check, answerable=False) if check.needs_faces and not check.verdicts else check
        for check in checks
    ]


def verdicts_of(checks: list[Check]) -> list[Verdict]:
    """All failures, the worst first."""
    found = [verdict for check in checks for verdict in check.verdicts]
    return sorted(found, key=lambda verdict: verdict.severity != "broken")


def headline(verdicts: list[Verdict]) -> tuple[Level, str]:
    """A level (good, flawed, broken) and one sentence."""
    broken = [verdict for verdict in verdicts if verdict.severity == "broken"]
    if broken:
        return "broken", f"This model is broken: {_titles(broken)}."
    if len(verdicts) > FEW_FLAWS:
        return "flawed", f"This model is weak, with {len(verdicts)} flaws: {_titles(verdicts)}."
    if verdicts:
        flaws = "a flaw" if len(verdicts) == 1 else f"{len(verdicts)} flaws"
        return "flawed", f"This model works, with {flaws}: {_titles(verdicts)}."
    return "good", "This model is good: its faces pass every check that real faces pass."


def _titles(verdicts: list[Verdict]) -> str:
    return ", ".join(
        verdict.title.lower() + (f" ({verdict.brief})" if verdict.brief else "")
        for verdict in verdicts
    )
