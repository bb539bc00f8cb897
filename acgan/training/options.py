"""The options of `acgan train`; their docstrings are the help text. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from acgan.training.presets import (
    AdversarialLoss,
    Augmentation,
    ClassLoss,
    Penalty,
    Precision,
    PresetName,
    Pretrained,
)
from avatar_common.commands import DeviceOptions


@dataclass(frozen=True, kw_only=True)
class TrainOptions(DeviceOptions):
    data: Path | None = None
    """The face set's folder; default: the newest in the workspace."""

    preset: PresetName = "small"
    """The preset; --list-presets describes each."""

    list_presets: bool = False
    """Print every preset with its size, cost and source, then stop."""

    name: str | None = None
    """The run's name; default: the preset's."""

    minutes: float | None = None
    """Train for this long, all parts of a resumed run together; default: 5, unless --kimg is
    given."""

    kimg: float | None = None
    """Train for this many thousand pictures shown to the discriminator."""

    start_from: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Start from trained nets: a run's folder (its newest checkpoint), a snapshot, or a shipped
    model's name. Classes are matched by name, other sizes and widths as far as they fit."""

    fresh: bool = False
    """Start a new run even where the same command left an unfinished or finished one."""

    image_size: int | None = None
    """Side in pixels (faces are resized, antialiased); default: the face set's own, or with --from
    the source's."""

    attributes: tuple[str, ...] = ()
    """Learn only these attributes; default: all that the face set has."""

    seed: int = 0
    """Fixes weights, order of pictures and latents."""

    shuffle_labels: bool = False
    """Shuffle the labels among the pictures: a control whose accuracy must fall to chance."""

    batch: int | None = None
    """Pictures per update, over all processes; default: the preset's."""

    adversarial_loss: AdversarialLoss | None = None
    """Ablation: the adversarial loss."""

    class_loss: ClassLoss | None = None
    """Ablation: how the class heads read fakes."""

    class_weight_g: float | None = None
    """Ablation: weight of the class loss in the generator."""

    penalty: Penalty | None = None
    """Ablation: the gradient penalty."""

    penalty_gamma: float | None = None
    """Ablation: weight of the gradient penalty."""

    augmentation: Augmentation | None = None
    """Ablation: how pictures are augmented before the discriminator (geometry only)."""

    precision: Precision | None = None
    """Precision of the convolutions; auto measures which one is faster here."""

    pretrained: Pretrained | None = None
    """Ablation: the frozen network whose features help the discriminator; `none` does without."""

    set: tuple[str, ...] = ()
    """Any other field of the preset, as name=value (`--dry-run` shows them all)."""

    temper: float | None = None
    """Draw rare classes more often: weight of a picture = frequency to minus this power."""

    width: float = 1.0
    """Scale the number of channels of both nets."""

    compile: Literal["auto", "yes", "no"] = "auto"
    """Compile the nets; auto does on CUDA."""

    ticks: int = 40
    """How often in the run to draw the grid, log and checkpoint."""

    snapshots: int = 4
    """How many snapshots to keep over the run, the last included."""

    checkpoint_interval_s: float = 60.0
    """Save the state at least this often."""


@dataclass(frozen=True, kw_only=True)
class TruncateOptions(DeviceOptions):
    snapshot: Path | None = None
    """A snapshot's JSON, or the folder of a run or a package; default: the newest in the
    workspace."""

    data: Path | None = None
    """The face set's folder; default: the one that the snapshot was trained on."""

    keep: float = 0.7
    """Move as far as leaves this share of the draws' recall, in the frozen network's features."""

    average: int = 1
    """First average the weights of so many of the run's snapshots, this one and those before it."""

    draws: int = 8000
    """How many draws to learn from."""

    seed: int = 0
    """Fixes the draws and the training."""

    out: Path | None = None
    """The snapshot to write; default: NAME_truncated.json beside the snapshot."""
