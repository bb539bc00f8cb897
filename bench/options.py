"""Options of every bench; light, so that `--help` needs neither torch nor OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acgan.training.presets import Precision
from avatar_common.commands import CommonOptions
from avatar_common.devices import Device


@dataclass(frozen=True, kw_only=True)
class CrawlOptions(CommonOptions):
    """Crawl the same stand-in booru with this project and with gallery-dl, side by side."""

    posts: int = 1000
    """Posts on each stand-in booru."""

    latency_ms: float = 50.0
    """Wait of the stand-in before each answer."""

    connections: int = 8
    """Downloads in parallel on our side."""

    seed: int = 0
    """Seed of the stand-in's pictures."""

    state_posts: int = 0
    """Instead: time `status` and resume on a state of so many posts (1000000 for the record)."""


@dataclass(frozen=True, kw_only=True)
class CropOptions(CommonOptions):
    """Crop the same pictures with the tutorials' loop and with this project, side by side."""

    pictures: Path | None = None
    """Folder of pictures; default: pictures/full of the real data beside the checkout."""

    boxes: Path | None = None
    """Their faces (file,x,y,w,h); default: boxes.csv in the folder."""

    naive_cascade: Path | None = None
    """The loop's cascade; default: nagadomi's lbpcascade_animeface, from the real data beside the
    checkout."""

    count: int = 450
    """Pictures to crop: the folder's, repeated."""

    workers: int = 0
    """Our worker processes; 0 is one per core."""


@dataclass(frozen=True, kw_only=True)
class DetectorPicturesOptions(CommonOptions):
    """Make the folders of pictures, each with a boxes.csv, that the detector is trained on."""

    out: Path
    """Folder to write drawn, photos, illustrations and a *-held beside each."""

    illustrations: Path | None = None
    """A folder of pictures with one face each; default: pictures/more of the real data."""

    cascade: Path | None = None
    """Boxes the illustrations; look at the outcome. Default: nagadomi's, from the real data."""

    posts: int = 400
    """Posts drawn to train on; three in ten more are drawn to be held out."""

    seed: int = 101
    """Draws other posts."""


@dataclass(frozen=True, kw_only=True)
class DrawnFacesOptions(CommonOptions):
    """Draw characters whose attributes are known into a face set, for `train-reader`."""

    name: str = "drawn-characters"
    """The face set: data/faces/NAME."""

    faces: int = 6000
    """How many."""

    size: int = 64
    """Side of a face picture, px."""

    seed: int = 7
    """Seed of every random choice."""


@dataclass(frozen=True, kw_only=True)
class EditOptions(CommonOptions):
    """Change hair and eye colour of held-out faces; networks with no part in it score them."""

    data: Path
    """The face set that the model was trained on."""

    snapshot: Path | None = None
    """A shipped model's name, a run or a snapshot; default: the newest in the workspace, else the
    first that ships."""

    count: int = 100
    """How many held-out faces."""

    sheet: Path | None = None
    """Write faces and edits side by side to this PNG."""

    seed: int = 0
    """Which faces, and which colours are asked for."""


@dataclass(frozen=True, kw_only=True)
class EvalOptions(CommonOptions):
    data: Path | None = None
    """A face set; without one, faces are drawn."""

    faces: int = 7000
    """How many faces to draw when no face set is given."""

    image_size: int = 64
    """Side of the drawn faces."""

    count: int = 600
    """How many faces each planted generator is asked for."""

    timed_count: int = 5000
    """Faces in the timed full report; 0 leaves it out."""

    ladder: tuple[Path, ...] = ()
    """Runs, or snapshots of one run: their scores must improve with training, real faces on top."""

    cache: Path | None = None
    """Keep what is measured here for the next call; default: a temporary folder."""

    threads: int | None = None
    """CPU threads; default: all cores."""

    seed: int = 0
    """Fixes everything random."""


@dataclass(frozen=True, kw_only=True)
class FacesOptions(CommonOptions):
    """Score face detection against boxes drawn by hand."""

    pictures: Path
    """Folder of pictures."""

    boxes: Path
    """Table with columns file,x,y,w,h and perhaps kind; empty numbers: a picture without a face."""

    cascade: Path | None = None
    """Score this bare cascade (no verifier) instead of the shipped detector."""

    min_neighbors: int | None = None
    """Windows that must agree; the shipped default, or 2 with --cascade."""

    equalize: bool = False
    """Equalise the picture's histogram first, as the tutorials do."""

    working_side_px: int | None = None
    """Long side of the searched picture; the shipped default, or 512 with --cascade."""

    min_score: float | None = None
    """Drop detections under this score; the shipped default, or 0 with --cascade."""

    list_misses: bool = False
    """Also print a line for each missed face and each false detection."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions(CommonOptions):
    """Time one picture, and 16, on one CPU core: PyTorch beside ONNX Runtime.

    With --pairs, also how even a morph between two seeds is in the features of the independent
    classifier.
    """

    snapshot: Path | None = None
    """A snapshot's JSON or a run's folder; default: the newest in the workspace, else the
    first that ships."""

    repeats: int = 60
    """How often to draw one picture; the median counts."""

    pairs: int = 0
    """Morphs to walk, each between two seeds; needs the snapshot's classifier."""

    frames: int = 60
    """Pictures in a morph."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(CommonOptions):
    """Images per second of the tutorial loop, of ours with the same net, and of each preset."""

    device: Device = "auto"
    """Where to compute; auto takes CUDA when there is one."""

    threads: int | None = None
    """CPU threads; default: all cores."""

    precision: Precision = "auto"
    """Of ours; auto: as each preset has it. The tutorial's loop is float32 always."""

    seconds: float | None = None
    """Time for each measurement; 5 on a CPU, 15 on a GPU."""

    batch: int | None = None
    """Pictures per update; 32 on a CPU, the preset's on a GPU."""

    tutorial: bool = True
    """The tutorial's loop beside ours with the same net; --no-tutorial leaves it out."""

    contended: bool = True
    """On a CPU, speed beside busy processes and a file search; --no-contended leaves it out."""

    presets: tuple[str, ...] = ()
    """Only these presets; default on a CPU: small, acgan and dcgan."""


@dataclass(frozen=True, kw_only=True)
class QualityOptions(CommonOptions):
    """Train small, baseline, acgan and dcgan for the same minutes on one face set; score all."""

    data: Path
    """The face set (course64, say)."""

    minutes: float = 20.0
    """Time for each run."""

    seeds: tuple[int, ...] = (0, 1)
    """One run per preset and seed."""

    presets: tuple[str, ...] = ("small", "baseline", "acgan", "dcgan")
    """What to compare; acgan and dcgan are narrowed to --narrow on a CPU."""

    narrow: float = 0.35
    """Width of acgan and dcgan on a CPU."""

    device: Device = "auto"
    """Where to compute."""

    threads: int | None = None
    """CPU threads; default: all cores."""


@dataclass(frozen=True, kw_only=True)
class GpuOptions(CommonOptions):
    """All that needs a GPU, in parts of under nine minutes; run it again for the next part."""

    data: tuple[Path, ...] = ()
    """Face sets to train `acgan` and `modern` on."""

    minutes: float = 20.0
    """Time for each training run, over all parts."""

    part_minutes: float = 8.0
    """Stop cleanly after so long; the same command continues."""
