"""The face that a model draws most like a picture: its classes read, its latent searched for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from acgan.drawing.best_of import Reader
from acgan.drawing.recipe import MOST_LATENT, Portrait
from acgan.nets import build_encoder
from acgan.nets.helper import Maps, perceptual_distance
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from acgan.nets.snapshot import Snapshot, load_training_nets, training_path
from acgan.nets.truncation import Truncated, untruncated
from avatar_common.disk.classifiers import find_classifier
from avatar_common.errors import UserError

STEPS = 40
STAGES = (0, 1, 2, 4)  # as training looks at redrawn faces
RATE, BETAS = 0.2, (0.9, 0.9)
SLOWER_FROM = 0.5  # the share of the steps after which they become smaller
L1_WEIGHT = 2.0
PRIOR_WEIGHT = 0.002


@dataclass(frozen=True)
class Finder:
    """What searches: the encoder beside a snapshot, its classifier, and a frozen network.

    Safe to share between threads.
    """

    snapshot: Snapshot
    encoder: torch.nn.Module
    reader: Reader
    features: EfficientNetLite

    @staticmethod
    def open(snapshot: Snapshot, workspace: Path) -> Finder:
        """Raises `UserError` where the encoder or the classifier is missing."""
        info, path = snapshot.info, snapshot.path
        states = load_training_nets(path)
        hint = "take a model that was packaged with the nets that trained it, as drawn64"
        if "encoder" not in states:
            raise UserError(
                "this model has no encoder, so it cannot find a face",
                where=str(training_path(path)),
                hint=hint,
            )
        try:
            encoder = build_encoder(info.architecture)
            encoder.load_state_dict(states["encoder"])
        except (RuntimeError, KeyError, TypeError, ValueError):
            raise UserError(
                "the encoder does not fit the model", where=str(training_path(path)), hint=hint
            ) from None
        try:
            reader = Reader(find_classifier(path, info, workspace), info)
        except UserError as error:
            raise UserError(
                f"no classifier to read a picture's attributes with: {error.what}",
                where=error.where,
                hint="run `python -m eval classifier`",
            ) from None
        features = load_efficientnet_lite("efficientnet-lite0", STAGES)
        device = snapshot.device
        encoder.eval().requires_grad_(False).to(device)
        return Finder(snapshot, encoder, reader, features.to(device))

    def find(self, picture: npt.NDArray[np.uint8], steps: int = STEPS) -> Portrait:
        """The portrait most like a picture, uint8 [S,S,3]: the encoder's, improved step by step."""
        row = self.classes(picture)
        device = self.snapshot.device
        image = (
            torch.from_numpy(picture.copy()).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
        )
        z = self.search(image, torch.tensor([row], device=device), steps)
        return Portrait(z[0].cpu().numpy(), ((1.0, row),))

    def classes(self, picture: npt.NDArray[np.uint8]) -> tuple[int, ...]:
        """The likeliest class of each attribute, read off uint8 [S,S,3]."""
        _, scores = self.reader.read(picture[None].copy())
        return tuple(
            max(columns, key=lambda place: scores[0, columns[place]], default=-1)
            for columns in self.reader.columns
        )

    def search(self, images: Tensor, labels: Tensor, steps: int) -> Tensor:
        """Latents [N,Z] whose drawings come close to pictures [N,3,S,S] in -1..1.

        Close in the maps of the frozen network, in pixels, and near 0, where training drew most.
        """
        uniform = self.snapshot.info.extra.get("z_distribution") == "uniform"
        with torch.no_grad():
            z, wanted = self.encoder(images)[0], self.features(images)
        generator = untruncated(self.snapshot.generator)  # the one that the encoder knows
        z = z.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([z], RATE, BETAS)
        for step in range(steps):
            rest = (1 - step / steps) / (1 - SLOWER_FROM)
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, rest)
            drawn = generator(z, labels)
            loss = len(images) * distance(drawn, images, self.features(drawn), wanted)
            loss = loss + PRIOR_WEIGHT * z.square().mean(dim=1).sum()
            (z.grad,) = torch.autograd.grad(loss, z)
            optimizer.step()
            if uniform:
                with torch.no_grad():
                    z.clamp_(0, 1)
        found: Tensor = z.detach()
        if isinstance(self.snapshot.generator, Truncated):
            found = self.snapshot.generator.truncation.inverse(found)
        return found.clamp(-MOST_LATENT, MOST_LATENT)


def distance(drawn: Tensor, real: Tensor, drawn_maps: Maps, real_maps: Maps) -> Tensor:
    """How far drawings are from pictures, the mean over both, a scalar."""
    pixels = (drawn - real).abs().mean()
    return perceptual_distance(drawn_maps, real_maps) + L1_WEIGHT * pixels
