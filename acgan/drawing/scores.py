"""How a snapshot scored, as `python -m eval report` left it beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avatar_common.disk.scores import newest_row

FEWEST_ASKED = 10  # a share of fewer pictures says little


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
