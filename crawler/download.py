"""One file: fetched into a `.part`, checked against md5, type and size, moved into place."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from avatar_common.disk.files import no_space
from avatar_common.disk.raw import RawFolder
from crawler.arrival import LARGER, MISMATCH, NOTHING_EXPECTED, UNCONFIRMED, Expected, what_arrived
from crawler.client import Client, PassingFault, Refused, read_chunks
from crawler.picture import HEADER_EXTENSIONS, Header, read_header
from crawler.policy import Policy
from crawler.records import Variant

TIMES_TO_BELIEVE = 3
SLOWEST_BYTES_PER_S = 2_000
LONGEST_FILE_S = 600.0


@dataclass(frozen=True)
class Task:
    """A file to fetch for a post."""

    site: str
    post_id: int
    url: str
    variant: Variant
    md5: str | None
    expected: Expected = NOTHING_EXPECTED

    @property
    def key(self) -> str:
        """What two tasks for the same bytes share."""
        return self.md5 if self.md5 and self.variant == "original" else self.url


@dataclass(frozen=True)
class Outcome:
    """How a task ended: done with a file, or skipped or failed for a reason.

    `digest`: the md5 of the picture that came, where nothing says that it is right; `words`: what
    the site said in place of a file.
    """

    task: Task
    status: Literal["done", "skipped", "failed"]
    reason: str | None = None
    file: str | None = None
    header: Header | None = None
    size: int = 0
    fetched_bytes: int = 0
    digest: str = ""
    words: str = ""


class Store:
    """`images/ab/ab12….ext` under data/raw, and the folder of unfinished files beside it."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw
        self.parts = raw / "parts"

    def clear_parts(self) -> None:
        """Remove what a killed run left unfinished."""
        self.parts.mkdir(parents=True, exist_ok=True)
        for part in self.parts.glob("*.part"):
            part.unlink(missing_ok=True)

    def find(self, md5: str) -> tuple[Path, Header] | None:
        """The picture with these very bytes, if it is here already."""
        folder = RawFolder(self.raw).images / md5[:2]
        for ext in HEADER_EXTENSIONS:
            path = folder / f"{md5}.{ext}"
            if not path.is_file():
                continue
            with path.open("rb") as file:
                if hashlib.file_digest(file, "md5").hexdigest() == md5:
                    header = read_header(file)
                    if header is not None:
                        return path, header
            path.unlink()
        return None

    def keep(self, part: Path, md5: str, ext: str) -> Path:
        """Move a checked file to its place; the name comes from its bytes, never from a server."""
        path = RawFolder(self.raw).images / md5[:2] / f"{md5}.{ext}"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        return path

    def relative(self, path: Path) -> str:
        """A file's path in the records."""
        return path.relative_to(self.raw).as_posix()


def download(task: Task, client: Client, store: Store, policy: Policy) -> Outcome:
    """Fetch and check one file. Raises `Unavailable` or `Stopped` when the crawl cannot go on."""
    if task.md5 is not None and task.variant == "original" and (found := store.find(task.md5)):
        return _done(task, store, *found, found[0].stat().st_size, 0)
    part = store.parts / f"{hashlib.sha256(task.key.encode()).hexdigest()[:32]}.part"
    try:
        return _Fetching(task, client, store, policy, part).outcome()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(part) from error
        raise
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


class _Fetching:
    """The tries at one file: until it is right, believed to be wrong, or was asked for enough."""

    def __init__(
        self, task: Task, client: Client, store: Store, policy: Policy, part: Path
    ) -> None:
        self._task, self._client, self._store, self._policy = task, client, store, policy
        self._part = part
        self._fetched = 0
        self._strange: Counter[str] = Counter()

    def outcome(self) -> Outcome:
        """How it ended, once that is certain."""
        attempt = 0
        while True:
            try:
                outcome, certain = self._once()
                fault = PassingFault(outcome.reason or "")
            except PassingFault as passing:
                outcome, certain, fault = self._failed(str(passing)), False, passing
            except Refused as refusal:
                return self._refused(refusal)
            if certain or attempt >= self._client.retries:
                return outcome
            self._client.back_off(attempt, fault)
            attempt += 1

    def _once(self) -> tuple[Outcome, bool]:
        """Fetch and look: how it would end with this file, and whether that is certain."""
        task, policy = self._task, self._policy
        digest, size = _fetch(task.url, self._client, self._part, policy.max_file_bytes)
        self._fetched += size
        with self._part.open("rb") as file:
            header = read_header(file)
            right = task.variant == "original" and task.md5 == digest
            other = None if right else what_arrived(file, header, task.variant, task.expected)
        if other is None:
            return self._checked(header, digest, size), True
        reason, words = other
        self._strange[digest] += 1
        believed = self._strange[digest] >= TIMES_TO_BELIEVE
        if reason == MISMATCH and not believed:
            reason = UNCONFIRMED
        return self._failed(reason, digest=digest if header else "", words=words), believed

    def _checked(self, header: Header | None, digest: str, size: int) -> Outcome:
        """Keep a file that is what the site means by it, if it is wanted."""
        task, store, policy = self._task, self._store, self._policy
        if header is None:
            return Outcome(task, "skipped", "not a picture", fetched_bytes=self._fetched)
        if header.width * header.height > policy.max_pixels:
            return Outcome(task, "skipped", "too many pixels", fetched_bytes=self._fetched)
        path = store.keep(self._part, digest, header.ext)
        done = _done(task, store, path, header, size, self._fetched)
        return done if digest == task.md5 else replace(done, digest=digest)

    def _refused(self, refusal: Refused) -> Outcome:
        reason = f"http {refusal.status}" if refusal.status >= 400 else str(refusal)[:80]
        if reason != "too large":
            return self._failed(reason, words="" if str(refusal) == reason else str(refusal)[:200])
        # Where the listing promised less, something else has come.
        if self._task.expected.size:
            return self._failed(LARGER)
        return Outcome(self._task, "skipped", reason, fetched_bytes=self._fetched)

    def _failed(self, reason: str, digest: str = "", words: str = "") -> Outcome:
        return Outcome(
            self._task, "failed", reason, fetched_bytes=self._fetched, digest=digest, words=words
        )


def _fetch(url: str, client: Client, part: Path, max_bytes: int) -> tuple[str, int]:
    digest, size = hashlib.md5(usedforsecurity=False), 0
    started = time.monotonic()
    with client.file(url) as response, part.open("wb") as file:
        declared = response.headers.get("Content-Length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:18]) > max_bytes:
            raise Refused(0, "too large")
        for chunk in _brisk(read_chunks(response, max_bytes, client.stop), started):
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if size == 0:
        raise PassingFault("empty file")
    return digest.hexdigest(), size


def _brisk(chunks: Iterator[bytes], started: float) -> Iterator[bytes]:
    """The same chunks. Raises `PassingFault` when they trickle in too slowly for too long."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        seconds = time.monotonic() - started
        if seconds > LONGEST_FILE_S and size < SLOWEST_BYTES_PER_S * seconds:
            raise PassingFault("timeout")
        yield chunk


def _done(task: Task, store: Store, path: Path, header: Header, size: int, fetched: int) -> Outcome:
    return Outcome(task, "done", None, store.relative(path), header, size, fetched)
