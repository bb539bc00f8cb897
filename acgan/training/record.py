"""What a run leaves for people: numbers, grids, warnings, snapshots, a curve and a film."""

from __future__ import annotations

import json
import logging
import math
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.tensorboard import SummaryWriter

from acgan.drawing.recipe import png_bytes
from acgan.nets.snapshot import draw_z, save_snapshot, save_training_nets, to_uint8
from acgan.training.averages import AverageChooser
from acgan.training.plan import Plan
from acgan.training.state import Ledger, Nets
from acgan.training.watch import Watch
from avatar_common.commands import progress
from avatar_common.disk.files import write_bytes, write_text
from avatar_common.disk.runs import RUN_SCHEMA_VERSION, RunFolder
from avatar_common.grid import grid

log = logging.getLogger(__name__)

GRID_COLUMNS = 8
MOST_LABEL_ROWS = 4096
GRID_SEED = 1
DRAW_CHUNK = 64
REST_SHARE = 25


class Record:
    """Writes everything but the checkpoints; used by the first process only."""

    def __init__(self, plan: Plan, nets: Nets, ledger: Ledger) -> None:
        self._plan, self._nets = plan, nets
        self._path, self._run = plan.path, RunFolder(plan.path)
        self._averages = AverageChooser(nets, plan)
        self._grid_labels = torch.from_numpy(grid_labels(plan))
        count = max(len(self._grid_labels), 2 * 48)
        self._z = draw_z(
            count, plan.settings.z_dim, plan.settings.z_distribution, plan.options.seed + GRID_SEED
        )
        seed, weights = plan.options.seed, plan.class_weights
        self._watch = Watch(plan.faces, self._z, seed, weights) if plan.sizes else None
        for table in (self._run.stats_file, self._run.watch_file):
            cut_rows(table, ledger.nimg / 1000)
        self._board = SummaryWriter(str(self._path / "tensorboard"), purge_step=ledger.nimg)
        self._snapshots = int(ledger.progress * plan.options.snapshots)
        self._seen_at = (time.monotonic(), ledger.nimg)
        self.tick_s, self._tick_ended_at = 0.0, time.monotonic()
        self.warnings: list[str] = []

    def __enter__(self) -> Record:
        self._line = progress("kimg", total=self._total_kimg(), quiet=self._plan.options.quiet)
        self._advance = self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.__exit__(kind, error, trace)
        self._board.close()

    def numbers(self, ledger: Ledger, numbers: dict[str, float]) -> None:
        """One line of stats.jsonl, the live line and TensorBoard.

        What nothing is known of (the accuracy on a batch without labels) is left out.
        """
        numbers = {name: value for name, value in numbers.items() if not math.isnan(value)}
        now = time.monotonic()
        seconds, images = now - self._seen_at[0], ledger.nimg - self._seen_at[1]
        self._seen_at = (now, ledger.nimg)
        row = {
            "schema_version": RUN_SCHEMA_VERSION,
            "kimg": ledger.nimg / 1000,
            "elapsed_s": round(ledger.elapsed_s, 2),
            "images_per_s": round(images / max(seconds, 1e-9), 1),
            **{name: round(value, 6) for name, value in numbers.items()},
        }
        self._append(self._run.stats_file, row)
        if self._watch is not None:
            self._watch.note(numbers)
        for name, value in numbers.items():
            self._board.add_scalar(name, value, ledger.nimg)
        left = ledger.elapsed_s / max(ledger.progress, 1e-9) * (1 - ledger.progress)
        note = (
            f"{row['images_per_s']:.0f} images/s, {left / 60:.1f} min to go, "
            f"D {numbers['adversarial_d']:.2f} G {numbers.get('adversarial_g', 0):.2f} "
            f"class D {numbers['class_d']:.2f} G {numbers.get('class_g', 0):.2f}"
        )
        self._advance(images / 1000, note=note)

    def rested(self) -> bool:
        """Whether the last tick's cost is small beside the time since."""
        return time.monotonic() - self._tick_ended_at > REST_SHARE * self.tick_s

    def tick(self, ledger: Ledger) -> None:
        """The grid, the collapse watch, and a snapshot when one is due."""
        started = time.monotonic()
        self._write_tick(ledger)
        self._tick_ended_at = time.monotonic()
        self.tick_s = self._tick_ended_at - started

    def _write_tick(self, ledger: Ledger) -> None:
        sheet = self._draw_grid()
        path = self._run.sample_folder / f"{ledger.nimg:010d}.png"
        write_bytes(path, png_bytes(sheet, None))
        picture = path.relative_to(self._path).as_posix()
        self._board.add_image("grid", sheet, ledger.nimg, dataformats="HWC")
        if self._watch is not None:
            result = self._watch.look(self._nets.average, self._nets.device)
            self.warnings = result.warnings() if ledger.progress > 0.25 else []
            row = {
                "schema_version": RUN_SCHEMA_VERSION,
                "kimg": ledger.nimg / 1000,
                **{measure: round(value, 4) for measure, value in asdict(result).items()},
                "picture": picture,
                "warnings": self.warnings,
            }
            self._append(self._run.watch_file, row)
            self._board.add_scalar("watch/z_sensitivity", result.z_sensitivity, ledger.nimg)
            self._board.add_scalar("watch/similarity", result.similarity, ledger.nimg)
            for warning in self.warnings:
                log.warning("%.1f kimg: %s: %s", ledger.nimg / 1000, warning, picture)
        due = int(ledger.progress * self._plan.options.snapshots)
        if due > self._snapshots:
            self._snapshots = due
            self.save_snapshot(ledger)

    def finish(self, ledger: Ledger) -> dict[str, Any]:
        """Write the last snapshot and result.json; returns its content."""
        from acgan.training.charts import write_film, write_loss_curve

        path = self._run.snapshot_at(ledger.nimg)
        if not path.is_file():
            self.save_snapshot(ledger)
        write_loss_curve(self._path)
        write_film(self._path)
        result = {
            "run": str(self._path),
            "snapshot": str(path),
            "kimg": ledger.nimg / 1000,
            "seconds": round(ledger.elapsed_s, 1),
            "images_per_s": round(ledger.nimg / max(ledger.elapsed_s, 1e-9), 1),
            "rollbacks": ledger.rollbacks,
            "warnings": self.warnings,
        }
        self._run.write_result(result)
        return result

    def save_snapshot(self, ledger: Ledger) -> Path:
        """Write the averaged generator with all that its users need."""
        plan, settings, features = self._plan, self._plan.settings, self._nets.features
        source = plan.options.start_from
        average = self._averages.best()
        labels = plan.faces.labels[:, : len(plan.sizes)]
        chosen = np.random.default_rng(0).permutation(len(labels))[:MOST_LABEL_ROWS]
        info = {
            "architecture": plan.generator,
            "vocabulary": plan.vocabulary,
            "image_size": plan.faces.image_size,
            "z_dim": plan.settings.z_dim,
            "dataset_id": plan.faces.dataset_id,
            "kimg": ledger.nimg / 1000,
            "class_counts": plan.faces.class_counts() if plan.sizes else {},
            "label_rows": labels[np.sort(chosen)].tolist() if plan.sizes else [],
            "extra": {
                "z_distribution": plan.settings.z_distribution,
                "preset": plan.options.preset,
                "seconds": round(ledger.elapsed_s, 1),
                # Networks that trained it, by hash: none of them may score it.
                "pretrained": {} if features is None else {settings.pretrained: features.sha256},
                **({} if source is None else {"from": source}),
            },
        }
        nets = {"discriminator": self._nets.discriminator, "encoder": self._nets.encoder}
        nets["helper"] = self._nets.helper
        path = self._run.snapshot_at(ledger.nimg)
        save_training_nets(path, {name: net for name, net in nets.items() if net is not None})
        return save_snapshot(path, average, info)

    @torch.inference_mode()
    def _draw_grid(self) -> npt.NDArray[np.uint8]:
        device, labels = self._nets.device, self._grid_labels
        pictures = [
            to_uint8(self._nets.average(z.to(device), part.to(device))).cpu()
            for z, part in zip(
                self._z[: len(labels)].split(DRAW_CHUNK), labels.split(DRAW_CHUNK), strict=True
            )
        ]
        return grid(torch.cat(pictures).permute(0, 2, 3, 1).numpy(), GRID_COLUMNS)

    def _append(self, table: Path, row: dict[str, Any]) -> None:
        with table.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _total_kimg(self) -> float | None:
        nimg = self._plan.budget.nimg
        return None if nimg is None else nimg / 1000


def cut_rows(path: Path, kimg: float) -> None:
    """Leave only the whole rows up to `kimg`.

    What a resumed run writes again, or a full disk cut short, goes.
    """
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError, TypeError, KeyError):
            if json.loads(line)["kimg"] <= kimg:
                kept.append(line + "\n")
    write_text(path, "".join(kept))


def grid_labels(plan: Plan) -> np.ndarray:
    """Label rows int64 [rows * columns, A] of the grid, one row of pictures per class with faces.

    Of a flag only the "1" gets a row where both classes have faces. Every picture takes the other
    labels of a training face of that class.
    """
    if not plan.sizes:
        return np.zeros((GRID_COLUMNS**2, 0), np.int64)
    labels, generator, rows = plan.faces.labels, np.random.default_rng(GRID_SEED), []
    for a, size in enumerate(plan.sizes):
        found = [np.flatnonzero(labels[:, a] == value) for value in range(size)]
        shown = [having for having in found if len(having)]
        for having in shown[1:] if size == 2 and len(shown) == 2 else shown:
            rows += [labels[generator.choice(having)] for _ in range(GRID_COLUMNS)]
    return np.stack(rows)
