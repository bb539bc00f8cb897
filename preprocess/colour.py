"""What colour a face's hair and eyes have, and how far that speaks against a label.

A label is audited by a model of the set itself: colour histograms of the regions where hair or eyes
lie go into a multinomial logistic regression, fitted on folds that leave the audited face out, so
that no label vouches for itself (Northcutt et al. 2021, "Confident Learning", arXiv:1911.00068,
ranks by the same self-confidence).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from skimage.color import rgb2lab

FloatArray = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Region = tuple[float, float, float, float]

# Left, top, right, bottom in shares of the crop. The face box is the crop's middle 2/3 (it was
# enlarged 1.5x): hair is a ring around it and its upper edge, eyes lie around its middle line.
REGIONS: Mapping[str, tuple[tuple[Region, ...], ...]] = {
    "hair_color": (
        ((0.0, 0.0, 1.0, 0.3),),
        ((0.0, 0.3, 0.22, 0.8), (0.78, 0.3, 1.0, 0.8)),
    ),
    "eye_color": (((0.25, 0.34, 0.45, 0.58), (0.55, 0.34, 0.75, 0.58)),),
}
LEVELS = 32
LIGHTNESS_BINS, HUE_BINS = 5, 9
CHROMA_RANGE = 70.0
L2_WEIGHT = 3.0
FOLDS = 3
MAX_FITTED = 20_000
BATCH = 512


def region_mask(parts: Sequence[Region], side: int) -> npt.NDArray[np.bool_]:
    """Which pixels of a `side` x `side` picture lie in any of the boxes, bool [side, side]."""
    centre = (np.arange(side) + 0.5) / side
    mask = np.zeros((side, side), dtype=bool)
    for left, top, right, bottom in parts:
        rows, columns = (centre >= top) & (centre < bottom), (centre >= left) & (centre < right)
        mask |= rows[:, None] & columns[None, :]
    return mask


def lab_table() -> FloatArray:
    """Lab of all RGB colours at 5 bits per channel, [32768, 3], index r * 1024 + g * 32 + b."""
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return np.asarray(rgb2lab(cube), dtype=np.float64).reshape(-1, 3)


def colour_bins(lab: FloatArray) -> npt.NDArray[np.int64]:
    """The histogram bin of each Lab colour; bins in a and b are finer around gray."""
    lightness = np.clip(lab[:, 0] / 100 * LIGHTNESS_BINS, 0, LIGHTNESS_BINS - 1).astype(int)
    bent = np.sign(lab[:, 1:]) * np.sqrt(np.abs(lab[:, 1:]) / CHROMA_RANGE)
    hue = np.clip((bent + 1) / 2 * HUE_BINS, 0, HUE_BINS - 1).astype(int)
    _, bins = np.unique(
        (lightness * HUE_BINS + hue[:, 0]) * HUE_BINS + hue[:, 1], return_inverse=True
    )
    return np.asarray(bins, dtype=np.int64).reshape(-1)


def colour_features(
    pictures: npt.NDArray[np.uint8], regions: Sequence[Sequence[Region]]
) -> tuple[Features, FloatArray]:
    """Histograms and the colour that stands out, of uint8 pictures [N, 3, S, S].

    Returns square roots of the regions' histograms side by side, float32 [N, D], and the measured
    Lab colour [N, 3]: the mean of all pixels in the fullest bin of all regions together.
    """
    lab = lab_table()
    bins = colour_bins(lab)
    n_bins = int(bins.max()) + 1
    masks = [region_mask(region, pictures.shape[-1]) for region in regions]
    features = np.zeros((len(pictures), len(masks) * n_bins), dtype=np.float32)
    measured = np.zeros((len(pictures), 3))
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH].astype(np.int64) * LEVELS // 256
        codes = (batch[:, 0] * LEVELS + batch[:, 1]) * LEVELS + batch[:, 2]
        together = np.zeros((len(batch), n_bins))
        for number, mask in enumerate(masks):
            inside = codes[:, mask]
            rows = np.arange(len(batch))[:, None] * n_bins
            counts = np.bincount(
                (rows + bins[inside]).ravel(), minlength=len(batch) * n_bins
            ).reshape(len(batch), n_bins)
            features[start : start + BATCH, number * n_bins : (number + 1) * n_bins] = np.sqrt(
                counts / inside.shape[1]
            )
            together += counts
        anywhere = codes[:, np.any(masks, axis=0)]
        for row, fullest in enumerate(together.argmax(axis=1)):
            chosen = anywhere[row][bins[anywhere[row]] == fullest]
            measured[start + row] = lab[chosen].mean(axis=0)
    return features, measured


def fit_softmax(features: Features, labels: npt.NDArray[np.int64], classes: int) -> FloatArray:
    """Weights [D + 1, classes] of an L2-regularised multinomial logistic regression."""
    n, d = features.shape
    targets = np.eye(classes, dtype=np.float32)[labels]

    def loss_and_gradient(flat: FloatArray) -> tuple[float, FloatArray]:
        weights = flat.reshape(d + 1, classes)
        probabilities = softmax(features, weights)
        picked = np.maximum(probabilities[np.arange(n), labels], 1e-12)
        loss = -np.log(picked).sum() + 0.5 * L2_WEIGHT * (weights[:-1] ** 2).sum()
        residual = (probabilities - targets).astype(np.float32)
        gradient = np.vstack([features.T @ residual + L2_WEIGHT * weights[:-1], residual.sum(0)])
        return float(loss), gradient.ravel().astype(np.float64)

    found = minimize(
        loss_and_gradient,
        np.zeros((d + 1) * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 60},
    )
    return np.asarray(found.x).reshape(d + 1, classes)


def softmax(features: Features, weights: FloatArray) -> FloatArray:
    """Class probabilities [N, classes]."""
    logits = features @ weights[:-1].astype(np.float32) + weights[-1]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float64)


def out_of_fold(
    features: Features,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    classes: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Class probabilities [N, classes] of each row by a model fitted without its group.

    Near-duplicates share a group, so that a wrong label copied with its picture stands alone too.
    """
    fold_of_group = rng.permutation(int(groups.max(initial=0)) + 1) % FOLDS
    fold = fold_of_group[groups]
    probabilities = np.full((len(labels), classes), 1 / classes)
    for number in range(FOLDS):
        others = np.flatnonzero(fold != number)
        if len(others) > MAX_FITTED:
            others = rng.choice(others, MAX_FITTED, replace=False)
        held = fold == number
        if len(others) and held.any():
            weights = fit_softmax(features[others], labels[others], classes)
            probabilities[held] = softmax(features[held], weights)
    return probabilities
