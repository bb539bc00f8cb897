"""`acgan train --from`: begin with nets that were trained before, on these faces or on others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from acgan.nets.snapshot import load_snapshot, load_training_nets
from acgan.nets.truncation import untruncated
from acgan.training.checkpoint import load_newest_checkpoint
from acgan.training.plan import Plan, find_source
from acgan.training.state import Nets
from avatar_common.disk.runs import RunFolder, SnapshotInfo
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

LEAST_SHARE = 0.1
LABEL_ROWS = "embed.table.weight"
CLASS_ROWS = ("heads.classes.weight", "heads.classes.bias")

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Source:
    """Trained nets to begin with, on the CPU."""

    path: Path
    info: SnapshotInfo
    nets: Mapping[str, State]


def open_source(name: str, workspace: Path) -> Source:
    """The nets of a run's newest checkpoint, or of a snapshot with its training nets beside it."""
    path, info = find_source(name, workspace)
    state = load_newest_checkpoint(RunFolder(Path(name)).checkpoint_folder)
    if state is not None:
        return Source(Path(name), info, state["nets"])
    generator = untruncated(load_snapshot(path).generator).state_dict()
    return Source(path, info, {"generator": generator, **load_training_nets(path)})


def start_from(plan: Plan, nets: Nets) -> None:
    """Give fresh nets what fits of the trained ones that `--from` names.

    Weights are matched by name and shape, rows of classes by attribute and class; what has no match
    stays fresh. The averages begin at the generator. Raises `UserError` when next to nothing fits.
    """
    source = open_source(str(plan.options.start_from), plan.options.workspace)
    fits = {}
    for name in ("generator", "discriminator", "encoder", "helper"):
        net, state = getattr(nets, name), source.nets.get(name)
        if net is None:
            continue
        fits[name] = copy_matching(net, state or {}, source.info.vocabulary, plan.vocabulary)
    if fits["generator"] < LEAST_SHARE:
        preset, width = source.info.extra.get("preset"), source.info.architecture.get("width", 1)
        raise UserError(
            f"only {fits['generator']:.0%} of its generator's weights fit these nets",
            where=str(source.path),
            hint=f"it was trained with --preset {preset} --width {width:g}",
        )
    for average in nets.averages:
        average.load_state_dict(nets.generator.state_dict())
    shares = ", ".join(f"{share:.0%} of the {name}" for name, share in fits.items())
    log.info("from %s (%.0f kimg): %s", source.path, source.info.kimg, shares)


def copy_matching(net: nn.Module, state: State, theirs: Vocabulary, ours: Vocabulary) -> float:
    """Copy what fits from `state` into the net; the share of the net's numbers that came so."""
    copied = total = 0
    own = net.state_dict()
    for name, target in own.items():
        total += target.numel()
        if name not in state:
            continue
        rows = None
        if name == LABEL_ROWS:
            rows = matching_rows(theirs, ours, unknown=True)
        elif name in CLASS_ROWS:
            slots = len(target) // max(1, sum(ours.sizes))
            if len(state[name]) != slots * sum(theirs.sizes):
                continue  # another class loss, with other logits per class
            rows = [
                (slots * a + i, slots * b + i)
                for a, b in matching_rows(theirs, ours, unknown=False)
                for i in range(slots)
            ]
        with torch.no_grad():
            if rows is not None and target.shape[1:] == state[name].shape[1:]:
                for a, b in rows:
                    target[b].copy_(state[name][a])
                copied += len(rows) * (target.numel() // max(1, len(target)))
            elif rows is None and target.shape == state[name].shape:
                target.copy_(state[name])
                copied += target.numel()
    return copied / max(1, total)


def matching_rows(theirs: Vocabulary, ours: Vocabulary, *, unknown: bool) -> list[tuple[int, int]]:
    """Pairs of row numbers, theirs and ours, that stand for the same class of the same attribute.

    With `unknown` each attribute has a row for it before its classes, as `LabelEmbedding` has.
    """

    def places(vocabulary: Vocabulary) -> dict[tuple[str, str], int]:
        names = [
            (group.name, value)
            for group in vocabulary
            for value in ([""] if unknown else []) + list(group.classes)
        ]
        return {name: row for row, name in enumerate(names)}

    there, here = places(theirs), places(ours)
    return [(there[name], row) for name, row in here.items() if name in there]
