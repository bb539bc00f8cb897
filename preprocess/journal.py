"""What is done so far, one JSON line per picture: a killed crop goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_common.disk.files import no_space, write_bytes
from preprocess.picture import TEMPORARY_REASONS, PictureRecord

JOURNAL_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class _Done:
    """What decides whether a picture must be worked on again."""

    stamp: str
    for_good: bool
    face_files: frozenset[str]


class Journal:
    """An append-only file: a header line with the settings, then a line per finished picture.

    A last line torn by a kill is dropped. Other settings than the header's start a new journal.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self._header = _line({"schema_version": JOURNAL_SCHEMA_VERSION, "settings": settings})
        self.had_other_settings = False
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        self.had_other_settings = bool(lines) and lines[0] != self._header
        if not lines or self.had_other_settings:
            write_bytes(path, self._header)
            lines = []
        whole = [line for line in lines if line.endswith(b"\n")]
        if len(whole) < len(lines):
            with path.open("r+b") as file:
                file.truncate(sum(map(len, whole)))
        self._done: dict[str, _Done] = {}
        for line in whole[1:]:
            self._note(json.loads(line))
        self._file = path.open("ab")

    @property
    def keys(self) -> Set[str]:
        """Of all pictures with a record."""
        return self._done.keys()

    def holds(self, key: str, stamp: str, images: Set[str]) -> bool:
        """Whether the picture was done for good, in the state that `stamp` names.

        There is no reason that may be gone by now, and all its faces among the files `images`.
        """
        done = self._done.get(key)
        return (
            done is not None and done.stamp == stamp and done.for_good and images >= done.face_files
        )

    def add(self, record: PictureRecord) -> None:
        """Note a finished picture. Raises `Unavailable` when the disk is full."""
        content = record.to_json()
        try:
            self._file.write(_line(content))
            self._file.flush()
        except OSError as error:
            raise no_space(self.path) from error
        self._note(content)

    def _note(self, content: dict[str, Any]) -> None:
        reasons = {reason for _, reason, _ in content["rejects"]}
        self._done[content["key"]] = _Done(
            content["stamp"],
            for_good=reasons.isdisjoint(TEMPORARY_REASONS),
            face_files=frozenset(face["file_name"] for face in content["faces"]),
        )

    def records(self) -> Iterator[PictureRecord]:
        """Every picture's newest record, sorted by key."""
        newest: dict[str, bytes] = {}
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                newest[json.loads(line)["key"]] = line
        for key in sorted(newest):
            yield PictureRecord.from_json(json.loads(newest[key]))

    def finish(self, records: list[PictureRecord]) -> None:
        """Leave only `records`, in their order: the same bytes however the work was spread."""
        self._file.close()
        write_bytes(self.path, self._header + b"".join(_line(r.to_json()) for r in records))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, sort_keys=True) + "\n").encode()
