"""Which snapshot to draw with: the named one, the workspace's newest, else the one shipped."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from pathlib import Path
from types import NoneType

from avatar_common.disk.runs import (
    RunFolder,
    read_snapshot_info,
    snapshots_with_weights,
    with_weights,
)
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError

SHIPPED = Path(__file__).resolve().parents[1] / "models"  # a folder each, as `package` writes it


def shipped_snapshots() -> list[Path]:
    """The snapshots that come with the project, by name; the first is the usual one."""
    return with_weights(sorted(SHIPPED.glob("*/*.json")))


def find_snapshot(path: Path | None, workspace: Path) -> Path:
    """The snapshot's JSON: of a run, a packaged folder, or one shipped, by its name.

    Raises `UserError` when there is none.
    """
    if path is not None and len(path.parts) == 1 and not path.exists():
        path = SHIPPED / path if (SHIPPED / path).is_dir() else path
    if path is not None and path.is_dir():
        inside = snapshots_with_weights(path)
        if not inside:
            begun = RunFolder(path).checkpoint_folder.is_dir()
            raise UserError(
                "no snapshot in this folder",
                where=str(path),
                hint="this run has no snapshot yet; continue it" if begun else None,
            )
        return inside[-1]
    if path is not None:
        if not path.suffix and not path.with_suffix(".json").exists():
            names = ", ".join(shipped.parent.name for shipped in shipped_snapshots())
            raise UserError("no such snapshot", where=str(path), hint=f"shipped are: {names}")
        return path
    newest = Workspace(workspace).newest_snapshot()
    if newest is not None:
        return newest
    shipped = shipped_snapshots()
    if shipped:
        return shipped[0]
    raise UserError(
        "no snapshot here",
        where=str(Workspace(workspace).runs),
        hint="run `python -m acgan train`, or name one with --snapshot",
    )


def find_named(model: str | PathLike[str] | None, workspace: Path) -> Path:
    """`find_snapshot` for what code names. Raises `UserError` for what names nothing, too."""
    if not isinstance(model, (str, PathLike, NoneType)):
        raise UserError(f"a model is named by a text or path, not by {type(model).__name__}")
    try:
        return find_snapshot(None if model is None else Path(model), workspace)
    except OSError as error:
        raise UserError((error.strerror or str(error)).lower(), where=str(model)[:200]) from None


def all_snapshots(workspace: Path, first: Path | None = None) -> list[Path]:
    """Every run's last snapshot, newest run first, then those shipped; `first` leads."""
    runs = sorted(Workspace(workspace).runs.glob("*"), reverse=True)
    last = [RunFolder(run).snapshots()[-1:] for run in runs]
    found = [*([first] if first else []), *(path for paths in last for path in paths)]
    return list(dict.fromkeys(path.resolve() for path in [*found, *shipped_snapshots()]))


def snapshot_with_weights(weights_sha256: str, workspace: Path) -> Path | None:
    """The snapshot of the workspace, or shipped, that has these weights."""
    runs = sorted(Workspace(workspace).runs.glob("*"), reverse=True)
    trained = [path for run in runs for path in reversed(RunFolder(run).snapshots())]
    for path in [*trained, *shipped_snapshots()]:
        with suppress(UserError):
            if read_snapshot_info(path).weights_sha256 == weights_sha256:
                return path
    return None
