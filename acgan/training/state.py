"""What a checkpoint holds: nets, optimisers, the average, and the ledger of numbers."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from torch import nn
from torch.optim import Adam

from acgan.nets import build_discriminator, build_encoder, build_generator
from acgan.nets.helper import HelperHeads
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from acgan.training.averages import ema_decay, update_ema
from acgan.training.checkpoint import load_newest_checkpoint, save_checkpoint
from acgan.training.plan import Plan
from acgan.training.presets import Preset, RateDecay
from avatar_common.disk.runs import RunFolder

LAST_RATE_SHARE = 0.1
COSINE_RATE_SHARE = 0.25
FACES_TO_FIT_SCALES = 256


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
    """The nets, their optimisers and the generator's running averages.

    The encoder, where there is one, is trained with the generator; helper and features, where they
    are, stand beside the discriminator. Features are frozen and no part of a checkpoint.
    """

    generator: nn.Module
    discriminator: nn.Module
    encoder: nn.Module | None
    helper: HelperHeads | None
    features: EfficientNetLite | None
    averages: nn.ModuleList
    optimizer_g: Adam
    optimizer_d: Adam
    optimizer_h: Adam | None
    device: torch.device

    @property
    def average(self) -> nn.Module:
        """The average of the shortest memory."""
        return self.averages[0]

    def state(self) -> dict[str, Any]:
        """Everything that changes, for a checkpoint."""
        return {name: part.state_dict() for name, part in self._stateful()}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name, part in self._stateful():
            part.load_state_dict(state[name])

    def are_finite(self) -> bool:
        """Whether every number of all nets is finite."""
        nets = (self.generator, self.discriminator, self.encoder, self.helper, self.averages)
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
            (self.optimizer_h, settings.helper_rate),
        ):
            for group in [] if optimizer is None else optimizer.param_groups:
                group["lr"] = rate * share
        return settings.rate_g * share

    def update_averages(self, settings: Preset, nimg: int) -> None:
        """Move every running average towards the generator, which has seen `nimg` pictures."""
        for average, (half_life_kimg, ramp) in zip(self.averages, settings.averages, strict=True):
            update_ema(
                average, self.generator, ema_decay(settings.batch, nimg, half_life_kimg, ramp)
            )


_STATEFUL = (
    "generator",
    "discriminator",
    "encoder",
    "helper",
    "averages",
    "optimizer_g",
    "optimizer_d",
    "optimizer_h",
)


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
    features = None
    if settings.has_helper and settings.pretrained != "none":
        features = load_efficientnet_lite(settings.pretrained, settings.pretrained_stages)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.options.seed)
        generator = build_generator(plan.generator)
        discriminator = build_discriminator(plan.discriminator)
        encoder = build_encoder(plan.generator) if settings.has_encoder else None
        helper = None if features is None else build_helper(features, settings)
    if helper is not None and features is not None:
        faces = torch.from_numpy(np.asarray(plan.faces.images[:FACES_TO_FIT_SCALES]))
        helper.fit_scales(features(faces.float() / 127.5 - 1))
    for net in (generator, discriminator, encoder, helper, features):
        if net is not None:
            net.to(device).to(memory_format=torch.channels_last)
    averages = nn.ModuleList(copy.deepcopy(generator) for _ in settings.averages)
    averages.eval().requires_grad_(False)

    def adam(rate: float, beta1: float, *nets: nn.Module | None) -> Adam:
        parameters = [p for net in nets if net is not None for p in net.parameters()]
        fused = {"fused": True} if device.type in ("cuda", "cpu") else {}
        return Adam(parameters, rate, (beta1, settings.beta2), **fused)

    return Nets(
        generator=generator,
        discriminator=discriminator,
        encoder=encoder,
        helper=helper,
        features=features,
        averages=averages,
        optimizer_g=adam(settings.rate_g, settings.beta1, generator, encoder),
        optimizer_d=adam(settings.rate_d, settings.beta1, discriminator),
        optimizer_h=None if helper is None else adam(settings.helper_rate, 0.0, helper),
        device=device,
    )


def build_helper(features: EfficientNetLite, settings: Preset) -> HelperHeads:
    """Fresh heads on the preset's stages of the frozen network."""
    chosen = [features.wanted.index(stage) for stage in settings.helper_stages]
    return HelperHeads(features.channels, chosen)


def save(path: Path, nets: Nets, ledger: Ledger) -> None:
    """Write a checkpoint of the run at `path`."""
    save_checkpoint(
        RunFolder(path).checkpoint_folder,
        ledger.nimg,
        {"ledger": asdict(ledger), "nets": nets.state()},
    )


def restore(path: Path, nets: Nets) -> Ledger | None:
    """Load the newest good checkpoint of the run at `path` into `nets`; None without one."""
    state = load_newest_checkpoint(RunFolder(path).checkpoint_folder)
    if state is None:
        return None
    nets.load(state["nets"])
    return Ledger(**state["ledger"])
