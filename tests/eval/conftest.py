from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bench.eval import make_material, other_faces
from bench.planted import Material
from eval.classifier import JudgeSettings
from eval.judge import TrainedJudge, obtain_judge
from eval.reals import Reals
from tests.eval.toy_faces import toy_set


@pytest.fixture(scope="session", autouse=True)
def small_side() -> Iterator[None]:
    """The outside judges look at a quarter of the pixels here: four times as fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.networks.SIDE", 64)
        yield


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reals, TrainedJudge, Material]:
    """Toy faces, a judge trained on them, and what the stand-ins are made of."""
    reals, unseen = toy_set()
    judge = obtain_judge(
        reals,
        tmp_path_factory.mktemp("toys"),
        device=torch.device("cpu"),
        settings=JudgeSettings(images_seen=10_000, least_images=0),
        quiet=True,
    )
    return reals, judge, make_material(reals, unseen, judge, other_faces(reals, 200, 0))
