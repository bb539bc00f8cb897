"""How fast and how stubbornly a host may be asked."""

from __future__ import annotations

import os
import random
import threading
import time
from importlib import metadata

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from avatar_common.errors import UserError

MAX_BACKOFF_S = 60.0
PROJECT = "anime-avatar-acgan"


class Stopped(Exception):
    """The crawl is ending; what was under way is dropped."""


class RateLimiter:
    """At most `rate` requests per second to each host, evenly spaced, over all threads."""

    def __init__(self, rate: float, stop: threading.Event) -> None:
        self._interval_s = 1.0 / rate if rate > 0 else 0.0
        self._stop = stop
        self._lock = threading.Lock()
        self._next_at: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Sleep until the host may be asked again. Raises `Stopped` when the crawl ends."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next_at.get(host, now))
            self._next_at[host] = at + self._interval_s
        sleep(at - now, self._stop)

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask the host for so long."""
        with self._lock:
            until = time.monotonic() + seconds
            self._next_at[host] = max(until, self._next_at.get(host, until))


def sleep(seconds: float, stop: threading.Event) -> None:
    """Sleep, unless or until the crawl ends. Raises `Stopped` then."""
    if stop.is_set() or (seconds > 0 and stop.wait(seconds)):
        raise Stopped


def backoff_s(attempt: int, first_wait_s: float, rng: random.Random) -> float:
    """Seconds before try `attempt + 1`: exponential, with jitter in [0.5, 1]."""
    return min(MAX_BACKOFF_S, first_wait_s * 2.0 ** min(attempt, 20)) * rng.uniform(0.5, 1.0)


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header (a number or an HTTP date) asks for; None if unclear."""
    try:
        return float(Retry().parse_retry_after(header)) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def contact_of(option: str | None) -> str | None:
    """The user's contact from the option or $AVATAR_CONTACT. Raises `UserError` when unusable."""
    contact = (option or os.environ.get("AVATAR_CONTACT") or "").strip()
    if not contact:
        return None
    if not contact.isascii() or not contact.isprintable() or "mozilla" in contact.lower():
        raise UserError(
            "the contact must be a plain mail or web address",
            where="--contact",
            hint="this crawler says what it is and never poses as a browser",
        )
    return contact


def user_agent(contact: str | None) -> str:
    """The honest User-Agent: the project, its version and whom to reach."""
    try:
        version = metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        version = "0"
    return f"{PROJECT}/{version} (contact: {contact or 'none given'})"
