"""Which answer goes wrong, and how: drawn by seed, or given as a list."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

Lane = Literal["listing", "file"]

LISTING_FAULTS = (
    "http_429", "http_500", "http_503", "empty_body", "html", "cut_off", "slow", "truncated",
    "redirect", "empty_page", "short_page",
)  # fmt: skip
FILE_FAULTS = (
    "http_429", "http_500", "http_503", "html", "slow", "truncated", "long_length", "short_length",
    "corrupt", "redirect", "placeholder", "words", "cut_picture",
)  # fmt: skip
STANDING_FAULTS = (
    "lying_rating", "arrivals", "cloudflare_library_agents", "cloudflare", "private_redirect",
    "closed_api", "bare_html", "wants_key", "control_character", "by_release",
)  # fmt: skip
CONTENT_FAULTS = (
    "hidden", "unlisted", "deleted", "without_url", "wrong_md5", "other_types", "odd_pictures",
    "mislabelled",
)  # fmt: skip
FAULTS = tuple(
    dict.fromkeys((*LISTING_FAULTS, *FILE_FAULTS, *STANDING_FAULTS, *CONTENT_FAULTS))
)  # fmt: skip
FATAL_FAULTS = (
    "cloudflare", "private_redirect", "closed_api", "bare_html", "wants_key", "control_character",
)  # fmt: skip
"""Faults that end a crawl or change what it can get; not part of "all".

`closed_api`: 403 for the API. `bare_html`: Moebooru's HTML without the rows in its script.
`wants_key`: 200 and words in place of a listing, unless a login is sent. `control_character`: a raw
one in a tag of the first row of each listing. And one that a crawl survives, `by_release`:
Moebooru's HTML lists some posts later than their ids, as the real one does with held posts."""


class Faults:
    """Draws the fault of each request; the same URL never fails more than `in_a_row` times."""

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        seed: int = 0,
        share: float = 0.15,
        in_a_row: int = 2,
        schedule: Sequence[str | None] | None = None,
        slow_s: float = 0.3,
        retry_after_s: int | None = 1,
    ) -> None:
        """`schedule`, if given, names the fault of each request in turn (None: no fault)."""
        self.names = frozenset(names)
        unknown = self.names - set(FAULTS)
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        self.slow_s, self.retry_after_s = slow_s, retry_after_s
        self._seed, self._share, self._in_a_row = seed, share, in_a_row
        self._schedule = None if schedule is None else list(schedule)
        self._asked: Counter[str] = Counter()
        self._given: Counter[str] = Counter()
        self._requests = 0
        self._lock = threading.Lock()

    @classmethod
    def all(cls, **options: object) -> Faults:
        """Every fault that a crawl can survive, together."""
        return cls(set(FAULTS) - set(FATAL_FAULTS), **options)  # type: ignore[arg-type]

    def draw(self, lane: Lane, key: str) -> str | None:
        """The fault for this request, or None. `key` names the URL."""
        known = LISTING_FAULTS if lane == "listing" else FILE_FAULTS
        with self._lock:
            number, self._requests = self._requests, self._requests + 1
            visit = self._asked[key]
            self._asked[key] += 1
            if self._given[key] >= self._in_a_row:
                return None
            if self._schedule is not None:
                fault = self._schedule[number] if number < len(self._schedule) else None
                fault = fault if fault in known else None
            else:
                fault = self._drawn(f"{key}#{visit}", [n for n in known if n in self.names])
            self._given[key] += fault is not None
            return fault

    def _drawn(self, key: str, names: Sequence[str]) -> str | None:
        digest = hashlib.sha256(f"{self._seed}|{key}".encode()).digest()
        if not names or int.from_bytes(digest[:4], "big") / 2**32 >= self._share:
            return None
        return names[digest[4] % len(names)]
