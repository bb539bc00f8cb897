"""Work spread over processes: bounded, in any order, and a crash costs one task only."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_handles
from typing import TypeVar

log = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")
IN_FLIGHT_PER_WORKER = 4


def worker_count(asked: int) -> int:
    """`asked`, or one per core that this process may use when it is 0."""
    if asked > 0:
        return asked
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    on_crash: Callable[[Task], Result],
) -> Iterator[Result]:
    """Yield `work(task)` for every task in order of completion.

    At most a few tasks per worker are in flight, whatever the number of tasks. A task that kills
    its process yields `on_crash(task)`; the others are done again. Even one worker is a process of
    its own, so that no task can kill this one.
    """
    source = iter(tasks)
    while True:
        suspects: list[Task] = []
        try:
            yield from _run_pool(work, source, suspects, workers, workers * IN_FLIGHT_PER_WORKER)
            return
        except BrokenProcessPool:
            log.warning("a worker process died; repeating its %d tasks one by one", len(suspects))
        alone = iter(suspects)
        while True:
            culprit: list[Task] = []
            try:
                yield from _run_pool(work, alone, culprit, workers=1, in_flight=1)
                break
            except BrokenProcessPool:
                yield from map(on_crash, culprit)


def _run_pool(
    work: Callable[[Task], Result],
    source: Iterator[Task],
    unfinished: list[Task],
    workers: int,
    in_flight: int,
) -> Iterator[Result]:
    """One pool's life. When it breaks, `unfinished` holds the tasks that were in flight."""
    running: dict[Future[Result], Task] = {}
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_settle_in)
    try:
        for task in source:
            try:
                running[pool.submit(work, task)] = task
            except BrokenProcessPool:
                unfinished.append(task)
                raise
            if len(running) >= in_flight:
                yield from _finished(running)
        while running:
            yield from _finished(running)
    except BrokenProcessPool:
        unfinished.extend(running.values())
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(running: dict[Future[Result], Task]) -> Iterator[Result]:
    """Wait for one result at least; a future leaves `running` only once its result is known."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        result = future.result()
        del running[future]
        yield result


def _settle_in() -> None:
    """Leave Ctrl-C to the parent, and end when the parent does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=_end_with, args=(sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for_handles([sentinel])
    os._exit(1)
