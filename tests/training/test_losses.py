"""The losses against closed forms; a loss that silently does nothing fails here."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from acgan.training.losses import (
    class_accuracy,
    class_loss,
    discriminator_loss,
    generator_class_loss,
    generator_loss,
    gradient_penalty,
    group_weights,
    prior_divergence,
    reconstruction_loss,
)
from acgan.training.presets import AdversarialLoss, ClassLoss, Penalty

SIZES = (3, 2)
SOFTPLUS_1 = math.log(1 + math.e)


@pytest.mark.parametrize(
    ("kind", "d", "g"),
    [
        ("relativistic", math.log(1 + math.exp(-3)), math.log(1 + math.exp(3))),
        ("logistic", math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1)), SOFTPLUS_1),
        ("hinge", 0.0, 1.0),
    ],
)
def test_adversarial(kind: AdversarialLoss, d: float, g: float) -> None:
    real, fake = torch.tensor([2.0, 2.0]), torch.tensor([-1.0, -1.0])
    assert discriminator_loss(real, fake, kind).item() == pytest.approx(d, abs=1e-6)
    assert generator_loss(fake, real, kind).item() == pytest.approx(g, abs=1e-6)


def linear_discriminator(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda images: (images * weight).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", lambda square: 0.0),
        ("r1", lambda square: 0.5 * square),
        ("r1r2", lambda square: square),
        ("dragan", lambda square: (math.sqrt(square) - 1) ** 2),
    ],
)
def test_penalty_of_a_linear_discriminator(
    kind: Penalty, expected: Callable[[float], float]
) -> None:
    """The gradient of a linear discriminator is its weight, whatever the pictures."""
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    real, fake, noise = torch.randn(3, 5, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    found = gradient_penalty(linear_discriminator(weight), real, fake, kind, noise)
    assert found.item() == pytest.approx(expected(weight.square().sum().item()), rel=1e-5)


@pytest.mark.parametrize("kind", ["r1", "r1r2", "dragan"])
def test_penalty_moves_the_weights(kind: Penalty) -> None:
    """The penalty's own gradient: for r1 of a linear discriminator it is the weight itself."""
    weight = torch.full((3, 2, 2), 2.0, requires_grad=True)
    pictures = torch.randn(4, 3, 2, 2)
    penalty = gradient_penalty(
        linear_discriminator(weight), pictures, pictures, kind, torch.zeros_like(pictures)
    )
    penalty.backward()
    norm = weight.detach().square().sum().sqrt().item()
    slope = {"r1": 1.0, "r1r2": 2.0, "dragan": 2 * (norm - 1) / norm}[kind]
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, slope * weight.detach())


def test_dragan_is_per_picture() -> None:
    """The norm is taken over all pixels of a picture, not per pixel or over the batch."""
    discriminator = linear_discriminator(torch.ones(3, 4, 4))
    pictures = torch.zeros(7, 3, 4, 4)
    found = gradient_penalty(
        discriminator, pictures, pictures, "dragan", torch.zeros_like(pictures)
    )
    assert found.item() == pytest.approx((math.sqrt(48) - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["ac", "adc"])
def test_unknown_labels_get_no_gradient(kind: ClassLoss) -> None:
    slots = 2 if kind == "adc" else 1
    logits = torch.randn(4, slots * sum(SIZES), requires_grad=True)
    labels = torch.tensor([[0, -1], [-1, 1], [-1, -1], [2, 0]])
    generator_class_loss(logits, labels, SIZES, (1.0, 1.0), kind=kind).backward()
    assert logits.grad is not None
    hair, smile = logits.grad.split([slots * size for size in SIZES], dim=1)
    assert (hair.abs().sum(dim=1) > 0).tolist() == [True, False, False, True]
    assert (smile.abs().sum(dim=1) > 0).tolist() == [False, True, False, True]


def test_class_loss_is_cross_entropy() -> None:
    logits, labels = torch.randn(6, 5), torch.tensor([[0, 1], [1, 0], [2, -1]] * 2)
    known = labels[:, 1] >= 0
    expected = cross_entropy(logits[:, :3], labels[:, 0])
    expected = expected + 0.2 * cross_entropy(logits[known, 3:], labels[known, 1]) * 4 / 6
    found = class_loss(logits, labels, SIZES, (1.0, 0.2), kind="ac")
    torch.testing.assert_close(found, expected)


def test_adc_tells_real_from_fake() -> None:
    """A real of class y belongs in slot 2y, a fake in 2y+1 (2107.10060)."""
    logits = torch.zeros(1, 10)
    logits[0, 3] = 9.0  # hair class 1, fake
    labels = torch.tensor([[1, -1]])
    as_real = class_loss(logits, labels, SIZES, (1.0, 1.0), kind="adc")
    as_fake = class_loss(logits, labels, SIZES, (1.0, 1.0), kind="adc", fake=True)
    assert as_fake.item() < 0.01
    assert as_real.item() > 8
    asked = generator_class_loss(logits, labels, SIZES, (1.0, 1.0), kind="adc")
    assert asked.item() == pytest.approx((as_real - as_fake).item())


def test_group_weights() -> None:
    assert group_weights((12, 2, 3), 0.15, mean=False) == (1.0, 0.15, 1.0)
    assert group_weights((12, 2), 1.0, mean=True) == (0.5, 0.5)


def test_class_accuracy_counts_the_known() -> None:
    logits = torch.tensor([[9.0, 0, 0, 0, 9.0], [9.0, 0, 0, 9.0, 0]])
    found = class_accuracy(logits, torch.tensor([[0, 1], [1, -1]]), SIZES, 1)
    assert found.tolist() == [0.5, 1.0]


def test_prior_divergence_closed_forms() -> None:
    nothing = torch.zeros(3, 4)
    assert prior_divergence(nothing, nothing).item() == 0
    assert prior_divergence(nothing + 2, nothing).item() == pytest.approx(0.5 * 4 * 4)
    variance = torch.full((3, 4), 0.25)
    expected = 0.5 * 4 * (0.25 - 1 - np.log(0.25))
    assert prior_divergence(nothing, variance.log()).item() == pytest.approx(expected, rel=1e-5)


def test_reconstruction_leaves_the_finest_detail_open() -> None:
    real = torch.rand(2, 3, 8, 8)
    board = torch.ones(8, 8)
    board[::2, 1::2] = board[1::2, ::2] = -1
    assert reconstruction_loss(real + 0.3 * board, real).item() == pytest.approx(0, abs=1e-6)
    assert reconstruction_loss(real + 0.3, real).item() == pytest.approx(0.3, rel=1e-5)
