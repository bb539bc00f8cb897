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
Pretrained = Literal["none", "efficientnet-lite0"]
PresetName = Literal[
    "small", "baseline", "modern", "acgan", "dcgan", "dcgan-64", "dcgan-5x5", "dcgan-residual"
]

MOST_REDRAWN, FEW_REDRAWN = 2, 4  # every second, later every fourth fake redraws its real


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
    flag_weight: float = 0.15
    penalty: Penalty = "r1"
    penalty_gamma: float = 2.0
    penalty_interval: int = 8
    reconstruction_weight: float = 0.0
    reconstruction_weight_end: float = 0.0
    """Half of every batch redraws reals until `redraw_fade` begins, then a quarter; the weight
    goes from the first to this one over that share of the run."""
    redraw_fade: tuple[float, float] = (0.4, 0.8)
    prior_weight: float = 0.0

    pretrained: Pretrained = "none"
    """The frozen network that helper and perceptual distance look through."""
    perceptual_stages: tuple[int, ...] = (0, 1, 2, 4)
    helper_stages: tuple[int, ...] = (1, 2, 4)
    helper_weight: float = 0.25
    helper_rate: float = 1e-3
    perceptual_weight: float = 2.0
    pretrained_shift: int = 0
    """Up to this many pixels the frozen network's view moves in each update, in both directions."""

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
    averages: tuple[tuple[float, float], ...] = ((4.4, 0.05),)
    """Running averages of the generator: half-life in kimg, at most this share of the run so far;
    where there are several, the last step takes the one that looks most like the reals."""

    augmentation: Augmentation = "none"
    augmentation_probability: float = 1.0
    mirror: bool = True
    temper: float = 0.5
    label_drop: float = 0.05
    kept_share: float = 1.0
    """Train on this share of the faces of each class, those that the frozen network finds least
    odd (2007.15255)."""

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder reads latents off reals, for the generator to redraw them."""
        return self.reconstruction_weight > 0

    @property
    def has_helper(self) -> bool:
        """Whether a helper discriminator reads features of a frozen pretrained network."""
        return self.pretrained != "none" and self.helper_weight > 0

    @property
    def pretrained_stages(self) -> tuple[int, ...]:
        """The frozen network's stages that are looked at."""
        return tuple(sorted({*self.perceptual_stages, *self.helper_stages}))

    @property
    def slots(self) -> int:
        """Logits per class: with `adc` a real and a fake one."""
        return 2 if self.class_loss == "adc" else 1

    @property
    def native_size(self) -> int:
        """The picture size, in pixels, that its source uses."""
        return 96 if self.nets == "dcgan" and 96 in self.image_sizes else 64

    def redrawn_every(self, progress: float) -> int:
        """Every how many-th fake redraws its real, at this share of the run."""
        return FEW_REDRAWN if self._fades and progress > self.redraw_fade[0] else MOST_REDRAWN

    def redraw_weight(self, progress: float) -> float:
        """The reconstruction weight at this share of the run: it fades geometrically."""
        if not self._fades:
            return self.reconstruction_weight
        start, end = self.redraw_fade
        faded = min(1.0, max(0.0, (progress - start) / (end - start)))
        ratio = self.reconstruction_weight_end / self.reconstruction_weight
        return self.reconstruction_weight * float(ratio**faded)

    @property
    def _fades(self) -> bool:
        return self.has_encoder and self.reconstruction_weight_end > 0


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
    "averages": ((0.0, 0.05),),
    "mirror": False,
    "temper": 0.0,
    "label_drop": 0.0,
}


def _net(variant: str) -> dict[str, Any]:
    return {"generator": {"variant": variant}, "discriminator": {"variant": variant}}


PRESETS: dict[str, Preset] = {
    "small": Preset(
        source="this project: preset baseline with an encoder, as in VAE-GANs (1512.09300)",
        nets="small",
        z_dim=64,
        shared_fakes=True,
        class_weight_g=0.02,
        reconstruction_weight=20.0,
        prior_weight=0.05,
        generator={"channels": (128, 64, 32, 32, 16, 16), "refine": (1, 2, 4)},
        pretrained="efficientnet-lite0",
        helper_weight=0.5,
        averages=((4.4, 0.05), (20.0, 0.15)),
    ),
    "baseline": Preset(
        source="a small ACGAN tuned for minutes on two CPU cores; the floor to beat",
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
        averages=((500.0, 0.05),),
        augmentation="translate-cutout",
        augmentation_probability=0.3,
        pretrained="efficientnet-lite0",
    ),
    "acgan": Preset(
        source="the anime ACGAN: SRResNet generator, DRAGAN (1708.05509; weights as its authors')",
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
        averages=((44.0, 0.05),),
        temper=0.0,
        label_drop=0.0,
    ),
    "dcgan": Preset(
        source="the PyTorch DCGAN (96 px): D every batch, G every fifth",
        nets="dcgan",
        **_net("plain"),
        image_sizes=(32, 64, 96, 128, 256),
        z_dim=100,
        batch=256,
        generator_every=5,
        **_UNCONDITIONAL,
    ),
    "dcgan-64": Preset(
        source="the attribute-controlled avatar system, the net of its code (64 px), with DRAGAN",
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
        source="the TensorFlow DCGAN (96 px): 5x5 kernels, no fully connected output",
        nets="dcgan",
        **_net("5x5"),
        z_dim=100,
        batch=100,
        **_UNCONDITIONAL,
    ),
    "dcgan-residual": Preset(
        source="the PaddlePaddle DCGAN (96 px): residual block first, dropout, two-way softmax",
        nets="dcgan",
        **_net("residual"),
        z_dim=72,
        z_distribution="uniform",
        batch=100,
        **_UNCONDITIONAL | {"beta1": 0.8},
    ),
}
