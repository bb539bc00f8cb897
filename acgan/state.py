"""What a checkpoint holds: nets, optimisers, the average, and the ledger of numbers."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

import torch
from torch import nn
from torch.optim import Adam

from acgan.checkpoint import load_newest_checkpoint, save_checkpoint
from acgan.nets import build_discriminator, build_encoder, build_generator
from acgan.plan import Plan
from acgan.presets import Preset, RateDecay

LAST_RATE_SHARE = 0.1
COSINE_RATE_SHARE = 0.25


@dataclass
class Ledger:
    """Where the run is: the clock `nimg`, the time spent, and what went wrong so far."""

    nimg: int = 0
    elapsed_s: float = 0.0
    progress: float = 0.0
    rate_scale: float = 1.0
    rollbacks: int = 0


@dataclass
class Nets:
    """The nets, their optimisers and the generator's running average.

    The encoder, where there is one, is trained with the generator and of no use afterwards.
    """

    generator: nn.Module
    discriminator: nn.Module
    encoder: nn.Module | None
    average: nn.Module
    optimizer_g: Adam
    optimizer_d: Adam
    device: torch.device

    def state(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint."""
        return {name: part.state_dict() for name, part in self._stateful()}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name, part in self._stateful():
            part.load_state_dict(state[name])

    def are_finite(self) -> bool:
        """Whether every number of all nets is finite."""
        nets = (self.generator, self.discriminator, self.encoder, self.average)
        tensors = [v for net in nets if net is not None for v in net.state_dict().values()]
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def _stateful(self) -> list[tuple[str, Any]]:
        return [(name, part) for name in _STATEFUL if (part := getattr(self, name)) is not None]

    def set_rates(self, settings: Preset, progress: float, scale: float) -> float:
        """Set both learning rates for this point of the run; returns the generator's."""
        share = scale * rate_share(progress, settings.rate_decay)
        for optimizer, rate in (
            (self.optimizer_g, settings.rate_g),
            (self.optimizer_d, settings.rate_d),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        return settings.rate_g * share


_STATEFUL = ("generator", "discriminator", "encoder", "average", "optimizer_g", "optimizer_d")


def rate_share(progress: float, decay: RateDecay) -> float:
    """The learning rate at a share of the run, as a share of its full value."""
    match decay:
        case "none":
            return 1.0
        case "second-half":
            return 1.0 - (1.0 - LAST_RATE_SHARE) * max(0.0, 2 * progress - 1)
        case "cosine":
            wave = (1 + math.cos(math.pi * progress)) / 2
            return COSINE_RATE_SHARE + (1 - COSINE_RATE_SHARE) * wave
        case _:
            assert_never(decay)


def build_nets(plan: Plan, device: torch.device) -> Nets:
    """Fresh nets with weights from the seed, on the device, with their optimisers."""
    settings = plan.settings
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.options.seed)
        generator = build_generator(plan.generator)
        discriminator = build_discriminator(plan.discriminator)
        encoder = build_encoder(plan.generator) if settings.reconstruction_weight > 0 else None
    layout = torch.channels_last
    generator.to(device, memory_format=layout)
    discriminator.to(device, memory_format=layout)
    trained_g = list(generator.parameters())
    if encoder is not None:
        encoder.to(device, memory_format=layout)
        trained_g += encoder.parameters()
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    betas = (settings.beta1, settings.beta2)
    fused = {"fused": True} if device.type in ("cuda", "cpu") else {}
    return Nets(
        generator=generator,
        discriminator=discriminator,
        encoder=encoder,
        average=average,
        optimizer_g=Adam(trained_g, settings.rate_g, betas, **fused),
        optimizer_d=Adam(discriminator.parameters(), settings.rate_d, betas, **fused),
        device=device,
    )


def save(path: Path, nets: Nets, ledger: Ledger) -> None:
    """Write a checkpoint of the run at `path`."""
    save_checkpoint(
        path / "checkpoints", ledger.nimg, {"ledger": asdict(ledger), "nets": nets.state()}
    )


def restore(path: Path, nets: Nets) -> Ledger | None:
    """Load the newest good checkpoint of the run at `path` into `nets`; None without one."""
    state = load_newest_checkpoint(path / "checkpoints")
    if state is None:
        return None
    nets.load(state["nets"])
    return Ledger(**state["ledger"])
