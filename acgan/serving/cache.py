"""Drawn files by key: the last ones in memory, more on disk, both bounded."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

KEPT_AFTER_SWEEP = 0.9


class Cache:
    """Safe to share between threads. What it says is missing may be drawn again, nothing more."""

    def __init__(self, folder: Path | None, *, disk_bytes: int, memory_bytes: int) -> None:
        """`folder` None takes a temporary one, deleted by `close`."""
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="avatars-")) if folder is None else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._disk_bytes, self._memory_bytes = disk_bytes, memory_bytes
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._in_memory = 0
        self._lock = threading.Lock()
        self._on_disk = sum(path.stat().st_size for path in self._files())

    def recent(self, key: str) -> bytes | None:
        """From memory only: quick enough for an event loop."""
        with self._lock:
            data = self._memory.get(key)
            if data is not None:
                self._memory.move_to_end(key)
            return data

    def get(self, key: str) -> bytes | None:
        """From memory, else from disk."""
        data = self.recent(key)
        if data is None:
            path = self._path(key)
            with suppress(OSError):
                data = path.read_bytes()
                os.utime(path)
                self._remember(key, data)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep; a full disk is no reason to fail."""
        self._remember(key, data)
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(f".{threading.get_ident()}")
            unfinished.write_bytes(data)
            unfinished.replace(path)
        except OSError as error:
            log.warning("not cached on disk: %s", error.strerror)
            return
        with self._lock:
            self._on_disk += len(data)
            full = self._on_disk > self._disk_bytes
        if full:
            self._sweep()

    def _remember(self, key: str, data: bytes) -> None:
        with self._lock:
            self._in_memory += len(data) - len(self._memory.pop(key, b""))
            self._memory[key] = data
            while self._in_memory > self._memory_bytes:
                self._in_memory -= len(self._memory.popitem(last=False)[1])

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.png"

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("??/*.png") if path.is_file()]

    def _sweep(self) -> None:
        """Delete what was used longest ago until a tenth is free."""
        with self._lock:
            found = []
            for path in self._files():
                with suppress(OSError):
                    found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
            total = sum(size for _, size, _ in found)
            for _, size, path in sorted(found):
                if total <= self._disk_bytes * KEPT_AFTER_SWEEP:
                    break
                path.unlink(missing_ok=True)
                total -= size
            self._on_disk = total

    def close(self) -> None:
        """Delete the folder if it was a temporary one."""
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
