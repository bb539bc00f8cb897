"""The options of every command; their docstrings are the help text. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from avatar_common.commands import CommonOptions, DeviceOptions

Depth = Literal["full", "quick"]


@dataclass(frozen=True, kw_only=True)
class EvalOptions(DeviceOptions):
    data: Path | None = None
    """The face set's folder; default: the one the snapshot was trained on, else the newest."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(EvalOptions):
    snapshot: Path | None = None
    """A snapshot (its .json or .safetensors), or the folder of a run or of a packaged snapshot;
    default: the newest of the newest run."""

    count: int = 2000
    """How many faces to draw, with the labels of the held-out faces in turn."""

    seed: int = 0
    """Fixes the latents and every random choice of the scores."""

    depth: Depth = "full"
    """quick leaves out the slow parts: GAN-train, 256 px MS-SSIM, the second classifier."""

    inception: Path | None = None
    """Inception-v3 weights for FID and KID (torch-fidelity's file); its cache is searched too."""


@dataclass(frozen=True, kw_only=True)
class RealnessOptions(EvalOptions):
    snapshot: Path | None = None
    """A snapshot or its folder; default: the newest of the newest run."""

    out: Path | None = None
    """The file to write; default: NAME.realness.onnx beside the snapshot."""

    draws: int = 8000
    """How many of the snapshot's own draws to learn from."""

    steps: int = 2500
    """Training steps of 64 draws."""

    seed: int = 0
    """Fixes the draws and the training."""


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions(EvalOptions):
    image_size: int | None = None
    """Side, px, at which the classifier reads faces; default: the face set's own."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(CommonOptions):
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Folders of runs that have a report; default: all runs of the workspace."""

    out: Path | None = None
    """A folder for compare.html (curves over images and minutes) and compare.csv (classes too)."""


@dataclass(frozen=True, kw_only=True)
class PeopleOptions(EvalOptions):
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """One run or snapshot, or two to compare."""

    pairs: int = 50
    """How many pairs of each kind."""

    seed: int = 0
    """Fixes the faces and their order."""

    out: Path | None = None
    """The page to write; default: people.html in the first run's eval folder."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions(EvalOptions):
    run: Path | None = None
    """The run's folder; default: the newest."""

    count: int = 1000
    """How many faces to draw for each snapshot."""

    seed: int = 0
    """Fixes the latents and every random choice of the scores."""

    interval_s: float = 20.0
    """How often to look for a new snapshot."""

    once: bool = False
    """Score what is there now, then stop."""
