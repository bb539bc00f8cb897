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
PresetName = Literal["small", "recipe"]


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
    class_floor: float = 0.0
    flag_weight: float = 0.15
    penalty: Penalty = "r1"
    penalty_gamma: float = 2.0
    penalty_interval: int = 8
    latent_weight: float = 0.0
    moments_weight: float = 0.0

    batch: int = 32
    rate_g: float = 1e-3
    rate_d: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.99
    rate_decay: RateDecay = "second-half"
    generator_every: int = 1
    shared_fakes: bool = False
    separate_passes: bool = False
    ema_half_life_kimg: float = 4.4
    ema_ramp: float = 0.05

    augmentation: Augmentation = "none"
    augmentation_probability: float = 1.0
    mirror: bool = True
    temper: float = 0.5
    label_drop: float = 0.05


PRESETS: dict[str, Preset] = {
    "small": Preset(
        source="this project: the recipe below, with measures against low variety",
        nets="small",
        z_dim=64,
        shared_fakes=True,
    ),
    "recipe": Preset(
        source="a measured recipe for minutes on two CPU cores; the floor to beat",
        nets="small",
        z_dim=64,
        shared_fakes=True,
        temper=0.0,
        label_drop=0.0,
        mirror=False,
        flag_weight=1.0,
    ),
}
