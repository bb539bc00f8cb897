"""The few numbers by which models are compared, flat and under plain names.

Made from a report's JSON object, so that every row of metrics.jsonl has them, old ones too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Row = dict[str, Any]


def summarise(row: Row) -> dict[str, Any]:
    """Fakes under the bare name, the real twin under `<name>_real` or `<name>_real_halves`."""
    ms_ssim = row["ms_ssim"]
    ratios = {name: group["ratio"] for name, group in row["accuracy"].items()}
    return {
        # In the judge's features; Inception's, where measured, follow.
        **summarise_crowd(row["distance"][0], row["manifold"]),
        "accuracy_ratio": _mean(list(ratios.values())),
        **{f"accuracy_ratio_{name}": ratio for name, ratio in ratios.items()},
        "ms_ssim": ms_ssim["fake"],
        "ms_ssim_real": ms_ssim["real"],
        "ms_ssim_within": ms_ssim["class_of"],
        "z_sensitivity": row["z_sensitivity"],
        "copied_share": row["memorisation"]["copied_share"],
    }


def summarise_crowd(distance: Row, manifold: Row) -> dict[str, Any]:
    """The part that asks for no labels."""
    return {
        "fd": distance["frechet"],
        "fd_at_half_count": _product(
            distance["frechet_over_real_halves"], distance["frechet_real_halves"]
        ),
        "fd_real_halves": distance["frechet_real_halves"],
        "fd_over_real_halves": distance["frechet_over_real_halves"],
        "kd": distance["kernel"],
        "kd_real_halves": distance["kernel_real_halves"],
        **{
            name if of == "fake" else f"{name}_real": manifold[of][name]
            for name in ("precision", "recall", "density", "coverage")
            for of in ("fake", "real")
        },
        "half_count": manifold["count"],
    }


def _product(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else round(left * right, 6)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return round(float(np.mean(known)), 6) if known else None
