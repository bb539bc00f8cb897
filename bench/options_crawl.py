"""Options of `bench crawl`."""

from __future__ import annotations

from dataclasses import dataclass

from cli.options import CommonOptions


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
