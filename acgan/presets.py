"""Every preset in one table, each with its source. No torch here: `--help` reads this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

AdversarialLoss = Literal["relativistic", "logistic", "hinge"]
ClassLoss = Literal["none", "ac", "adc"]
Penalty = Literal["none", "r1", "r1r2", "dragan"]
Augmentation = Literal["none", "translate", "translate-cutout"]
RateDecay = Literal["none", "second-half", "cosine"]
Precision = Literal["auto", "float32", "bfloat16"]
PresetName = Literal[
    "small", "recipe", "modern", "acgan", "dcgan", "dcgan-64", "dcgan-5x5", "dcgan-residual"
]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One way to train: nets, losses, optimiser. Rates and intervals count pictures, not steps."""

    source: str
    nets: str
    generator: Mapping[str, Any] = field(default_factory=dict)
    discriminator: Mapping[str, Any] = field(default_factory=dict)
    image_sizes: tuple[int, ...] = (16, 32, 64, 96, 128, 256)
    conditional: bool = True
    z_dim: int = 128
    z_distribution: Literal["normal", "uniform"] = "normal"

    adversarial_loss: AdversarialLoss = "relativistic"
    adversarial_weight: float = 1.0
    class_loss: ClassLoss = "ac"
    class_weight_d: float = 1.0
    class_weight_g: float = 0.5
    class_loss_on_fakes: bool = False
    class_mean: bool = False
    class_floor: float = 0.0
    flag_weight: float = 0.15
    penalty: Penalty = "r1"
    penalty_gamma: float = 2.0
    penalty_interval: int = 8
    reconstruction_weight: float = 0.0
    prior_weight: float = 0.0

    batch: int = 32
    rate_g: float = 1e-3
    rate_d: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.99
    rate_decay: RateDecay = "second-half"
    generator_every: int = 1
    shared_fakes: bool = False
    separate_passes: bool = False
    precision: Precision = "auto"
    ema_half_life_kimg: float = 4.4
    ema_ramp: float = 0.05

    augmentation: Augmentation = "none"
    augmentation_probability: float = 1.0
    mirror: bool = True
    temper: float = 0.5
    label_drop: float = 0.05


_UNCONDITIONAL: dict[str, Any] = {
    "conditional": False,
    "adversarial_loss": "logistic",
    "class_loss": "none",
    "penalty": "none",
    "rate_g": 2e-4,
    "rate_d": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "rate_decay": "none",
    "separate_passes": True,
    "ema_half_life_kimg": 0.0,
    "mirror": False,
    "temper": 0.0,
    "label_drop": 0.0,
}


def _net(variant: str) -> dict[str, Any]:
    return {"generator": {"variant": variant}, "discriminator": {"variant": variant}}


PRESETS: dict[str, Preset] = {
    "small": Preset(
        source="this project: the recipe below with an encoder, as in VAE-GANs (1512.09300)",
        nets="small",
        z_dim=64,
        shared_fakes=True,
        class_weight_g=0.015,
        reconstruction_weight=20.0,
        prior_weight=0.05,
    ),
    "recipe": Preset(
        source="a measured recipe for minutes on two CPU cores; the floor to beat",
        nets="small",
        generator={"blur": False},
        z_dim=64,
        shared_fakes=True,
        temper=0.0,
        label_drop=0.0,
        mirror=False,
        flag_weight=1.0,
        precision="float32",
    ),
    "modern": Preset(
        source="this project, for a GPU: R3GAN (2501.05441), ADC-GAN (2107.10060), ReACGAN heads",
        nets="modern",
        z_dim=128,
        class_loss="adc",
        class_weight_d=0.5,
        class_weight_g=0.25,
        penalty="r1r2",
        penalty_gamma=1.0,
        batch=256,
        rate_g=2e-4,
        rate_d=2e-4,
        beta1=0.0,
        rate_decay="cosine",
        ema_half_life_kimg=500.0,
        augmentation="translate-cutout",
        augmentation_probability=0.3,
    ),
    "acgan": Preset(
        source="E, anime ACGAN: SRResNet generator, DRAGAN (1708.05509; weights as its authors')",
        nets="srresnet",
        z_dim=128,
        adversarial_loss="logistic",
        class_weight_g=1.0,
        class_loss_on_fakes=True,
        class_mean=True,
        flag_weight=1.0,
        penalty="dragan",
        penalty_gamma=0.5,
        penalty_interval=1,
        batch=64,
        rate_g=2e-4,
        rate_d=2e-4,
        beta2=0.999,
        ema_half_life_kimg=44.0,
        temper=0.0,
        label_drop=0.0,
    ),
    "dcgan": Preset(
        source="C, PyTorch DCGAN (96 px): D every batch, G every fifth",
        nets="dcgan",
        **_net("plain"),
        image_sizes=(32, 64, 96, 128, 256),
        z_dim=100,
        batch=256,
        generator_every=5,
        **_UNCONDITIONAL,
    ),
    "dcgan-64": Preset(
        source="D, attribute-controlled avatar system, the net of its code (64 px), with DRAGAN",
        nets="dcgan",
        **_net("64"),
        image_sizes=(64,),
        z_dim=100,
        batch=64,
        **_UNCONDITIONAL | {"penalty": "dragan"},
        penalty_gamma=0.5,
        penalty_interval=1,
    ),
    "dcgan-5x5": Preset(
        source="B, TensorFlow DCGAN (96 px): 5x5 kernels, no fully connected output",
        nets="dcgan",
        **_net("5x5"),
        z_dim=100,
        batch=100,
        **_UNCONDITIONAL,
    ),
    "dcgan-residual": Preset(
        source="A, PaddlePaddle DCGAN (96 px): residual block first, dropout, two-way softmax",
        nets="dcgan",
        **_net("residual"),
        z_dim=72,
        z_distribution="uniform",
        batch=100,
        **_UNCONDITIONAL | {"beta1": 0.8},
    ),
}
