"""Which ranges of post ids a query has listed completely: what a saved cursor grows into."""

from __future__ import annotations

import json
from collections.abc import Sequence

HIGHEST_USUAL_ID = 2**31


class Spans:
    """Disjoint ranges [low, high] of post ids, highest first."""

    def __init__(self, ranges: list[tuple[int, int]] | None = None) -> None:
        self._ranges = sorted(ranges or [], reverse=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and self._ranges == other._ranges

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._ranges)

    def __repr__(self) -> str:
        return f"Spans({self._ranges})"

    @property
    def highest(self) -> int | None:
        """The highest id known, or None when nothing was listed."""
        return self._ranges[0][1] if self._ranges else None

    @property
    def top(self) -> int | None:
        """The highest id that tells newer posts from older ones: a single wild one does not."""
        return credible_top([high for _, high in self._ranges])

    def __contains__(self, post_id: int) -> bool:
        return any(low <= post_id <= high for low, high in self._ranges)

    def add(self, low: int, high: int) -> None:
        """Add a range, merging it with those that it overlaps or touches."""
        apart = []
        for known_low, known_high in self._ranges:
            if known_high < low - 1 or known_low > high + 1:
                apart.append((known_low, known_high))
            else:
                low, high = min(low, known_low), max(high, known_high)
        self._ranges = sorted([*apart, (low, high)], reverse=True)

    def below(self, bound: int) -> int:
        """The bound moved down to the end of the range that covers the ids right under it."""
        for low, high in self._ranges:
            if low < bound <= high + 1:
                return low
        return bound

    def copy(self) -> Spans:
        """The same ranges, to be changed apart."""
        return Spans(list(self._ranges))

    def to_json(self) -> str:
        """The ranges as JSON."""
        return json.dumps(self._ranges)

    @classmethod
    def from_json(cls, content: str) -> Spans:
        """The inverse of `to_json`."""
        return cls([(int(low), int(high)) for low, high in json.loads(content)])


def credible_top(ids: Sequence[int]) -> int | None:
    """The highest of the falling ids, or the second where the first is out of all proportion."""
    if len(ids) > 1 and ids[0] > max(HIGHEST_USUAL_ID, 1000 * ids[1]):
        return ids[1]
    return ids[0] if ids else None
