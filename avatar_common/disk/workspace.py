"""Where the stages leave their results, and which is the newest."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from avatar_common.disk.runs import RunFolder
from avatar_common.errors import UserError

_RUN_NAME = re.compile(r"^(\d{5})-[\w.-]+$")
_PLAIN_NAME = re.compile(r"^[^\W_][\w.-]{0,99}$")
_MOST_BYTES = 200  # of a name; file systems stop at 255


@dataclass(frozen=True)
class Workspace:
    """A folder with `data/` and `runs/`; the current folder by default."""

    root: Path = Path()

    @property
    def raw(self) -> Path:
        """The crawl's posts and files."""
        return self.root / "data" / "raw"

    @property
    def faces(self) -> Path:
        """The face sets."""
        return self.root / "data" / "faces"

    @property
    def cache(self) -> Path:
        """What can be made again, and may be deleted at any time."""
        return self.root / "data" / "cache"

    @property
    def runs(self) -> Path:
        """The training runs."""
        return self.root / "runs"

    def face_set(self, name: str) -> Path:
        """`data/faces/<name>`. Raises `UserError` for a name that cannot be a folder's."""
        return self.faces / plain_name(name)

    def newest_face_set(self, *, labelled: bool = True) -> Path:
        """The face set labelled last, or written last. Raises `UserError` when there is none."""
        if not labelled:
            return self._last_written()
        tables = sorted(
            self.faces.glob("*/attributes.csv"), key=lambda path: path.stat().st_mtime_ns
        )
        if not tables:
            raise UserError(
                "no labelled face set here",
                where=str(self.faces),
                hint="run `python -m preprocess crop` and `python -m preprocess tag`, "
                "or `python -m preprocess import`",
            )
        return tables[-1].parent

    def _last_written(self) -> Path:
        found = sorted(self.faces.glob("*/dataset.json"), key=lambda path: path.stat().st_mtime_ns)
        if not found:
            raise UserError(
                "no face set here", where=str(self.faces), hint="run `python -m preprocess crop`"
            )
        return found[-1].parent

    def newest_run(self) -> Path:
        """The run with the highest number. Raises `UserError` when there is none."""
        runs = self.run_folders()
        if not runs:
            raise UserError(
                "no training run here", where=str(self.runs), hint="run `python -m acgan train`"
            )
        return runs[-1]

    def newest_snapshot(self) -> Path | None:
        """The last snapshot (its JSON file) of the newest run that has one."""
        for run in reversed(self.run_folders()):
            if snapshots := RunFolder(run).snapshots():
                return snapshots[-1]
        return None

    def next_run(self, name: str) -> Path:
        """The path for a new run: the next number, then `name`."""
        runs = self.run_folders()
        number = int(runs[-1].name[:5]) + 1 if runs else 0
        return self.runs / f"{number:05d}-{plain_name(name)}"

    def run_folders(self) -> list[Path]:
        """The folders of all runs, by number."""
        if not self.runs.is_dir():
            return []
        return sorted(
            path for path in self.runs.iterdir() if path.is_dir() and _RUN_NAME.match(path.name)
        )


def plain_name(name: str) -> str:
    """Check that `name` is safe as a folder name. Raises `UserError` otherwise."""
    if not _PLAIN_NAME.match(name) or len(os.fsencode(name)) > _MOST_BYTES:
        raise UserError(
            f"{name!r} cannot be a folder name", hint="letters, digits, '.', '_' and '-'"
        )
    return name
