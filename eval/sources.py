"""Which snapshot is scored, against which faces, and where the results go."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from avatar_common.disk.faces import find_face_set
from avatar_common.disk.runs import read_snapshot_info, run_of, snapshot_in
from avatar_common.disk.scores import SCORES_FOLDER
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """What is scored, against which faces, the folder for the results, and the workspace."""

    snapshot: Path
    faces: Path
    out: Path
    workspace: Path


def find_sources(workspace: Path, snapshot: Path | None, data: Path | None) -> Sources:
    """Resolve the defaults: the newest snapshot, and the face set that it was trained on.

    `snapshot` may be a run's folder or a packaged one. Raises `UserError` when nothing is there.
    """
    home = Workspace(workspace)
    path = home.newest_snapshot() if snapshot is None else snapshot_in(snapshot)
    if path is None:
        home.newest_run()
        raise UserError(
            "no snapshot yet", where=str(home.runs), hint="train a little longer, then score"
        )
    info = read_snapshot_info(path)
    run = path.parent.parent if run_of(path) else path.parent
    faces = data or _faces_of(home, info.dataset_id)
    return Sources(path, faces, run / SCORES_FOLDER, workspace)


def _faces_of(home: Workspace, dataset_id: str) -> Path:
    """The face set with this dataset id, else the newest one (said in the log)."""
    found = find_face_set(home.faces, dataset_id)
    if found is not None:
        return found
    newest = home.newest_face_set()
    log.warning(
        "the face set that the snapshot was trained on is not here; scoring against %s", newest
    )
    return newest
