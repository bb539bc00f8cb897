"""Options of `bench train`, `bench gpu` and `bench quality`. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli import CommonOptions

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions(CommonOptions):
    """Images per second of the tutorial loop, of ours with the same net, and of each preset."""

    device: Device = "auto"
    """Where to compute; auto takes CUDA when there is one."""

    threads: int | None = None
    """CPU threads; all cores unless told otherwise."""

    seconds: float | None = None
    """Time for each measurement; 5 on a CPU, 15 on a GPU."""

    batch: int | None = None
    """Pictures per update; 32 on a CPU, the preset's on a GPU."""

    tutorial: bool = True
    """Measure the tutorial's loop, beside ours with the same net, as well."""

    contended: bool = True
    """On a CPU: measure beside busy processes and a file search as well."""

    presets: tuple[str, ...] = ()
    """Only these presets; on a CPU small, acgan and dcgan unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class QualityOptions(CommonOptions):
    """Train default, recipe, acgan and dcgan for the same minutes on one face set; score all."""

    data: Path
    """The face set (course64, say)."""

    minutes: float = 20.0
    """Time for each run."""

    seeds: tuple[int, ...] = (0, 1)
    """One run per preset and seed."""

    presets: tuple[str, ...] = ("small", "recipe", "acgan", "dcgan")
    """What to compare; acgan and dcgan are narrowed to --narrow on a CPU."""

    narrow: float = 0.35
    """Width of acgan and dcgan on a CPU."""

    device: Device = "auto"
    """Where to compute."""

    threads: int | None = None
    """CPU threads; all cores unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class GpuOptions(CommonOptions):
    """All that needs a GPU, in parts of under nine minutes; run it again for the next part."""

    data: tuple[Path, ...] = ()
    """Face sets to train `acgan` and `modern` on."""

    minutes: float = 20.0
    """Time for each training run, over all parts."""

    part_minutes: float = 8.0
    """Stop cleanly after so long; the same command goes on."""
