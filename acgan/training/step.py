"""One update of all nets: the losses put together, gradients averaged, optimisers stepped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim import Optimizer

from acgan.nets.blocks import DiscriminatorOutput
from acgan.nets.helper import Maps, perceptual_distance
from acgan.training.augment import augment
from acgan.training.feed import Feed, drop_labels
from acgan.training.losses import (
    class_accuracy,
    class_loss,
    discriminator_loss,
    generator_class_loss,
    generator_loss,
    gradient_penalty,
    helper_discriminator_loss,
    helper_generator_loss,
    prior_divergence,
    reconstruction_loss,
)
from acgan.training.parallel import World
from acgan.training.plan import Plan
from acgan.training.precision import computes_in_bf16
from acgan.training.state import Nets

Stats = dict[str, Tensor]


@dataclass(frozen=True)
class Draws:
    """This process's share of a step's data and random numbers, N pictures."""

    real: Tensor
    """Float [N,3,S,S] in -1..1, mirrored at random."""
    labels: Tensor
    """The reals' classes, int64 [N,A], -1 for unknown."""
    fake_labels: Tensor
    """What the generator is asked for, int64 [N,A]; some are hidden (-1)."""
    z: Tensor
    """Latents, float [N,Z]; of redrawn rows the noise around the encoder's mean."""
    augmentation: Tensor
    """Numbers in 0..1, [N,2,6]: the first row of six for reals, the second for fakes."""
    penalty_noise: Tensor
    """Numbers in 0..1, [N,3,S,S], for DRAGAN; empty with other penalties."""
    redrawn: slice
    """The rows whose fakes redraw their reals; empty without an encoder."""


class Fakes(NamedTuple):
    """What the generator drew, float [N,3,S,S] in -1..1, and the encoder's divergence, a scalar."""

    images: Tensor
    prior_divergence: Tensor | None


class Step:
    """One whole update, with what it needs bound once; `update` is all that others call."""

    def __init__(
        self,
        plan: Plan,
        nets: Nets,
        device: torch.device,
        world: World,
        *,
        bf16: bool | None = None,
    ) -> None:
        self.settings, self.sizes, self.nets = plan.settings, plan.sizes, nets
        self.seed, self.device, self.world = plan.options.seed, device, world
        settings = plan.settings
        self.bf16 = computes_in_bf16(settings.precision, device) if bf16 is None else bf16
        self.weights = plan.class_weights
        many = [a for a, size in enumerate(plan.sizes) if size > 2] or range(len(plan.sizes))
        self.read_groups = torch.tensor(list(many), device=device, dtype=torch.int64)
        self.compiled_g: Callable[..., Tensor] = nets.generator
        self.compiled_d: Callable[..., DiscriminatorOutput] = nets.discriminator
        self.compiled_features: Callable[..., Maps] | None = nets.features
        if plan.options.compile == "yes" or (
            plan.options.compile == "auto" and device.type == "cuda"
        ):
            self.compile("inductor")

    def update(self, feed: Feed, nimg: int, progress: float = 0.0) -> Stats:
        """Update every net once; `nimg` pictures were seen, `progress` (0..1) of the budget used.

        All random numbers follow from (seed, nimg), so the same call on the same state gives the
        same update. Returns the losses as detached scalars on the device: reading one waits for it.
        """
        settings, number = self.settings, nimg // self.settings.batch
        seed = self.seed * 2**36 + nimg  # no run sees 2**36 pictures, so seeds never meet
        torch.manual_seed(seed)  # for dropout
        random = torch.Generator(self.device).manual_seed(seed)
        draws = self.draw(feed, random, settings.redrawn_every(progress))

        # Fakes for asked labels; some of them redraw their real. Where both updates share one batch
        # of fakes, its graph is kept for the generator's; else fresh fakes are drawn below.
        with torch.set_grad_enabled(settings.shared_fakes):
            fakes = self.fakes(draws)

        # Discriminator: reals up, fakes down, the reals' labels, now and then the penalty.
        stats, output_real = self.discriminator(
            fakes, draws, with_penalty=number % settings.penalty_interval == 0
        )

        # Helper: the same on what a frozen network sees, without labels. Reals need no gradient;
        # the maps of fakes carry the generator's.
        real_maps = fake_maps = None
        if self.nets.helper is not None:
            with torch.no_grad():
                real_maps = self.look(draws.real, seed)
            fake_maps = self.look(fakes.images, seed)
            stats |= self.helper(real_maps, fake_maps)

        # Generator: fakes up with both, read as what they were asked for, redraws like their reals.
        if number % settings.generator_every == 0:
            if not settings.shared_fakes:
                fakes = self.fakes(draws)
                fake_maps = None if real_maps is None else self.look(fakes.images, seed)
            stats |= self.generator(fakes, draws, output_real, real_maps, fake_maps, progress)

        # The running averages of the generator, one of which will be used.
        self.nets.update_averages(settings, nimg + settings.batch)
        return {name: value.detach() for name, value in stats.items()}

    def draw(self, feed: Feed, random: torch.Generator, redrawn_every: int) -> Draws:
        """Draw the whole batch's random numbers; keep this process's share of them."""
        settings, share, batch = self.settings, self.world.share, self.settings.batch
        # Every process draws all numbers of the batch and keeps its share: so the run is the same
        # whatever the number of processes.
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
        redrawn = slice(None, None, redrawn_every) if self.nets.encoder is not None else slice(0)
        fake_labels[redrawn] = labels[redrawn]  # or labels would hide in the latent
        return Draws(
            real, share(labels), share(fake_labels), share(z), share(draws), share(noise), redrawn
        )

    def fakes(self, draws: Draws) -> Fakes:
        """What the generator draws for the asked labels.

        With an encoder some redraw their real, from the latent read off that face: a sample of the
        encoder's normal distribution (the reparametrisation of 1312.6114).
        """
        z, encoder, divergence = draws.z, self.nets.encoder, None
        with self._autocast():
            if encoder is not None:
                mean, log_variance = encoder(draws.real[draws.redrawn])
                divergence = prior_divergence(mean, log_variance)
                z = z.clone()
                z[draws.redrawn] = mean + (0.5 * log_variance).exp() * draws.z[draws.redrawn]
            return Fakes(self.compiled_g(z, draws.fake_labels), divergence)

    def look(self, images: Tensor, seed: int) -> Maps:
        """What the frozen network sees in pictures: one map per stage.

        Its strides are a fixed grid, which a generator learns to serve with textures of the same
        pitch. So its view moves a little in each update, for all pictures alike.
        """
        assert self.compiled_features is not None
        if most := self.settings.pretrained_shift:
            # On the CPU: a GPU would have to be waited for.
            random = torch.Generator().manual_seed(seed)
            left, top = torch.randint(2 * most + 1, (2,), generator=random).tolist()
            side = images.shape[2]
            around = pad(images, (most, most, most, most), mode="reflect")
            images = around[:, :, top : top + side, left : left + side]
            images = images.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            return self.compiled_features(images)

    def discriminator(
        self, fakes: Fakes, draws: Draws, *, with_penalty: bool
    ) -> tuple[Stats, DiscriminatorOutput]:
        """Update the discriminator; also returns what it said of the reals, detached."""
        settings, net = self.settings, self.nets.discriminator
        net.requires_grad_(True)
        fake = fakes.images.detach()  # the graph, if kept, is the generator's
        with self._autocast():
            real, real_shows = self._augment(draws.real, draws, 0)
            fake, fake_shows = self._augment(fake, draws, 1)
            output_real, output_fake = self._discriminate(self.compiled_d, real, fake)
        stats = {
            "adversarial_d": discriminator_loss(
                output_real.adversarial, output_fake.adversarial, settings.adversarial_loss
            ),
            "class_d": self._class_loss_d(output_real, draws.labels, real_shows, fake=False),
        }
        loss = settings.adversarial_weight * stats["adversarial_d"]
        loss = loss + settings.class_weight_d * stats["class_d"]
        if settings.class_loss_on_fakes or settings.class_loss == "adc":
            on_fakes = self._class_loss_d(output_fake, draws.fake_labels, fake_shows, fake=True)
            loss = loss + settings.class_weight_d * on_fakes
        if with_penalty:
            # By the plain net, since a compiled one has no second derivative.
            stats["penalty"] = gradient_penalty(
                lambda images: net(images).adversarial,
                draws.real,
                fakes.images.detach(),
                settings.penalty,
                draws.penalty_noise,
            )
            # A lazy penalty comes every `penalty_interval` updates and is scaled by that number, so
            # that it weighs as much as one at every update (1912.04958, appendix B).
            scale = settings.penalty_gamma * settings.penalty_interval
            loss = loss + settings.adversarial_weight * scale * stats["penalty"]
        self._update(loss, self.nets.optimizer_d)
        stats["logit_gap"] = (output_real.adversarial - output_fake.adversarial).mean()
        stats["accuracy_real"] = self._accuracy(output_real, draws.labels)
        return stats, DiscriminatorOutput(*(part.detach() for part in output_real))

    def helper(self, real_maps: Maps, fake_maps: Maps) -> Stats:
        """Update the heads on the frozen network's maps; no gradient reaches the pictures."""
        heads, optimizer = self.nets.helper, self.nets.optimizer_h
        assert heads is not None
        assert optimizer is not None
        heads.requires_grad_(True)
        count = len(real_maps[0])
        both = tuple(torch.cat([a, b.detach()]) for a, b in zip(real_maps, fake_maps, strict=True))
        with self._autocast():
            logits = [one.split(count) for one in heads(both)]
        loss = helper_discriminator_loss(*zip(*logits, strict=True))
        self._update(loss, optimizer)
        return {"helper_d": loss}

    def generator(
        self,
        fakes: Fakes,
        draws: Draws,
        output_real: DiscriminatorOutput,
        real_maps: Maps | None,
        fake_maps: Maps | None,
        progress: float,
    ) -> Stats:
        """Update the generator and, where there is one, the encoder.

        `output_real` is what the discriminator said of the reals: a relativistic loss compares the
        fakes with them. Returns the losses.
        """
        settings = self.settings
        # Gradients pass through the discriminator to the pictures; its own would only cost time.
        self.nets.discriminator.requires_grad_(False)
        with self._autocast():
            # The same augmentation as the discriminator saw, or the generator would learn to draw
            # augmented pictures (2006.10738).
            seen, shows = self._augment(fakes.images, draws, 1)
            output = self.compiled_d(seen)
        stats = {
            "adversarial_g": generator_loss(
                output.adversarial, output_real.adversarial, settings.adversarial_loss
            ),
            "class_g": generator_class_loss(
                output.classes,
                draws.fake_labels.masked_fill(~shows[:, None], -1),  # a cutout may hide the eyes
                self.sizes,
                self.weights,
                kind=settings.class_loss,
            ),
        }
        loss = settings.adversarial_weight * stats["adversarial_g"]
        loss = loss + settings.class_weight_g * stats["class_g"]
        if fakes.prior_divergence is not None:
            drawn, real = fakes.images[draws.redrawn], draws.real[draws.redrawn]
            stats["reconstruction"] = reconstruction_loss(drawn, real)
            stats["prior"] = fakes.prior_divergence
            loss = loss + settings.redraw_weight(progress) * stats["reconstruction"]
            loss = loss + settings.prior_weight * stats["prior"]
        heads, features = self.nets.helper, self.nets.features
        if heads is not None and fake_maps is not None and real_maps is not None:
            heads.requires_grad_(False)
            with self._autocast():
                stats["helper_g"] = helper_generator_loss(heads(fake_maps))
            loss = loss + settings.helper_weight * stats["helper_g"]
            if features is not None and fakes.prior_divergence is not None:
                chosen = [features.wanted.index(s) for s in settings.perceptual_stages]
                stats["perceptual"] = perceptual_distance(
                    tuple(fake_maps[number][draws.redrawn] for number in chosen),
                    tuple(real_maps[number][draws.redrawn] for number in chosen),
                )
                loss = loss + settings.perceptual_weight * stats["perceptual"]
        self._update(loss, self.nets.optimizer_g)
        stats["accuracy_fake"] = self._accuracy(output, draws.fake_labels)
        return stats

    def compile(self, backend: str) -> None:
        """Compile the nets, sharing their weights with the plain ones.

        The penalty keeps to the plain discriminator: a compiled one has no second derivative.
        """
        # Some compiler versions get scale-and-shift gradients wrong with this optimisation.
        os.environ.setdefault("TORCHINDUCTOR_MIX_ORDER_REDUCTION", "0")
        self.compiled_g = torch.compile(self.nets.generator, backend=backend)
        self.compiled_d = torch.compile(self.nets.discriminator, backend=backend)
        if self.nets.features is not None:
            self.compiled_features = torch.compile(self.nets.features, backend=backend)

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

    def _discriminate(
        self, net: Callable[..., DiscriminatorOutput], real: Tensor, fake: Tensor
    ) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """The output for both, from one pass or, where BatchNorm would mix them, from two."""
        if self.settings.separate_passes:
            return net(real), net(fake)
        parts = [part.split(len(real)) for part in net(torch.cat([real, fake]))]
        return DiscriminatorOutput(*(part[0] for part in parts)), DiscriminatorOutput(
            *(part[1] for part in parts)
        )

    def _class_loss_d(
        self, output: DiscriminatorOutput, labels: Tensor, shows: Tensor, *, fake: bool
    ) -> Tensor:
        if self.settings.class_loss == "none" or not self.sizes:
            return output.classes.new_zeros(())
        return class_loss(
            output.classes,
            labels.masked_fill(~shows[:, None], -1),
            self.sizes,
            self.weights,
            kind=self.settings.class_loss,
            fake=fake,
        )

    def _accuracy(self, output: DiscriminatorOutput, labels: Tensor) -> Tensor:
        if self.settings.class_loss == "none" or not self.sizes:
            return output.classes.new_zeros(())
        found = class_accuracy(output.classes, labels, self.sizes, self.settings.slots)
        return found[self.read_groups].nanmean()

    def _update(self, loss: Tensor, optimizer: Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters: Sequence[nn.Parameter] = optimizer.param_groups[0]["params"]
        self.world.average_gradients(parameters)
        optimizer.step()
