"""Training speed beside busy neighbours: two busy loops and a search through many files.

OpenMP reads how its threads wait when torch is imported, so each way to wait has a process of its
own, which measures when it is asked: alone and beside the neighbours, all ways in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import torch

from acgan.training.presets import Precision

ROUNDS = 3
BY_HAND = {"GOMP_SPINCOUNT": "0"}
SPINNING = {"GOMP_SPINCOUNT": "300000"}  # what libgomp does where nothing is said
WAYS: Mapping[str, Mapping[str, str]] = {"ours": {}, "by_hand": BY_HAND, "spinning": SPINNING}
BUSY_LOOP = "while True: pass"
SEARCH = (
    "import os, sys\n"
    "while True:\n"
    "    for folder, _, names in os.walk(sys.prefix):\n"
    "        for name in names:\n"
    "            try:\n"
    "                with open(os.path.join(folder, name), 'rb') as file:\n"
    "                    b'never there' in file.read(1 << 20)\n"
    "            except OSError:\n"
    "                pass\n"
)


def measure_contended(
    preset: str, batch: int, seconds: float, precision: Precision
) -> dict[str, float]:
    """Images/s of each way to wait beside the neighbours, and of ours alone; medians in turns."""
    with ExitStack() as stack:
        workers = {
            way: stack.enter_context(worker(preset, batch, precision, extra))
            for way, extra in WAYS.items()
        }
        speeds: dict[str, list[float]] = {name: [] for name in ("alone", *WAYS)}
        for _ in range(ROUNDS):
            speeds["alone"].append(ask(workers["ours"], seconds))
            with neighbours():
                for way, process in workers.items():
                    speeds[way].append(ask(process, seconds))
    found = {name: median(values) for name, values in speeds.items()}
    return {
        **{f"{name}_images_per_s": round(speed, 1) for name, speed in found.items()},
        "ours_over_by_hand": round(found["ours"] / found["by_hand"], 3),
        "ours_over_alone": round(found["ours"] / found["alone"], 3),
    }


@contextmanager
def neighbours() -> Iterator[None]:
    """Two busy loops and a file search, for as long as this lasts."""
    processes = [
        subprocess.Popen([sys.executable, "-c", code]) for code in (BUSY_LOOP, BUSY_LOOP, SEARCH)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@contextmanager
def worker(
    preset: str, batch: int, precision: Precision, extra: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A process that measures a preset's updates each time it is asked."""
    code = (
        "import avatar_common.commands\n"  # as every command does before anything else
        "from bench.contended import answer; "
        f"answer({preset!r}, {batch}, {precision!r}, {threads()}, adapt={not extra})"
    )
    inherited = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**inherited, **extra},
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def threads() -> int:
    """As many threads as this process computes with."""
    return torch.get_num_threads()


def ask(process: subprocess.Popen[str], seconds: float) -> float:
    """Images/s, measured now for that long."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def answer(preset: str, batch: int, precision: Precision, count: int, *, adapt: bool) -> None:
    """The worker: read seconds, measure, print images/s, until its input ends."""
    from bench.train import images_per_s, our_updates

    torch.set_num_threads(count)
    device = torch.device("cpu")
    updates = our_updates(preset, 64, device, batch, precision, adapt=adapt)
    for line in sys.stdin:
        print(images_per_s(updates, batch, float(line), device), flush=True)  # noqa: T201
