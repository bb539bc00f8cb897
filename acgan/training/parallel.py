"""Several processes as one: `torchrun --nproc-per-node N -m acgan train`.

Every process draws the whole batch's random numbers, works on its slice and averages gradients, so
N processes compute what one does with the same total batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avatar_common.errors import UserError


@dataclass(frozen=True)
class World:
    """This process among all; (0, 1) when it is alone."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's slice of a whole batch."""
        return batch if self.size == 1 else batch.chunk(self.size)[self.rank]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients over all processes, as one flat buffer."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, number: float, device: torch.device) -> float:
        """The first process's number, for decisions that all must take alike."""
        if self.size == 1:
            return number
        shared = torch.tensor([number], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in any process."""
        if self.size == 1:
            return flag
        shared = torch.tensor([int(flag)], device=device)
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return bool(shared.item())


class _SumOverProcesses(torch.autograd.Function):
    """All-reduce whose gradient is all-reduced too, and that one's in turn."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _sum_over_processes(gradients[0].contiguous())


def _sum_over_processes(tensor: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(tensor)
    return total


def several_processes() -> bool:
    """Whether torchrun started more than this process."""
    return dist.is_initialized() and dist.get_world_size() > 1


def mean_over_processes(tensor: Tensor) -> Tensor:
    """The mean of every process's tensor, differentiable; the tensor itself in one process."""
    if not several_processes():
        return tensor
    return _sum_over_processes(tensor) / dist.get_world_size()


def deviation_over_processes(tensor: Tensor) -> Tensor:
    """The standard deviation of all numbers of every process's tensor, not differentiable."""
    exact = tensor.detach().double() if tensor.device.type != "mps" else tensor.detach().float()
    mean, square = mean_over_processes(torch.stack([exact.mean(), exact.square().mean()])).unbind()
    count = tensor.numel() * (dist.get_world_size() if several_processes() else 1)
    variance = (square - mean.square()) * count / (count - 1)
    return variance.clamp(min=0).sqrt().to(tensor.dtype)


@contextmanager
def join_world(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """Join the processes that torchrun started; alone, there is nothing to join.

    On CUDA each process takes the device of its local rank.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(), device
        return
    if device.type == "mps":
        raise UserError("several processes need --device cpu or cuda")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size), device
    finally:
        dist.destroy_process_group()
