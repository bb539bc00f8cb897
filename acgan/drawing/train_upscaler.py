"""`train-upscaler`: a small net that doubles the side of a face and keeps its lines sharp.

It starts from the linear filter that fits real drawings best (least squares) and adds what no such
filter can: convolutions at the small size, then PixelShuffle (1609.05158). It learns from drawings
shrunk in several ways, some blurred as a generator's draws are, with an absolute difference and a
difference in the first stages of EfficientNet-Lite0. Faces that it never saw are scored by
EfficientNet-Lite2.
"""

from __future__ import annotations

import io
import logging
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss

from acgan.devices import choose_device
from acgan.drawing.export import BATCH, exported, halve_weights, onnx_session
from acgan.drawing.options import UpscalerOptions
from acgan.nets.blocks import zero_bias
from acgan.nets.pretrained import EfficientNetLite, load_efficientnet_lite
from acgan.training.precision import computes_in_bf16
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import write_bytes
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNCHW

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FEWEST = 20
MOST_PICTURES = 20_000
HELD_OUT_SHARE = 0.1
MOST_HELD_OUT = 100
CROP_PX = 96
BASE_PX = 7  # side of the linear filter
RIDGE = 1.0
FITTED_BATCHES = 32
RATE = 2e-3
FEATURE_WEIGHT = 0.02
FEATURE_STAGES = (0, 1, 2)
SOFTER_SHARE = 0.2
BLURRED_SHARE = 0.15


@dataclass(frozen=True)
class Batch:
    """Pictures at both sizes, float in 0..1."""

    small: Tensor
    large: Tensor


class Upscaler(nn.Module):
    """Pictures float [N,3,S,S] in 0..1 -> [N,3,2S,2S], about 0..1."""

    def __init__(self, width: int = 32, depth: int = 6) -> None:
        super().__init__()
        self.base = nn.Conv2d(
            3, 12, BASE_PX, padding=BASE_PX // 2, padding_mode="replicate", bias=False
        )
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(depth // 2)
        )
        self.last = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        zero_bias(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """The pictures at twice the side."""
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        detail = self.last(nn.functional.leaky_relu(h, 0.1))
        larger: Tensor = nn.functional.pixel_shuffle(self.base(x) + detail, 2)
        return larger

    @torch.no_grad()
    def fit_base(self, batches: Iterable[Batch]) -> None:
        """Make the linear part the one with the least squared error on these pictures."""
        inputs = 3 * BASE_PX**2
        gram = torch.eye(inputs, dtype=torch.float64) * RIDGE
        target = torch.zeros(inputs, 12, dtype=torch.float64)
        margin = BASE_PX // 2
        for batch in batches:
            padded = nn.functional.pad(batch.small, (margin,) * 4, mode="replicate")
            rows = nn.functional.unfold(padded, BASE_PX).transpose(1, 2).reshape(-1, inputs)
            wanted = nn.functional.pixel_unshuffle(batch.large, 2).flatten(2).transpose(1, 2)
            gram += (rows.T @ rows).double()
            target += (rows.T @ wanted.reshape(-1, 12)).double()
        found = torch.linalg.solve(gram, target)
        self.base.weight.copy_(found.T.reshape(12, 3, BASE_PX, BASE_PX))


class Doubling(nn.Module):
    """What the file holds: pictures uint8 [N,S,S,3] -> enlarged uint8 [N,2S,2S,3]."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures at twice the side."""
        found: Tensor = self.net(pictures.permute(0, 3, 1, 2).float() / 255)
        return (found * 255 + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def run(options: UpscalerOptions) -> None:
    """Train, score on faces held out, write; the last line on stdout is one JSON object."""
    if options.out.suffix != ".onnx":
        raise UserError("the file's name must end in .onnx", where=str(options.out))
    if not 0 < options.minutes <= 10_000:
        raise UserError("--minutes must be above 0")
    device = choose_device(options.device, options.threads)
    if options.dry_run:
        explain_dry_run(options, [f"learn from {options.data} and write {options.out}"])
        return
    faces = read_faces(options.data)
    count = min(MOST_HELD_OUT, max(1, int(len(faces) * HELD_OUT_SHARE)))
    order = np.random.default_rng(0).permutation(len(faces))
    held_out, learnt = faces[order[:count]], faces[order[count:]]
    with progress("training", quiet=options.quiet) as advance:
        net, steps = train(learnt, device, options.minutes * 60, options.seed, advance)
    data = to_onnx(net)
    write_bytes(options.out, data)
    found = score(data, held_out)
    emit_json(
        {
            "out": str(options.out),
            "kilobytes": round(len(data) / 1024, 1),
            "faces": len(learnt),
            "held_out": count,
            "steps": steps,
            **found,
        }
    )


def read_faces(path: Path) -> PicturesNCHW:
    """All pictures of a zip or folder, square and of the commonest size, uint8 [N,S,S,3]."""
    by_size: dict[int, list[PicturesNCHW]] = {}
    for data in contents(path):
        try:
            with Image.open(io.BytesIO(data)) as image:
                picture = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            continue
        if picture.shape[0] == picture.shape[1] >= 32 and picture.shape[0] % 4 == 0:
            by_size.setdefault(picture.shape[0], []).append(picture)
    commonest = max(by_size.values(), key=len, default=[])
    if len(commonest) < FEWEST:
        raise UserError(f"{FEWEST} square pictures of one size are needed", where=str(path))
    return np.stack(commonest[:MOST_PICTURES])


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of every picture in a zip or under a folder, by name."""
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES):
            yield file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if Path(name).suffix.lower() in SUFFIXES:
                    yield archive.read(name)
    except zipfile.BadZipFile:
        raise UserError("neither a folder nor a zip", where=str(path)) from None


@dataclass(frozen=True)
class Lesson:
    """Pictures uint8 [N,3,S,S], and shrunk to half by Lanczos's filter [N,3,S/2,S/2]."""

    large: Tensor
    small: Tensor


def make_lesson(faces: PicturesNCHW) -> Lesson:
    """Faces uint8 [N,S,S,3] made ready to learn from."""
    side = faces.shape[1] // 2
    small = [Image.fromarray(f).resize((side, side), Image.Resampling.LANCZOS) for f in faces]
    pair = (faces, np.stack([np.asarray(image) for image in small]))
    return Lesson(*(torch.from_numpy(np.ascontiguousarray(p.transpose(0, 3, 1, 2))) for p in pair))


def make_batch(lesson: Lesson, size: int, generator: torch.Generator) -> Batch:
    """Random crops, some mirrored; most shrunk by Lanczos, some softer or blurred."""

    def draw(high: int) -> int:
        return int(torch.randint(high, (1,), generator=generator))

    side = min(CROP_PX, lesson.large.shape[-1]) // 2
    rows = torch.randint(len(lesson.large), (size,), generator=generator)
    y, x = (draw(lesson.small.shape[-1] - side + 1) for _ in range(2))
    large = lesson.large[rows, :, 2 * y : 2 * (y + side), 2 * x : 2 * (x + side)].float() / 255
    small = lesson.small[rows, :, y : y + side, x : x + side].float() / 255
    if draw(2):
        large, small = large.flip(3), small.flip(3)
    chance = draw(100)
    if chance < 100 * SOFTER_SHARE:
        small = interpolate(large, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)
    elif chance < 100 * (SOFTER_SHARE + BLURRED_SHARE):
        share = torch.rand(1, generator=generator) * 0.6
        padded = nn.functional.pad(small, (1, 1, 1, 1), mode="replicate")
        small = small.lerp(nn.functional.avg_pool2d(padded, 3, stride=1), float(share))
    return Batch((small * 255).round() / 255, large)


def train(
    faces: PicturesNCHW,
    device: torch.device,
    seconds: float,
    seed: int,
    advance: Callable[..., None] = lambda *_: None,
    batch: int = 8,
) -> tuple[Upscaler, int]:
    """Train for so long; the net with the average of its last weights, and the steps taken."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Upscaler()
    generator = torch.Generator().manual_seed(seed)
    lesson = make_lesson(faces)
    net.fit_base(make_batch(lesson, 8, generator) for _ in range(FITTED_BATCHES))
    net = net.to(device).to(memory_format=torch.channels_last)
    eyes = load_efficientnet_lite("efficientnet-lite0", FEATURE_STAGES).to(device)
    optimizer = torch.optim.Adam(net.parameters(), RATE, betas=(0.9, 0.99))
    averaged = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    narrow = computes_in_bf16("auto", device)
    started, steps = time.monotonic(), 0
    while (share := (time.monotonic() - started) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (steps + 1) / 20) * (1 - share) ** 0.5
        made = make_batch(lesson, batch, generator)
        small, large = made.small.to(device), made.large.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=narrow):
            drawn = net(small)
            far = feature_distance(eyes, drawn, large)
        loss = l1_loss(drawn.float(), large) + FEATURE_WEIGHT * far.float()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        averaged.update_parameters(net)
        steps += 1
        advance()
    found = averaged.module.cpu().eval()
    assert isinstance(found, Upscaler)
    return found, steps


def feature_distance(eyes: EfficientNetLite, drawn: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of a frozen network's maps, each stage over its own size."""
    with torch.no_grad():
        wanted = eyes(real * 2 - 1)
    found = eyes(drawn * 2 - 1)
    stages = [
        l1_loss(a, b) / b.abs().mean().clamp_min(1e-3) for a, b in zip(found, wanted, strict=True)
    ]
    return torch.stack(stages).mean()


def to_onnx(net: nn.Module) -> bytes:
    """The net as ONNX with halved weights."""
    size = torch.export.Dim("S", min=8, max=2048)
    pictures = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    free = {"pictures": {0: BATCH, 1: size, 2: size}}
    model = exported(Doubling(net).eval(), {"pictures": pictures}, ["enlarged"], free)
    halve_weights(model)
    return bytes(model.SerializeToString())


@torch.inference_mode()
def score(data: bytes, faces: PicturesNCHW) -> dict[str, Any]:
    """Faces shrunk to half and enlarged again: PSNR (dB) and distance in EfficientNet-Lite2."""
    session = onnx_session(data, threads=1)
    network = load_efficientnet_lite("efficientnet-lite2", (2, 4))
    side = faces.shape[1]
    small = [Image.fromarray(face).resize((side // 2, side // 2), Image.Resampling.LANCZOS)
             for face in faces]  # fmt: skip
    ways: dict[str, Callable[[Image.Image], PicturesNCHW]] = {
        "ours": lambda image: session.run(None, {"pictures": np.asarray(image)[None]})[0][0],
        "bicubic": lambda i: np.asarray(i.resize((side, side), Image.Resampling.BICUBIC)),
        "lanczos": lambda i: np.asarray(i.resize((side, side), Image.Resampling.LANCZOS)),
    }
    psnr: dict[str, float] = {}
    distance: dict[str, float] = {}
    for name, enlarge in ways.items():
        decibels, far = [], []
        for image, face in zip(small, faces, strict=True):
            drawn = enlarge(image)
            error = float(((drawn.astype(np.float64) - face) ** 2).mean())
            decibels.append(10 * np.log10(255**2 / max(error, 1e-9)))
            pair = torch.from_numpy(np.stack([drawn, face])).permute(0, 3, 1, 2).float() / 255
            far.append(float(feature_distance(network, pair[:1], pair[1:])))
        psnr[name], distance[name] = (round(float(np.mean(v)), 4) for v in (decibels, far))
    return {"psnr_db": psnr, "feature_distance": distance}
