"""Short trainings, and how they are compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from acgan.training import train as training
from acgan.training.checkpoint import load_newest_checkpoint
from acgan.training.options import TrainOptions
from acgan.training.parallel import World
from acgan.training.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]


CPU = torch.device("cpu")


FLAGS = {"width": 0.25, "batch": 16, "device": "cpu", "quiet": True, "ticks": 3}


def options(workspace: Path, **more: Any) -> TrainOptions:
    return TrainOptions(**{"workspace": workspace, "kimg": 0.32, **FLAGS, **more})


def train_now(given: TrainOptions) -> Path:
    plan = make_plan(given)
    training.train(plan, CPU, World())
    return plan.path


def command(workspace: Path, *more: str) -> list[str]:
    flags = ["--width", "0.25", "--batch", "16", "--device", "cpu", "--threads", "1"]
    return [sys.executable, "-m", "acgan", "train", "--workspace", str(workspace), *flags, *more]


def newest_checkpoint(folder: Path) -> dict[str, Any]:
    state = load_newest_checkpoint(folder)
    assert state is not None
    return state


def final_state(run: Path) -> dict[str, torch.Tensor]:
    state = newest_checkpoint(run / "checkpoints")
    return {
        f"{part}.{name}": value
        for part in ("generator", "discriminator", "encoder", "helper", "averages")
        if part in state["nets"]
        for name, value in state["nets"][part].items()
    }


def assert_same(a: Path, b: Path) -> None:
    left, right = final_state(a), final_state(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=0, atol=0)
