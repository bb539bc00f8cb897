"""The classifier: a small convolutional net, trained on the real train split and nothing else.

It shares neither weights nor seed nor architecture with the discriminator, so that a generator
cannot score by pleasing its own critic.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_common.disk.vocabulary import UNKNOWN
from eval.fit import fit
from eval.reals import Rows

log = logging.getLogger(__name__)

CLASSIFIER_VERSION = 2  # raise it when the same settings give another classifier
WIDTHS = (32, 64, 128)
MAX_SIDE = 64


@dataclass(frozen=True)
class ClassifierSettings:
    """How the classifier is trained; every field is part of its hash."""

    images_seen: int = 100_000
    max_epochs: int = 25
    least_images: int = 12_000
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    hidden_count: int = 128
    dropout: float = 0.1
    seed: int = 20_261


def classifier_side(image_size: int) -> int:
    """The side at which it looks: the largest power of two within 8..64 and the pictures."""
    return min(MAX_SIDE, 1 << int(math.log2(max(image_size, 8))))


class Classifier(nn.Module):
    """Pictures uint8 [N, 3, S, S] -> features float32 [N, F] and a list of logits [N, classes].

    The features, in which distances are measured, are the last convolution's means over the
    picture. The layer behind it knows little but the classes: there, noise lies among real faces,
    and a model with one picture per class covers most of them.
    """

    def __init__(self, image_size: int, class_counts: tuple[int, ...], hidden_count: int) -> None:
        super().__init__()
        self.side = classifier_side(image_size)
        # The first layer goes from full size to a quarter: full-size layers cost most on a CPU.
        stages: list[nn.Module] = []
        channels, side, kernel, stride = 3, self.side, 6, 4
        for width in WIDTHS[: int(math.log2(side)) - 3]:
            stages += [
                nn.Conv2d(channels, width, kernel, stride, padding=(kernel - 1) // 2, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels, side, kernel, stride = width, side // stride, 3, 2
        self.body = nn.Sequential(*stages)
        self.neck = nn.Linear(channels * side * side, hidden_count)
        self.heads = nn.ModuleList(nn.Linear(hidden_count, count) for count in class_counts)

    def maps(self, pictures: Tensor) -> Tensor:
        """The last convolution, float32 [N, F, side, side], non-negative."""
        found: Tensor = self.body(shrink(pictures, self.side))
        return found

    def hidden(self, maps: Tensor) -> Tensor:
        """The last hidden layer [N, H] from the maps."""
        return functional.relu(self.neck(maps.flatten(1)))

    def logits(self, hidden: Tensor) -> list[Tensor]:
        """One [N, classes] per group."""
        return [head(hidden) for head in self.heads]

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features and the logits."""
        maps = self.maps(pictures)
        return maps.mean((-2, -1)), self.logits(self.hidden(maps))


def shrink(pictures: Tensor, side: int) -> Tensor:
    """uint8 [N, 3, S, S] -> float32 [N, 3, side, side] in [-1, 1]; antialiased bilinear.

    Pictures in floats are taken as scaled and sized already.
    """
    if pictures.is_floating_point():
        return pictures
    scaled = pictures.to(torch.float32).div_(127.5).sub_(1)
    if scaled.shape[-1] != side:
        scaled = functional.interpolate(
            scaled, size=(side, side), mode="bilinear", antialias=True, align_corners=False
        )
    return scaled


def masked_loss(logits: list[Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy summed over groups, unknown labels left out. `labels` is int64 [N, A].

    A batch in which nothing is known gives 0, with a gradient of 0.
    """
    total = torch.stack([scores.sum() for scores in logits]).sum() * 0
    for group, scores in enumerate(logits):
        known = labels[:, group] != UNKNOWN
        if known.any():
            total = total + functional.cross_entropy(scores, labels[:, group], ignore_index=UNKNOWN)
    return total


def train_classifier(
    pictures: Rows,
    labels: np.ndarray,
    class_counts: tuple[int, ...],
    settings: ClassifierSettings,
    *,
    device: torch.device,
    advance: Callable[..., None] = lambda *args, **kwargs: None,
) -> Classifier:
    """Train on uint8 [N, 3, S, S] and int64 [N, A]; the same seed gives the same net on a CPU.

    Faces of which no label is known are left out.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    classifier = Classifier(pictures.shape[-1], class_counts, settings.hidden_count)
    initialise(classifier, generator)
    classifier.to(device).train()
    labelled = np.flatnonzero((labels != UNKNOWN).any(1))
    if not len(labelled):
        return classifier.eval()
    batch = min(settings.batch, len(labelled))
    order = torch.empty(0, dtype=torch.int64)

    def loss_of_step() -> Tensor:
        nonlocal order
        if len(order) < batch:
            order = torch.randperm(len(labelled), generator=generator)
        rows, order = labelled[order[:batch].sort().values.numpy()], order[batch:]
        faces = torch.from_numpy(np.ascontiguousarray(pictures[rows])).to(device)
        faces = augment(faces, generator)
        hidden = classifier.hidden(classifier.maps(faces))
        keep = torch.rand(hidden.shape, generator=generator).to(device) >= settings.dropout
        return masked_loss(
            classifier.logits(hidden * keep / (1 - settings.dropout)),
            torch.from_numpy(labels[rows]).to(device),
        )

    fit(
        classifier,
        steps_of(len(labelled), settings),
        loss_of_step,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warm_up=0.2,
        advance=advance,
    )
    return classifier.eval()


def steps_of(count: int, settings: ClassifierSettings) -> int:
    """How many updates: `images_seen`, fewer for a small set, but never below `least_images`."""
    batch = min(settings.batch, count)
    wanted = max(settings.least_images, settings.max_epochs * count)
    return max(1, min(settings.images_seen, wanted) // batch)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """He initialisation from our own generator, so that no global random state is touched."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def augment(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the faces and shift the batch by up to a sixteenth of the side."""
    mirrored = torch.rand(len(faces), 1, 1, 1, generator=generator).to(faces.device) < 0.5
    faces = torch.where(mirrored, faces.flip(-1), faces)
    reach = max(1, faces.shape[-1] // 16)
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return torch.roll(faces, (down, right), dims=(-2, -1))


@torch.inference_mode()
def read_pictures(
    classifier: Classifier, pictures: Rows | Tensor, *, device: torch.device, batch: int = 250
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Features float32 [N, F] and, per group, class probabilities float32 [N, classes]."""
    features, probabilities = [], []
    for start in range(0, len(pictures), batch):
        piece = torch.as_tensor(pictures[start : start + batch]).to(device)
        found, logits = classifier(piece)
        features.append(found.cpu().numpy())
        probabilities.append([scores.softmax(1).cpu().numpy() for scores in logits])
    groups = range(len(classifier.heads))
    return (
        np.concatenate(features),
        [np.concatenate([piece[group] for piece in probabilities]) for group in groups],
    )


def classifier_key(data: str, settings: ClassifierSettings) -> str:
    """16 hex digits over data, settings and `CLASSIFIER_VERSION`: all that it depends on."""
    made_of = f"{CLASSIFIER_VERSION} {data} {sorted(asdict(settings).items())}"
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]
