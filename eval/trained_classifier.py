"""The classifier on disk: trained once per face set, settings and code, then read from its file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from acgan.devices import choose_device
from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.files import write_bytes
from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from eval.cache import CACHE_FOLDER, ArrayCache, content_hash
from eval.classifier import (
    Classifier,
    ClassifierSettings,
    classifier_key,
    read_pictures,
    steps_of,
    train_classifier,
)
from eval.options import ClassifierOptions
from eval.reading import read_group
from eval.reals import Reals, Rows, load_reals, scorable_groups
from eval.standalone import keep_standalone

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier, the hash of all it depends on, where it computes and what is kept of it."""

    net: Classifier
    hash: str
    device: torch.device
    cache: ArrayCache

    def read(self, pictures: Rows) -> tuple[np.ndarray, list[np.ndarray]]:
        """Features float32 [N, F] and, per group, probabilities float32 [N, classes]."""
        return read_pictures(self.net, pictures, device=self.device)

    def read_kept(self, pictures: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The same, kept in the cache under the classifier and the pictures themselves."""

        def flat() -> list[np.ndarray]:
            features, probabilities = self.read(pictures)
            return [features, *probabilities]

        key = f"judge-{self.hash}-{content_hash(pictures)}"
        features, *probabilities = self.cache.arrays(key, flat)
        return features, probabilities


def obtain_classifier(
    reals: Reals,
    cache: Path | None,
    *,
    device: torch.device,
    settings: ClassifierSettings | None = None,
    quiet: bool = False,
) -> TrainedClassifier:
    """Read the classifier of these reals from `cache`, or train it and keep it there.

    Raises `UserError` for faces of which no label is known: there is nothing to learn from.
    """
    if not (reals.train_labels >= 0).any():
        raise UserError(
            "no face has a known label, so no classifier can be trained and nothing scored",
            where=f"face set {reals.dataset_id}",
            hint="read labels from the faces: python -m preprocess label",
        )
    settings = settings or ClassifierSettings()
    kept = ArrayCache(cache / CACHE_FOLDER if cache else None)
    name = classifier_key(reals.key, settings)
    net = Classifier(reals.image_size, reals.vocabulary.sizes, settings.hidden_count)
    path = cache / f"classifier-{name}.safetensors" if cache else None
    if path is not None and path.is_file():
        try:
            net.load_state_dict(load(path.read_bytes()))
            keep_standalone_of(net.eval(), path, reals)
            return TrainedClassifier(net.to(device).eval(), name, device, kept)
        except (SafetensorError, RuntimeError):
            log.warning("%s is damaged; training the classifier again", path)
    known = int((reals.train_labels != UNKNOWN).any(1).sum())
    with progress("classifier", steps_of(known, settings), quiet=quiet) as advance:
        net = train_classifier(
            reals.train_pictures,
            reals.train_labels,
            reals.vocabulary.sizes,
            settings,
            device=device,
            advance=advance,
        )
    if path is not None:
        state = {key: tensor.cpu().contiguous() for key, tensor in net.state_dict().items()}
        write_bytes(path, save(state))
        keep_standalone_of(net, path, reals)
    return TrainedClassifier(net, name, device, kept)


def keep_standalone_of(net: Classifier, path: Path, reals: Reals) -> None:
    """Keep the classifier beside its weights in the form that `acgan generate --best-of` reads."""
    keep_standalone(
        net,
        path.with_suffix(".pt2"),
        image_size=reals.image_size,
        vocabulary=reals.vocabulary,
        dataset_id=reals.dataset_id,
    )


def train_only(options: ClassifierOptions) -> None:
    """`python -m eval classifier`: train and cache the classifier, say how well it reads."""
    path = options.data or Workspace(options.workspace).newest_face_set()
    if options.dry_run:
        explain_dry_run(options, [f"train the classifier of {path} and keep it there"])
        return
    device = choose_device(options.device, options.threads)
    reals = load_reals(path, image_size=options.image_size)
    classifier = obtain_classifier(reals, path, device=device, quiet=options.quiet)
    _, probabilities = classifier.read(reals.test_pictures)
    columns, left_out = scorable_groups(reals, list(range(len(reals.vocabulary))))
    accuracy = {
        reals.vocabulary.names[column]: read_group(
            reals.test_labels[:, column], probabilities[column]
        ).accuracy
        for column in columns
    }
    emit_json(
        {
            "classifier": str(path / f"classifier-{classifier.hash}.safetensors"),
            "dataset_id": reals.dataset_id,
            "n_train": len(reals.train_labels),
            "n_test": len(reals.test_labels),
            "accuracy": accuracy,
            "too_few_labels": left_out,
        }
    )
    next_step("python -m eval report")
