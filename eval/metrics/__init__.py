"""The metrics of a report, in the order in which they are measured, asked and shown.

A new one is a module with a `METRIC` (see `eval/metric.py`) and a line here.
"""

from __future__ import annotations

from importlib import import_module

from eval.metric import Metric

IN_ORDER = (
    "outside",
    "people",
    "best_of",
    "sharpness",
    "ms_ssim",
    "latent",
    "control",
    "accuracy",
    "second_classifier",
    "gan_train",
    "resolution",
    "memorisation",
    "inception",
)

METRICS: tuple[Metric, ...] = tuple(
    import_module(f"{__name__}.{module}").METRIC for module in IN_ORDER
)
