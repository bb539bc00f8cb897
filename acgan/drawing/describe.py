"""What a model is, for those who ask it from elsewhere: one description for ONNX, HTTP and page."""

from __future__ import annotations

import re
from typing import Any

from acgan.drawing.painter import snapshot_name
from acgan.drawing.scores import accuracy_per_class, scores_of
from acgan.nets.snapshot import Snapshot

CARD_FILE = "MODEL_CARD.md"
TOLD = re.compile(r"^## What it was trained on\s+(.+?)\n\n", re.MULTILINE | re.DOTALL)


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
