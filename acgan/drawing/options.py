"""The options of the commands that use a trained snapshot. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from avatar_common.commands.options import CommonOptions, DeviceOptions

ScaleBy = Literal["detail", "smooth", "pixels"]


@dataclass(frozen=True, kw_only=True)
class DrawOptions(DeviceOptions):
    snapshot: Path | None = None
    """A snapshot's JSON, the folder of a run or a package, or a shipped model's name; default: the
    newest in the workspace, else the first that ships."""

    seed: int = 0
    """The same seed, attributes and snapshot give the same pictures."""

    attributes: tuple[str, ...] = ()
    """name=class pairs, as in hair_color=blue smile=1; --hair-color blue is the same. What is not
    named, or is `random`, follows the training faces."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(DrawOptions):
    """Draw avatars to order: single PNGs and a grid."""

    count: int = 16
    """How many pictures; with an attribute asked for as `each`, how many characters."""

    out: Path = Path("avatars")
    """Folder for the PNGs and grid.png."""

    save: Literal["both", "grid", "files"] = "both"
    """Single files, the grid, or both."""

    best_of: int | None = None
    """Draw so many candidates for each picture and keep the one that shows what was asked (as read
    by a classifier that the generator has never seen) and looks most real. Default: 4 where the
    snapshot has a realness net beside it; else, and for names, 1 (as drawn)."""

    name: tuple[str, ...] = ()
    """Draw the faces of these names, always the same with one model; --count and --seed are
    ignored."""

    names: Path | None = None
    """A text file with a name on each line, as --name."""

    fold_case: bool = False
    """Names that differ only in case get the same face."""

    scale: int = 1
    """Enlarge single files by this factor."""

    scale_by: ScaleBy = "detail"
    """How to enlarge: detail (a network trained on drawings), smooth, or pixels."""

    recipe: Path | None = None
    """Draw again what this PNG (or recipe file) shows, bit for bit; other options are ignored."""

    attributes: tuple[str, ...] = ()
    """name=class pairs, as in hair_color=blue smile=1; --hair-color blue is the same. What is not
    named, or is `random`, follows the training faces; `each` (for one or two attributes)
    makes a sheet of all classes."""


@dataclass(frozen=True, kw_only=True)
class VaryOptions(DrawOptions):
    """Draw avatars like an earlier one, or the same one with other attributes."""

    picture: Path | None = None
    """The PNG or recipe of the earlier one. Its attributes stay unless others are named."""

    count: int = 8
    """How many."""

    strength: float = 0.3
    """How different: 0 is the same face, 1 any other of the same attributes."""

    scale: int = 1
    """Enlarge single files by this factor."""

    scale_by: ScaleBy = "detail"
    """How to enlarge: detail (a network trained on drawings), smooth, or pixels."""

    out: Path = Path("variations")
    """Folder for the PNGs and grid.png."""


@dataclass(frozen=True, kw_only=True)
class EditOptions(DeviceOptions):
    """Change hair or eye colour in a picture of your own: `edit face.png --hair-color pink`."""

    picture: Positional[Path]
    """A PNG, JPEG or WebP with one face that fills a square."""

    box: tuple[int, int, int] | None = None
    """Left, top and side (px) of the square around the face, where the picture shows more."""

    snapshot: Path | None = None
    """A snapshot's JSON, the folder of a run or a package, or a shipped model's name; default: the
    newest in the workspace, else the first that ships. It needs its encoder
    (.training.safetensors) and a classifier."""

    attributes: tuple[str, ...] = ()
    """What to change, as name=class pairs; --hair-color pink is the same."""

    scale: int = 1
    """Enlarge the result by this factor."""

    scale_by: ScaleBy = "detail"
    """How to enlarge: detail (a network trained on drawings), smooth, or pixels."""

    out: Path = Path("edited")
    """Folder for the PNG, which is named after the picture and the classes."""


@dataclass(frozen=True, kw_only=True)
class TraverseOptions(DrawOptions):
    """Vary one latent number or one attribute, all else fixed."""

    move: str | None = None
    """What moves: a latent number (`7`), an attribute through its classes (`hair_color`) or through
    those named (`hair_color=blonde..pink..blue`). Default: the latent number that changes most."""

    reach: float = 3.0
    """How far a latent number moves to either side, in standard deviations."""

    steps: int = 20
    """Pictures in a row."""

    rows: int = 5
    """Rows, each another character."""

    scale: int = 0
    """Enlarge the GIF by this factor; 0 makes a picture at least 128 px wide."""

    fps: int = 12
    """Pictures per second in the GIF."""

    out: Path = Path("traverse")
    """Folder for traverse.png and traverse.gif."""


@dataclass(frozen=True, kw_only=True)
class InterpolateOptions(DrawOptions):
    """Morph between two or more avatars in steps that look equally large."""

    keys: tuple[str, ...] = ("1", "2", "3")
    """Where the path leads: seeds (`7`), attributes (`hair_color=blue,smile=1`, with `seed=7` for
    another face) and PNGs or recipes drawn earlier (`avatars/7-0003.png`)."""

    frames: int = 60
    """Pictures on the whole path."""

    loop: bool = False
    """Return to the first one at the end."""

    strip: int = 12
    """Pictures in the PNG strip."""

    scale: int = 0
    """Enlarge GIF and MP4 by this factor; 0 makes a picture at least 192 px wide."""

    fps: int = 20
    """Pictures per second."""

    out: Path = Path("interpolate")
    """Folder for interpolate.png, .gif and (where ffmpeg is installed) .mp4."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions(DeviceOptions):
    """Export the generator as a self-describing ONNX file, or as a site that draws."""

    snapshot: Path | None = None
    """A snapshot's JSON, the folder of a run or a package, or a shipped model's name; default: the
    newest in the workspace, else the first that ships."""

    out: Path = Path("generator.onnx")
    """The file to write."""

    site: Path | None = None
    """Write this folder instead: the page as static files that draw in the browser."""

    also: tuple[Path, ...] = ()
    """More models to offer on the site."""

    runtime: Path | None = None
    """For the site: folder of the npm package onnxruntime-web; default: ./node_modules, else
    npm fetches it."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """fp16 halves the file; inputs and outputs stay the same."""

    checks: int = 8
    """On how many random inputs to compare with PyTorch before writing."""


@dataclass(frozen=True, kw_only=True)
class PackageOptions(CommonOptions):
    """Collect a snapshot, its scores, its classifier and a model card in a folder to give away."""

    snapshot: Path | None = None
    """A snapshot's JSON, the folder of a run or a package, or a shipped model's name; default: the
    newest in the workspace, else the first that ships."""

    out: Path = Path("models")
    """Where to make the folder. Models in acgan/models ship with the project."""

    name: str | None = None
    """The folder's name, and the snapshot's; the run's by default."""

    precision: Literal["fp32", "fp16"] = "fp32"
    """fp16 halves the weights on disk; pictures and their recipes change slightly."""

    training: bool = True
    """Include the other trained nets (encoder, discriminator, helper), for `train --from`."""

    about: str = ""
    """For the model card: where the faces came from, and who may use the model for what."""


@dataclass(frozen=True, kw_only=True)
class UpscalerOptions(DeviceOptions):
    """Train the network that enlarges what is drawn."""

    data: Path = Path("data/faces")
    """A zip or folder of square faces, at least twice as large as what will be enlarged."""

    minutes: float = 10.0
    """Train for this long."""

    seed: int = 0
    """Fixes weights and the order of pictures."""

    out: Path = Path("upscaler.onnx")
    """The file to write."""
