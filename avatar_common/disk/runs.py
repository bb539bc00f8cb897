"""What a training run leaves: its folder, and the description of each snapshot in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_common.disk.files import read_json, write_json
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

SNAPSHOT_SCHEMA_VERSION = 1
RUN_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SnapshotInfo:
    """The JSON beside a snapshot's safetensors file: all that is needed to ask the generator.

    `class_counts` holds, per group, how many training faces each class had; `weights_sha256` is the
    hash of the safetensors file and names the snapshot in recipes and metrics.
    """

    architecture: dict[str, Any]
    vocabulary: Vocabulary
    image_size: int
    z_dim: int
    dataset_id: str
    kimg: float
    weights_sha256: str
    class_counts: dict[str, list[int]]
    label_rows: list[list[int]]
    extra: dict[str, Any]


def write_snapshot_info(path: Path, info: SnapshotInfo) -> None:
    """Write the snapshot's JSON (`path` ends in .json) atomically."""
    content = {
        "architecture": info.architecture,
        "vocabulary": info.vocabulary.to_json(),
        "image_size": info.image_size,
        "z_dim": info.z_dim,
        "dataset_id": info.dataset_id,
        "kimg": info.kimg,
        "weights_sha256": info.weights_sha256,
        "class_counts": info.class_counts,
        "label_rows": info.label_rows,
        "extra": info.extra,
    }
    write_json(path, content, schema_version=SNAPSHOT_SCHEMA_VERSION)


def read_snapshot_info(path: Path) -> SnapshotInfo:
    """Read a snapshot's JSON. Raises `UserError` when missing, malformed or of another version."""
    content = read_json(path, schema_version=SNAPSHOT_SCHEMA_VERSION)
    try:
        return SnapshotInfo(
            architecture=dict(content["architecture"]),
            vocabulary=Vocabulary.from_json(content["vocabulary"], str(path)),
            image_size=int(content["image_size"]),
            z_dim=int(content["z_dim"]),
            dataset_id=str(content["dataset_id"]),
            kimg=float(content["kimg"]),
            weights_sha256=str(content["weights_sha256"]),
            class_counts={
                name: list(map(int, row)) for name, row in content["class_counts"].items()
            },
            label_rows=[list(map(int, row)) for row in content["label_rows"]],
            extra=dict(content.get("extra", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"not a snapshot description: {error!r}", where=str(path)) from None


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run: what lies in it, under which names.

    `result.json` is there once the run has finished. `stats.jsonl` and `watch.jsonl` hold a row per
    look, in the order of `kimg`, and each row its own schema version.
    """

    path: Path

    @property
    def snapshot_folder(self) -> Path:
        """Where the snapshots lie, if there are any."""
        return self.path / "snapshots"

    @property
    def checkpoint_folder(self) -> Path:
        """Where the run's full state lies, by which it continues."""
        return self.path / "checkpoints"

    @property
    def sample_folder(self) -> Path:
        """The grids of drawn faces, one per tick."""
        return self.path / "samples"

    @property
    def stats_file(self) -> Path:
        """The losses and rates, now and then."""
        return self.path / "stats.jsonl"

    @property
    def watch_file(self) -> Path:
        """What was measured of drawn faces, at every tick."""
        return self.path / "watch.jsonl"

    @property
    def is_run(self) -> bool:
        """Whether this is a run's folder: it says what was asked for."""
        return self._config_file.is_file()

    @property
    def is_finished(self) -> bool:
        """Whether its budget was used up."""
        return self._result_file.is_file()

    def snapshots(self) -> list[Path]:
        """The JSON files of its snapshots, oldest first, with weights or without."""
        return sorted(self.snapshot_folder.glob("*.json"))

    def snapshot_at(self, nimg: int) -> Path:
        """The JSON file of the snapshot after so many pictures."""
        return self.snapshot_folder / f"{nimg:010d}.json"

    def read_config(self) -> dict[str, Any]:
        """What the run was asked for and with what. Raises `UserError` for no or another file."""
        return read_json(self._config_file, schema_version=RUN_SCHEMA_VERSION)

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Write config.json atomically."""
        write_json(self._config_file, content, schema_version=RUN_SCHEMA_VERSION)

    def read_result(self) -> dict[str, Any] | None:
        """What the finished run came to; None while it is unfinished."""
        if not self.is_finished:
            return None
        return read_json(self._result_file, schema_version=RUN_SCHEMA_VERSION)

    def write_result(self, content: Mapping[str, Any]) -> None:
        """Write result.json atomically, which says that the run has finished."""
        write_json(self._result_file, content, schema_version=RUN_SCHEMA_VERSION)

    def read_stats(self) -> list[dict[str, Any]]:
        """The rows of stats.jsonl with `kimg` and `elapsed_s`; one cut by a kill is left out."""
        if not self.stats_file.is_file():
            return []
        rows = []
        for text in self.stats_file.read_text(encoding="utf-8").splitlines():
            try:
                row = dict(json.loads(text))
            except (ValueError, TypeError):
                continue
            if "kimg" in row and "elapsed_s" in row:
                rows.append(row)
        return rows

    @property
    def _config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def _result_file(self) -> Path:
        return self.path / "result.json"


def run_of(snapshot: Path) -> RunFolder | None:
    """The run that a snapshot (any of its files) lies in; None for one that lies elsewhere."""
    folder = snapshot.resolve().parent
    run = RunFolder(folder.parent)
    return run if folder == run.snapshot_folder else None


def snapshot_in(path: Path) -> Path:
    """The JSON of the snapshot that `path` names.

    It may be one of its files, a run's folder (its newest), or a packaged folder. Raises
    `UserError` when a folder holds none.
    """
    if not path.is_dir():
        return path.with_suffix(".json")
    found = snapshots_with_weights(path)
    if not found:
        raise UserError("no snapshot in this folder", where=str(path))
    return found[-1]


def snapshots_with_weights(folder: Path) -> list[Path]:
    """The JSON files of a run's snapshots, or a packaged folder's, that have their weights."""
    return with_weights(RunFolder(folder).snapshots() or sorted(folder.glob("*.json")))


def with_weights(paths: Iterable[Path]) -> list[Path]:
    """Those descriptions that have their weights beside them."""
    return [path for path in paths if path.with_suffix(".safetensors").is_file()]
