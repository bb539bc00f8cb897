"""One live line on a terminal, a plain line every few seconds elsewhere, nothing when quiet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from avatar_common.commands.output import stderr

log = logging.getLogger("progress")
PLAIN_INTERVAL_S = 10.0

Advance = Callable[..., None]


@contextmanager
def progress(
    description: str, total: float | None = None, *, quiet: bool = False
) -> Iterator[Advance]:
    """Show progress; the yielded `advance(amount=1, note="", total=None)` moves it on.

    `note` replaces the text behind the bar; a new `total` replaces the old one.
    """
    if quiet:
        yield lambda amount=1, note="", total=None: None
    elif stderr.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=stderr) as bar:
            task = bar.add_task(description, total=total, note="")

            def advance_bar(amount: float = 1, note: str = "", total: float | None = None) -> None:
                bar.advance(task, amount)
                if note:
                    bar.update(task, note=note)
                if total is not None:
                    bar.update(task, total=total)

            yield advance_bar
    else:
        line = _PlainLine(description, total)
        yield line.advance
        line.write()


class _PlainLine:
    """The same progress as one log line every `PLAIN_INTERVAL_S`."""

    def __init__(self, description: str, total: float | None) -> None:
        self._description, self._total, self._note = description, total, ""
        self._done, self._written_at = 0.0, time.monotonic()

    def advance(self, amount: float = 1, note: str = "", total: float | None = None) -> None:
        self._done += amount
        self._note = note or self._note
        self._total = self._total if total is None else total
        if time.monotonic() - self._written_at > PLAIN_INTERVAL_S:
            self.write()

    def write(self) -> None:
        self._written_at = time.monotonic()
        of_total = "" if self._total is None else f"/{self._total:g}"
        log.info("%s %g%s %s", self._description, self._done, of_total, self._note)
