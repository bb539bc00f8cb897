"""Runs that are stopped, killed or shared by processes end as one that was left alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.training import train as training
from acgan.training.checkpoint import load_newest_checkpoint, save_checkpoint
from acgan.training.parallel import World
from acgan.training.plan import make_plan
from acgan.training.state import build_nets
from acgan.training.step import Stats, Step
from avatar_common.errors import UserError
from tests.training.runs import (
    CPU,
    ROOT,
    assert_same,
    command,
    final_state,
    newest_checkpoint,
    options,
    train_now,
)


@pytest.mark.slow
def test_resume_is_bit_equal(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = train_now(options(workspace, kimg=0.64, name="straight"))
    stopped = options(workspace, kimg=0.64, name="stopped", fresh=True, checkpoint_interval_s=0)
    plan, count = make_plan(stopped), 0
    update = Step.update

    def break_off(self: Step, *args: Any, **kwargs: Any) -> Stats:
        nonlocal count
        count += 1
        if count == 25:
            raise RuntimeError("power cut")
        return update(self, *args, **kwargs)

    monkeypatch.setattr(Step, "update", break_off)
    with pytest.raises(RuntimeError, match="power cut"):
        training.train(plan, CPU, World())
    monkeypatch.undo()
    before = newest_checkpoint(plan.path / "checkpoints")["ledger"]["nimg"]
    assert 0 < before < 640
    resumed = make_plan(options(workspace, kimg=0.64))
    assert resumed.path == plan.path, "the same command continues with the newest run"
    training.train(resumed, CPU, World())
    assert_same(straight, plan.path)


def test_seed_decides(workspace: Path) -> None:
    one, other = (train_now(options(workspace, kimg=0.064, seed=seed)) for seed in (1, 2))
    same = train_now(options(workspace, kimg=0.064, seed=1, fresh=True))
    assert_same(one, same)
    assert not torch.equal(
        final_state(one)["generator.to_rgb.weight"], final_state(other)["generator.to_rgb.weight"]
    )


@pytest.mark.slow
def test_kill_and_the_same_command(workspace: Path) -> None:
    given = command(workspace, "--kimg", "20", "--checkpoint-interval-s", "0")
    with subprocess.Popen(given, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        run = wait_for_checkpoint(workspace)
        process.kill()
    seen = newest_checkpoint(run / "checkpoints")["ledger"]["nimg"]
    with subprocess.Popen(given, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: int(newest(run).stem) > seen)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert int(newest(run).stem) > seen
    assert not list((run / "checkpoints").glob(".*")), "no half-written file is left"
    assert len(list(workspace.glob("runs/*"))) == 1
    kimg = [json.loads(line)["kimg"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert kimg == sorted(set(kimg)), "no picture is counted twice"


def start_two(given: list[str]) -> list[subprocess.Popen[bytes]]:
    """The command in two processes that know of each other, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            given, cwd=ROOT, env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(2)
    ]


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(workspace: Path) -> None:
    processes = start_two(command(workspace, "--kimg", "50", "--checkpoint-interval-s", "0"))
    run = wait_for_checkpoint(workspace)
    processes[1].send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in processes] == [143, 143]
    assert not (run / "result.json").exists()


def newest(run: Path) -> Path:
    return max((run / "checkpoints").glob("*.pt"))


def wait_for_checkpoint(workspace: Path) -> Path:
    wait_until(lambda: bool(list(workspace.glob("runs/*/checkpoints/*.pt"))))
    return next(workspace.glob("runs/*"))


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_processes_do_what_one_does(workspace: Path) -> None:
    # Five updates: the helper's Adam keeps no momentum, so its first steps are signs, and what
    # rounding turns there grows tenfold every few updates. test_step compares more of them exactly.
    given = ["--kimg", "0.08", "--temper", "0", "--precision", "float32"]
    alone = subprocess.run(command(workspace, *given, "--name", "one"), cwd=ROOT, check=False)
    assert alone.returncode == 0
    processes = start_two(command(workspace, *given, "--name", "two", "--fresh"))
    assert [process.wait(120) for process in processes] == [0, 0]
    one, two = sorted(workspace.glob("runs/*"))
    # Adam turns the rounding of a gradient near zero into a step of either sign, so no single
    # weight can be compared: the two runs are close beside the way that they have gone.
    start = {
        f"{part}.{name}": value
        for part in ("generator", "discriminator")
        for name, value in getattr(build_nets(make_plan(options(workspace)), CPU), part)
        .state_dict()
        .items()
    }
    left, right = final_state(one), final_state(two)
    apart = sum(float((left[name] - right[name]).square().sum()) for name in start) ** 0.5
    gone = sum(float((left[name] - value).square().sum()) for name, value in start.items()) ** 0.5
    assert apart < 0.001 * gone


@pytest.mark.slow
def test_full_disk_keeps_the_last_checkpoint(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(workspace, kimg=0.64, checkpoint_interval_s=0)
    real_fsync, count = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr("avatar_common.disk.files.os.fsync", full)
    with pytest.raises(UserError, match="no space left"):
        train_now(given)
    monkeypatch.undo()
    run = make_plan(given).path
    assert load_newest_checkpoint(run / "checkpoints") is not None
    train_now(given)
    assert (run / "result.json").is_file()


def test_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for nimg in (1, 2, 3):
        save_checkpoint(tmp_path, nimg, {"n": nimg})
    assert len(list(tmp_path.glob("*.pt"))) == 2
    newest = max(tmp_path.glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:100])
    assert newest_checkpoint(tmp_path)["n"] == 2
