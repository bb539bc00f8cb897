"""Toy faces for the tests of the scores: drawn with arrays, thousands in a second."""

from __future__ import annotations

import numpy as np

from avatar_common.disk.vocabulary import Group, Vocabulary
from bench.planted import Pool
from eval.reals import Reals

SIDE = 32
LABEL_NOISE = 0.06
HAIR = {
    "black": (40, 38, 45), "blonde": (235, 205, 110), "blue": (60, 90, 210),
    "red": (200, 40, 45), "green": (60, 160, 80), "pink": (245, 150, 190),
}  # fmt: skip
EYES = {"brown": (110, 60, 30), "green": (40, 170, 90), "blue": (40, 90, 220)}
VOCABULARY = Vocabulary(
    (Group("hair_color", "one_of", tuple(HAIR)), Group("eye_color", "one_of", tuple(EYES)))
)


def draw_toys(labels: np.ndarray, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Faces uint8 [N, 3, side, side] for labels int64 [N, 2]; place, size, light, ground vary."""
    count = len(labels)
    y, x = np.mgrid[0:side, 0:side][:, None] / side

    def number(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1))

    centre_x, centre_y, radius = number(0.42, 0.58), number(0.48, 0.58), number(0.24, 0.31)
    light = number(0.75, 1.15)[..., None]
    picture = np.repeat(rng.uniform(60, 255, (count, 1, 1, 3)), side * side, 1).reshape(
        count, side, side, 3
    )
    across, down = (x - centre_x) / radius, (y - centre_y) / radius
    fringe = number(0.1, 0.7)
    hair = (across / 1.4) ** 2 + ((down + 0.15) / number(1.25, 1.7)) ** 2 < 1
    skin = (across**2 + (down / 1.15) ** 2 < 1) & (down > -fringe)
    eyes = ((np.abs(across) - 0.42) / 0.22) ** 2 + ((down - 0.15) / number(0.22, 0.36)) ** 2 < 1
    mouth = (np.abs(across) < number(0.1, 0.4)) & (np.abs(down - 0.7) < 0.07)
    skins = np.array([250, 220, 195]) * rng.uniform(0.7, 1.0, (count, 1, 1, 1))
    picture = np.where(hair[..., None], _colour(HAIR, labels[:, 0], rng) * light, picture)
    picture = np.where(skin[..., None], skins * light, picture)
    picture = np.where(eyes[..., None], _colour(EYES, labels[:, 1], rng) * light, picture)
    picture = np.where(mouth[..., None], (180, 70, 70) * light, picture)
    picture += rng.normal(0, 6, (count, side, side, 1))
    return picture.clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2).copy()


def _colour(
    table: dict[str, tuple[int, int, int]], labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    colours: np.ndarray = np.array(list(table.values()), dtype=np.float64)[labels]
    noisy: np.ndarray = colours + rng.normal(0, 12, colours.shape)
    return noisy[:, None, None, :]


def toy_set(
    train: int = 700, test: int = 500, unseen: int = 500, seed: int = 0, side: int = SIDE
) -> tuple[Reals, Pool]:
    """A face set with `LABEL_NOISE` wrong labels, as tags have them, and faces nobody has seen."""
    rng = np.random.default_rng(seed)
    count = train + test + unseen
    sizes = np.array(VOCABULARY.sizes)
    labels = rng.integers(0, sizes, (count, 2))
    pictures = draw_toys(labels, rng, side)
    wrong = rng.random(labels.shape) < LABEL_NOISE
    labels = np.where(wrong, (labels + rng.integers(1, sizes, labels.shape)) % sizes, labels)
    reals = Reals(
        dataset_id=f"toys-{seed}-{count}",
        vocabulary=VOCABULARY,
        train_pictures=pictures[:train],
        train_labels=labels[:train],
        test_pictures=pictures[train : train + test],
        test_labels=labels[train : train + test],
    )
    return reals, Pool(pictures[train + test :], labels[train + test :])
