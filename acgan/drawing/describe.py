"""What a model is, for those who ask it from elsewhere: one description for ONNX, HTTP and page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acgan.drawing.painter import snapshot_name
from acgan.nets.snapshot import Snapshot
from avatar_common.disk.scores import newest_row

FEWEST_ASKED = 10  # a share of fewer pictures says little


CARD_FILE = "MODEL_CARD.md"
TOLD = re.compile(r"^## What it was trained on\s+(.+?)\n\n", re.MULTILINE | re.DOTALL)


def scores_of(snapshot: Path, weights_sha256: str) -> dict[str, Any] | None:
    """The newest row of scores of these weights; None where there is none, or none readable."""
    return newest_row(snapshot, weights_sha256)


def accuracy_per_class(scores: Mapping[str, Any] | None) -> dict[str, dict[str, float]]:
    """Per attribute and class, how often the classifier saw what was asked, where measured."""
    try:
        return {
            group: {
                name: float(share["fake"])
                for name, share in found.get("per_class", {}).items()
                if share.get("fake") is not None and share["n_fake"] >= FEWEST_ASKED
            }
            for group, found in (scores or {})["accuracy"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """Plain JSON: size, latents, attributes with counts and accuracy, rows of training labels.

    `label_rows` are what an attribute that is not asked for is drawn from.
    """
    info = snapshot.info
    scores = scores_of(snapshot.path, info.weights_sha256)
    return {
        "snapshot": info.weights_sha256,
        "snapshot_name": snapshot_name(snapshot.path),
        "dataset_id": info.dataset_id,
        "image_size": info.image_size,
        "z_dim": info.z_dim,
        "z_distribution": info.extra.get("z_distribution", "normal"),
        "attributes": info.vocabulary.to_json(),
        "class_counts": info.class_counts,
        "accuracy": accuracy_per_class(scores),
        "label_rows": info.label_rows,
        "about": about(snapshot),
    }


def about(snapshot: Snapshot) -> str:
    """What the model card says of where the faces came from and who may use it; may be empty."""
    try:
        text = snapshot.path.with_name(CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    found = TOLD.search(text)
    return " ".join(found[1].split()) if found else ""
