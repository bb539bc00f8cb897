"""FID and KID in Inception-v3 features, where the `fid` extra and its weights are at hand."""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from eval.cache import ArrayCache, content_hash
from eval.distance import ClassRows, DistanceScores, measure_distance
from manifest.errors import UserError

WEIGHTS_NAME = "weights-inception-2015-12-05-6726825d.pth"
BATCH = 50


def find_weights(given: Path | None) -> Path | None:
    """The given file, else the one in torch's cache, else None. Raises `UserError`."""
    if given is not None:
        if not given.is_file():
            raise UserError("no such file", where=str(given), hint=f"--inception {WEIGHTS_NAME}")
        return given
    cached = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
    return cached if cached.is_file() else None


def inception_distance(
    reals: npt.NDArray[np.uint8],
    fakes: npt.NDArray[np.uint8],
    weights: Path | None,
    *,
    seed: int,
    device: torch.device,
    cache: ArrayCache,
    real_classes: ClassRows | None = None,
    fake_classes: ClassRows | None = None,
) -> DistanceScores | str:
    """The distances, or in one line why they are not measured."""
    path = find_weights(weights)
    if path is None:
        return f"no Inception-v3 weights at hand: give --inception PATH to {WEIGHTS_NAME}"
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        return "needs the fid extra: pip install -e '.[fid]'"
    _check_weights(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]

    @lru_cache(maxsize=1)
    def extractor() -> torch.nn.Module:
        try:
            return FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
            ).to(device)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:120]
            raise UserError(f"not Inception-v3 weights: {reason}", where=str(path)) from None

    def features(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        key = f"inception-{digest}-{content_hash(pictures)}"
        return cache.arrays(key, lambda: [_features(extractor(), pictures, device)])[0]

    return measure_distance(
        features(reals),
        features(fakes),
        extractor=f"Inception-v3 {digest}",
        resize="bilinear to 299 px (TensorFlow 1 form)",
        seed=seed,
        fake_classes=fake_classes,
        real_classes=real_classes,
    )


def _check_weights(path: Path) -> None:
    """The library unpickles anything; a file that holds more than tensors is refused first."""
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise UserError(f"not a weights file: {reason}", where=str(path)) from None


@torch.inference_mode()
def _features(
    extractor: torch.nn.Module, pictures: npt.NDArray[np.uint8], device: torch.device
) -> npt.NDArray[np.float32]:
    rows = [
        extractor(torch.from_numpy(pictures[start : start + BATCH]).to(device))[0].cpu().numpy()
        for start in range(0, len(pictures), BATCH)
    ]
    return np.concatenate(rows)
