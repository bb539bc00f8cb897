"""A tiny snapshot with random weights that draws colourful pictures, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from acgan.nets import build_generator
from acgan.nets.snapshot import save_snapshot
from avatar_common.disk.vocabulary import load_vocabulary

GROUPS = ("hair_color", "eye_color", "smile")


def make_snapshot(
    path: Path, *, seed: int = 0, image_size: int = 16, distribution: str = "normal"
) -> Path:
    """Write a snapshot; its BatchNorm statistics are those of its own pictures."""
    vocabulary = load_vocabulary().only(GROUPS)
    architecture = {
        "kind": "small",
        "image_size": image_size,
        "z_dim": 8,
        "sizes": list(vocabulary.sizes),
        "embedding": 8,
        "first": 16,
        "channels": [12, 8, 8, 8],
    }
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        generator = build_generator(architecture)
        generator.get_parameter("to_rgb.weight").mul_(4)
        labels = torch.stack([torch.randint(0, n, (64,)) for n in vocabulary.sizes], dim=1)
        for _ in range(40):
            generator.train()(torch.randn(64, 8), labels)
    counts = {
        group.name: torch.bincount(labels[:, a], minlength=len(group.classes)).tolist()
        for a, group in enumerate(vocabulary)
    }
    counts["hair_color"][0] = 0
    info = {
        "architecture": architecture,
        "vocabulary": vocabulary,
        "image_size": image_size,
        "z_dim": 8,
        "dataset_id": "0123456789abcdef",
        "kimg": 1.0,
        "class_counts": counts,
        "label_rows": labels.tolist(),
        "extra": {"z_distribution": distribution},
    }
    return save_snapshot(path, generator, info)
