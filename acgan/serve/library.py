"""The snapshots that the page offers, and what is known about each of their options."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.make.ask import class_label, phrase
from acgan.make.painter import Painter, snapshot_name
from acgan.make.scores import accuracy_per_class, scores_of
from acgan.make.snapshots import all_snapshots
from acgan.request import RANDOM
from acgan.snapshot import load_snapshot
from manifest.errors import UserError
from manifest.runs import SnapshotInfo, read_snapshot_info

log = logging.getLogger(__name__)

KEPT_LOADED = 4
Choice = tuple[str, str]


class Library:
    """Snapshots by name; the last few asked for stay loaded. Safe to share between threads."""

    def __init__(self, workspace: Path, first: Path | None, device: torch.device) -> None:
        self._device, self._lock = device, threading.Lock()
        self._loaded: OrderedDict[str, Painter] = OrderedDict()
        self._paths: dict[str, Path] = {}
        self.infos: dict[str, SnapshotInfo] = {}
        for path in all_snapshots(workspace, first):
            try:
                info = read_snapshot_info(path.with_suffix(".json"))
            except UserError as error:
                log.warning("left out: %s", error)
                continue
            name = snapshot_name(path)
            self._paths.setdefault(name, path)
            self.infos.setdefault(name, info)
        if not self._paths:
            raise UserError(
                "no snapshot to serve",
                where=str(workspace / "runs"),
                hint="run `python -m acgan train`, or name one with --snapshot",
            )

    @property
    def names(self) -> list[str]:
        return list(self._paths)

    def painter(self, name: object) -> Painter:
        """The painter of a snapshot by its name. Raises `UserError` for another name."""
        if not isinstance(name, str) or name not in self._paths:
            raise UserError(f"no snapshot {str(name)[:60]!r}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Painter(load_snapshot(self._paths[name], self._device))
            self._loaded.move_to_end(name)
            while len(self._loaded) > KEPT_LOADED:
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def name_of(self, weights_sha256: str) -> str:
        """The name of the snapshot with these weights. Raises `UserError` when it is not here."""
        for name, info in self.infos.items():
            if info.weights_sha256 == weights_sha256:
                return name
        raise UserError("this picture was drawn by a snapshot that is not here")

    def is_scored(self, name: str) -> bool:
        """Whether accuracy was measured for a snapshot."""
        return bool(accuracy_per_class(scores_of(self._paths[name], self._hash(name))))

    def _hash(self, name: str) -> str:
        return self.infos[name].weights_sha256

    def choices(self, name: str) -> dict[str, list[Choice]]:
        """Per attribute, (text, value) of every option: training faces and measured accuracy."""
        info = self.infos[name]
        accuracy = accuracy_per_class(scores_of(self._paths[name], self._hash(name)))
        return {
            group.name: [
                ("Random\nas in training", RANDOM),
                *(
                    (
                        option_text(
                            class_label(group.name, found),
                            count_of(info, group.name, place),
                            accuracy.get(group.name, {}).get(found),
                        ),
                        found,
                    )
                    for place, found in enumerate(group.classes)
                ),
            ]
            for group in info.vocabulary
        }


def count_of(info: SnapshotInfo, group: str, place: int) -> int:
    """How many training faces a class had."""
    counts = info.class_counts.get(group, [])
    return counts[place] if place < len(counts) else 0


def option_text(label: str, count: int, accuracy: float | None) -> str:
    """`blonde`, and on a second line `2,123 faces · 93%`."""
    seen = f"{count:,} face{'' if count == 1 else 's'}" if count else "never seen"
    return f"{label}\n{seen}" + (f" · {accuracy:.0%}" if accuracy is not None else "")


def unseen(info: SnapshotInfo, asked: Mapping[str, str]) -> list[str]:
    """What no training face had: single classes, then pairs of classes, as words."""
    table: Any = np.asarray(info.label_rows, np.int64).reshape(-1, len(info.vocabulary))
    never, known = [], []
    for column, group in enumerate(info.vocabulary):
        if asked.get(group.name, RANDOM) == RANDOM:
            continue
        place = group.index_of(asked[group.name])
        words = phrase(group, asked[group.name])
        if count_of(info, group.name, place) == 0:
            never.append(words)
        else:
            known.append((words, table[:, column] == place))
    pairs = [
        f"{a} with {b}"
        for (a, has_a), (b, has_b) in itertools.combinations(known, 2)
        if len(table) and not (has_a & has_b).any()
    ]
    return never + pairs
