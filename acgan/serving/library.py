"""The models that a server draws with, loaded when they are asked for."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import torch

from acgan.drawing.best_of import USUALLY_DRAWN_EACH
from acgan.drawing.describe import describe
from acgan.drawing.edit import editable
from acgan.drawing.export import onnx_session, to_onnx
from acgan.drawing.model import Model
from acgan.drawing.painter import Painter, snapshot_name
from acgan.drawing.snapshots import all_snapshots
from acgan.nets.snapshot import Snapshot, load_snapshot
from avatar_common.disk.files import write_bytes
from avatar_common.disk.runs import SnapshotInfo, read_snapshot_info
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import Unavailable, UserError

log = logging.getLogger(__name__)

KEPT_LOADED = 4
Engine = Literal["onnx", "torch"]


class Library:
    """Models by name; the last few asked for stay loaded. Safe to share between threads."""

    def __init__(
        self, workspace: Path, first: Path | None, device: torch.device, engine: Engine = "onnx"
    ) -> None:
        self._engine = engine if device.type == "cpu" else "torch"
        self._workspace, self._device, self._lock = workspace, device, threading.Lock()
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._paths: dict[str, Path] = {}
        self.infos: dict[str, SnapshotInfo] = {}
        for path in all_snapshots(workspace, first):
            try:
                info = read_snapshot_info(path.with_suffix(".json"))
            except UserError as error:
                log.warning("left out: %s", error)
                continue
            name = snapshot_name(path).replace("/", ".")  # a part of a URL's path
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
        """The models, the usual one first."""
        return list(self._paths)

    def model(self, name: str) -> Model:
        """A model by its name. Raises `UserError` for another name."""
        if name not in self._paths:
            raise UserError(f"no model {name[:60]!r}", hint=f"one of: {', '.join(self.names)}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(self._paths[name])
            self._loaded.move_to_end(name)
            while len(self._loaded) > KEPT_LOADED:
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def _load(self, path: Path) -> Model:
        snapshot = load_snapshot(path, self._device)
        session = None
        if self._engine == "onnx":
            try:
                session = onnx_session(self._onnx(snapshot), threads=1)
            except Unavailable as error:
                log.warning("PyTorch draws, which takes twice as long: %s", error)
        return Model(Painter(snapshot, session), self._workspace)

    def _onnx(self, snapshot: Snapshot) -> bytes:
        """The generator as ONNX, kept in the workspace: making it takes some seconds."""
        name = f"{snapshot.info.weights_sha256[:24]}-torch{torch.__version__}.onnx"
        path = Workspace(self._workspace).cache / name
        with suppress(OSError):
            return path.read_bytes()
        data = to_onnx(snapshot, {}, half=False, mixing=True)
        with suppress(OSError, Unavailable):  # a workspace that cannot be written to
            write_bytes(path, data)
        return data

    def describe(self, name: str) -> dict[str, Any]:
        """What there is to know of a model. Raises `UserError`."""
        model = self.model(name)
        try:
            best_of = USUALLY_DRAWN_EACH if model.picker else 1
        except UserError:
            best_of = 1
        edits = editable(model.info) if model.can_find else []
        told = describe(model.painter.snapshot)
        return {"name": name, **told, "best_of": best_of, "edits": edits}

    def name_of(self, weights_sha256: str) -> str:
        """The name of the model with these weights. Raises `UserError` when it is not here."""
        for name, info in self.infos.items():
            if info.weights_sha256 == weights_sha256:
                return name
        raise UserError("this picture was drawn by a model that is not here")
