"""The frozen networks: their weights are checked, their maps are those of the original layers."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d, pad, relu6

from acgan.nets.pretrained import WEIGHTS, WeightsFile, load_efficientnet_lite
from avatar_common.errors import Unavailable


def test_maps_have_the_stages_shapes() -> None:
    net = load_efficientnet_lite("efficientnet-lite0", (0, 1, 2, 4, 6))
    maps = net(torch.zeros(2, 3, 96, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 48, 32),
        (24, 24, 16),
        (40, 12, 8),
        (112, 6, 4),
        (320, 3, 2),
    ]
    assert len(load_efficientnet_lite("efficientnet-lite0", (1,)).stages) == 2


def test_folded_batchnorm_equals_the_plain_layers() -> None:
    import io

    weights = torch.load(io.BytesIO(WEIGHTS["efficientnet-lite0"].read()), weights_only=True)
    net = load_efficientnet_lite("efficientnet-lite0", (0,))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def layer(
        x: torch.Tensor, conv: str, norm: str, *, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> torch.Tensor:
        x = conv2d(x, weights[f"{conv}.weight"], stride=stride, padding=padding, groups=groups)
        mean, variance, scale, shift = (
            weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    x = relu6(layer(pad(images, (0, 1, 0, 1)), "_conv_stem", "_bn0", stride=2))
    block = "_blocks.0."
    x = relu6(layer(x, block + "_depthwise_conv", block + "_bn1", padding=1, groups=32))
    x = layer(x, block + "_project_conv", block + "_bn2")
    torch.testing.assert_close(net(images)[0], x, rtol=1e-4, atol=1e-4)


def test_weights_are_frozen_but_pictures_get_gradients() -> None:
    net = load_efficientnet_lite("efficientnet-lite0", (1,))
    assert isinstance(net, nn.Module)
    assert not net.training
    images = torch.zeros(1, 3, 32, 32, requires_grad=True)
    net(images)[0].sum().backward()
    assert images.grad is not None
    assert all(p.grad is None for p in net.parameters())


def test_missing_and_altered_weights_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    file = WEIGHTS["efficientnet-lite0"]
    with pytest.raises(Unavailable, match="another SHA-256"):
        WeightsFile(file.package, file.file, "0" * 64).read()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="missing"):
        WeightsFile("no_such_package", file.file, file.sha256).read()
