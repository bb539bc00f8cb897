"""One update of each net: the losses put together, gradients averaged, optimisers stepped."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from acgan.augment import augment
from acgan.devices import computes_in_bf16
from acgan.feed import Feed, drop_labels
from acgan.losses import (
    class_accuracy,
    class_loss,
    discriminator_loss,
    generator_class_loss,
    generator_loss,
    gradient_penalty,
    prior_divergence,
    reconstruction_loss,
)
from acgan.nets.blocks import Judgement
from acgan.parallel import World
from acgan.plan import Plan
from acgan.state import Nets

Stats = dict[str, Tensor]

REDRAWN_EVERY = 2


@dataclass(frozen=True)
class Draws:
    """This process's share of a step's data and random numbers."""

    real: Tensor
    labels: Tensor
    fake_labels: Tensor
    z: Tensor
    augmentation: Tensor
    penalty_noise: Tensor


class Step:
    """The two updates, with what they need bound once."""

    def __init__(self, plan: Plan, nets: Nets, device: torch.device, world: World) -> None:
        self.settings, self.sizes, self.nets = plan.settings, plan.sizes, nets
        self.device, self.world = device, world
        self.bf16 = computes_in_bf16(plan.settings.precision, device)
        self.weights = plan.class_weights
        many = [a for a, size in enumerate(plan.sizes) if size > 2] or range(len(plan.sizes))
        self.read_groups = torch.tensor(list(many), device=device, dtype=torch.int64)
        self.slots = 2 if plan.settings.class_loss == "adc" else 1
        self.judged_real: Judgement | None = None
        self.prior_divergence: Tensor | None = None
        self.compiled_g, self.compiled_d = nets.generator, nets.discriminator
        if plan.options.compile == "yes" or (
            plan.options.compile == "auto" and device.type == "cuda"
        ):
            self.compiled_g, self.compiled_d = compile_nets(nets)

    def draw(self, feed: Feed, random: torch.Generator) -> Draws:
        """Draw the whole batch's random numbers; keep this process's share of them."""
        settings, share, batch = self.settings, self.world.share, self.settings.batch
        rows = feed.rows(batch, random)
        labels = feed.labels(rows)[:, : len(self.sizes)]
        z = torch.empty(batch, settings.z_dim, device=self.device)
        if settings.z_distribution == "uniform":
            z.uniform_(generator=random)
        else:
            z.normal_(generator=random)
        real = feed.pictures(share(rows)).contiguous(memory_format=torch.channels_last)
        mirrored = torch.rand(batch, 1, 1, 1, device=self.device, generator=random) < 0.5
        if settings.mirror:
            real = torch.where(share(mirrored), real.flip(3), real)
        noise = torch.empty(0, device=self.device)
        if settings.penalty == "dragan":
            noise = torch.rand(batch, *real.shape[1:], device=self.device, generator=random)
        draws = torch.rand(batch, 2, 6, device=self.device, generator=random)
        fake_labels = drop_labels(labels, settings.label_drop, random)
        if self.nets.encoder is not None:  # or labels would hide in the latent
            fake_labels[::REDRAWN_EVERY] = labels[::REDRAWN_EVERY]
        return Draws(real, share(labels), share(fake_labels), share(z), share(draws), share(noise))

    def fakes(self, draws: Draws) -> Tensor:
        """Pictures [N,3,S,S] that the generator draws for the asked labels.

        With an encoder every second one redraws its real: from the latent read off that face.
        """
        z, encoder = draws.z, self.nets.encoder
        with self._autocast():
            if encoder is not None:
                mean, log_variance = encoder(draws.real[::REDRAWN_EVERY])
                self.prior_divergence = prior_divergence(mean, log_variance)
                z = z.clone()
                z[::REDRAWN_EVERY] = mean + (0.5 * log_variance).exp() * draws.z[::REDRAWN_EVERY]
            return self.compiled_g(z, draws.fake_labels)

    def discriminator(self, fake: Tensor, draws: Draws, *, with_penalty: bool) -> Stats:
        """Update the discriminator: reals up, fakes down, the labels of what is known."""
        settings, net = self.settings, self.nets.discriminator
        net.requires_grad_(True)
        with self._autocast():
            real, real_shows = self._augment(draws.real, draws, 0)
            fake, fake_shows = self._augment(fake.detach(), draws, 1)
            judged_real, judged_fake = self._judge(self.compiled_d, real, fake)
        stats = {
            "adversarial_d": discriminator_loss(
                judged_real.adversarial, judged_fake.adversarial, settings.adversarial_loss
            ),
            "class_d": self._class_loss_d(judged_real, draws.labels, real_shows, fake=False),
        }
        loss = settings.adversarial_weight * stats["adversarial_d"]
        loss = loss + settings.class_weight_d * stats["class_d"]
        if settings.class_loss_on_fakes or settings.class_loss == "adc":
            on_fakes = self._class_loss_d(judged_fake, draws.fake_labels, fake_shows, fake=True)
            loss = loss + settings.class_weight_d * on_fakes
        if with_penalty:
            stats["penalty"] = gradient_penalty(
                lambda images: net(images).adversarial,
                draws.real,
                fake.detach(),
                settings.penalty,
                draws.penalty_noise,
            )
            scale = settings.penalty_gamma * settings.penalty_interval
            loss = loss + settings.adversarial_weight * scale * stats["penalty"]
        self._update(loss, self.nets.optimizer_d)
        self.judged_real = Judgement(*(part.detach() for part in judged_real))
        stats["logit_gap"] = (judged_real.adversarial - judged_fake.adversarial).mean()
        stats["accuracy_real"] = self._accuracy(judged_real, draws.labels)
        return {name: value.detach() for name, value in stats.items()}

    def generator(self, fake: Tensor, draws: Draws) -> Stats:
        """Update the generator: fakes up, read as the labels that they were asked for."""
        settings, net = self.settings, self.nets.discriminator
        net.requires_grad_(False)
        judged_real = self.judged_real  # of the update before; saves a pass
        with self._autocast():
            seen, shows = self._augment(fake, draws, 1)
            judged = self.compiled_d(seen)
        stats = {
            "adversarial_g": generator_loss(
                judged.adversarial,
                None if judged_real is None else judged_real.adversarial,
                settings.adversarial_loss,
            ),
            "class_g": generator_class_loss(
                judged.classes,
                draws.fake_labels.masked_fill(~shows[:, None], -1),
                self.sizes,
                self.weights,
                kind=settings.class_loss,
                floor=settings.class_floor,
            ),
        }
        loss = settings.adversarial_weight * stats["adversarial_g"]
        loss = loss + settings.class_weight_g * stats["class_g"]
        if self.prior_divergence is not None:
            redrawn = slice(None, None, REDRAWN_EVERY)
            stats["reconstruction"] = reconstruction_loss(fake[redrawn], draws.real[redrawn])
            stats["prior"] = self.prior_divergence
            loss = loss + settings.reconstruction_weight * stats["reconstruction"]
            loss = loss + settings.prior_weight * stats["prior"]
        self._update(loss, self.nets.optimizer_g)
        stats["accuracy_fake"] = self._accuracy(judged, draws.fake_labels)
        return {name: value.detach() for name, value in stats.items()}

    def _autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def _augment(self, images: Tensor, draws: Draws, which: int) -> tuple[Tensor, Tensor]:
        settings = self.settings
        return augment(
            images,
            settings.augmentation,
            settings.augmentation_probability,
            draws.augmentation[:, which],
        )

    def _judge(self, net: nn.Module, real: Tensor, fake: Tensor) -> tuple[Judgement, Judgement]:
        """Judge both in one pass, or in two where BatchNorm would mix them."""
        if self.settings.separate_passes:
            return net(real), net(fake)
        parts = [part.split(len(real)) for part in net(torch.cat([real, fake]))]
        return Judgement(*(part[0] for part in parts)), Judgement(*(part[1] for part in parts))

    def _class_loss_d(
        self, judged: Judgement, labels: Tensor, shows: Tensor, *, fake: bool
    ) -> Tensor:
        if self.settings.class_loss == "none" or not self.sizes:
            return judged.classes.new_zeros(())
        return class_loss(
            judged.classes,
            labels.masked_fill(~shows[:, None], -1),
            self.sizes,
            self.weights,
            kind=self.settings.class_loss,
            fake=fake,
        )

    def _accuracy(self, judged: Judgement, labels: Tensor) -> Tensor:
        if self.settings.class_loss == "none" or not self.sizes:
            return judged.classes.new_zeros(())
        found = class_accuracy(judged.classes, labels, self.sizes, self.slots)
        return found[self.read_groups].nanmean()

    def _update(self, loss: Tensor, optimizer: Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.world.average_gradients(optimizer.param_groups[0]["params"])
        optimizer.step()


def compile_nets(nets: Nets, backend: str = "inductor") -> tuple[nn.Module, nn.Module]:
    """Both nets compiled, sharing their weights with the plain ones.

    The penalty keeps to the plain discriminator: a compiled one has no second derivative.
    """
    # Some compiler versions get scale-and-shift gradients wrong with this optimisation.
    os.environ.setdefault("TORCHINDUCTOR_MIX_ORDER_REDUCTION", "0")
    return (
        torch.compile(nets.generator, backend=backend),
        torch.compile(nets.discriminator, backend=backend),
    )
