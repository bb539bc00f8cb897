from __future__ import annotations

import os
import signal

import pytest

from preprocess.workers import run_tasks, worker_count


def _die_on_three(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * 10


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_one_task_only(workers: int) -> None:
    results = run_tasks(_die_on_three, range(9), workers=workers, on_crash=lambda task: -task)
    assert sorted(results) == [-3, 0, 10, 20, 40, 50, 60, 70, 80]


def test_cores_are_counted_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_count(3) == 3
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert worker_count(0) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count(0) == 1
