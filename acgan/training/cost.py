"""What a preset costs: parameters, FLOPs per training picture, memory. Counted, not estimated."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from acgan.dataset import Faces
from acgan.training.feed import Feed
from acgan.training.options import TrainOptions
from acgan.training.parallel import World
from acgan.training.plan import Plan
from acgan.training.presets import PRESETS, Preset, PresetName
from acgan.training.rundir import Budget
from acgan.training.state import Nets, build_nets
from acgan.training.step import Step
from avatar_common.commands import say
from avatar_common.disk.vocabulary import Vocabulary, load_vocabulary

COPIES_OF_WEIGHTS = 4  # weight, gradient, Adam's two moments


@dataclass(frozen=True)
class Cost:
    """Parameters and forward FLOPs of both nets; FLOPs and saved bytes of one training picture.

    One multiply-add counts as two FLOPs. A picture's training FLOPs are those of its share of the
    discriminator's and the generator's updates, with penalty and generator as often as they come.
    """

    parameters_g: int
    parameters_d: int
    forward_g: float
    forward_d: float
    training_flops: float
    saved_bytes: float
    weights_bytes: int


def synthetic_plan(
    preset: PresetName, image_size: int, *, batch: int | None = None, width: float = 1.0
) -> Plan:
    """A plan on random pictures with the default vocabulary: for measuring only."""
    settings = PRESETS[preset]
    settings = replace(settings, batch=batch or settings.batch)
    vocabulary: Vocabulary = load_vocabulary()
    generator = np.random.default_rng(0)
    count = 2 * settings.batch
    labels = np.stack([generator.integers(-1, size, count) for size in vocabulary.sizes], axis=1)
    images = generator.integers(0, 256, (count, 3, image_size, image_size), dtype=np.uint8)
    return Plan(
        options=TrainOptions(preset=preset, width=width),
        settings=settings,
        origin={},
        budget=Budget(None, None),
        faces=Faces(images, labels, vocabulary, "synthetic", Path()),
        sizes=vocabulary.sizes if settings.conditional else (),
        training={},
        path=Path(),
        exists=False,
    )


def measure_cost(preset: PresetName, image_size: int, width: float = 1.0) -> Cost:
    """Count one preset's cost at one picture size, on a batch of two."""
    plan = synthetic_plan(preset, image_size, batch=2, width=width)
    settings, device = plan.settings, torch.device("cpu")
    nets = build_nets(plan, device)
    step = Step(plan, nets, device, World(), bf16=False)
    feed = Feed(plan.faces, device, np.ones(len(plan.faces)))
    z = torch.zeros(settings.batch, settings.z_dim)
    labels = torch.zeros(settings.batch, len(plan.sizes), dtype=torch.int64)
    with CountFlops() as forward_g, torch.no_grad():
        pictures = nets.generator(z, labels)
    with CountFlops() as forward_d, torch.no_grad():
        nets.discriminator(pictures)
    # Updates differ in whether penalty and generator come: one of each kind, as often as it comes.
    kinds: dict[tuple[bool, bool], list[int]] = {}
    cycle = math.lcm(settings.penalty_interval, settings.generator_every)
    for number in range(cycle):
        kind = (number % settings.penalty_interval == 0, number % settings.generator_every == 0)
        kinds.setdefault(kind, []).append(number)
    usual = max(kinds.values(), key=len)
    saved, total = _SavedBytes(), 0.0
    for numbers in kinds.values():
        with CountFlops() as counted, saved.counting() if numbers is usual else nullcontext():
            step.update(feed, numbers[0] * settings.batch)
        total += len(numbers) / cycle * counted.total
    batch = settings.batch
    return Cost(
        parameters_g=count_parameters(nets.generator),
        parameters_d=count_parameters(nets.discriminator),
        forward_g=forward_g.total / batch,
        forward_d=forward_d.total / batch,
        training_flops=total / batch,
        saved_bytes=saved.total / batch,
        weights_bytes=weights_bytes(nets),
    )


def count_parameters(net: nn.Module) -> int:
    """The number of trained numbers in a net."""
    return sum(parameter.numel() for parameter in net.parameters())


def weights_bytes(nets: Nets) -> int:
    """Bytes of all trained nets with gradients and Adam's moments, of averages and features."""
    trained = (nets.generator, nets.discriminator, nets.encoder, nets.helper)
    parameters = sum(count_parameters(net) for net in trained if net is not None)
    kept = (nets.averages, nets.features)
    frozen = sum(count_parameters(net) for net in kept if net is not None)
    return 4 * (COPIES_OF_WEIGHTS * parameters + frozen)


class CountFlops(TorchDispatchMode):
    """Count FLOPs of all products and convolutions, those of backward passes included.

    torch's own counter cannot follow a gradient penalty's second backward pass.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no annotations
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


class _SavedBytes:
    """Bytes of what autograd keeps for the backward pass, each storage once."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}

    @property
    def total(self) -> int:
        return sum(self._storages.values())

    def counting(self) -> torch.autograd.graph.saved_tensors_hooks:
        return torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor)

    def _note(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            self._storages[storage.data_ptr()] = storage.nbytes()
        return tensor


def list_presets(options: TrainOptions) -> None:
    """Print one block per preset: size, FLOPs, memory at its batch, source."""
    for name, preset in PRESETS.items():
        size = options.image_size or preset.native_size
        if size not in preset.image_sizes:
            say(f"{name}: not at {size} px")
            continue
        cost = measure_cost(name, size, options.width)  # type: ignore[arg-type]
        memory = cost.weights_bytes + preset.batch * cost.saved_bytes
        say(f"{name}  {describe(preset)}")
        say(
            f"  {size} px (of {', '.join(map(str, preset.image_sizes))}): "
            f"G {cost.parameters_g / 1e6:.2f} M, D {cost.parameters_d / 1e6:.2f} M parameters; "
            f"forward {cost.forward_g / 1e9:.2f} + {cost.forward_d / 1e9:.2f} GFLOP, "
            f"training {cost.training_flops / 1e9:.2f} GFLOP per picture; "
            f"about {memory / 2**20:.0f} MiB in float32 at batch {preset.batch}"
        )
        say(f"  source: {preset.source}")


def describe(preset: Preset) -> str:
    """The losses in a few words."""
    labels = preset.class_loss if preset.conditional else "unconditional"
    return f"{preset.nets} nets, {preset.adversarial_loss}, {labels}, penalty {preset.penalty}"
