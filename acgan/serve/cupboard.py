"""Files for the visitors' browsers: one folder, bounded in age and size, gone at the end."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
from pathlib import Path

MOST_AGE_S = 3600.0
MOST_BYTES = 256 * 2**20
SWEEP_INTERVAL_S = 20.0
GRACE_S = 60.0


class Cupboard:
    """A temporary folder that forgets what is old, and the oldest when it is full."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_age_s: float = MOST_AGE_S) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="avatars-")).resolve()
        self._most_bytes, self._most_age_s = most_bytes, most_age_s
        self._swept_at, self._lock = time.monotonic(), threading.Lock()

    def put(self, name: str, data: bytes) -> str:
        """Keep `data` under a path that depends on it, so that the same file is kept once."""
        folder = self.path / "made" / hashlib.sha256(data).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(data)
        if time.monotonic() - self._swept_at > SWEEP_INTERVAL_S and self._lock.acquire(False):
            try:
                self._swept_at = time.monotonic()
                self.sweep(time.time())
            finally:
                self._lock.release()
        return str(path)

    def sweep(self, now: float) -> None:
        """Delete what is too old, then the oldest until the rest fits; the newest minute stays."""
        found = []
        for path in self.path.rglob("*"):
            try:
                if path.is_file():
                    found.append((path.stat().st_mtime, path.stat().st_size, path))
            except FileNotFoundError:
                continue
        total = sum(size for _, size, _ in found)
        for changed, size, path in sorted(found):
            too_old = now - changed > self._most_age_s
            too_much = total > self._most_bytes and now - changed > GRACE_S
            if too_old or too_much:
                path.unlink(missing_ok=True)
                total -= size

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
