"""The options of `python -m preprocess`; light, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from avatar_common.commands.options import CommonOptions

ImageSize = Literal[16, 32, 64, 96, 128, 256]


@dataclass(frozen=True, kw_only=True)
class CropOptions(CommonOptions):
    pictures: Path | None = None
    """A folder of your own pictures; default: what the crawler left in data/raw."""

    name: str = "faces"
    """The face set: data/faces/NAME."""

    size: ImageSize = 64
    """Side of a face picture, px."""

    cascade: Path | None = None
    """Another cascade (OpenCV XML) in place of the shipped one."""

    verifier: Path | None = None
    """Another verifier (ONNX) behind the cascade."""

    working_side_px: int = 384
    """Long side of the picture while faces are looked for; 512 finds a few more small ones."""

    rotated: bool = False
    """Look for faces tilted by 25 degrees as well; three times the work."""

    enlarge: float = 1.5
    """The cut square's side over the face box's side."""

    min_score: float = 0.25
    """Detections under this score go to rejects.csv; those under half of it are not even listed."""

    min_face_px: int = 40
    """Smallest face box side, in source pixels."""

    min_sharpness: float = 0.06
    """Smallest squared Laplacian over variance, measured at 64 px; 0 keeps blurred faces."""

    min_colourfulness: float = 12.0
    """Smallest 90th percentile of the channel spread (0..255); 0 keeps gray drawings."""

    whole: Literal["auto", "always", "never"] = "auto"
    """Pictures that a face fills: auto takes the largest square around it, the whole picture if
    that is square; always takes every picture's central square without looking for faces; never
    pads with a flat colour, up to --max-padding."""

    max_padding: float = 0.3
    """With --whole never: largest share of a crop that may lie outside the picture."""

    max_aspect: float = 5.0
    """Largest ratio of a picture's sides."""

    max_megapixels: float = 64.0
    """Larger pictures are set aside before they are decoded."""

    workers: int = 0
    """Worker processes; 0 is one per core."""

    ray: str | None = None
    """Run on this Ray cluster ("auto", "local" or host:port); needs the extra `ray`."""


@dataclass(frozen=True, kw_only=True)
class TagOptions(CommonOptions):
    name: str | None = None
    """The face set in data/faces; default: the one cropped last."""

    vocabulary: Path | None = None
    """A vocabulary TOML of your own; default: avatar_common/disk/vocabulary.toml."""

    rare: int = 50
    """Name classes with fewer faces than this, with the query that finds more."""


@dataclass(frozen=True, kw_only=True)
class ImportOptions(CommonOptions):
    source: Positional[Path]
    """A folder or a zip of faces: with a label table, one folder per class, or no labels at all."""

    name: str | None = None
    """The face set: data/faces/NAME; default: the source's own name."""

    table: str | None = None
    """The label table inside the source; default: the one that is found."""

    encoding: str | None = None
    """The table's encoding, where it is neither UTF-8 nor UTF-16: cp932, gbk, cp1252 ..."""

    group: str | None = None
    """With one folder per class: the attribute that the folders name."""

    unlabelled: bool = False
    """Take the pictures alone, whatever tables or folders say."""

    size: ImageSize | None = None
    """Resize to this side, px; default: the pictures' own."""

    vocabulary: Path | None = None
    """A vocabulary TOML of your own; default: avatar_common/disk/vocabulary.toml."""

    skip_bad_rows: bool = False
    """Set aside table rows that cannot be used (see rejects.csv) where the default is to stop."""

    rare: int = 50
    """Name classes with fewer faces than this."""

    workers: int = 0
    """Worker processes; 0 is one per core."""


@dataclass(frozen=True, kw_only=True)
class AuditOptions(CommonOptions):
    name: str | None = None
    """The face set in data/faces; default: the one labelled last."""

    out: Path | None = None
    """Folder for audit.csv and audit.html; default: data/faces/NAME/audit."""

    worst: int = 120
    """Faces shown in the page's worst-first list."""

    per_class: int = 24
    """Faces on each class's contact sheet."""

    rare: int = 50
    """Name classes with fewer faces than this, with the query that finds more."""

    seed: int = 0
    """Seed of the folds and of the faces drawn for the contact sheets."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions(CommonOptions):
    format: Literal["imagefolder", "stylegan"] = "imagefolder"
    """Hugging Face imagefolder (train/, test/, metadata.csv), or StyleGAN's zip + dataset.json."""

    name: str | None = None
    """The face set in data/faces; default: the one labelled last."""

    out: Path | None = None
    """Folder (imagefolder) or zip (stylegan) to write; default: exports/NAME-FORMAT."""

    split: Literal["all", "train", "test"] = "all"
    """Which faces."""
