"""Stand-ins for a generator: honest ones and ones that fail in a known way, made of real faces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from manifest.vocabulary import UNKNOWN, Vocabulary

Z_DIM = 16


@dataclass(frozen=True)
class PlantedInfo:
    """What a snapshot would say about itself."""

    vocabulary: Vocabulary
    image_size: int
    z_dim: int
    weights_sha256: str


@dataclass(frozen=True)
class Pool:
    """Faces uint8 [N, 3, S, S] with labels int64 [N, A] that a stand-in hands out."""

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def matching(self, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Rows that agree with most of the known labels of `row`; all rows when none is known."""
        known = row != UNKNOWN
        if not known.any():
            return np.arange(len(self.labels))
        agreement = (self.labels[:, known] == row[known]).sum(1)
        return np.flatnonzero(agreement == agreement.max())


Pick = Callable[[Pool, npt.NDArray[np.int64], int], npt.NDArray[np.uint8]]


def pick_matching(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
    """One of the faces with the asked labels; `draw` says which."""
    rows = pool.matching(row)
    return pool.pictures[rows[draw % len(rows)]]


@dataclass(frozen=True)
class Planted:
    """A drawer that answers every (z, labels) with a face of its pool; the same for the same z."""

    info: PlantedInfo
    pool: Pool
    pick: Pick = pick_matching
    finish: Callable[[npt.NDArray[np.uint8], int], npt.NDArray[np.uint8]] = field(
        default=lambda picture, draw: picture
    )

    def random_z(self, count: int, seed: int) -> Tensor:
        return torch.randn(count, Z_DIM, generator=torch.Generator().manual_seed(seed))

    def draw(self, z: Tensor, labels: Tensor) -> Tensor:
        pictures = []
        for latent, row in zip(z.numpy(), labels.numpy(), strict=True):
            draw = _number_of(latent)
            pictures.append(self.finish(self.pick(self.pool, row, draw), draw))
        return torch.from_numpy(np.stack(pictures))


def _number_of(latent: npt.NDArray[np.float32]) -> int:
    """A whole number that depends on every bit of the latent."""
    return int.from_bytes(hashlib.blake2b(latent.tobytes(), digest_size=6).digest(), "big")


@dataclass(frozen=True)
class Material:
    """Faces that the judge was trained on, and faces that nobody has seen, with their labels.

    `read` gives, per picture, how sure the judge is of the true labels: over-easy faces are chosen
    by it.
    """

    train: Pool
    unseen: Pool
    vocabulary: Vocabulary
    confidence: Callable[[Pool], npt.NDArray[np.float64]]

    def drawer(self, name: str, pool: Pool, **parts: object) -> Planted:
        info = PlantedInfo(
            self.vocabulary,
            int(pool.pictures.shape[-1]),
            Z_DIM,
            hashlib.sha256(name.encode()).hexdigest(),
        )
        return Planted(info, pool, **parts)  # type: ignore[arg-type]


def real_faces(material: Material) -> Planted:
    """Unseen real faces passed off as samples: no verdict may name them."""
    return material.drawer("real_faces", material.unseen)


def one_picture_per_class(material: Material) -> Planted:
    """One face for each class of the first attribute, whatever else is asked."""

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        return pick_matching(pool, np.where(np.arange(len(row)) == 0, row, UNKNOWN), 0)

    return material.drawer("one_picture_per_class", material.unseen, pick=pick)


def copies_training(material: Material) -> Planted:
    """Faces of the train split, as they are."""
    return material.drawer("copies_training", material.train)


def ignores_labels(material: Material) -> Planted:
    """A face that depends on z alone."""

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        return pool.pictures[draw % len(pool.pictures)]

    return material.drawer("ignores_labels", material.unseen, pick=pick)


def ignores_z(material: Material) -> Planted:
    """The same face for the same labels."""

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        return pick_matching(pool, row, 1)

    return material.drawer("ignores_z", material.unseen, pick=pick)


def labels_shuffled(material: Material) -> Planted:
    """Faces handed out by labels that belong to other faces."""
    order = np.random.default_rng(1).permutation(len(material.unseen.labels))
    pool = Pool(material.unseen.pictures, material.unseen.labels[order])
    return material.drawer("labels_shuffled", pool)


def noise(material: Material) -> Planted:
    """Independent pixels."""

    def finish(picture: npt.NDArray[np.uint8], draw: int) -> npt.NDArray[np.uint8]:
        return np.random.default_rng(draw).integers(0, 256, picture.shape, dtype=np.uint8)

    return material.drawer("noise", material.unseen, finish=finish)


def drops_modes(material: Material) -> Planted:
    """Every second class of the first attribute is never drawn: its neighbour comes instead."""

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        kept = row.copy()
        if kept[0] != UNKNOWN and kept[0] % 2 == 1:
            kept[0] -= 1
        return pick_matching(pool, kept, draw)

    return material.drawer("drops_modes", material.unseen, pick=pick)


def blurred(material: Material) -> Planted:
    """Unseen faces through a 5x5 mean filter (3x3 below 48 px)."""
    reach = 2 if material.unseen.pictures.shape[-1] >= 48 else 1

    def finish(picture: npt.NDArray[np.uint8], draw: int) -> npt.NDArray[np.uint8]:
        padded = functional.pad(
            torch.from_numpy(picture)[None].float(), (reach,) * 4, mode="reflect"
        )
        return functional.avg_pool2d(padded, 2 * reach + 1, 1)[0].to(torch.uint8).numpy()

    return material.drawer("blurred", material.unseen, finish=finish)


def over_easy(material: Material) -> Planted:
    """Only the unseen faces whose labels the judge reads with most confidence."""
    sure = material.confidence(material.unseen)
    keep = np.zeros(len(sure), dtype=bool)
    # The surest half within each class of the first attribute: no class goes missing.
    for label in np.unique(material.unseen.labels[:, 0]):
        rows = np.flatnonzero(material.unseen.labels[:, 0] == label)
        keep[rows[np.argsort(-sure[rows])[: max(1, len(rows) // 2)]]] = True
    pool = Pool(material.unseen.pictures[keep], material.unseen.labels[keep])
    return material.drawer("over_easy", pool)


PLANTED: dict[str, tuple[Callable[[Material], Planted], str]] = {
    "one_picture_per_class": (one_picture_per_class, "one_picture_per_class"),
    "copies_training": (copies_training, "copies_training"),
    "ignores_labels": (ignores_labels, "ignores_labels"),
    "ignores_z": (ignores_z, "ignores_z"),
    "labels_shuffled": (labels_shuffled, "labels_shuffled"),
    "noise": (noise, "noise"),
    "drops_modes": (drops_modes, "classes_missing"),
    "blurred": (blurred, "blurred"),
    "over_easy": (over_easy, "over_easy"),
}
"""Each failure with the name of the verdict that must name it."""
