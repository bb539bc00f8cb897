"""The attribute reader's network, and its ONNX file.

A residual trunk sees shapes; beside it two pointwise layers see nothing but colours. Each attribute
has a map of where to look (a softmax over 16 x 16 places), and a class's logit is the mean,
weighted by that map, of what each place says for the class: hair is read where hair is. A last
linear layer adds what the picture as a whole says.

The file is written without the exporter, whose graphs OpenCV cannot always read: seven kinds of
operators, half-precision weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from avatar_common.disk.files import write_bytes
from preprocess.detector_training.network import fused, onnx_package
from preprocess.reader.model import INPUT_SIDE_PX, ONNX_SCHEMA_VERSION, logit_parts

# Layer name: (channels in, channels out, kernel, stride).
_TRUNK = {
    "stem": (3, 32, 3, 2),
    "res1a": (32, 32, 3, 1),
    "res1b": (32, 32, 3, 1),
    "down1": (32, 64, 3, 2),
    "res2a": (64, 64, 3, 1),
    "res2b": (64, 64, 3, 1),
    "down2": (64, 128, 3, 2),
    "res3a": (128, 128, 3, 1),
    "res3b": (128, 128, 3, 1),
}
_COLOURS = 32
_OPSET = 13


class ReaderNet(nn.Module):
    """Logits [N, sum of `sizes`], attribute after attribute.

    For uint8-ranged RGB faces [N, 3, 64, 64].
    """

    stem: nn.Module
    res1a: nn.Module
    res1b: nn.Module
    down1: nn.Module
    res2a: nn.Module
    res2b: nn.Module
    down2: nn.Module
    res3a: nn.Module
    res3b: nn.Module
    spread: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        total = sum(sizes)
        for name, (inputs, outputs, kernel, stride) in _TRUNK.items():
            convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            self.add_module(name, nn.Sequential(convolution, nn.BatchNorm2d(outputs)))
        self.up = nn.Conv2d(128, 64, 1)
        self.colour1 = nn.Conv2d(3, _COLOURS, 1)
        self.colour2 = nn.Conv2d(_COLOURS, _COLOURS, 1)
        self.where = nn.Conv2d(64, len(sizes), 3, 1, 1)
        self.what = nn.Conv2d(64 + _COLOURS, total, 1)
        self.whole = nn.Linear(128, total)
        self.drop = nn.Dropout(0.2)
        spread = np.repeat(np.eye(len(sizes), dtype=np.float32), sizes, axis=0)
        self.register_buffer("spread", torch.from_numpy(spread)[:, :, None, None])
        """[total, attributes, 1, 1]: every class looks where its attribute does."""

    def forward(self, faces: Tensor) -> Tensor:
        """The logits."""
        x = faces / 127.5 - 1
        y = torch.relu_(self.stem(x))
        y = torch.relu_(y + self.res1b(torch.relu_(self.res1a(y))))
        y = torch.relu_(self.down1(y))
        middle = torch.relu_(y + self.res2b(torch.relu_(self.res2a(y))))
        y = torch.relu_(self.down2(middle))
        y = torch.relu_(y + self.res3b(torch.relu_(self.res3a(y))))
        middle = torch.relu_(middle + functional.interpolate(self.up(y), scale_factor=2))
        colours = torch.relu_(self.colour1(functional.avg_pool2d(x, 2)))
        colours = functional.avg_pool2d(torch.relu_(self.colour2(colours)), 2)
        places = torch.cat([middle, colours.to(middle.dtype)], dim=1)
        says: Tensor = self.what(self.drop(places)).flatten(2)
        looks = functional.conv2d(self.where(middle).float(), self.spread).flatten(2).softmax(2)
        whole: Tensor = self.whole(self.drop(y.mean((2, 3))))
        return (looks * says.float()).sum(2) + whole.float()

    def only(self, kept: Sequence[int]) -> ReaderNet:
        """The same network with these attributes alone."""
        net = ReaderNet([self.sizes[number] for number in kept])
        parts = logit_parts(self.sizes)
        rows = torch.cat([torch.arange(parts[n].start, parts[n].stop) for n in kept])
        state = self.state_dict()
        for name, values in state.items():
            if name.startswith("where."):
                state[name] = values[list(kept)]
            elif name.startswith(("what.", "whole.")):
                state[name] = values[rows]
        state["spread"] = net.spread
        net.load_state_dict(state)
        return net


def write_onnx(net: ReaderNet, path: Path) -> None:
    """Write the network for `cv2.dnn`: input float32 [N, 3, 64, 64] in 0..255, output logits."""
    graph = _Graph(onnx_package())
    net = net.cpu().eval()
    x = graph.node("Div", "faces", graph.number("half_range", 127.5))
    x = graph.node("Sub", x, graph.number("one", 1.0))

    def trunk(name: str, source: str) -> str:
        return graph.convolution(name, source, fused(getattr(net, name)))

    def residual(name: str, source: str) -> str:
        inner = graph.node("Relu", trunk(f"{name}a", source))
        return graph.node("Relu", graph.node("Add", source, trunk(f"{name}b", inner)))

    y = residual("res1", graph.node("Relu", trunk("stem", x)))
    middle = residual("res2", graph.node("Relu", trunk("down1", y)))
    y = residual("res3", graph.node("Relu", trunk("down2", middle)))
    up = graph.doubled("double", graph.convolution("up", y, net.up), net.up.out_channels)
    middle = graph.node("Relu", graph.node("Add", middle, up))
    colours = graph.convolution("colour1", graph.halved(x), net.colour1)
    colours = graph.convolution("colour2", graph.node("Relu", colours), net.colour2)
    colours = graph.halved(graph.node("Relu", colours))
    places = graph.node("Concat", middle, colours, axis=1)
    says = graph.rows(graph.convolution("what", places, net.what))
    looks = graph.convolution("where", middle, net.where)
    looks = graph.rows(graph.weighted("spread", looks, net.spread))
    seen = graph.node("Mul", graph.node("Softmax", looks, axis=2), says)
    axes = graph.integers("last", [2])
    seen = graph.node("ReduceSum", seen, axes, keepdims=0)
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", y), axis=1)
    whole = graph.node(
        "Gemm",
        pooled,
        graph.half("whole.weight", net.whole.weight),
        graph.half("whole.bias", net.whole.bias),
        transB=1,
    )
    graph.node("Add", seen, whole, output="logits")
    write_bytes(path, graph.model(sum(net.sizes)))


class _Graph:
    """An ONNX graph in the making; every method gives the name of what it adds."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._values: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"x{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def number(self, name: str, value: float) -> str:
        return self._value(name, np.array([value], np.float32))

    def integers(self, name: str, values: Sequence[int]) -> str:
        return self._value(name, np.array(values, np.int64))

    def half(self, name: str, weights: Tensor) -> str:
        """Weights kept in half precision and widened on loading."""
        kept = self._value(f"{name}.half", weights.detach().numpy().astype(np.float16))
        return self.node("Cast", kept, output=name, to=self._onnx.TensorProto.FLOAT)

    def convolution(self, name: str, source: str, layer: nn.Conv2d) -> str:
        bias, padding = layer.bias, layer.padding
        assert bias is not None
        assert not isinstance(padding, str)
        return self.node(
            "Conv",
            source,
            self.half(f"{name}.weight", layer.weight),
            self.half(f"{name}.bias", bias),
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=list(padding) * 2,
        )

    def weighted(self, name: str, source: str, weight: Tensor) -> str:
        """A convolution without a bias."""
        kernel = list(weight.shape[2:])
        return self.node("Conv", source, self.half(name, weight), kernel_shape=kernel)

    def doubled(self, name: str, source: str, channels: int) -> str:
        """Twice the side, every value repeated."""
        ones = self.half(name, torch.ones(channels, 1, 2, 2))
        return self.node(
            "ConvTranspose", source, ones, kernel_shape=[2, 2], strides=[2, 2], group=channels
        )

    def halved(self, source: str) -> str:
        return self.node("AveragePool", source, kernel_shape=[2, 2], strides=[2, 2])

    def rows(self, source: str) -> str:
        """[N, C, H, W] as [N, C, H * W]."""
        return self.node("Reshape", source, self.integers(f"rows{len(self._nodes)}", [0, 0, -1]))

    def model(self, outputs: int) -> bytes:
        helper, kind, side = self._onnx.helper, self._onnx.TensorProto, INPUT_SIDE_PX
        graph = helper.make_graph(
            self._nodes,
            "attribute_reader",
            [helper.make_tensor_value_info("faces", kind.FLOAT, ["N", 3, side, side])],
            [helper.make_tensor_value_info("logits", kind.FLOAT, ["N", outputs])],
            self._values,
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        helper.set_model_props(model, {"schema_version": str(ONNX_SCHEMA_VERSION)})
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _value(self, name: str, values: np.ndarray) -> str:
        self._values.append(self._onnx.numpy_helper.from_array(values, name))
        return name
