"""The two updates: compiled beside eager, masked labels, what each update may touch."""

from __future__ import annotations

import copy
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from acgan.nets.helper import Maps
from acgan.training.cost import measure_cost, synthetic_plan
from acgan.training.feed import Feed
from acgan.training.losses import gradient_penalty
from acgan.training.parallel import World
from acgan.training.presets import PRESETS, PresetName
from acgan.training.state import build_nets
from acgan.training.step import Draws, Step

CPU = torch.device("cpu")
UPDATES_OF_PROCESSES = 3


def make_step(preset: PresetName = "small", **settings: Any) -> tuple[Step, Feed]:
    plan = synthetic_plan(preset, 32 if preset.startswith("dcgan") else 16, batch=8, width=0.25)
    plan = replace(plan, settings=replace(plan.settings, **settings))
    nets = build_nets(plan, CPU)
    step = Step(plan, nets, CPU, World())
    feed = Feed(plan.faces, CPU, np.ones(len(plan.faces)))
    return step, feed


def draws_of(step: Step, feed: Feed) -> Draws:
    return step.draw(feed, torch.Generator().manual_seed(0), step.settings.redrawn_every(0))


def weights_of(net: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in net.parameters()]


def gradient_of(weights: torch.Tensor) -> torch.Tensor:
    assert weights.grad is not None
    return weights.grad.clone()


def adversarial_weights(net: torch.nn.Module) -> torch.nn.Parameter:
    return net.get_parameter("heads.adversarial.weight")


def changed(net: torch.nn.Module, before: list[torch.Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(weights_of(net), before, strict=True))


@pytest.mark.parametrize("preset", ["small", "modern", "acgan", "dcgan-5x5"])
def test_each_update_moves_its_own_net(preset: PresetName) -> None:
    step, feed = make_step(preset)
    nets, draws = step.nets, draws_of(step, feed)
    fakes = step.fakes(draws)
    parts = ("generator", "discriminator", "helper")
    before = {part: weights_of(net) for part in parts if (net := getattr(nets, part)) is not None}

    def moved() -> set[str]:
        return {part for part, old in before.items() if changed(getattr(nets, part), old)}

    _, output = step.discriminator(fakes, draws, with_penalty=True)
    assert moved() == {"discriminator"}
    real_maps: Maps | None = None
    fake_maps: Maps | None = None
    if nets.helper is not None:
        real_maps, fake_maps = step.look(draws.real, 0), step.look(fakes.images, 0)
        step.helper(real_maps, fake_maps)
        assert moved() == {"discriminator", "helper"}
    before = {part: weights_of(getattr(nets, part)) for part in before}
    step.generator(fakes, draws, output, real_maps, fake_maps, progress=0)
    assert moved() == {"generator"}


def test_an_update_follows_from_seed_and_pictures_seen() -> None:
    """The same (seed, nimg) gives the same update, dropout's masks too; another does not."""
    ends = []
    for nimg, disturbed in ((64, False), (64, True), (72, False)):
        step, feed = make_step("dcgan-residual")
        if disturbed:
            torch.rand(100)
        step.update(feed, nimg)
        ends.append(weights_of(step.nets.discriminator))
    assert all(torch.equal(a, b) for a, b in zip(ends[0], ends[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(ends[0], ends[2], strict=True))


def test_the_helper_moves_the_generator_and_can_be_switched_off() -> None:
    ends = []
    for settings in ({}, {"helper_weight": 5.0}, {"perceptual_weight": 50.0}):
        step, feed = make_step("small", precision="float32", **settings)
        stats = step.update(feed, 0)
        assert {"helper_d", "helper_g", "perceptual"} <= stats.keys()
        ends.append(gradient_of(next(step.nets.generator.parameters())))
    assert not torch.allclose(ends[0], ends[1])
    assert not torch.allclose(ends[0], ends[2])
    step, feed = make_step("small", pretrained="none")
    assert not {"helper_d", "helper_g", "perceptual"} & step.update(feed, 0).keys()
    assert step.nets.features is None
    assert step.nets.helper is None


def test_frozen_features_stay_and_are_not_saved() -> None:
    step, feed = make_step("small")
    assert step.nets.features is not None
    before = weights_of(step.nets.features)
    step.update(feed, 0)
    assert not changed(step.nets.features, before)
    assert not any("features" in name for name in step.nets.state())


def test_penalty_reaches_the_update() -> None:
    """The same update with and without the penalty ends elsewhere; a penalty of nothing fails."""
    ends = []
    for with_penalty in (False, True):
        step, feed = make_step(penalty_gamma=10.0)
        draws = draws_of(step, feed)
        step.discriminator(step.fakes(draws), draws, with_penalty=with_penalty)
        ends.append(gradient_of(adversarial_weights(step.nets.discriminator)))
    assert not torch.allclose(ends[0], ends[1])


def test_a_lazy_penalty_weighs_gamma_times_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for with_penalty in (False, True):
        step, feed = make_step(penalty_gamma=3.0, penalty_interval=5, precision="float32")
        draws = draws_of(step, feed)
        net, weights = step.nets.discriminator, adversarial_weights(step.nets.discriminator)
        monkeypatch.setattr(step.nets.optimizer_d, "step", lambda: None)
        step.discriminator(step.fakes(draws), draws, with_penalty=with_penalty)
        gradients.append(gradient_of(weights))
    penalty = gradient_penalty(lambda images: net(images).adversarial, draws.real, draws.real, "r1")
    (expected,) = torch.autograd.grad(penalty, weights)
    torch.testing.assert_close(gradients[1] - gradients[0], 15 * expected, rtol=1e-3, atol=1e-5)


def test_unknown_labels_leave_the_class_heads_alone() -> None:
    step, feed = make_step("small")
    draws = draws_of(step, feed)
    unknown = torch.full_like(draws.labels, -1)
    draws = replace(draws, labels=unknown, fake_labels=unknown)
    step.discriminator(step.fakes(draws), draws, with_penalty=False)
    net = step.nets.discriminator
    assert gradient_of(net.get_parameter("heads.classes.weight")).abs().sum() == 0
    assert gradient_of(adversarial_weights(net)).abs().sum() > 0


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("preset", "backend"),
    [
        ("small", "aot_eager"),
        pytest.param("modern", "aot_eager", marks=pytest.mark.slow),
        pytest.param("small", "inductor", marks=pytest.mark.slow),
        pytest.param("modern", "inductor", marks=pytest.mark.slow),
    ],
)
def test_compiled_is_eager(preset: PresetName, backend: str) -> None:
    """Two updates of all nets, compiled and not, give the same gradients."""
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("the compiler of compiled steps needs g++")
    eager, feed = make_step(preset, precision="float32", penalty_interval=2)
    compiled, _ = make_step(preset, precision="float32", penalty_interval=2)
    compiled.nets.load(copy.deepcopy(eager.nets.state()))
    compiled.compile(backend)
    for nimg in (8, 16):  # without and with the penalty
        for step in (eager, compiled):
            step.update(feed, nimg)
        for net in ("generator", "discriminator", "helper"):
            pairs = zip(
                getattr(eager.nets, net).parameters(),
                getattr(compiled.nets, net).parameters(),
                strict=True,
            )
            for a, b in pairs:
                torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)


def test_redrawing_trains_the_encoder_through_redrawn_faces_alone() -> None:
    step, feed = make_step(
        "small", adversarial_weight=0.0, class_weight_g=0.0, prior_weight=0.0, helper_weight=1e-9
    )
    draws = draws_of(step, feed)
    assert step.nets.encoder is not None
    before = weights_of(step.nets.encoder)
    fakes = step.fakes(draws)
    fakes.images.retain_grad()
    _, output = step.discriminator(fakes, draws, with_penalty=False)
    maps = step.look(draws.real, 0), step.look(fakes.images, 0)
    step.generator(fakes, draws, output, *maps, progress=0)
    assert changed(step.nets.encoder, before)
    assert fakes.images.grad is not None
    redrawn, drawn = fakes.images.grad[::2].abs().sum(), fakes.images.grad[1::2].abs().sum()
    assert redrawn > 0
    assert drawn < 1e-6 * redrawn


def test_the_frozen_network_sees_every_update_from_another_place() -> None:
    """All pictures of an update are moved alike, so that redrawn faces still match their reals."""
    step, feed = make_step("small", pretrained_shift=4)
    seen: list[torch.Tensor] = []

    def noted(images: torch.Tensor) -> Maps:
        seen.append(images)
        return (images,)

    step.compiled_features = noted
    pictures = draws_of(step, feed).real
    for seed in (1, 1, 2):
        step.look(pictures, seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert seen[0].shape == pictures.shape
    moves = [
        (left, top)
        for left in range(-4, 5)
        for top in range(-4, 5)
        if torch.equal(
            seen[0][:, :, 4:-4, 4:-4], pictures.roll((top, left), (2, 3))[:, :, 4:-4, 4:-4]
        )
    ]
    assert len(moves) == 1

    step, feed = make_step("small", pretrained_shift=0)
    step.compiled_features = lambda images: (images,)
    assert torch.equal(step.look(pictures, 1)[0], pictures)


def test_redrawn_faces_keep_their_labels_and_become_fewer() -> None:
    step, feed = make_step("small", label_drop=1.0, reconstruction_weight_end=2.0)
    for progress, every in ((0.1, 2), (0.9, 4)):
        found = step.draw(
            feed, torch.Generator().manual_seed(0), step.settings.redrawn_every(progress)
        )
        kept = (found.fake_labels == found.labels).all(dim=1)
        assert torch.equal(kept[::every], torch.ones_like(kept[::every]))
        open_rows = torch.arange(len(kept)) % every > 0
        assert (found.fake_labels[open_rows] == -1).all()


def test_the_weight_of_redrawing_fades() -> None:
    settings = replace(PRESETS["small"], reconstruction_weight=20.0, reconstruction_weight_end=5.0)
    weights = [settings.redraw_weight(p) for p in (0.0, 0.4, 0.6, 0.8, 1.0)]
    assert weights == pytest.approx([20, 20, 10, 5, 5])
    assert replace(settings, reconstruction_weight_end=0.0).redraw_weight(1.0) == 20


def test_every_preset_can_be_named() -> None:
    assert get_args(PresetName) == tuple(PRESETS)


def test_flops_are_counted() -> None:
    """A plain step costs 4 F_G + 8 F_D when fakes are drawn twice, less what is not needed."""
    cost = measure_cost("dcgan-5x5", 32, width=0.25)
    plain = 4 * cost.forward_g + 8 * cost.forward_d
    assert 0.8 * plain < cost.training_flops < 1.1 * plain
    assert cost.saved_bytes > 0


class DoubleFeed(Feed):
    """Pictures in float64."""

    def pictures(self, rows: torch.Tensor) -> torch.Tensor:
        return super().pictures(rows).double()


def gradients_of_one_step(rank: int, size: int, port: int, preset: PresetName, out: Path) -> None:
    """Some updates of all nets, with the penalty at first, in a world of `size` processes; rank 0
    saves the last one's gradients."""
    torch.set_num_threads(1)
    if size > 1:
        address = f"tcp://127.0.0.1:{port}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=size)
    image_size = {"dcgan-64": 64, "dcgan-residual": 32}.get(preset, 16)
    plan = synthetic_plan(preset, image_size, batch=8, width=0.25)
    plan = replace(plan, settings=replace(plan.settings, precision="float32"))
    nets = build_nets(plan, CPU)
    trained = [
        net
        for net in (nets.generator, nets.discriminator, nets.encoder, nets.helper)
        if net is not None
    ]
    for net in [*trained, nets.averages, *([nets.features] if nets.features else [])]:
        net.double()
    step = Step(plan, nets, CPU, World(rank, size))
    feed = DoubleFeed(plan.faces, CPU, np.ones(len(plan.faces)))
    torch.set_default_dtype(torch.float64)
    try:
        for number in range(UPDATES_OF_PROCESSES):
            step.update(feed, number * 8)
    finally:
        torch.set_default_dtype(torch.float32)
    if rank == 0:
        torch.save([p.grad for net in trained for p in net.parameters()], out)
    if size > 1:
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["small", "acgan", "dcgan-residual", "dcgan-64"])
def test_two_processes_compute_the_gradients_of_one(tmp_path: Path, preset: PresetName) -> None:
    """In float64 the gradients of both nets agree to rounding, entry by entry."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gradients_of_one_step(0, 1, port, preset, tmp_path / "one.pt")
    spawn(gradients_of_one_step, (2, port, preset, tmp_path / "two.pt"), nprocs=2, join=True)
    for one, two in zip(
        torch.load(tmp_path / "one.pt"), torch.load(tmp_path / "two.pt"), strict=True
    ):
        torch.testing.assert_close(two, one, rtol=1e-6, atol=1e-9 * float(one.abs().max() + 1))
