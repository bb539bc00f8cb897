"""`export`: the generator as one ONNX file that describes itself, checked before it is written."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from acgan.drawing.describe import describe
from acgan.drawing.options import ExportOptions
from acgan.drawing.painter import snapshot_name, table_rows, with_mixed_embeddings
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import Snapshot, load_snapshot, to_uint8
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.files import write_bytes, write_json
from avatar_common.errors import Unavailable, UserError

log = logging.getLogger(__name__)

EXPORT_SCHEMA_VERSION = 1
OPSET = 18
BATCH = torch.export.Dim("N", min=1, max=65536)
LARGEST_DIFFERENCE = {"fp32": 2, "fp16": 24}
MEAN_DIFFERENCE = {"fp32": 0.02, "fp16": 1.0}
SMALL_WEIGHT = 64


class Drawing(nn.Module):
    """What the file holds: z float32 [N,Z], labels int32 [N,A] -> pictures uint8 [N,S,S,3]."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Pictures uint8 [N,S,S,3]."""
        return to_uint8(self.generator(z, labels.long())).permute(0, 2, 3, 1)


class Mixing(nn.Module):
    """As `Drawing`, with weights float32 [N, rows of the label table] in place of labels.

    Each attribute has a row for unknown, then one per class; weights that sum to one within each
    attribute mix its classes.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = with_mixed_embeddings(generator)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        """Pictures uint8 [N,S,S,3]."""
        return to_uint8(self.generator(z, weights)).permute(0, 2, 3, 1)


def run(options: ExportOptions) -> None:
    """Write the ONNX file and a JSON beside it; the last line on stdout is one JSON object."""
    if options.site is not None:
        from acgan.serving import site

        site.run(options, options.site)
        return
    if options.out.suffix != ".onnx":
        raise UserError("the file's name must end in .onnx", where=str(options.out))
    if not 1 <= options.checks <= 1000:
        raise UserError("--checks must be 1 to 1000")
    snapshot = load_snapshot(find_snapshot(options.snapshot, options.workspace))
    if options.dry_run:
        explain_dry_run(options, [f"write {snapshot_name(snapshot.path)} to {options.out}"])
        return
    notes = notes_of(snapshot)
    data = to_onnx(snapshot, notes, half=options.precision == "fp16")
    largest, mean = compare(snapshot, data, options.checks)
    if largest > LARGEST_DIFFERENCE[options.precision] or mean > MEAN_DIFFERENCE[options.precision]:
        raise Unavailable(
            f"ONNX Runtime and PyTorch draw different pictures (off by up to {largest} of 255), "
            "nothing was written",
            hint="try --precision fp32, or another version of onnxruntime",
        )
    write_bytes(options.out, data)
    write_json(options.out.with_suffix(".json"), notes, schema_version=EXPORT_SCHEMA_VERSION)
    emit_json(
        {
            "snapshot": snapshot_name(snapshot.path),
            "onnx": str(options.out),
            "description": str(options.out.with_suffix(".json")),
            "megabytes": round(len(data) / 2**20, 2),
            "largest_difference": largest,
            "mean_difference": round(mean, 5),
        }
    )


def notes_of(snapshot: Snapshot) -> dict[str, Any]:
    """How to ask the file, for its metadata and for the JSON beside it."""
    return describe(snapshot) | {
        "inputs": {
            "z": "float32 [N, z_dim], from z_distribution (normal: mean 0, deviation 1; "
            "uniform: 0 to 1)",
            "labels": "int32 [N, attributes], the class's place in its attribute's list; draw what "
            "is not asked for from label_rows, do not leave it unknown (-1)",
        },
        "outputs": {"pictures": "uint8 [N, image_size, image_size, 3], RGB, 0 to 255"},
    }


def to_onnx(
    snapshot: Snapshot, notes: Mapping[str, Any], *, half: bool, mixing: bool = False
) -> bytes:
    """The generator as ONNX bytes: `Drawing`, or `Mixing`.

    Raises `Unavailable` where the extra is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise Unavailable(
            f"{error.name} is not installed", hint="pip install -e '.[onnx]'"
        ) from None
    for chatty in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    info = snapshot.info
    sizes = info.vocabulary.sizes
    z = torch.zeros(2, info.z_dim)
    generator = snapshot.generator.cpu()
    net: nn.Module
    if mixing:
        net = Mixing(generator)
        example = {"z": z, "weights": torch.zeros(2, table_rows(sizes))}
    else:
        net = Drawing(generator)
        example = {"z": z, "labels": torch.zeros(2, len(sizes), dtype=torch.int32)}
    free = {name: {0: BATCH} for name in example}
    model = exported(net.eval(), example, ["pictures"], free)
    if half:
        halve_weights(model)
    onnx.helper.set_model_props(
        model,
        {
            "schema_version": str(EXPORT_SCHEMA_VERSION),
            **{k: v if isinstance(v, str) else json.dumps(v) for k, v in notes.items()},
        },
    )
    return bytes(model.SerializeToString())


def exported(
    net: nn.Module | torch.export.ExportedProgram,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    free: dict[str, Any] | None,
) -> Any:
    """A net as an ONNX model, from an example of its inputs.

    `free` names the axes of each input whose size is open; a program keeps those it has (None).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes to its own developers
        program = torch.onnx.export(
            net,
            tuple(example.values()),
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes=free,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # only other ways of exporting return nothing
    return program.model_proto


def halve_weights(model: Any) -> None:
    """Keep the weights as fp16 and widen them on loading: half the size, the speed of fp32.

    Computing in fp16 would be slow on CPUs, and overflows where a net was not trained for it.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    for index, weight in enumerate(list(graph.initializer)):
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size <= SMALL_WEIGHT:
            continue
        wide, narrow = weight.name, f"{weight.name}.fp16"
        halved = np.clip(values, -65504, 65504).astype(np.float16)
        graph.initializer[index].CopyFrom(numpy_helper.from_array(halved, narrow))
        graph.node.insert(0, helper.make_node("Cast", [narrow], [wide], to=TensorProto.FLOAT))


def onnx_session(data: bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU. Raises `Unavailable` where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise Unavailable("onnxruntime is not installed", hint="pip install -e '.[onnx]'") from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])


def compare(snapshot: Snapshot, data: bytes, checks: int) -> tuple[int, float]:
    """The largest and the mean difference to PyTorch (0..255) on random latents and labels."""
    session = onnx_session(data)
    random = np.random.default_rng(0)
    largest, total = 0, 0.0
    for check in range(checks):
        count = check % 3 + 1
        z = snapshot.random_z(count, check)
        labels = random_labels(snapshot, count, random)
        ours = snapshot.draw(z, torch.from_numpy(labels).long()).permute(0, 2, 3, 1).numpy()
        theirs = session.run(None, {"z": z.numpy(), "labels": labels})[0]
        if theirs.shape != ours.shape or theirs.dtype != np.uint8:
            return 255, 255.0
        difference = np.abs(ours.astype(np.int16) - theirs)
        largest, total = max(largest, int(difference.max())), total + float(difference.mean())
    return largest, total / checks


def random_labels(
    snapshot: Snapshot, count: int, random: np.random.Generator
) -> npt.NDArray[np.int32]:
    """Labels int32 [count, A], unknown (-1) among them."""
    sizes = np.array(snapshot.info.vocabulary.sizes, np.int64)
    return random.integers(-1, sizes, (count, len(sizes))).astype(np.int32)
