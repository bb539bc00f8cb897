"""Ctrl-C and SIGTERM while training: finish the update, save, then stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Whether a signal came, and which."""

    def __init__(self) -> None:
        self.requested = False
        self.signum: int | None = None

    def join(self) -> None:
        """Stop as after SIGTERM, because another process was told to."""
        if not self.requested:
            self.note(signal.SIGTERM, None)

    def note(self, signum: int, frame: FrameType | None) -> None:
        """The signal handler while training."""
        self.requested, self.signum = True, signum


@contextmanager
def hold_signals() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM; on the way out, hand the one that came to its usual handler."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    outer = {signum: signal.signal(signum, stop.note) for signum in SIGNALS}
    try:
        yield stop
    finally:
        for signum, handler in outer.items():
            signal.signal(signum, handler)
    if stop.signum is not None:
        signal.raise_signal(stop.signum)
