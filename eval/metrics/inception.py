"""FID and KID in Inception-v3 features, where the `fid` extra and its weights are at hand."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avatar_common.errors import UserError
from eval.metric import Case, Metric, Result
from eval.network_scores import NetworkScores, crowds_of, score_crowd
from eval.networks import Extract, Features, Network, as_they_are, refuse_trained
from eval.page_parts import Row

WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"


def find_weights(given: Path | None) -> Path | None:
    """The given file, else the one in torch's cache, else None. Raises `UserError`."""
    if given is not None:
        if not given.is_file():
            raise UserError("no such file", where=str(given), hint=f"--inception {WEIGHTS_NAME}")
        return given
    cached = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    return cached if cached.is_file() else None


@dataclass(frozen=True)
class Inception(Result):
    """The same numbers as the scoring networks give, in Inception-v3 features: FID and KID."""

    scores: NetworkScores

    def to_json(self) -> dict[str, Any]:
        return self.scores.to_json()

    def summary(self) -> dict[str, Any]:
        return self.scores.summary()

    def rows(self) -> list[Row]:
        return self.scores.rows()


def inception_network(path: Path, device: torch.device) -> Network:
    """Inception-v3 with torch-fidelity's weights. Raises `UserError` when they are no weights."""
    _check_weights(path)

    def build() -> Extract:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        try:
            net = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
            ).to(device)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:120]
            raise UserError(f"not Inception-v3 weights: {reason}", where=str(path)) from None

        @torch.inference_mode()
        def extract(pictures: Tensor) -> Features:
            features: Tensor = net(pictures.to(device))[0]
            return features.cpu().numpy()

        return extract

    return Network(
        "inception",
        "Inception-v3, 2,048 channels",
        WEIGHTS_NAME,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        build,
        resize="bilinear to 299 px (TensorFlow 1 form)",
        prepare=as_they_are,
    )


def measure(case: Case) -> Result | str:
    """FID and KID, or what is missing to compute them, or that the network had a part in it."""
    case.note("Inception")
    path = find_weights(case.plan.inception)
    if path is None:
        return f"no Inception-v3 weights at hand: give --inception PATH to {WEIGHTS_NAME}"
    if find_spec("torch_fidelity") is None:
        return "needs the fid extra: pip install -e '.[fid]'"
    network = inception_network(path, case.device)
    kept, refused = refuse_trained([network], case.used_networks)
    if not kept:
        return refused[network.name]
    return Inception(score_crowd(case, network, crowds_of(case)))


def _check_weights(path: Path) -> None:
    """The library unpickles anything; a file that holds more than tensors is refused first."""
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise UserError(f"not a weights file: {reason}", where=str(path)) from None


METRIC = Metric("inception", measure, depth="full")
