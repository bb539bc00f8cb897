"""What to measure, and from which draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eval.options import Depth


@dataclass(frozen=True)
class Plan:
    """How many faces, from which seed, how deep; where Inception's weights are, if anywhere."""

    count: int = 2000
    seed: int = 0
    depth: Depth = "full"
    inception: Path | None = None
