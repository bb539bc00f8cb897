"""The options of `traverse`, `interpolate`, `export`, `package` and `serve`. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from acgan.options import DeviceOptions
from cli.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class DrawOptions(DeviceOptions):
    snapshot: Path | None = None
    """A snapshot's JSON, a run's or packaged folder, or a shipped one's name; by default the
    workspace's newest, else the one shipped."""

    seed: int = 0
    """The same seed, attributes and snapshot give the same pictures."""

    attributes: tuple[str, ...] = ()
    """name=class pairs, as in hair_color=blue smile=random hat=any; --hair-color blue is the same.
    `random` draws a class as the training faces have it, `any` leaves it to the generator."""


@dataclass(frozen=True, kw_only=True)
class TraverseOptions(DrawOptions):
    """Move one latent number or one attribute sideways, all else fixed."""

    move: str | None = None
    """What moves: a latent number (`7`), an attribute through its classes (`hair_color`) or through
    those named (`hair_color=blonde..pink..blue`). The most telling latent number by default."""

    reach: float = 3.0
    """How far a latent number moves to either side, in standard deviations."""

    steps: int = 20
    """Pictures in a row."""

    rows: int = 5
    """Rows, each another character."""

    scale: int = 0
    """Enlarge the GIF this many times; 0 makes a picture at least 128 px wide."""

    fps: int = 12
    """Pictures per second in the GIF."""

    out: Path = Path("traverse")
    """Folder for traverse.png and traverse.gif."""


@dataclass(frozen=True, kw_only=True)
class InterpolateOptions(DrawOptions):
    """Morph between two or more avatars in steps that look equally large."""

    keys: tuple[str, ...] = ("1", "2", "3")
    """Where the path leads: seeds (`7`), attributes (`hair_color=blue,smile=1`, with `seed=7` where
    the face shall change too) and PNGs or recipes drawn earlier (`avatars/7-0003.png`)."""

    frames: int = 60
    """Pictures on the whole path."""

    loop: bool = False
    """Lead back to the first one."""

    strip: int = 12
    """Pictures in the PNG strip."""

    scale: int = 0
    """Enlarge GIF and MP4 this many times; 0 makes a picture at least 192 px wide."""

    fps: int = 20
    """Pictures per second."""

    out: Path = Path("interpolate")
    """Folder for interpolate.png, .gif and (where ffmpeg is installed) .mp4."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions(DeviceOptions):
    """Write the generator as one ONNX file that says how to use it."""

    snapshot: Path | None = None
    """A snapshot's JSON, a run's or packaged folder, or a shipped one's name; by default the
    workspace's newest, else the one shipped."""

    out: Path = Path("generator.onnx")
    """The file to write."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """fp16 halves the file; inputs and outputs stay the same."""

    checks: int = 8
    """On how many random inputs to compare with PyTorch before writing."""


@dataclass(frozen=True, kw_only=True)
class PackageOptions(CommonOptions):
    """Put a snapshot, its scores, its judge and a model card into one folder to give away."""

    snapshot: Path | None = None
    """A snapshot's JSON, a run's or packaged folder, or a shipped one's name; by default the
    workspace's newest, else the one shipped."""

    out: Path = Path("models")
    """Where to make the folder. What lies in acgan/models ships with the project."""

    name: str | None = None
    """The folder's name, and the snapshot's; the run's by default."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """fp16 halves the weights on disk; the pictures change by a hair, and their recipes with it."""

    about: str = ""
    """For the model card: where the faces came from, and who may use the model for what."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(DeviceOptions):
    """Serve a web page on which to make avatars."""

    snapshot: Path | None = None
    """The snapshot shown first; all others of the workspace can be chosen on the page."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets others in the network use the page."""

    port: int = 7860
    """Port to listen on; 0 takes a free one."""

    open: bool = False
    """Open the page in a browser."""
