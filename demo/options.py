"""The options of `python -m demo`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avatar_common.commands.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class DemoOptions(CommonOptions):
    """Draw a crowd, serve it as a booru, and run all four stages on it."""

    workspace: Path = Path("demo-run")
    """Folder of the demo: the booru's files, data/, runs/ and avatars/."""

    pictures: int = 2000
    """Illustrations on the drawn booru."""

    size: int = 64
    """Side of a face, px."""

    kimg: float = 32.0
    """Training length, in thousands of pictures shown to the discriminator."""

    minutes: float = 10.5
    """Training ends after this time at the latest, on a busy machine with fewer pictures."""

    seed: int = 0
    """Seed of the characters and of the training."""

    shuffle_labels: bool = False
    """Train on labels of other faces: a control that must fall to chance."""
