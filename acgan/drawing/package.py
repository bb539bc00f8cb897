"""`package`: a snapshot, its scores, its classifier and a model card, in one folder to give away.

`MODELS/<name>/` holds `<name>.json` and `<name>.safetensors` (the snapshot), `eval/metrics.jsonl`
(its row of scores), `classifier.pt2` and, where there is one, `realness.onnx` (both for
best-of-N), `<name>.training.safetensors` (the nets that trained it, for `train --from`) and
`MODEL_CARD.md`. Every command takes the folder as `--snapshot`; one under `acgan/models` ships with
the project.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.drawing.best_of import realness_file
from acgan.drawing.card import model_card
from acgan.drawing.describe import scores_of
from acgan.drawing.options import PackageOptions
from acgan.drawing.painter import snapshot_name
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.realness import PACKAGED, PACKAGED_HASH
from acgan.nets.snapshot import Snapshot, load_snapshot, save_again, training_path
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.classifiers import find_classifier, packaged_classifier
from avatar_common.disk.files import write_bytes, write_text
from avatar_common.disk.runs import SnapshotInfo, run_of, write_snapshot_info
from avatar_common.disk.scores import SCORES_FILE
from avatar_common.disk.workspace import plain_name
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

COMPARED = 32
FP16_MEAN_DIFFERENCE = 1.0  # of 255; what halved weights may change


def run(options: PackageOptions) -> None:
    """Write the folder, all of it or nothing; the last line on stdout is one JSON object."""
    path = find_snapshot(options.snapshot, options.workspace)
    snapshot = load_snapshot(path)
    name = plain_name(options.name or snapshot_name(path).partition("/")[0])
    out = options.out / name
    if out.exists():
        raise UserError(
            "already exists and is not replaced",
            where=str(out),
            hint="delete it, or choose another --name",
        )
    if options.dry_run:
        explain_dry_run(options, [f"write {snapshot_name(path)} to {out}"])
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=options.out) as kept:
        unfinished = Path(kept) / name
        said = fill(unfinished, name, snapshot, options)
        unfinished.rename(out)
    emit_json({"snapshot": snapshot_name(path), "out": str(out), **said})


def fill(folder: Path, name: str, snapshot: Snapshot, options: PackageOptions) -> dict[str, Any]:
    """Write the files; what the command says about them."""
    stem = folder / name
    realness = realness_file(snapshot.path, snapshot.info)
    info = packaged_info(snapshot.info, realness)
    difference = 0.0
    if options.precision == "fp16":
        difference = save_halved(stem, snapshot, info)
    else:
        weights = snapshot.path.with_suffix(".safetensors").read_bytes()
        write_bytes(stem.with_suffix(".safetensors"), weights)
        write_snapshot_info(stem.with_suffix(".json"), info)
    packed = load_snapshot(stem)
    scores = scores_of(snapshot.path, snapshot.info.weights_sha256)
    if scores is None:
        log.warning("this snapshot has no scores: run `python -m eval report` first to have them")
    else:
        row = scores | {"snapshot": name, "snapshot_hash": packed.info.weights_sha256}
        write_text(folder / SCORES_FILE, json.dumps(row) + "\n")
    classifier = find_classifier_file(snapshot, options.workspace)
    if classifier is not None:
        write_bytes(packaged_classifier(folder).path, classifier.read_bytes())
    if realness is not None:
        write_bytes(folder / PACKAGED, realness.read_bytes())
    trained = training_path(snapshot.path)
    if options.training and trained.is_file():
        write_bytes(training_path(stem.with_suffix(".json")), trained.read_bytes())
    card = model_card(name, packed, scores, training_of(snapshot.path), options.about)
    write_text(folder / "MODEL_CARD.md", card)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "megabytes": round(size / 2**20, 2),
        "precision": options.precision,
        "mean_difference": round(difference, 4),
        "scored": scores is not None,
        "classifier": classifier is not None,
        "realness": realness is not None,
        "can_be_trained_on": training_path(stem.with_suffix(".json")).is_file(),
    }


def packaged_info(info: SnapshotInfo, realness: Path | None) -> SnapshotInfo:
    """What the package's JSON says: the hash of its realness net, and no path of this machine.

    `extra["from"]` is where the nets lay that the training began with; their name alone stays.
    """
    extra = {name: value for name, value in info.extra.items() if name != PACKAGED_HASH}
    if "from" in extra:
        extra["from"] = Path(extra["from"]).name
    if realness is not None:
        extra[PACKAGED_HASH] = hashlib.sha256(realness.read_bytes()).hexdigest()
    return replace(info, extra=extra)


def save_halved(stem: Path, snapshot: Snapshot, described: SnapshotInfo) -> float:
    """Save the weights as fp16; how much that changes pictures, mean of 0..255."""
    save_again(stem, copy.deepcopy(snapshot.generator).half(), described)
    halved = load_snapshot(stem)
    z = snapshot.random_z(COMPARED, 0)
    rows = snapshot.info.label_rows[:COMPARED] or [[-1] * len(snapshot.info.vocabulary)]
    labels = torch.tensor([rows[i % len(rows)] for i in range(COMPARED)])
    before, after = (s.draw(z, labels).numpy().astype(np.int16) for s in (snapshot, halved))
    difference = float(np.abs(before - after).mean())
    if difference > FP16_MEAN_DIFFERENCE:
        raise UserError(
            f"halved weights draw different pictures (off by {difference:.1f} of 255 in the mean)",
            hint="leave out --precision fp16",
        )
    return difference


def find_classifier_file(snapshot: Snapshot, workspace: Path) -> Path | None:
    """The classifier of the snapshot's own faces, or none with a note."""
    try:
        return find_classifier(snapshot.path, snapshot.info, workspace)
    except UserError as error:
        log.warning("without best-of-N: %s", error)
        return None


def training_of(snapshot: Path) -> dict[str, Any]:
    """The config.json of the run that a snapshot lies in; empty for others."""
    run = run_of(snapshot)
    try:
        return run.read_config() if run else {}
    except UserError:
        return {}
