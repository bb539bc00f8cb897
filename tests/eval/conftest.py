from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bench.eval import make_material, other_faces
from bench.planted import Material
from eval.classifier import ClassifierSettings
from eval.reals import Reals
from eval.trained_classifier import TrainedClassifier, obtain_classifier
from tests.eval.toy_faces import toy_set


@pytest.fixture(scope="session", autouse=True)
def small_side() -> Iterator[None]:
    """The scoring networks look at a quarter of the pixels here: four times as fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.networks.SIDE", 64)
        yield


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reals, TrainedClassifier, Material]:
    """Toy faces, a classifier trained on them, and what the stand-ins are made of."""
    reals, unseen = toy_set()
    classifier = obtain_classifier(
        reals,
        tmp_path_factory.mktemp("toys"),
        device=torch.device("cpu"),
        settings=ClassifierSettings(images_seen=10_000, least_images=0),
        quiet=True,
    )
    return reals, classifier, make_material(reals, unseen, classifier, other_faces(reals, 200, 0))
