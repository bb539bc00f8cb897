from __future__ import annotations

import os
import signal

from preprocess.workers import run_tasks


def _die_on_three(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * 10


def test_a_crash_costs_one_task_only() -> None:
    results = run_tasks(_die_on_three, range(9), workers=2, on_crash=lambda task: -task)
    assert sorted(results) == [-3, 0, 10, 20, 40, 50, 60, 70, 80]
