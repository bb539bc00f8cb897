"""Gentle AdaBoost over 256-category stumps, one attentional stage at a time.

Sources: Friedman, Hastie, Tibshirani, "Additive Logistic Regression" (2000), algorithm 4, for the
boosting; Viola, Jones (CVPR 2001) for stages that each let nearly all faces pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A code seen less often than this leans to "not a face", so a code never seen rejects.
_PRIOR_SAMPLES = 6.0
# One sample's weight is capped at 50 times its start: a few crops hold no face at all.
_MAX_MARGIN = 3.9
_TRIMMED_MASS = 0.02


@dataclass(frozen=True)
class Stump:
    """Codes in the subset answer `left`, the others `right`."""

    feature: int
    """Row of the feature table."""
    subset: np.ndarray
    """bool [256]: the codes that answer `left`."""
    left: float
    right: float


@dataclass(frozen=True)
class Stage:
    """A sum of stumps that a window must reach to go on."""

    stumps: tuple[Stump, ...]
    threshold: float


@dataclass(frozen=True)
class StageGoal:
    """When a stage is good enough."""

    min_hit_rate: float
    max_false_alarm: float
    max_stumps: int
    feature_share: float
    """Share of all features tried in a round, drawn at random."""


def stage_sums(stumps: tuple[Stump, ...], codes: np.ndarray) -> np.ndarray:
    """Sum of the stumps' float32 answers, float64 [N], for codes uint8 [F, N]."""
    total = np.zeros(codes.shape[1])
    for stump in stumps:
        total += stump_answers(stump, codes[stump.feature])
    return total


def stump_answers(stump: Stump, codes: np.ndarray) -> np.ndarray:
    """Answers of one stump for the codes [N] of its feature, rounded as OpenCV stores them."""
    table = np.where(stump.subset, np.float32(stump.left), np.float32(stump.right))
    return np.asarray(table[codes], np.float64)


def train_stage(
    faces: np.ndarray,
    others: np.ndarray,
    held_faces: np.ndarray,
    goal: StageGoal,
    rng: np.random.Generator,
) -> tuple[Stage, float]:
    """Boost one stage on codes [F, N]; gives the stage and its false alarm rate on `others`.

    `held_faces` are faces that no stump was fitted on: they alone set the threshold, because the
    fitted ones score far better than faces not seen and would set it too high.
    """
    codes = np.concatenate([faces, others], axis=1)
    signs = np.concatenate([np.ones(faces.shape[1]), -np.ones(others.shape[1])])
    start = np.where(signs > 0, 0.5 / faces.shape[1], 0.5 / others.shape[1])
    sums, held_sums = np.zeros(len(signs)), np.zeros(held_faces.shape[1])
    stumps: list[Stump] = []
    threshold, false_alarm = 0.0, 1.0
    while len(stumps) < goal.max_stumps and false_alarm > goal.max_false_alarm:
        weights = start * np.exp(np.minimum(-signs * sums, _MAX_MARGIN))
        stump = _best_stump(codes, signs, weights / weights.sum(), goal.feature_share, rng)
        stumps.append(stump)
        sums += stump_answers(stump, codes[stump.feature])
        held_sums += stump_answers(stump, held_faces[stump.feature])
        # OpenCV compares float32 sums: stay clear of the last digits.
        threshold = float(np.quantile(held_sums, 1 - goal.min_hit_rate, method="lower")) - 1e-4
        false_alarm = float((sums[signs < 0] >= threshold).mean())
    return Stage(tuple(stumps), threshold), false_alarm


def _best_stump(
    codes: np.ndarray,
    signs: np.ndarray,
    weights: np.ndarray,
    feature_share: float,
    rng: np.random.Generator,
) -> Stump:
    heavy = _heavy_samples(weights)
    face_at, other_at = heavy[signs[heavy] > 0], heavy[signs[heavy] < 0]
    face_weights, other_weights = weights[face_at], weights[other_at]
    tried = rng.choice(len(codes), max(1, int(len(codes) * feature_share)), replace=False)
    tried.sort()
    of_faces, of_others = np.empty((len(tried), 256)), np.empty((len(tried), 256))
    for row, feature in enumerate(tried):
        line = codes[feature]
        of_faces[row] = np.bincount(line[face_at], face_weights, 256)
        of_others[row] = np.bincount(line[other_at], other_weights, 256)
    return _fit_subsets(tried, of_faces, of_others, _PRIOR_SAMPLES / len(signs))


def _heavy_samples(weights: np.ndarray) -> np.ndarray:
    """Indices, ascending, of the samples that hold all but the trimmed share of the weight."""
    order = np.argsort(weights)
    light = np.searchsorted(np.cumsum(weights[order]), _TRIMMED_MASS)
    return np.sort(order[light:])


def _fit_subsets(
    tried: np.ndarray, of_faces: np.ndarray, of_others: np.ndarray, prior: float
) -> Stump:
    """The stump of least squared error among features with weight histograms [K, 256]."""
    mass = of_faces + of_others
    lean = (of_faces - of_others - prior) / (mass + prior)
    order = np.argsort(lean, axis=1, kind="stable")
    low_mass = np.take_along_axis(mass, order, 1).cumsum(1)
    low_lean = np.take_along_axis(of_faces - of_others, order, 1).cumsum(1)
    all_mass, all_lean = low_mass[:, -1:], low_lean[:, -1:]
    tiny = 1e-12
    gain = low_lean**2 / (low_mass + tiny)
    gain += (all_lean - low_lean) ** 2 / (all_mass - low_mass + tiny)
    row, cut = np.unravel_index(int(gain[:, :-1].argmax()), (len(tried), 255))
    subset = np.zeros(256, bool)
    subset[order[row, : cut + 1]] = True
    subset |= mass[row] == 0  # ties with the codes of non-faces, so the cut may leave it out
    left = low_lean[row, cut] / (low_mass[row, cut] + tiny)
    right_lean = all_lean[row, 0] - low_lean[row, cut]
    right = right_lean / (all_mass[row, 0] - low_mass[row, cut] + tiny)
    return Stump(int(tried[row]), subset, float(np.float32(left)), float(np.float32(right)))
