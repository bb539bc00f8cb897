"""What the outside networks' numbers are called."""

from __future__ import annotations

import numpy as np
import pytest

from eval.intervals import Value
from eval.metrics.outside import Outside
from eval.network_scores import NetworkScores
from eval.networks import LITE2, RESNET, Network


def scored(network: Network, *, ratio: float, precision: float, clean: float) -> NetworkScores:
    def value(drawn: float, real: float) -> Value:
        return Value(drawn, drawn - 0.02, drawn + 0.02, real)

    values = {
        "frechet_ratio": value(ratio, 1.0),
        "precision": value(precision, 0.8),
        "recall": value(0.4, 0.8),
        "clean": value(clean, 0.95),
    }
    alike = {"frechet_ratio": ratio, "clean": clean}
    return NetworkScores(network, values, 0.0, alike, alike, {}, np.ones(2), np.ones(2), 1000)


@pytest.mark.parametrize(
    ("ratio", "precision", "clean", "name"),
    [
        (1.2, 0.80, 0.95, None),
        (3.0, 0.70, 0.94, "rough_drawing"),
        (6.0, 0.70, 0.94, "poor_drawing"),
        (6.0, 0.81, 0.99, "poor_drawing"),  # more precise than reals by chance
        (6.0, 0.90, 0.96, "poor_drawing"),  # clean by chance
        (6.0, 0.90, 0.99, "narrow"),
        (1.2, 0.90, 0.99, None),
        (6.0, 0.90, 0.05, "not_faces"),
    ],
)
def test_a_distance_is_blamed_on_drawing_or_on_range(
    ratio: float, precision: float, clean: float, name: str | None
) -> None:
    networks = [scored(n, ratio=ratio, precision=precision, clean=clean) for n in (LITE2, RESNET)]
    found = Outside(networks, {}, 0, np.arange(2))._realism()
    assert [verdict.name for verdict in found.verdicts] == ([name] if name else [])


def test_one_network_that_sees_flaws_is_enough() -> None:
    networks = [
        scored(LITE2, ratio=6.0, precision=0.9, clean=0.99),
        scored(RESNET, ratio=6.0, precision=0.7, clean=0.99),
    ]
    (verdict,) = Outside(networks, {}, 0, np.arange(2))._realism().verdicts
    assert verdict.name == "poor_drawing"
