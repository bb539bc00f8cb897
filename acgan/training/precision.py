"""Whether convolutions run in bfloat16: asked of the clock, not of the processor's name."""

from __future__ import annotations

import time
from statistics import median
from typing import assert_never

import torch
from torch import Tensor, nn

from acgan.training.presets import Precision

TRIALS = 5


def computes_in_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether to autocast to bfloat16 on this device; `auto` measures on a CPU, in 0.3 s.

    Processors with matrix units (AMX) halve a step by it; those that only have the instructions
    (AVX512-BF16) take 1.6 times as long as in float32, and others emulate it.
    """
    match precision:
        case "float32":
            return False
        case "bfloat16":
            return True
        case "auto":
            if device.type == "cuda":
                return bool(torch.cuda.is_bf16_supported())
            return device.type == "cpu" and bf16_is_faster()
        case _:
            assert_never(precision)


def bf16_is_faster() -> bool:
    """Whether bfloat16 wins on this CPU."""
    seconds = update_seconds()
    return seconds[True] < seconds[False]


def update_seconds() -> dict[bool, float]:
    """Seconds of an update of a small strided net on the CPU, in bfloat16 (True) and not (False).

    The medians of `TRIALS` forward and backward passes, taken in turns after one to warm up.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(12, 32, 2), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2)
        ).to(memory_format=torch.channels_last)
        images = torch.randn(32, 12, 33, 33).contiguous(memory_format=torch.channels_last)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TRIALS + 1):
        for bf16, seconds in times.items():
            seconds.append(seconds_of_update(net, images, bf16=bf16))
    return {bf16: median(seconds[1:]) for bf16, seconds in times.items()}


def seconds_of_update(net: nn.Module, images: Tensor, *, bf16: bool) -> float:
    """How long one forward and backward pass takes."""
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = net(images).float().square().mean()
    loss.backward()
    return time.perf_counter() - started
