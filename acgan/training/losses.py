"""The losses as pure functions: what the two nets are asked for, and the gradient penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, relu, softplus

from acgan.training.parallel import deviation_over_processes
from acgan.training.presets import AdversarialLoss, ClassLoss, Penalty


def discriminator_loss(real: Tensor, fake: Tensor, kind: AdversarialLoss) -> Tensor:
    """The discriminator's adversarial loss from logits [N] of real and fake pictures.

    relativistic: R3GAN (2501.05441), pairs by index; logistic: Goodfellow et al. (1406.2661), equal
    to cross-entropy of a sigmoid; hinge: Lim and Ye (1705.02894).
    """
    match kind:
        case "relativistic":
            return softplus(fake - real).mean()
        case "logistic":
            return softplus(-real).mean() + softplus(fake).mean()
        case "hinge":
            return relu(1 - real).mean() + relu(1 + fake).mean()
        case _:
            assert_never(kind)


def generator_loss(fake: Tensor, real: Tensor | None, kind: AdversarialLoss) -> Tensor:
    """The generator's adversarial loss (non-saturating); only relativistic reads `real`."""
    match kind:
        case "relativistic":
            if real is None:
                raise ValueError("the relativistic loss compares with real logits")
            return softplus(real - fake).mean()
        case "logistic":
            return softplus(-fake).mean()
        case "hinge":
            return -fake.mean()
        case _:
            assert_never(kind)


def helper_discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The hinge loss of the helper's heads: logits [N,1,H,W] of every place, the mean over heads.

    Each head looks at places of another size, as in Projected GAN (2111.01007, eq. 2).
    """
    losses = [discriminator_loss(a, b, "hinge") for a, b in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def helper_generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """What the helper's heads ask of the generator: high logits at all places of every scale."""
    return torch.stack([generator_loss(logits, None, "hinge") for logits in fake]).mean()


def group_weights(sizes: Sequence[int], flag_weight: float, *, mean: bool) -> tuple[float, ...]:
    """The weight of each group's class loss: 1 for one-of-many, `flag_weight` for yes/no.

    With `mean` they are divided by the number of groups (1708.05509 instead multiplies the
    adversarial loss by it).
    """
    share = 1 / len(sizes) if mean and sizes else 1.0
    return tuple(share * (flag_weight if size == 2 else 1.0) for size in sizes)


def class_loss(
    logits: Tensor,
    labels: Tensor,
    sizes: Sequence[int],
    weights: Sequence[float],
    *,
    kind: ClassLoss,
    fake: bool = False,
) -> Tensor:
    """Cross-entropy per group, weighted, summed over groups, averaged over the N samples.

    logits [N, slots * sum K], labels int64 [N,A]; an unknown label (-1) adds nothing and gets no
    gradient. With `adc` (2107.10060) class y has logit 2y when real, 2y+1 when fake.
    """
    slots = 2 if kind == "adc" else 1
    total = logits.new_zeros(())
    for part, target, weight in zip(
        logits.split([slots * size for size in sizes], dim=1), labels.T, weights, strict=True
    ):
        known = target >= 0
        target = target.clamp(min=0) * slots + (fake if kind == "adc" else 0)
        loss = cross_entropy(part.float(), target, reduction="none")
        total = total + weight * (loss * known).sum()
    return total / max(1, len(labels))


def generator_class_loss(
    logits: Tensor,
    labels: Tensor,
    sizes: Sequence[int],
    weights: Sequence[float],
    *,
    kind: ClassLoss,
) -> Tensor:
    """What the class heads ask of the generator: be read as the label (and, with adc, as real)."""
    match kind:
        case "none":
            return logits.new_zeros(())
        case "ac":
            return class_loss(logits, labels, sizes, weights, kind=kind)
        case "adc":
            asked = class_loss(logits, labels, sizes, weights, kind=kind)
            return asked - class_loss(logits, labels, sizes, weights, kind=kind, fake=True)
        case _:
            assert_never(kind)


def reconstruction_loss(drawn: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of pictures [N,3,S,S] at half their size.

    What is left open, the finest detail, is left to the discriminator.
    """
    return (avg_pool2d(drawn.float(), 2) - avg_pool2d(real, 2)).abs().mean()


def prior_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence, nats, of normal latents [N,Z] from the standard normal ones.

    Kingma and Welling (1312.6114), appendix B; the mean over the N pictures.
    """
    gap = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * gap.sum(dim=1).mean()


def class_accuracy(logits: Tensor, labels: Tensor, sizes: Sequence[int], slots: int) -> Tensor:
    """Per group, the share [A] of known labels that the heads read right (nan when none is)."""
    right = []
    for part, target in zip(
        logits.split([slots * size for size in sizes], dim=1), labels.T, strict=True
    ):
        known = target >= 0
        found = part.argmax(dim=1) // slots
        right.append(((found == target) & known).sum() / known.sum())
    return torch.stack(right) if right else logits.new_zeros(0)


def gradient_penalty(
    adversarial: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    kind: Penalty,
    noise: Tensor | None = None,
) -> Tensor:
    """A penalty on the gradient of the adversarial logit with respect to whole pictures.

    r1: half the squared norm at the reals (1801.04406, eq. 9); r1r2: at reals and fakes (R3GAN);
    dragan: (norm - 1)^2 at reals moved by half their deviation times `noise` in 0..1 of the same
    shape (1705.07215). `adversarial` maps pictures [N,3,S,S] to logits [N].
    """
    match kind:
        case "none":
            return real.new_zeros(())
        case "r1":
            return 0.5 * _squared_norms(adversarial, real).mean()
        case "r1r2":
            both = _squared_norms(adversarial, torch.cat([real, fake]))
            return both.mean()  # the mean over 2N of both is half their sum
        case "dragan":
            if noise is None:
                raise ValueError("dragan needs noise")
            moved = real + 0.5 * deviation_over_processes(real) * noise
            return (_squared_norms(adversarial, moved).clamp(min=1e-12).sqrt() - 1).square().mean()
        case _:
            assert_never(kind)


def _squared_norms(adversarial: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """|d logit / d picture|^2 over all pixels of each picture, [N], itself differentiable."""
    images = images.detach().requires_grad_(True)
    logits = adversarial(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))
