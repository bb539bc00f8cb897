"""The nets, built from a description that a snapshot can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from acgan.nets.dcgan import DcganDiscriminator, DcganGenerator
from acgan.nets.encoder import Encoder
from acgan.nets.modern import ModernDiscriminator, ModernGenerator
from acgan.nets.small import SmallDiscriminator, SmallGenerator
from acgan.nets.srresnet import SrresnetDiscriminator, SrresnetGenerator
from acgan.nets.truncation import Truncated, Truncation

GENERATORS: dict[str, Callable[..., nn.Module]] = {
    "dcgan": DcganGenerator,
    "modern": ModernGenerator,
    "small": SmallGenerator,
    "srresnet": SrresnetGenerator,
}
DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    "dcgan": DcganDiscriminator,
    "modern": ModernDiscriminator,
    "small": SmallDiscriminator,
    "srresnet": SrresnetDiscriminator,
}


def build_generator(architecture: Mapping[str, Any]) -> nn.Module:
    """A generator from its description: `kind`, `image_size`, `z_dim`, `sizes` and the widths.

    Called as `generator(z float32 [N,z_dim], labels int64 [N,A]) -> [N,3,S,S]` in -1..1. With a
    `truncation`, its width, the generator stands behind one.
    """
    settings = dict(architecture)
    width = settings.pop("truncation", None)
    generator = GENERATORS[settings.pop("kind")](**settings)
    if width is None:
        return generator
    return Truncated(generator, Truncation(settings["z_dim"], width))


def build_discriminator(architecture: Mapping[str, Any]) -> nn.Module:
    """A discriminator from its description; `images` -> `DiscriminatorOutput`."""
    settings = dict(architecture)
    return DISCRIMINATORS[settings.pop("kind")](**settings)


def build_encoder(architecture: Mapping[str, Any]) -> Encoder:
    """The encoder of a generator's description, whatever its kind."""
    size, z_dim = architecture["image_size"], architecture["z_dim"]
    return Encoder(size, z_dim, width=architecture.get("width", 1.0))
