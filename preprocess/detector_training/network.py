"""The verifier's network, and its ONNX file.

Written without the exporter: five operators, half-precision weights (so 90,000 of them stay under
200 KB), and names that let training start again from the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avatar_common.disk.files import write_bytes
from avatar_common.errors import Unavailable, UserError
from preprocess.detect import CROP_SIDE_PX

# Layer name: (channels in, channels out, kernel, stride, padding).
_CONVOLUTIONS = {
    "stem": (3, 24, 3, 2, 1),
    "down1": (24, 40, 3, 2, 1),
    "res1a": (40, 40, 3, 1, 1),
    "res1b": (40, 40, 3, 1, 1),
    "down2": (40, 56, 3, 2, 1),
    "res2": (56, 56, 3, 1, 1),
    "head": (56, 4, 4, 1, 0),
}
_OPSET = 13


class VerifierNet(nn.Module):
    """Answers [N, 4] for uint8-ranged RGB crops [N, 3, 32, 32].

    The logit that there is a face, then where it is (right and down in crop sides, log of its side
    in crop sides).
    """

    stem: nn.Module
    down1: nn.Module
    res1a: nn.Module
    res1b: nn.Module
    down2: nn.Module
    res2: nn.Module
    head: nn.Conv2d

    def __init__(self, normalised: bool = True) -> None:
        super().__init__()
        for name, (inputs, outputs, kernel, stride, padding) in _CONVOLUTIONS.items():
            layer: nn.Module = nn.Conv2d(inputs, outputs, kernel, stride, padding)
            if normalised and name != "head":
                layer = nn.Sequential(layer, nn.BatchNorm2d(outputs))
            self.add_module(name, layer)
        self.drop = nn.Dropout2d(0.1)

    def forward(self, crops: Tensor) -> Tensor:
        """The answers."""
        x = torch.relu(self.stem(crops / 127.5 - 1))
        x = torch.relu(self.down1(x))
        x = torch.relu(x + self.res1b(torch.relu(self.res1a(x))))
        x = torch.relu(self.down2(x))
        x = torch.relu(x + self.res2(x))
        answers: Tensor = self.head(self.drop(x))
        return answers.flatten(1)


def rescale_logit(net: VerifierNet, gain: float, bias: float) -> None:
    """Make the logit `gain * logit + bias`, by the last layer's own weights."""
    with torch.no_grad():
        weight, offset = net.head.weight, net.head.bias
        assert offset is not None
        weight[0] *= gain
        offset[0] = gain * offset[0] + bias


def fused(layer: nn.Sequential) -> nn.Conv2d:
    """One convolution that answers as a convolution and its normalisation do in evaluation."""
    convolution, normalisation = layer
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    return nn.utils.fusion.fuse_conv_bn_eval(convolution.eval(), normalisation.eval())


def fused_weights(net: VerifierNet) -> dict[str, np.ndarray]:
    """Weights and biases by layer, with each normalisation folded into its convolution."""
    weights = {}
    for name in _CONVOLUTIONS:
        layer = getattr(net, name)
        if isinstance(layer, nn.Sequential):
            layer = fused(layer)
        weights[f"{name}.weight"] = layer.weight.detach().cpu().numpy()
        weights[f"{name}.bias"] = layer.bias.detach().cpu().numpy()
    return weights


def write_onnx(net: VerifierNet, path: Path) -> None:
    """Write the network for `cv2.dnn`: input float32 [N, 3, 32, 32] in 0..255, output [N, 4]."""
    onnx = onnx_package()
    helper, kind = onnx.helper, onnx.TensorProto
    nodes, initializers = [], []
    for name, values in fused_weights(net).items():
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        initializers.append(half)
        nodes.append(helper.make_node("Cast", [half.name], [name], to=kind.FLOAT))
    for name, value in (("half_range", 127.5), ("one", 1.0)):
        initializers.append(onnx.numpy_helper.from_array(np.array([value], np.float32), name))
    nodes.append(helper.make_node("Div", ["crops", "half_range"], ["scaled"]))
    nodes.append(helper.make_node("Sub", ["scaled", "one"], ["x0"]))

    def convolve(name: str, source: str, target: str) -> None:
        _, _, kernel, stride, padding = _CONVOLUTIONS[name]
        attributes = {
            "kernel_shape": [kernel] * 2,
            "strides": [stride] * 2,
            "pads": [padding] * 4,
        }
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [target], name=name, **attributes))

    def relu(source: str, target: str) -> None:
        nodes.append(helper.make_node("Relu", [source], [target]))

    def add(first: str, second: str, target: str) -> None:
        nodes.append(helper.make_node("Add", [first, second], [target]))

    convolve("stem", "x0", "c1")
    relu("c1", "x1")
    convolve("down1", "x1", "c2")
    relu("c2", "x2")
    convolve("res1a", "x2", "c3")
    relu("c3", "x3")
    convolve("res1b", "x3", "c4")
    add("x2", "c4", "s4")
    relu("s4", "x4")
    convolve("down2", "x4", "c5")
    relu("c5", "x5")
    convolve("res2", "x5", "c6")
    add("x5", "c6", "s6")
    relu("s6", "x6")
    convolve("head", "x6", "c7")
    nodes.append(helper.make_node("Flatten", ["c7"], ["answer"], axis=1))
    side = CROP_SIDE_PX
    graph = helper.make_graph(
        nodes,
        "face_verifier",
        [helper.make_tensor_value_info("crops", kind.FLOAT, ["N", 3, side, side])],
        [helper.make_tensor_value_info("answer", kind.FLOAT, ["N", 4])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    helper.set_model_props(model, {"schema_version": "2"})
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())


def read_onnx(path: Path) -> VerifierNet:
    """The network of such a file, its normalisations folded; UserError when it is another's."""
    onnx = onnx_package()
    try:
        tensors = onnx.load(str(path)).graph.initializer
        values = {t.name.removesuffix(".half"): onnx.numpy_helper.to_array(t) for t in tensors}
        net = VerifierNet(normalised=False)
        wanted = net.state_dict()
        net.load_state_dict({k: torch.tensor(values[k].astype(np.float32)) for k in wanted})
    except Exception as error:
        raise UserError(
            "not a verifier of this project", where=str(path), hint="give a file of train-verifier"
        ) from error
    return net


def onnx_package() -> Any:
    """The package onnx. Raises `Unavailable` where the extra is not installed."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise Unavailable(
            "the package onnx is missing", hint="pip install 'anime-avatar-acgan[onnx]'"
        ) from None
    return onnx
