"""Draw avatars to order: PNGs and a grid from a snapshot."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from acgan.devices import choose_device
from acgan.options import GenerateOptions
from acgan.pictures import picture_grid, write_png
from acgan.request import label_rows, parse_attributes
from acgan.snapshot import Snapshot, load_snapshot
from cli import emit_json, explain_dry_run
from manifest.errors import UserError
from manifest.workspace import Workspace

log = logging.getLogger(__name__)

MOST_PICTURES = 10_000


def run(options: GenerateOptions) -> None:
    """Write `count` pictures and a grid; the last line on stdout is one JSON object."""
    if not 1 <= options.count <= MOST_PICTURES:
        raise UserError(f"--count must be 1 to {MOST_PICTURES}")
    device = choose_device(options.device, options.threads)
    snapshot = load_snapshot(find_snapshot(options.snapshot, options.workspace), device)
    vocabulary = snapshot.info.vocabulary
    asked = parse_attributes(options.attributes, vocabulary)
    if options.dry_run:
        explain_dry_run(
            options,
            [f"draw {options.count} pictures with {snapshot.path}", f"write to {options.out}"],
        )
        return
    rows = label_rows(asked, vocabulary, snapshot.info.label_rows, options.count, options.seed)
    pictures = draw(snapshot, rows_to_tensor(rows), options.seed)
    for index, picture in enumerate(pictures):
        write_png(options.out / f"{options.seed}-{index:04d}.png", picture)
    write_png(options.out / "grid.png", picture_grid(pictures))
    emit_json(
        {
            "snapshot": str(snapshot.path),
            "count": options.count,
            "seed": options.seed,
            "attributes": asked,
            "grid": str(options.out / "grid.png"),
        }
    )


def find_snapshot(path: Path | None, workspace: Path) -> Path:
    """The named snapshot, else the newest of the workspace's runs. Raises `UserError`."""
    found = path or Workspace(workspace).newest_snapshot()
    if found is None:
        raise UserError(
            "no snapshot here",
            where=str(Workspace(workspace).runs),
            hint="run `python -m acgan train`, or name one with --snapshot",
        )
    return found


def rows_to_tensor(rows: object) -> Tensor:
    """Label rows as int64 [N,A]."""
    return torch.as_tensor(rows, dtype=torch.int64)


def draw(snapshot: Snapshot, labels: Tensor, seed: int) -> Tensor:
    """Pictures uint8 [N,3,S,S] for label rows int64 [N,A]."""
    return snapshot.draw(snapshot.random_z(len(labels), seed), labels)
