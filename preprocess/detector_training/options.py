"""Options of the two training commands; light, so that `--help` needs neither torch nor OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avatar_common.commands.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class TrainCascadeOptions(CommonOptions):
    """Train the LBP cascade; run the same command again to go on after the last stage."""

    out: Path
    """Cascade file to write, in OpenCV's XML format; rewritten after every stage."""

    crops: tuple[Path, ...] = ()
    """Zips or folders of face crops (one face fills each picture)."""

    pictures: tuple[Path, ...] = ()
    """Folders of pictures with a boxes.csv (file,x,y,w,h) that lists every face in them."""

    stages: int = 14
    """Stages to train; fewer propose more loosely, more reject more."""

    faces: int = 22000
    """Jittered face windows to fit on."""

    negatives: int = 14000
    """Windows without a face to fit each stage on."""

    min_hit_rate: float = 0.997
    """Share of held-out faces each stage must pass."""

    max_false_alarm: float = 0.5
    """A stage is done when it passes at most this share of its negatives."""

    max_stumps: int = 120
    """Most stumps in one stage."""

    feature_share: float = 0.2
    """Share of the 8,464 features tried in each round."""

    mining_cap_s: float = 90.0
    """Longest search for the negatives of one stage."""

    seed: int = 0
    """Seed of every random choice."""


@dataclass(frozen=True, kw_only=True)
class TrainVerifierOptions(CommonOptions):
    """Train the network that keeps or rejects what the cascade proposes."""

    out: Path
    """ONNX file to write; rewritten after every round."""

    keep: tuple[Path, ...] = ()
    """Zips or folders of face crops, for example detections you kept."""

    reject: tuple[Path, ...] = ()
    """Zips or folders of pictures without a face, for example detections you threw away."""

    pictures: tuple[Path, ...] = ()
    """Folders of pictures with a boxes.csv (file,x,y,w,h) that lists every face in them."""

    held_pictures: tuple[Path, ...] = ()
    """More such folders, never fitted on: with held-out faces laid over them, their pictures set
    the scale of the scores."""

    start_from: Path | None = None
    """Verifier to start from, for example the shipped one; default: a fresh network."""

    cascade: Path | None = None
    """Cascade whose false proposals are mined from the pictures; the shipped one by default."""

    samples: int = 400_000
    """Views to train on, faces and others in equal parts."""

    batch: int = 128
    """Views per step."""

    learning_rate: float = 3e-3
    """Peak learning rate; it rises for 5% of the steps and falls to nothing as a cosine."""

    seed: int = 0
    """Seed of every random choice."""
