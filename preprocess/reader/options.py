"""The options of `label` and `train-reader`; light, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avatar_common.commands.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class LabelOptions(CommonOptions):
    """Read attributes off the faces themselves, or review what was read."""

    name: str | None = None
    """The face set in data/faces; default: the one written last."""

    review: bool = False
    """Open a page on this machine with contact sheets of the guesses; what you choose is saved as
    you go and counts as labelled by a person."""

    attributes: tuple[str, ...] = ()
    """Only these attributes, such as hair_color; default: all that the reader reads."""

    reader: Path | None = None
    """Another reader (ONNX, with its JSON beside it) in place of the shipped one."""

    min_confidence: float | None = None
    """Write a label from this confidence on, 0 to 1; default: the reader's own, by attribute."""

    refill: bool = False
    """Replace labels that a reader wrote. Those from tags, a table or a person always stay."""

    vocabulary: Path | None = None
    """The vocabulary TOML for a set without labels; default: the shipped one."""

    host: str = "127.0.0.1"
    """With --review: the address to listen on; keep it on this machine."""

    port: int = 7870
    """With --review: the page's port; 0 takes any free one."""

    no_browser: bool = False
    """With --review: do not open the page in a browser."""


@dataclass(frozen=True, kw_only=True)
class TrainReaderOptions(CommonOptions):
    """Train the network that `label` reads with."""

    out: Path
    """ONNX file to write; what it reads and how well goes into a JSON beside it."""

    data: tuple[str, ...]
    """Labelled face sets to learn from: names in data/faces, or folders. Each is sampled equally
    often; name one twice for twice as often."""

    check: tuple[str, ...] = ()
    """Face sets of other sources, never learnt from, that confidence and figures come from;
    default: the test split of the sets above, which reads better than any other source will."""

    attributes: tuple[str, ...] = ()
    """Only these; default: every attribute with at least two well-filled classes."""

    coverage: float = 0.7
    """The share of the checked faces that get a label: the most confident ones."""

    min_right: float = 0.8
    """Attributes read worse than this, as the mean over classes where written, are left out."""

    views: int = 250_000
    """Pictures shown in training, each one varied anew; 1,000 take about 3 s of a core."""

    learning_rate: float = 0.003
    """Highest rate of the schedule."""

    batch: int = 128
    """Views per step."""

    threads: int = 1
    """Threads of the network."""

    seed: int = 0
    """Seed of every random choice."""
