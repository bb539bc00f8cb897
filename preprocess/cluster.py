"""The same work per picture on a Ray cluster, the workspace being on storage that all share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import ray

from avatar_common.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
# What may befall a task through no error that its code raised.
SYSTEM_ERRORS = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
)
IN_FLIGHT_PER_CORE = 4


def run_on_cluster(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    address: str,
    on_crash: Callable[[Task], Result],
) -> Iterator[Result]:
    """Yield `work(task)` for every task, in order of completion, a bounded number in flight.

    `address` is "local" (a cluster of this machine's cores), "auto" (the running one) or host:port.
    A task whose worker or node dies again and again yields `on_crash(task)`.
    """
    try:
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
    except ConnectionError as error:
        message = str(error).splitlines()[0]
        raise UserError(f"no Ray cluster: {message}", where=f"--ray {address}") from None
    remote = ray.remote(num_cpus=1, max_retries=2)(work_on_one)
    shared_work = ray.put(work)
    limit = IN_FLIGHT_PER_CORE * max(int(ray.cluster_resources().get("CPU", 1)), 1)
    running: dict[ray.ObjectRef, Task] = {}
    try:
        for task in tasks:
            running[remote.remote(shared_work, task)] = task
            if len(running) >= limit:
                yield _one_finished(running, on_crash)
        while running:
            yield _one_finished(running, on_crash)
    finally:
        ray.shutdown()


def work_on_one(work: Callable[[Task], Result], task: Task) -> Result:
    """What runs on the cluster."""
    return work(task)


def _one_finished(running: dict[ray.ObjectRef, Task], on_crash: Callable[[Task], Result]) -> Result:
    (done,), _ = ray.wait(list(running), num_returns=1)
    task = running.pop(done)
    try:
        result: Result = ray.get(done)
    except SYSTEM_ERRORS:
        return on_crash(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    return result
