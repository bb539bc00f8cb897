"""Options of `python -m demo.booru`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avatar_common.commands.options import CommonOptions


@dataclass(frozen=True, kw_only=True)
class BooruOptions(CommonOptions):
    """Serve a stand-in booru on loopback until Ctrl-C."""

    kind: Literal["danbooru", "moebooru", "gelbooru"] = "danbooru"
    """Which API it speaks."""

    port: int = 0
    """Port on 127.0.0.1; 0: any free one."""

    posts: int = 1000
    """How many posts it holds."""

    seed: int = 0
    """Seed of posts and faults."""

    faults: tuple[str, ...] = ()
    """Faults to switch on; "all": every one that a crawl can survive."""

    latency_ms: float = 0.0
    """Wait before each answer."""

    pictures: Literal["tiny", "drawn"] = "tiny"
    """Pictures of 12x10 px, or characters by the demo's artist (slower to make)."""

    folder: Path | None = None
    """Serve the pictures of this folder instead; beside each, its tags in a .txt file."""
