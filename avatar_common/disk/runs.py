"""What a training run leaves for the users of its model: the snapshot's description."""

from __future__ import annotations

import json
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


def snapshot_in(path: Path) -> Path:
    """The JSON of the snapshot that `path` names.

    It may be one of its files, a run's folder (its newest), or a packaged folder. Raises
    `UserError` when a folder holds none.
    """
    if not path.is_dir():
        return path.with_suffix(".json")
    inside = sorted((path / "snapshots").glob("*.json")) or sorted(path.glob("*.json"))
    found = [one for one in inside if one.with_suffix(".safetensors").is_file()]
    if not found:
        raise UserError("no snapshot in this folder", where=str(path))
    return found[-1]


def read_run_config(run: Path) -> dict[str, Any]:
    """What a run was asked for (config.json); empty for a folder that is no run."""
    path = run / "config.json"
    return read_json(path, schema_version=RUN_SCHEMA_VERSION) if path.is_file() else {}


def read_run_stats(run: Path) -> list[dict[str, Any]]:
    """The lines of stats.jsonl that have `kimg` and `elapsed_s`; one cut by a kill is left out."""
    path = run / "stats.jsonl"
    rows = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = dict(json.loads(text))
        except (ValueError, TypeError):
            continue
        if "kimg" in row and "elapsed_s" in row:
            rows.append(row)
    return rows
