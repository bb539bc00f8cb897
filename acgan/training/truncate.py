"""`acgan truncate`: learn to move latents to where a finished generator draws well.

A generator draws badly for some latents, and which ones can be told from the latent alone. So three
things are learnt, in this order:

1. how far draws are from real faces: the mean distance to the 5 nearest, in a frozen network;
2. a critic that predicts this from latent and labels, without drawing (as latent rejection
   sampling does, 2110.09803);
3. a `Truncation` that moves latents down the critic's slope, and no farther than pays: it minimises
   the prediction plus `weight` times the squared length of the move (the transport cost of
   1910.06832, there paid for pictures).

The smaller the weight, the cleaner the faces and the less they vary, as with the truncation trick
(1809.11096). So the smallest weight is taken that keeps a given share of the recall.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from acgan.dataset import Faces, load_faces
from acgan.devices import choose_device
from acgan.drawing.ask import check_seed
from acgan.drawing.snapshots import SHIPPED, find_snapshot
from acgan.nets.blocks import LabelEmbedding
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from acgan.nets.snapshot import Snapshot, load_snapshot, save_again, training_path
from acgan.nets.truncation import Truncated, Truncation
from acgan.training.options import TruncateOptions
from acgan.training.selection import describe
from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.faces import find_face_set
from avatar_common.disk.files import check_folder, write_bytes
from avatar_common.disk.runs import SnapshotInfo, read_snapshot_info, run_of, with_weights
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from avatar_common.neighbours import NEAREST_K, Features, mean_nearest, memberships

NETWORK: Literal["efficientnet-lite0"] = "efficientnet-lite0"
LAST_STAGE, LEAST_SIDE = 6, 96
LEAST_FACES = 10 * NEAREST_K  # real ones, and draws
LEAST_RECALL = 0.01
CHUNK = 1000
MOST_REALS = 4000
CHECKED = 1500
WIDTH = 128  # of the truncation
CRITIC_WIDTH, LABEL_DIM, DROPOUT = 256, 32, 0.2
CRITIC_EPOCHS, CRITIC_BATCH, CRITIC_RATE, WEIGHT_DECAY = 25, 128, 2e-3, 0.1
STEPS, BATCH, RATE = 2000, 256, 2e-3
WEIGHTS = (0.05, 1.6)  # of the move's squared length: the least and the most that are tried
HALVINGS = 5
DRAW_SEED = 8_000_000  # no recipe's and no report's draws

Advance = Callable[..., None]


class LatentCritic(nn.Module):
    """Latents [N,Z] and labels int64 [N,A] -> how far from real faces their drawings are, [N]."""

    def __init__(self, z_dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.embed = LabelEmbedding(sizes, LABEL_DIM) if sizes else None
        layers: list[nn.Module] = []
        width = z_dim + (LABEL_DIM if sizes else 0)
        for _ in range(2):
            layers += [nn.Linear(width, CRITIC_WIDTH), nn.SiLU(), nn.Dropout(DROPOUT)]
            width = CRITIC_WIDTH
        self.body = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """The log of the distance, standardised."""
        given = z if self.embed is None else torch.cat([z, self.embed(labels)], dim=1)
        distances: Tensor = self.body(given)
        return distances.squeeze(1)


def run(options: TruncateOptions) -> None:
    """Fit it and write the new snapshot; the last line on stdout is one JSON object."""
    if not 0 < options.keep <= 1:
        raise UserError("--keep must be above 0, at most 1")
    if options.draws < LEAST_FACES:
        raise UserError(f"--draws must be at least {LEAST_FACES}")
    check_seed(options.seed)
    path = plain_snapshot(options.snapshot, options.workspace)
    out = where_to_write(options.out, path)
    device = choose_device(options.device, options.threads)
    snapshot = load_snapshot(path, device)
    if snapshot.info.extra.get("z_distribution", "normal") != "normal":
        raise UserError("its latents are uniform: only normal ones can be moved", where=str(path))
    if options.average != 1:
        snapshot = average_of(snapshot, options.average)
    data = options.data or faces_of(snapshot.info, options.workspace)
    if options.dry_run:
        explain_dry_run(
            options, [f"learn from {options.draws} draws of {path}, and {data}", f"write {out}"]
        )
        return
    snapshot.generator.to(memory_format=torch.channels_last)
    faces = load_faces(data, "train", image_size=snapshot.info.image_size)
    if len(faces) < LEAST_FACES:
        raise UserError(f"fewer than {LEAST_FACES} training faces", where=str(faces.path))
    with progress("truncate", 4 + HALVINGS, quiet=options.quiet) as advance:
        truncation, found = fit_truncation(snapshot, faces, options, advance)
    write_truncated(out, snapshot, truncation, found)
    emit_json({"snapshot": str(out), "from": str(path), **found})
    next_step(f"python -m eval report --snapshot {out}, or python -m acgan generate --best-of 1")


def plain_snapshot(path: Path | None, workspace: Path) -> Path:
    """The snapshot that is named; of a folder, or the workspace's newest run, the newest plain one.

    Raises `UserError` when there is none that is not truncated already.
    """
    newest = Workspace(workspace).newest_snapshot()
    if path is None and newest is None:
        raise UserError(
            "no snapshot here",
            where=str(Workspace(workspace).runs),
            hint="run `python -m acgan train`, or name one with --snapshot",
        )
    named = find_snapshot(path or newest, workspace)
    given = path is not None and not path.is_dir()
    beside = [named] if given else with_weights(sorted(named.parent.glob("*.json")))
    plain = [one for one in beside if not is_truncated(one)]
    if not plain:
        raise UserError("this snapshot is truncated already", where=str(named))
    return plain[-1]


def is_truncated(path: Path) -> bool:
    """Whether a snapshot's generator stands behind a truncation."""
    return "truncation" in read_snapshot_info(path.with_suffix(".json")).architecture


def where_to_write(out: Path | None, source: Path) -> Path:
    """The JSON to write. Raises `UserError` for a place that will not do, before any work."""
    if out is None and source.is_relative_to(SHIPPED):
        raise UserError("a model that ships stays as it is", hint="name a file with --out")
    out = out or source.with_name(f"{source.stem}_truncated.json")
    if out.suffix != ".json" or out.is_dir():
        raise UserError("the file's name must end in .json", where=str(out))
    if out.resolve().with_suffix("") == source.resolve().with_suffix(""):
        raise UserError("this would replace the snapshot itself", where=str(out))
    check_folder(out.parent)
    return out


def average_of(snapshot: Snapshot, count: int) -> Snapshot:
    """With the mean weights of the last `count` snapshots of its run (SWA, 1803.05407).

    Textures that come and go in training, such as strokes and stripes, cancel out. Statistics of
    BatchNorm are averaged too, not measured anew: snapshots of one run lie close together. Raises
    `UserError` when there are fewer.
    """
    if count < 1:
        raise UserError("--average must be at least 1")
    run = run_of(snapshot.path)
    there = with_weights(run.snapshots()) if run else []
    earlier = [p for p in there if p.stem <= snapshot.path.stem and not is_truncated(p)]
    if len(earlier) < count:
        raise UserError(
            f"--average {count}, but there are {len(earlier)} snapshots up to this one in its run",
            where=str(snapshot.path),
        )
    chosen = earlier[-count:]
    states = [load_snapshot(path, snapshot.device).generator.state_dict() for path in chosen]
    generator = copy.deepcopy(snapshot.generator)
    generator.load_state_dict(
        {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    )
    info = replace(snapshot.info, extra=snapshot.info.extra | {"averaged_snapshots": count})
    return replace(snapshot, info=info, generator=generator)


def faces_of(info: SnapshotInfo, workspace: Path) -> Path:
    """The face set that a snapshot was trained on. Raises `UserError` when it is not here."""
    folder = Workspace(workspace).faces
    found = find_face_set(folder, info.dataset_id)
    if found is None:
        raise UserError(
            "the face set that the snapshot was trained on is not here",
            where=str(folder),
            hint="name one with --data",
        )
    return found


@dataclass(frozen=True)
class Judge:
    """Draws and tells how they compare with real faces, in the features of a frozen network."""

    snapshot: Snapshot
    network: EfficientNetLite
    reals: Features

    def features(self, z: Tensor, labels: Tensor) -> Features:
        """What the network sees in the drawings."""
        parts = [
            describe(self.snapshot.draw(*part).numpy(), self.network, LEAST_SIDE)
            for part in zip(z.split(CHUNK), labels.split(CHUNK), strict=True)
        ]
        return np.concatenate(parts).astype(np.float32)

    def distance(self, features: Features) -> Tensor:
        """The log of the mean distance to the nearest reals, float32 [N]."""
        return torch.from_numpy(np.log(mean_nearest(features, self.reals) + 1e-9)).float()

    def recall(self, features: Features) -> float:
        """The share of reals that lie in a draw's ball, which reaches to its 5th nearest draw."""
        return float(memberships(self.reals, features).recalled.mean())


def fit_truncation(
    snapshot: Snapshot, faces: Faces, options: TruncateOptions, advance: Advance
) -> tuple[Truncation, dict[str, Any]]:
    """The truncation, and what is known of it."""
    device, random = snapshot.device, torch.Generator().manual_seed(DRAW_SEED + options.seed)
    network = load_efficientnet_lite(NETWORK, (LAST_STAGE,)).to(device)
    chosen = torch.randperm(len(faces), generator=random)[:MOST_REALS].sort().values.numpy()
    reals = describe(faces.images[chosen], network, LEAST_SIDE).astype(np.float32)
    judge = Judge(snapshot, network, reals)
    rows, z_dim = label_rows(snapshot.info), snapshot.info.z_dim
    advance()

    z, labels = asked(rows, z_dim, options.draws, random)
    distances = judge.distance(judge.features(z, labels))
    if distances.std() < 1e-6:
        raise UserError("its draws are all alike", where=str(snapshot.path))
    advance()
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        critic = LatentCritic(z_dim, snapshot.info.vocabulary.sizes)
        correlation = fit_critic(critic, z, labels, distances)
        advance()

        check_z, check_labels = asked(rows, z_dim, CHECKED, random)
        before = judge.recall(judge.features(check_z, check_labels))
        if before < LEAST_RECALL:
            raise UserError(
                "its draws are like next to no real face", where=str(snapshot.path),
                hint="train longer first",
            )  # fmt: skip
        advance()
        least, most = WEIGHTS
        best, kept, weight = Truncation(z_dim, WIDTH), before, float("inf")
        for _ in range(HALVINGS):  # of the range, in which the weight counts by its logarithm
            tried = (least * most) ** 0.5
            truncation = fit_moves(critic, rows, z_dim, tried, random)
            recall = judge.recall(judge.features(truncation(check_z), check_labels))
            if recall >= options.keep * before:
                best, kept, weight, most = truncation, recall, tried, tried
            else:
                least = tried
            advance(note=f"weight {tried:.2f}, recall {recall:.2f} of {before:.2f}")
    if not np.isfinite(weight):
        raise UserError(f"no move keeps {options.keep:.0%} of the recall", hint="a smaller --keep")
    moved = (best(check_z) - check_z).norm(dim=1).mean().item()
    return best, {
        "recall": round(kept, 4),
        "recall_before": round(before, 4),
        "critic_correlation": round(correlation, 4),
        "weight": round(weight, 4),
        "mean_move": round(moved, 3),
        "draws": options.draws,
        "network_sha256": network.sha256,
    }


def label_rows(info: SnapshotInfo) -> Tensor:
    """Rows int64 [R,A] to ask for: those of training faces."""
    rows = info.label_rows or [[-1] * len(info.vocabulary)]
    return torch.tensor(rows, dtype=torch.int64)


def asked(rows: Tensor, z_dim: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Latents [count,Z] and label rows [count,A], as `generate` draws them."""
    z = torch.randn(count, z_dim, generator=random)
    return z, rows[torch.randint(len(rows), (count,), generator=random)]


def fit_critic(critic: LatentCritic, z: Tensor, labels: Tensor, distances: Tensor) -> float:
    """Least squares on nine in ten draws; returns the correlation on the others."""
    target = (distances - distances.mean()) / (distances.std() + 1e-6)
    cut = len(z) * 9 // 10
    steps = CRITIC_EPOCHS * -(-cut // CRITIC_BATCH)
    optimizer = AdamW(critic.parameters(), CRITIC_RATE, weight_decay=WEIGHT_DECAY)
    schedule = OneCycleLR(optimizer, CRITIC_RATE, total_steps=steps)
    for _ in range(CRITIC_EPOCHS):
        for part in torch.randperm(cut).split(CRITIC_BATCH):
            loss = (critic(z[part], labels[part]) - target[part]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    critic.eval().requires_grad_(False)
    guess = critic(z[cut:], labels[cut:])
    return float(torch.corrcoef(torch.stack([guess, target[cut:]]))[0, 1])


def fit_moves(
    critic: LatentCritic, rows: Tensor, z_dim: int, weight: float, random: torch.Generator
) -> Truncation:
    """The truncation whose moves lower the critic's distance by more than they cost."""
    truncation = Truncation(z_dim, WIDTH)
    optimizer = Adam(truncation.parameters(), RATE)
    schedule = CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        z, labels = asked(rows, z_dim, BATCH, random)
        moved = truncation(z)
        cost = (moved - z).square().sum(dim=1)
        loss = (critic(moved, labels) + weight * cost).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return truncation.eval().requires_grad_(False)


def write_truncated(
    out: Path, snapshot: Snapshot, truncation: Truncation, found: dict[str, Any]
) -> None:
    """The new snapshot, and beside it the nets that trained the old one."""
    info = replace(
        snapshot.info,
        architecture=snapshot.info.architecture | {"truncation": WIDTH},
        extra=snapshot.info.extra | {"truncation": found},
    )
    trained = training_path(snapshot.path)
    if trained.is_file():
        write_bytes(training_path(out), trained.read_bytes())
    save_again(out, Truncated(snapshot.generator.cpu(), truncation), info)
