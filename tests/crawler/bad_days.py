"""Stand-ins on a bad day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from demo.booru import BooruPost, Faults, StandIn
from demo.booru.answers import HTML_PAGE, Answer
from demo.booru.faults import Lane
from demo.booru.samples import make_posts


def general(count: int, seed: int = 0, **changes: object) -> list[BooruPost]:
    return [replace(post, rating="g", **changes) for post in make_posts(count, seed)]  # type: ignore[arg-type]


def standing(fault: str | None, wanted: Lane = "file") -> Faults:
    """The same fault for every request of a lane."""
    faults = Faults()
    faults.draw = lambda lane, key: fault if lane == wanted else None  # type: ignore[method-assign]
    return faults


def answering(stand_in: StandIn, change: Callable[[str, Answer], Answer]) -> None:
    """Let `change` alter every answer of a stand-in, by its path."""
    usual = stand_in.booru.answer

    def altered(catalogue: object, root: str, path: str, *others: object) -> Answer | None:
        answer = usual(catalogue, root, path, *others)  # type: ignore[arg-type]
        return None if answer is None else change(path, answer)

    stand_in.booru.answer = altered  # type: ignore[method-assign, assignment]


def refused_with(status: int, body: bytes = HTML_PAGE) -> Callable[[str, Answer], Answer]:
    return lambda path, answer: Answer(body, status, "text/html") if answer.md5 else answer
