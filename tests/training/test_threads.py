"""How many threads training takes, on a machine whose speed a function gives."""

from __future__ import annotations

from collections.abc import Callable

from acgan.training.threads import ThreadChoice


class Machine:
    """A clock that each update moves on by what `seconds(threads, now)` says."""

    def __init__(self, cores: int, seconds: Callable[[int, float], float]) -> None:
        self.now, self.threads, self.seconds = 0.0, cores, seconds
        self.choice = ThreadChoice(cores, set_threads=self.take, clock=lambda: self.now)

    def take(self, threads: int) -> None:
        self.threads = threads

    def train(self, updates: int) -> float:
        """Seconds that so many updates took."""
        started = self.now
        for _ in range(updates):
            with self.choice.update():
                self.now += self.seconds(self.threads, self.now)
        return self.now - started


def free(threads: int, now: float) -> float:
    """Alone on two cores that share their units."""
    return {1: 0.37, 2: 0.32}[threads]


def busy(threads: int, now: float) -> float:
    """Beside busy processes two threads wait for one another."""
    return {1: 0.8, 2: 2.1}[threads]


def test_alone_all_threads_stay_and_trying_costs_little() -> None:
    machine = Machine(2, free)
    assert machine.train(1000) < 1.01 * 1000 * 0.32
    assert machine.choice.count == 2


def test_beside_busy_processes_fewer_are_taken() -> None:
    machine = Machine(2, busy)
    machine.train(20)
    assert machine.choice.count == 1
    assert machine.train(1000) < 1.1 * 1000 * 0.8


def test_it_follows_neighbours_that_come_and_go() -> None:
    machine = Machine(2, free)
    machine.train(500)
    machine.seconds = busy
    machine.train(30)
    assert machine.choice.count == 1
    machine.seconds = free
    machine.train(60)
    assert machine.choice.count == 2


def test_many_cores_do_not_wait_for_one() -> None:
    machine = Machine(16, lambda threads, now: 1.0 / threads)
    seconds = machine.train(1000)
    assert machine.choice.count == 16
    assert seconds < 1.03 * 1000 / 16


def test_one_thread_tries_nothing() -> None:
    machine = Machine(1, lambda threads, now: 1.0)
    machine.train(100)
    assert machine.threads == 1
