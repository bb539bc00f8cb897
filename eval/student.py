"""`python -m eval realness`: fit the small net that tells good draws of a snapshot from bad ones.

Each draw's mean distance to the 5 nearest real faces, in a network that never scores, ranks draws
much as a person would, but costs a large network and all the reals. The student learns that number
from the picture alone: four convolutions, under 300 KB, under a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional

from acgan.devices import choose_device
from acgan.nets.realness import RealnessInfo, realness_path
from acgan.nets.snapshot import Snapshot, load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.files import write_bytes
from avatar_common.neighbours import mean_nearest, memberships
from avatar_common.pictures import PicturesNCHW
from eval.cache import CACHE_FOLDER, ArrayCache
from eval.classifier import initialise
from eval.drawer import draw_all
from eval.fit import fit
from eval.measure import rows_in_turn
from eval.networks import CHOOSER, Features
from eval.options import RealnessOptions
from eval.reals import Labels, Reals, asked_columns, load_reals
from eval.sources import find_sources
from eval.twins import without_twins

WIDTHS = (16, 48, 64, 64)
KERNEL = 3
SLOPE = 0.1
LARGE_SIDE = 128  # from here on the first convolution goes to a quarter
BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
REFERENCES = 4000
REAL_EXAMPLES = 1500
CHECKED = 1000
QUANTILE = 0.95
SPARED = 0.2  # share of the draws that are not clean which pass
MOST_PASS = 0.65  # so that choosing gains in a good model too, but more where
LEAST_KEPT = 0.85  # less than this of the recall would be left
PASS_STEP = 0.05
COMPARED = 2000
DRAW_SEED = 9_000_000  # no recipe's and no report's draws


class Student(nn.Module):
    """Pictures float32 [N, 3, S, S] in -1..1 -> a predicted log distance [N], standardised."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for place, width in enumerate(WIDTHS):
            stride = 4 if place == 0 and image_size >= LARGE_SIDE else 2
            layers += [
                nn.Conv2d(channels, width, KERNEL, stride, padding=KERNEL // 2),
                nn.LeakyReLU(SLOPE),
            ]
            channels = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(channels, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The expected log distance [N] to the reals."""
        # The mean over all places: with a weight for each of them it learns single draws by heart.
        answers: Tensor = self.head(self.body(pictures).mean((2, 3)))
        return answers.squeeze(1)


@dataclass(frozen=True)
class Lesson:
    """Pictures uint8 [N, 3, S, S] and their log distance to the reals float32 [N]."""

    pictures: PicturesNCHW
    distance: npt.NDArray[np.float32]


def scaled(pictures: PicturesNCHW) -> Tensor:
    """uint8 [N, 3, S, S] -> float32 in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).float().div_(127.5).sub_(1)


def train_student(lesson: Lesson, steps: int, seed: int, advance: Any = lambda: None) -> Student:
    """Least squares on the standardised log distance; mirrored and moved by a pixel or two."""
    generator = torch.Generator().manual_seed(seed)
    student = Student(lesson.pictures.shape[-1])
    initialise(student, generator)
    nn.init.zeros_(student.head.weight)
    mean, spread = float(lesson.distance.mean()), float(lesson.distance.std()) + 1e-6
    target = torch.from_numpy((lesson.distance - mean) / spread)
    student.to(memory_format=torch.channels_last).train()

    def loss_of_step() -> Tensor:
        rows = torch.randint(len(target), (BATCH,), generator=generator)
        pictures = scaled(lesson.pictures[rows.numpy()]).to(memory_format=torch.channels_last)
        flip = torch.rand(BATCH, 1, 1, 1, generator=generator) < 0.5
        pictures = torch.where(flip, pictures.flip(-1), pictures)
        move = torch.randint(-2, 3, (2,), generator=generator).tolist()
        return functional.mse_loss(student(torch.roll(pictures, move, (2, 3))), target[rows])

    fit(
        student,
        steps,
        loss_of_step,
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        warm_up=0.15,
        advance=advance,
    )
    with torch.no_grad():  # back to the log distance itself
        student.head.weight.mul_(spread)
        student.head.bias.mul_(spread).add_(mean)
    return student.eval()


def to_onnx(student: Student, limit: float, info: RealnessInfo) -> bytes:
    """The file: scaling, convolutions and `realness` = limit - predicted log distance, at most 0.

    All draws within the limit count alike, so that choosing the first of the highest takes the
    first good draw: always taking the very best would cost three times as much variety.
    """
    nodes, weights = [], []

    def constant(name: str, value: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    x = add("Cast", ["pictures"], "numbers", to=TensorProto.FLOAT)
    x = add("Div", [x, constant("half", 127.5)], "halved")
    x = add("Sub", [x, constant("one", 1.0)], "scaled")
    for place, layer in enumerate(part for part in student.body if isinstance(part, nn.Conv2d)):
        kernel = constant(f"kernel{place}", layer.weight.detach().numpy())
        bias = constant(f"bias{place}", layer.bias.detach().numpy())  # type: ignore[union-attr]
        pad = KERNEL // 2
        stride = int(layer.stride[0])
        x = add("Conv", [x, kernel, bias], f"map{place}", strides=[stride, stride], pads=[pad] * 4)
        x = add("LeakyRelu", [x], f"active{place}", alpha=SLOPE)
    x = add("GlobalAveragePool", [x], "mean")
    x = add("Flatten", [x], "flat")
    head = constant("head", student.head.weight.detach().numpy().T)
    x = add("Gemm", [x, head, constant("offset", student.head.bias.detach().numpy())], "distance")
    weights.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "all"))
    x = add("Reshape", [x, "all"], "row")
    x = add("Sub", [constant("limit", limit), x], "left")
    add("Min", [x, constant("zero", 0.0)], "realness")
    side = info.image_size
    graph = helper.make_graph(
        nodes,
        "realness",
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", 3, side, side])],
        [helper.make_tensor_value_info("realness", TensorProto.FLOAT, ["N"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, info.to_metadata())
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@dataclass(frozen=True)
class Teacher:
    """The network's distances to real training faces, and where 95% of other reals lie."""

    references: Features
    cache: ArrayCache
    limit: float
    examples: Lesson

    def distance(self, pictures: PicturesNCHW) -> npt.NDArray[np.float32]:
        """Log of the mean distance to the 5 nearest references, float32 [N]."""
        features = CHOOSER.features(pictures, self.cache)
        return np.log(mean_nearest(features, self.references)).astype(np.float32)


def make_teacher(reals: Reals, cache: ArrayCache, seed: int) -> Teacher:
    """From training faces alone: references, and others whose distances set the mark."""
    order = np.random.default_rng(seed).permutation(len(reals.train_labels))
    rows = np.sort(order[: REFERENCES + REAL_EXAMPLES])
    pictures = np.ascontiguousarray(reals.train_pictures[rows])
    pictures = pictures[without_twins(pictures, cache)]
    features = CHOOSER.features(pictures, cache)
    shuffled = np.random.default_rng(seed + 1).permutation(len(pictures))
    cut = max(1, min(REAL_EXAMPLES, len(pictures) // 4))
    examples, references = shuffled[:cut], shuffled[cut:]
    own = np.log(mean_nearest(features[examples], features[references])).astype(np.float32)
    return Teacher(
        features[references],
        cache,
        float(np.quantile(own, QUANTILE)),
        Lesson(pictures[examples], own),
    )


def draws_of(snapshot: Snapshot, rows: Labels, count: int, seed: int) -> PicturesNCHW:
    """`count` raw draws asked for label rows int64 [N, groups] of the set, in turn."""
    asked = rows[rows_in_turn(len(rows), count, seed)]
    z = snapshot.random_z(count, DRAW_SEED + seed)
    return draw_all(snapshot, z, torch.from_numpy(asked)).numpy()


def realness(options: RealnessOptions) -> None:
    """Fit, check on other draws, and leave the file beside the snapshot."""
    sources = find_sources(options.workspace, options.snapshot, options.data)
    out = options.out or realness_path(sources.snapshot)
    if options.dry_run:
        explain_dry_run(
            options,
            [f"fit a net to {options.draws} draws of {sources.snapshot}", f"write {out}"],
        )
        return
    device = choose_device(options.device, options.threads)
    snapshot = load_snapshot(sources.snapshot, device)
    snapshot.generator.to(memory_format=torch.channels_last)
    reals = load_reals(sources.faces, image_size=snapshot.info.image_size)
    cache = ArrayCache(sources.faces / CACHE_FOLDER)
    with progress("realness", options.steps + 3, quiet=options.quiet) as advance:
        data, found = fit_realness(snapshot, reals, cache, options, lambda: advance(1))
    write_bytes(out, data)
    emit_json({"realness": str(out), "kilobytes": round(len(data) / 1000, 1), **found})
    next_step("python -m eval report")


def fit_realness(
    snapshot: Snapshot, reals: Reals, cache: ArrayCache, options: RealnessOptions, advance: Any
) -> tuple[bytes, dict[str, float]]:
    """The file's bytes, and how well it ranks draws that it was not fitted to."""
    columns = asked_columns(snapshot.info.vocabulary, reals.vocabulary, str(snapshot.path))
    rows = reals.train_labels[:, columns]
    teacher = make_teacher(reals, cache, options.seed)
    advance()
    drawn = draws_of(snapshot, rows, options.draws, options.seed)
    lesson = Lesson(
        np.concatenate([drawn, teacher.examples.pictures]),
        np.concatenate([teacher.distance(drawn), teacher.examples.distance]),
    )
    advance()
    student = train_student(lesson, options.steps, options.seed, advance)
    others = draws_of(snapshot, rows, CHECKED, options.seed + 1)
    truth = teacher.distance(others)
    with torch.inference_mode():
        guess = np.concatenate([student(part).numpy() for part in scaled(others).split(BATCH)])
    correlation = float(spearmanr(guess, truth).statistic)
    clean = float((truth <= teacher.limit).mean())
    # Guesses lie closer together than distances do, so the mark is set by the share that passes:
    # as many as are clean, and a few of the others for the sake of variety.
    least = min(MOST_PASS, clean + SPARED * (1 - clean))
    with torch.inference_mode():
        guessed = np.concatenate([student(part).numpy() for part in scaled(drawn).split(BATCH)])
    passing = passing_share(guessed, CHOOSER.features(drawn, cache), teacher.references, least)
    limit = float(np.quantile(guess, passing))
    advance()
    info = RealnessInfo(
        image_size=snapshot.info.image_size,
        weights_sha256=snapshot.info.weights_sha256,
        dataset_id=reals.dataset_id,
        network=CHOOSER.package,
        network_sha256=CHOOSER.sha256,
        rank_correlation=round(correlation, 4),
    )
    return to_onnx(student, limit, info), {
        "rank_correlation": round(correlation, 4),
        "clean_draws": round(clean, 4),
        "passing": round(passing, 4),
        "draws": options.draws,
    }


def passing_share(
    guess: npt.NDArray[np.float32], draws: Features, references: Features, least: float
) -> float:
    """The smallest share of draws, from `least` on, whose best show nearly as many kinds of reals.

    `guess` [N] is how far off each draw is thought to be; features are of draws [N, F] and of
    reals. Where a model is clean, what looks least real is mostly what is rare.
    """

    def recall(rows: npt.NDArray[np.int64]) -> float:
        return float(memberships(references, draws[rows]).recalled.mean())

    order = np.argsort(guess, kind="stable")
    share, count = least, min(COMPARED, round(least * len(order)))
    asked = LEAST_KEPT * recall(np.random.default_rng(0).permutation(len(order))[:count])
    while share < 1 - PASS_STEP:
        passing = np.random.default_rng(0).permutation(order[: round(share * len(order))])
        if recall(passing[:count]) >= asked:
            break
        share += PASS_STEP
    return share
