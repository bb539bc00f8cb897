"""`train-reader`: the network behind `label`, trained on labelled face sets.

Each set is drawn from equally often, and its rare classes more often than they occur. Every view is
varied (`views.py`), so that what is learnt is the attribute and not one source's way of drawing.
Labels are smoothed, for booru tables are wrong about one time in ten. The weights written are a
running mean. How confident a reading is follows from sets that were not learnt from: one
temperature an attribute (Guo et al. 2017, arXiv:1706.04599).
"""

from __future__ import annotations

import copy
import logging
import pickle
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.faces import FaceSet, read_face_set
from avatar_common.disk.files import atomic_file
from avatar_common.disk.vocabulary import UNKNOWN, Group
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from preprocess.audit import packed_pictures
from preprocess.detector_training.network import onnx_package
from preprocess.reader.calibrate import Checked, calibrated, figures, is_read
from preprocess.reader.model import (
    AttributeReader,
    Floats,
    Readable,
    logit_parts,
    notes_path,
    write_notes,
)
from preprocess.reader.network import ReaderNet, write_onnx
from preprocess.reader.options import TrainReaderOptions
from preprocess.reader.views import varied_view

log = logging.getLogger(__name__)

FEWEST_LABELS = 60
MOST_CHECKED = 4000
_SMOOTHING = 0.08
_BALANCE = 0.4
_MEAN_OVER_STEPS = 500
_KEEP_EVERY_S = 30.0

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Faces to learn from or to check on."""

    name: str
    pictures: npt.NDArray[np.uint8]
    """[N, 3, S, S]."""
    labels: Labels
    """[N, attributes], in the reader's own classes; -1 for unknown."""


def train_reader(options: TrainReaderOptions) -> None:
    """Train, calibrate, and write the ONNX file and its JSON."""
    sets = [_face_set(options.workspace, name) for name in options.data]
    checks = [_face_set(options.workspace, name) for name in options.check]
    groups = readable_groups(sets, options.attributes)
    if options.dry_run:
        names = ", ".join(group.name for group in groups)
        plan = [f"learn {names} from {len(found)} faces of {found.path}" for found in sets]
        plan += [f"check on {found.path}" for found in checks]
        explain_dry_run(options, [*plan, f"write {options.out}"])
        return
    onnx_package()  # before a quarter of an hour is spent
    split = None if checks else "train"
    sources = [_source(found, groups, split) for found in sets]
    if checks:
        held = [_source(found, groups, None) for found in checks]
    else:
        log.warning("no --check: confidence comes from the same sources, and promises too much")
        held = [_source(found, groups, "test") for found in {s.path: s for s in sets}.values()]
    started = time.monotonic()
    net = fit(sources, groups, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_onnx(net, options.out)
    attributes = [Readable(g.name, g.kind, g.classes, 1.0, 0.0) for g in groups]
    made: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "preprocess", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(time.monotonic() - started),
        "views": options.views,
        "learnt_from": [_counts(source, groups) for source in sources],
        "checked_on": [_counts(source, groups) for source in held],
    }
    write_notes(options.out, attributes, made)
    checked = _checked(options, attributes, held)
    chosen = [calibrated(found, checked[found.name], options.coverage) for found in attributes]
    read = {found.name: figures(found, checked[found.name]) for found in chosen}
    good = [found for found in chosen if is_read(read[found.name], options.min_right)]
    bad = [found.name for found in chosen if found not in good]
    if not good:
        for path in (options.out, notes_path(options.out)):
            path.unlink()
        raise UserError(
            "none of the attributes is read well enough",
            hint="lower --min-right, or give more --data",
        )
    if bad:
        log.warning("left out because they are not read well enough: %s", ", ".join(bad))
        made["left_out"] = {name: read.pop(name) for name in bad}
        write_onnx(net.only([chosen.index(found) for found in good]), options.out)
    made["read"] = read
    write_notes(options.out, good, made)
    state_path(options.out).unlink(missing_ok=True)
    emit_json({"reader": str(options.out), "seconds": made["seconds"], "read": read})
    next_step(f"python -m preprocess label --reader {options.out}")


def _face_set(workspace: Path, name: str) -> FaceSet:
    """A face set by its folder, or by its name in data/faces."""
    path = Path(name)
    return read_face_set(path if path.is_dir() else Workspace(workspace).faces / name)


def readable_groups(sets: Sequence[FaceSet], wanted: Sequence[str]) -> list[Group]:
    """The attributes that can be learnt, each with the classes of all sets.

    Raises `UserError` for a wanted one that no set labels, or when there is none.
    """
    merged: dict[str, Group] = {}
    for found in sets:
        for group in found.vocabulary:
            known = merged.get(group.name, group)
            more = tuple(name for name in group.classes if name not in known.classes)
            merged[group.name] = replace(known, classes=known.classes + more)
    for name in wanted:
        if name not in merged:
            hint = f"one of: {', '.join(merged)}"
            raise UserError(f"no set has the attribute {name!r}", hint=hint)
    names = wanted or tuple(merged)
    groups = [merged[name] for name in names if _filled(merged[name], sets) >= 2]
    if not groups:
        raise UserError(
            f"no attribute has two classes with {FEWEST_LABELS} labels in --data",
            hint="give more labelled faces",
        )
    return groups


def _filled(group: Group, sets: Sequence[FaceSet]) -> int:
    """How many classes have enough labels to learn from."""
    counts = np.zeros(len(group.classes), dtype=np.int64)
    for found in sets:
        labels = own_labels(found, [group])[:, 0]
        counts += np.bincount(labels[labels >= 0], minlength=len(counts))
    return int((counts >= FEWEST_LABELS).sum())


def own_labels(found: FaceSet, groups: Sequence[Group]) -> Labels:
    """The set's labels [N, attributes] in the classes of `groups`; unknown where it has none."""
    columns = np.full((len(found), len(groups)), UNKNOWN, dtype=np.int64)
    for number, group in enumerate(groups):
        if group.name in found.vocabulary.names:
            theirs = found.vocabulary.group(group.name).classes
            place = [group.classes.index(n) if n in group.classes else UNKNOWN for n in theirs]
            labels = found.labels[:, found.vocabulary.names.index(group.name)]
            columns[:, number] = np.array([*place, UNKNOWN])[labels]  # -1 takes the last
    return columns


def _source(found: FaceSet, groups: Sequence[Group], split: Any) -> Source:
    labels = own_labels(found, groups)
    rows = found.indices(split) if split else np.arange(len(found))
    rows = rows[(labels[rows] != UNKNOWN).any(axis=1)]
    if not len(rows):
        raise UserError("no face has a label to use", where=str(found.path))
    return Source(found.path.name, packed_pictures(found)[rows], labels[rows])


def _counts(source: Source, groups: Sequence[Group]) -> dict[str, Any]:
    known = (source.labels != UNKNOWN).sum(axis=0).tolist()
    labels = {group.name: count for group, count in zip(groups, known, strict=True) if count}
    return {"set": source.name, "faces": len(source.labels), "labels": labels}


def fit(
    sources: Sequence[Source], groups: Sequence[Group], options: TrainReaderOptions
) -> ReaderNet:
    """The trained network: the running mean of its weights. Goes on from a kept state."""
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    net = ReaderNet([len(group.classes) for group in groups])
    net = net.to(memory_format=torch.channels_last).train()
    mean = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), options.learning_rate, weight_decay=0.03)
    steps = max(options.views // options.batch, 20)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=steps, pct_start=0.1
    )
    parts = {"net": net, "mean": mean, "optimizer": optimizer, "schedule": schedule}
    shaping = (options.data, options.views, options.learning_rate, options.batch, options.seed)
    asked = {"options": repr(shaping), "groups": repr(groups)}
    first = _restore(state_path(options.out), parts, asked)
    draws = _batches(sources, options.batch, np.random.default_rng((options.seed, first)))
    kept_at = time.monotonic()
    with progress("views", steps * options.batch, quiet=options.quiet) as advance:
        advance(first * options.batch)
        for step in range(first, steps):
            faces, labels = next(draws)
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(faces)
            loss = loss_of(logits, labels, net.sizes)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 3.0)
            optimizer.step()
            schedule.step()
            _follow(mean, net, min(1 - 1 / _MEAN_OVER_STEPS, (step + 1) / (step + 10)))
            advance(options.batch, note=f"loss {loss.item():.3f}")
            if time.monotonic() - kept_at > _KEEP_EVERY_S or step + 1 == steps:
                _keep(state_path(options.out), step + 1, parts, asked)
                kept_at = time.monotonic()
    return mean


def state_path(out: Path) -> Path:
    """Where an unfinished training lies, beside the file that it will write."""
    return out.with_suffix(".training")


def _keep(path: Path, step: int, parts: Mapping[str, Any], asked: Mapping[str, str]) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    with atomic_file(path) as file:
        torch.save({**state, **asked, "step": step}, file)


def _restore(path: Path, parts: Mapping[str, Any], asked: Mapping[str, str]) -> int:
    """Load the state of an unfinished training of the same kind; the steps that it has done."""
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        if any(state[name] != value for name, value in asked.items()):
            log.info("%s belongs to another training; starting afresh", path)
            return 0
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError, ValueError):
        log.warning("%s cannot be read; starting afresh", path)
        return 0
    log.info("continuing after step %d", state["step"])
    return int(state["step"])


def _batches(
    sources: Sequence[Source], batch: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces [B, 3, 64, 64] and their labels [B, attributes], for ever."""
    odds = [np.cumsum(_row_odds(source.labels)) for source in sources]
    while True:
        views, labels = [], []
        for number in rng.integers(len(sources), size=batch):
            source = sources[number]
            last = len(source.labels) - 1
            row = min(int(np.searchsorted(odds[number], rng.random())), last)
            face = source.pictures[row].transpose(1, 2, 0)
            ground = source.pictures[int(rng.integers(last + 1))].transpose(1, 2, 0)
            views.append(varied_view(np.ascontiguousarray(face), ground, rng))
            labels.append(source.labels[row])
        faces = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float()
        yield faces, torch.from_numpy(np.stack(labels))


def _row_odds(labels: Labels) -> Floats:
    """How often each row is drawn [N]: rare classes of the one-of-many attributes more often."""
    odds = np.ones(len(labels))
    for column in labels.T:
        if column.max(initial=0) > 1:
            odds *= np.bincount(column + 1)[column + 1].astype(float) ** -_BALANCE
    return np.asarray(odds / odds.sum())


def loss_of(logits: Tensor, labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """Smoothed cross-entropy, summed over the attributes; unknown labels teach nothing."""
    losses = [
        nn.functional.cross_entropy(
            logits[:, part],
            labels[:, number],
            ignore_index=UNKNOWN,
            label_smoothing=_SMOOTHING,
            reduction="sum",
        )
        for number, part in enumerate(logit_parts(sizes))
    ]
    return torch.stack(losses).sum() / len(labels)


@torch.no_grad()
def _follow(mean: nn.Module, net: nn.Module, keep: float) -> None:
    for old, new in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def _checked(
    options: TrainReaderOptions, attributes: Sequence[Readable], held: Sequence[Source]
) -> dict[str, list[Checked]]:
    """What the file just written says of the checked faces, by attribute."""
    reader = AttributeReader(options.out)
    found: dict[str, list[Checked]] = {readable.name: [] for readable in attributes}
    for source in held:
        draw = np.random.default_rng(options.seed)
        rows = np.sort(draw.permutation(len(source.labels))[:MOST_CHECKED])
        upright, mirrored = reader.logits(source.pictures[rows])
        for number, part in enumerate(reader.parts):
            labels = source.labels[rows, number]
            known = labels != UNKNOWN
            if known.any():
                found[attributes[number].name].append(
                    Checked(source.name, upright[known, part], mirrored[known, part], labels[known])
                )
    return found
