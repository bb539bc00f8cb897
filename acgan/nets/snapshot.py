"""Snapshots: the generator's averaged weights (safetensors) beside a JSON that explains them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from acgan.nets import build_generator
from avatar_common.disk.files import write_bytes
from avatar_common.disk.runs import SnapshotInfo, read_snapshot_info, write_snapshot_info
from avatar_common.errors import UserError


@dataclass(frozen=True)
class Snapshot:
    """A generator ready to draw, and what is known about it."""

    path: Path
    info: SnapshotInfo
    generator: nn.Module
    device: torch.device

    @torch.inference_mode()
    def draw(self, z: Tensor, labels: Tensor, *, batch_size: int = 64) -> Tensor:
        """Pictures uint8 [N,3,S,S] (on the CPU) from z float32 [N,z_dim], labels int64 [N,A]."""
        pictures = [
            to_uint8(self.generator(z_part.to(self.device), labels_part.to(self.device))).cpu()
            for z_part, labels_part in zip(
                z.split(batch_size), labels.split(batch_size), strict=True
            )
        ]
        size = self.info.image_size
        return torch.cat(pictures) if pictures else torch.empty(0, 3, size, size, dtype=torch.uint8)

    def random_z(self, count: int, seed: int) -> Tensor:
        """z float32 [count, z_dim] as the generator was trained with; row i depends on i too."""
        return draw_z(count, self.info.z_dim, self.info.extra.get("z_distribution", "normal"), seed)


def draw_z(count: int, z_dim: int, distribution: str, seed: int) -> Tensor:
    """The first `count` latents of a seed, on the CPU: a longer list starts with a shorter one."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(count):
        row = torch.empty(z_dim)
        rows.append(
            row.uniform_(generator=generator)
            if distribution == "uniform"
            else row.normal_(generator=generator)
        )
    return torch.stack(rows) if rows else torch.empty(0, z_dim)


def to_uint8(images: Tensor) -> Tensor:
    """Pictures in -1..1 (values outside are clipped) -> uint8 0..255."""
    return (images.float() * 127.5 + 128).clamp_(0, 255).to(torch.uint8)


def load_snapshot(path: Path, device: torch.device | str = "cpu") -> Snapshot:
    """Load a snapshot named by its JSON, its safetensors file, or their common stem.

    The generator is in evaluation mode. Raises `UserError` when a file is missing, damaged, of
    another schema version, or does not fit the other.
    """
    description = path.with_suffix(".json")
    info = read_snapshot_info(description)
    weights = path.with_suffix(".safetensors")
    try:
        data = weights.read_bytes()
    except FileNotFoundError:
        raise UserError("the weights are missing", where=str(weights)) from None
    if hashlib.sha256(data).hexdigest() != info.weights_sha256:
        raise UserError("the weights are not those of the JSON beside them", where=str(weights))
    try:
        generator = build_generator(info.architecture)
        generator.load_state_dict({name: t.float() for name, t in load(data).items()})
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise UserError(f"not a snapshot for this program: {reason}", where=str(weights)) from None
    generator.eval().requires_grad_(False).to(device)
    return Snapshot(description, info, generator, torch.device(device))


def training_path(snapshot: Path) -> Path:
    """Where the nets lie that trained a snapshot: encoder, discriminator and helper."""
    return snapshot.with_name(f"{snapshot.stem}.training.safetensors")


def save_training_nets(snapshot: Path, nets: Mapping[str, nn.Module]) -> Path:
    """Write those nets in float16 beside the snapshot, for `acgan train --from` and the encoder."""
    state = {
        f"{net}.{name}": (tensor.half() if tensor.is_floating_point() else tensor)
        .detach()
        .cpu()
        .contiguous()
        for net, module in nets.items()
        for name, tensor in module.state_dict().items()
    }
    write_bytes(training_path(snapshot), save(state))
    return training_path(snapshot)


def load_training_nets(snapshot: Path) -> dict[str, dict[str, Tensor]]:
    """The inverse: states in float32 by net; empty when there is no such file."""
    path = training_path(snapshot)
    if not path.is_file():
        return {}
    try:
        flat = load(path.read_bytes())
    except SafetensorError as error:
        raise UserError(f"not readable: {error}", where=str(path)) from None
    nets: dict[str, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        net, _, rest = name.partition(".")
        value = tensor.float() if tensor.is_floating_point() else tensor
        nets.setdefault(net, {})[rest] = value
    return nets


def save_snapshot(path: Path, generator: nn.Module, info: dict[str, Any]) -> Path:
    """Write weights, then the JSON that names their hash; returns the JSON's path.

    `info` holds the fields of `SnapshotInfo` but the hash. A kill between the two writes leaves no
    JSON, so no half snapshot is ever found.
    """
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in generator.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    description = path.with_suffix(".json")
    description.unlink(missing_ok=True)  # an older one knows other weights
    data = save(state, metadata={"format": "pt"})  # of several entries the order is left to chance
    write_bytes(path.with_suffix(".safetensors"), data)
    write_snapshot_info(
        description, SnapshotInfo(weights_sha256=hashlib.sha256(data).hexdigest(), **info)
    )
    return description


def save_again(path: Path, generator: nn.Module, info: SnapshotInfo) -> Path:
    """`save_snapshot` with other weights than those that `info` names."""
    described = {name: value for name, value in vars(info).items() if name != "weights_sha256"}
    return save_snapshot(path, generator, described)
