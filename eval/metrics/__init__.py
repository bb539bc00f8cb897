"""The metrics of a report, in the order in which they are measured, asked and shown.

A new one is a module with a `METRIC` (see `eval/metric.py`) and a line here.
"""

from __future__ import annotations

from eval.metric import Metric
from eval.metrics import (
    accuracy,
    best_of,
    control,
    gan_train,
    inception,
    latent,
    memorisation,
    ms_ssim,
    outside,
    people,
    resolution,
    second_classifier,
    sharpness,
)

METRICS: tuple[Metric, ...] = (
    outside.METRIC,
    people.METRIC,
    best_of.METRIC,
    sharpness.METRIC,
    ms_ssim.METRIC,
    latent.METRIC,
    control.METRIC,
    accuracy.METRIC,
    second_classifier.METRIC,
    gan_train.METRIC,
    resolution.METRIC,
    memorisation.METRIC,
    inception.METRIC,
)
