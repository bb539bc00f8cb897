"""Training speed: the tutorial loop, ours with the same net and batch, and each preset."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from acgan.devices import choose_device
from acgan.training.cost import measure_cost, synthetic_plan
from acgan.training.feed import Feed
from acgan.training.parallel import World
from acgan.training.precision import computes_in_bf16
from acgan.training.presets import PRESETS, Precision
from acgan.training.state import build_nets
from acgan.training.step import Step
from acgan.training.threads import ThreadChoice
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.errors import UserError
from bench.contended import measure_contended
from bench.options import TrainOptions

log = logging.getLogger(__name__)

TUTORIAL_SIZE, TUTORIAL_WORKERS, TUTORIAL_PICTURES = 96, 4, 1024
WARM_UP_UPDATES = 3
CPU_PRESETS = ("small", "acgan", "dcgan")
ROUNDS = 3


def run(options: TrainOptions) -> None:
    """Measure, and end with one JSON object."""
    device = choose_device(options.device, options.threads)
    on_gpu = device.type == "cuda"
    names = options.presets or (tuple(PRESETS) if on_gpu else CPU_PRESETS)
    for name in names:
        if name not in PRESETS:
            raise UserError(f"no preset {name!r}", hint=f"one of: {', '.join(PRESETS)}")
    if options.dry_run:
        explain_dry_run(options, [f"measure the tutorial loop, ours and {', '.join(names)}"])
        return
    seconds = options.seconds or (15.0 if on_gpu else 5.0)
    batch = options.batch or (256 if on_gpu else 32)
    batches = {name: options.batch or (PRESETS[name].batch if on_gpu else 32) for name in names}
    rounds = ROUNDS if options.tutorial else 0
    with progress("measurements", total=1 + rounds + len(names), quiet=options.quiet) as advance:
        bf16 = computes_in_bf16(options.precision, device)
        ceiling = matmul_ceiling(device, bf16=bf16)
        advance(1, note=f"{ceiling:.3g} TFLOP/s in matrix products")
        pairs = []
        for _ in range(rounds):
            pairs.append(beside_the_tutorial(device, batch, seconds, options.precision))
            advance(1, note="tutorial loop {:.1f}, ours {:.1f} images/s".format(*pairs[-1]))
        presets = {}
        for name in names:
            updates = our_updates(
                *(name, PRESETS[name].native_size, device, batches[name], options.precision)
            )
            speed = images_per_s(updates, batches[name], seconds, device)
            presets[name] = beside_the_ceiling(name, batches[name], speed, ceiling)
            advance(1, note=f"{name} {presets[name]['images_per_s']:.1f} images/s")
        contended = {}
        if options.contended and not on_gpu:
            contended["contended"] = measure_contended(names[0], batch, seconds, options.precision)
    compared = (
        {
            "tutorial_images_per_s": round(median(tutorial for tutorial, _ in pairs), 1),
            "ours_images_per_s": round(median(ours for _, ours in pairs), 1),
            "ours_over_tutorial": round(median(ours / tutorial for tutorial, ours in pairs), 3),
        }
        if pairs
        else {}
    )
    emit_json(
        {
            "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
            "threads": torch.get_num_threads(),
            "precision": "bfloat16" if bf16 else "float32",
            "batch": batch,
            "ceiling_tflops": round(ceiling, 3),
            **compared,
            "presets": presets,
            **contended,
        }
    )


def beside_the_tutorial(
    device: torch.device, batch: int, seconds: float, precision: Precision
) -> tuple[float, float]:
    """Images/s of the tutorial loop and of ours, one after the other: machines vary over time."""
    tutorial = images_per_s(tutorial_updates(device, batch), batch, seconds / 2, device)
    updates = our_updates("dcgan", TUTORIAL_SIZE, device, batch, precision)
    ours = images_per_s(updates, batch, seconds / 2, device)
    return tutorial, ours


def beside_the_ceiling(name: str, batch: int, speed: float, ceiling: float) -> dict[str, Any]:
    """Images/s of one preset at its own size, and the share of the ceiling that it reaches."""
    size = PRESETS[name].native_size
    tflops = speed * measure_cost(name, size).training_flops / 1e12  # type: ignore[arg-type]
    return {
        "image_size": size,
        "batch": batch,
        "images_per_s": round(speed, 1),
        "tflops": round(tflops, 4),
        "share_of_ceiling": round(tflops / ceiling, 4),
    }


def images_per_s(
    updates: Iterator[None], batch: int, seconds: float, device: torch.device
) -> float:
    """Pictures per second of an endless iterator of updates, after a warm-up."""
    for _ in range(WARM_UP_UPDATES):
        next(updates)
    wait(device)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or count == 0:
        next(updates)
        count += 1
        if count % 50 == 0:
            wait(device)
    wait(device)
    return count * batch / (time.perf_counter() - started)


def wait(device: torch.device) -> None:
    """Let the device finish what was begun, so that the clock measures it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_ceiling(device: torch.device, *, bf16: bool, repeats: int = 10) -> float:
    """TFLOP/s of a large matrix product in the precision that training takes; the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if bf16 else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(repeats):
        wait(device)
        started = time.perf_counter()
        a @ b
        wait(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e12)
    return best


def our_updates(
    name: str,
    size: int,
    device: torch.device,
    batch: int,
    precision: Precision = "auto",
    *,
    adapt: bool = False,
) -> Iterator[None]:
    """Our updates of a preset on random pictures that lie on the device, as training makes them.

    `precision`: "auto" leaves it to the preset. `adapt`: with as many threads as the clock says,
    else with all.
    """
    plan = synthetic_plan(name, size, batch=batch)  # type: ignore[arg-type]
    bf16 = None if precision == "auto" else computes_in_bf16(precision, device)
    step = Step(plan, build_nets(plan, device), device, World(), bf16=bf16)
    threads = ThreadChoice(torch.get_num_threads() if adapt else 1)
    feed = Feed(plan.faces, device, np.ones(len(plan.faces)))
    nimg = 0
    while True:
        with threads.update():
            step.update(feed, nimg)
        nimg += batch
        yield


def tutorial_updates(device: torch.device, batch: int) -> Iterator[None]:
    """DCGAN as its tutorial trains it: JPEGs through a DataLoader, float32, two passes of D.

    The discriminator learns from every batch, the generator from every fifth; losses are read
    after each update, as the tutorial prints them.
    """
    plan = synthetic_plan("dcgan", TUTORIAL_SIZE, batch=batch)
    settings = plan.settings
    nets = build_nets(plan, device)
    generator, discriminator = (
        net.to(memory_format=torch.contiguous_format)
        for net in (nets.generator, nets.discriminator)
    )
    betas = (settings.beta1, settings.beta2)
    optimizer_g = torch.optim.Adam(generator.parameters(), settings.rate_g, betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), settings.rate_d, betas)
    loss: Callable[..., torch.Tensor] = nn.BCEWithLogitsLoss()
    no_labels = torch.zeros(batch, 0, dtype=torch.int64, device=device)
    with tempfile.TemporaryDirectory() as folder:
        for index, (real, _) in enumerate(tutorial_loader(Path(folder), batch)):
            real = real.to(device)
            ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
            fake = generator(torch.randn(batch, settings.z_dim, device=device), no_labels)
            optimizer_d.zero_grad()
            loss_real = loss(discriminator(real).adversarial, ones)
            loss_real.backward()
            loss_fake = loss(discriminator(fake.detach()).adversarial, zeros)
            loss_fake.backward()
            optimizer_d.step()
            (loss_real + loss_fake).item()
            if index % 5 == 0:
                optimizer_g.zero_grad()
                fake = generator(torch.randn(batch, settings.z_dim, device=device), no_labels)
                loss_g = loss(discriminator(fake).adversarial, ones)
                loss_g.backward()
                optimizer_g.step()
                loss_g.item()
            yield


def tutorial_loader(folder: Path, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches from JPEGs on disk: decode, resize, centre crop, scale, four workers."""
    random = np.random.default_rng(0)
    (folder / "faces").mkdir()
    for index in range(TUTORIAL_PICTURES):
        small = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize(
            (TUTORIAL_SIZE, TUTORIAL_SIZE), Image.Resampling.BICUBIC
        )
        picture.save(folder / "faces" / f"{index}.jpg", quality=90)
    steps = [
        transforms.Resize(TUTORIAL_SIZE),
        transforms.CenterCrop(TUTORIAL_SIZE),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]
    loader = DataLoader(
        ImageFolder(str(folder), transforms.Compose(steps)),
        batch,
        shuffle=True,
        num_workers=TUTORIAL_WORKERS,
        drop_last=True,
    )
    while True:
        yield from loader
