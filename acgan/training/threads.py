"""How many threads an update takes on a CPU: asked of the clock, again and again.

Threads wait for one another after every operation. Beside busy processes one of them is always
late, so that two can be slower than one.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch

log = logging.getLogger(__name__)

TRIALS = 3
SHORTEST_WAIT, LONGEST_WAIT = 8, 256  # updates between two trials
FASTER = 0.92
HOPELESS = 1.5
CHANGED = 1.3  # times as fast or as slow as at the last trial: neighbours came or went


class ThreadChoice:
    """Tries half or twice as many threads for a few updates, and keeps what was faster.

    Sums of floats depend on the number of threads, so a run that must be repeated bit by bit names
    it (`--threads`).
    """

    def __init__(
        self,
        most: int,
        *,
        set_threads: Callable[[int], None] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most = self.count = most
        self._set_threads, self._clock = set_threads, clock
        self._usual: deque[float] = deque(maxlen=TRIALS)
        self._tried: list[float] = []
        self._trying: int | None = None
        self._before = 0.0
        self._fewer_next = True
        self._wait = self._left = SHORTEST_WAIT

    @contextmanager
    def update(self) -> Iterator[None]:
        """Around one update: takes its time, then sets the threads of the next one."""
        started = self._clock()
        yield
        if self.most > 1:
            self._note(self._clock() - started)

    def _note(self, seconds: float) -> None:
        if self._trying is None:
            self._usual.append(seconds)
            self._left -= 1
            if self._left <= 0 or self._has_changed():
                self._begin()
            return
        self._tried.append(seconds)
        usual = median(self._usual)
        # The first update with another number of threads prepares kernels, so it does not count,
        # and many cores must not wait for one thread.
        if seconds > HOPELESS * usual and len(self._tried) > 1:
            self._end(better=False)
        elif len(self._tried) > TRIALS:
            self._end(better=median(self._tried[1:]) < FASTER * usual)

    def _has_changed(self) -> bool:
        if self._wait - self._left < SHORTEST_WAIT or not self._before:
            return False
        now = median(self._usual)
        return not self._before / CHANGED < now < self._before * CHANGED

    def _begin(self) -> None:
        fewer, more = self.count // 2, min(self.most, 2 * self.count)
        choices = [n for n in (fewer, more) if n >= 1 and n != self.count]
        self._trying = choices[0] if self._fewer_next else choices[-1]
        self._fewer_next = not self._fewer_next
        self._tried = []
        self._set_threads(self._trying)

    def _end(self, *, better: bool) -> None:
        assert self._trying is not None
        if better:
            log.debug("%d threads are faster here than %d", self._trying, self.count)
            self.count, self._wait = self._trying, SHORTEST_WAIT
            self._before = median(self._tried[1:])
            self._usual.clear()
        else:
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._before = median(self._usual)
        self._left = self._wait
        self._trying = None
        self._set_threads(self.count)
