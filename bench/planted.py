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

from acgan.dataset import PackedRows
from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary
from eval.network_scores import saved_again

Z_DIM = 16


@dataclass(frozen=True)
class PlantedInfo:
    """What a snapshot would say about itself."""

    name: str
    vocabulary: Vocabulary
    image_size: int
    z_dim: int
    weights_sha256: str


@dataclass(frozen=True)
class Pool:
    """Faces uint8 [N, 3, S, S] with labels int64 [N, A] that a stand-in hands out."""

    pictures: npt.NDArray[np.uint8] | PackedRows
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
    return np.asarray(pool.pictures[rows[draw % len(rows)]])


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
        """Latents float32 [N, Z] of a seed."""
        return torch.randn(count, Z_DIM, generator=torch.Generator().manual_seed(seed))

    def draw(self, z: Tensor, labels: Tensor) -> Tensor:
        """The stand-in's pictures uint8 [N, 3, S, S]."""
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
    """Faces that the classifier learnt from, faces that nobody has seen, and faces of another set.

    `read` gives, per picture, how sure the classifier is of the true labels: over-easy faces are
    chosen by it.
    """

    train: Pool
    unseen: Pool
    other: Pool
    vocabulary: Vocabulary
    confidence: Callable[[Pool], npt.NDArray[np.float64]]

    def drawer(self, name: str, pool: Pool, **parts: object) -> Planted:
        """A stand-in that hands out faces of `pool`."""
        info = PlantedInfo(
            name,
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
        return np.asarray(pool.pictures[draw % len(pool.pictures)])

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
    """Only the unseen faces whose labels the classifier reads with most confidence."""
    sure = material.confidence(material.unseen)
    keep = np.zeros(len(sure), dtype=bool)
    # The surest half within each class of the first attribute: no class goes missing.
    for label in np.unique(material.unseen.labels[:, 0]):
        rows = np.flatnonzero(material.unseen.labels[:, 0] == label)
        keep[rows[np.argsort(-sure[rows])[: max(1, len(rows) // 2)]]] = True
    pool = Pool(material.unseen.pictures[keep], material.unseen.labels[keep])
    return material.drawer("over_easy", pool)


def smeared(material: Material) -> Planted:
    """Unseen faces as late training smears them: outlines bent a little, strokes run together."""
    side = material.unseen.pictures.shape[-1]
    straight = functional.affine_grid(torch.eye(2, 3)[None], [1, 3, side, side], False)

    def finish(picture: npt.NDArray[np.uint8], draw: int) -> npt.NDArray[np.uint8]:
        generator = torch.Generator().manual_seed(draw % 2**31)
        face = torch.from_numpy(picture)[None].float()
        field = torch.randn(1, 2, 9, 9, generator=generator) * 0.035
        bent = straight + _resized(field, side).permute(0, 2, 3, 1)
        face = functional.grid_sample(face, bent, align_corners=False, padding_mode="reflection")
        soft = functional.avg_pool2d(functional.pad(face, (1, 1, 1, 1), mode="reflect"), 3, 1)
        where = _resized(torch.rand(1, 1, 6, 6, generator=generator), side).clamp(0, 1)
        mixed = where * soft + (1 - where) * face
        return (mixed + 0.8 * (mixed - soft)).clamp(0, 255)[0].to(torch.uint8).numpy()

    return material.drawer("smeared", material.unseen, finish=finish)


def _resized(maps: Tensor, side: int) -> Tensor:
    return functional.interpolate(maps, (side, side), mode="bicubic", align_corners=False)


def eyes_apart(material: Material) -> Planted:
    """The right half of the eyes' band comes from any other face, a bit lower."""
    side = material.unseen.pictures.shape[-1]
    rows, half = slice(int(0.4 * side), int(0.72 * side)), side // 2
    drop = max(1, side // 20)

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        face = pick_matching(pool, row, draw).copy()
        other = np.roll(pool.pictures[draw // 7 % len(pool.pictures)], drop, axis=1)
        face[:, rows, half:] = other[:, rows, half:]
        return face

    return material.drawer("eyes_apart", material.unseen, pick=pick)


def another_set(material: Material) -> Planted:
    """Well-drawn faces, but of quite another kind."""

    def pick(pool: Pool, row: npt.NDArray[np.int64], draw: int) -> npt.NDArray[np.uint8]:
        return np.asarray(pool.pictures[draw % len(pool.pictures)])

    return material.drawer("another_set", material.other, pick=pick)


def near_twins(material: Material) -> Planted:
    """Training faces again: half of them mirrored, all a little brighter, saved as JPEG."""

    def finish(picture: npt.NDArray[np.uint8], draw: int) -> npt.NDArray[np.uint8]:
        turned = picture[:, :, ::-1] if draw % 2 else picture
        brighter = np.clip(turned.astype(np.float32) * 1.03, 0, 255).astype(np.uint8)
        return np.asarray(saved_again(brighter[None], 80)[0])

    return material.drawer("near_twins", material.train, finish=finish)


def half_poor_jpegs(material: Material) -> Planted:
    """Unseen real faces, half of them saved as poor JPEGs: no failure of drawing, no verdict."""

    def finish(picture: npt.NDArray[np.uint8], draw: int) -> npt.NDArray[np.uint8]:
        return saved_again(picture[None], POOR_QUALITY)[0] if draw % 2 else picture

    return material.drawer("half_poor_jpegs", material.unseen, finish=finish)


POOR_QUALITY = 50
DRAWN_BADLY = ("rough_drawing", "poor_drawing")
OF_ANOTHER_KIND = ("poor_drawing", "not_faces")

PLANTED: dict[str, tuple[Callable[[Material], Planted], tuple[str, ...]]] = {
    "one_picture_per_class": (one_picture_per_class, ("one_picture_per_class",)),
    "copies_training": (copies_training, ("copies_training",)),
    "near_twins": (near_twins, ("copies_training",)),
    "ignores_labels": (ignores_labels, ("ignores_labels",)),
    "ignores_z": (ignores_z, ("ignores_z",)),
    "labels_shuffled": (labels_shuffled, ("labels_shuffled",)),
    "noise": (noise, ("noise",)),
    "drops_modes": (drops_modes, ("classes_missing",)),
    "blurred": (blurred, ("blurred",)),
    "smeared": (smeared, DRAWN_BADLY),
    "eyes_apart": (eyes_apart, DRAWN_BADLY),
    "another_set": (another_set, OF_ANOTHER_KIND),
    "over_easy": (over_easy, ("over_easy",)),
    "half_poor_jpegs": (half_poor_jpegs, ()),
}
"""Each failure with the verdicts of which one must name it; none: there must be no verdict."""


def is_named(name: str, verdicts: list[str]) -> bool:
    """Whether these verdicts are what the planted failure `name` asks for."""
    wanted = PLANTED[name][1]
    return bool(set(wanted) & set(verdicts)) if wanted else not verdicts
