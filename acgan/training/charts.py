"""The loss curve and the film of the grids."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from avatar_common.disk.files import atomic_file
from avatar_common.disk.runs import RunFolder

CURVES = {
    "adversarial": ("adversarial_d", "adversarial_g"),
    "class": ("class_d", "class_g"),
    "accuracy of the heads": ("accuracy_real", "accuracy_fake"),
    "logit gap, penalty": ("logit_gap", "penalty"),
}
MOST_FRAMES = 60
MOST_FILM_SIDE_PX = 720
FRAME_MS = 150
LAST_FRAME_MS = 1500


def write_loss_curve(run: Path) -> None:
    """Draw stats.jsonl as losses.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in RunFolder(run).stats_file.read_text().splitlines()]
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        for name in names:
            points = [(row["kimg"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("kimg")
        if axes.lines:  # a batch may have no known label, a preset no penalty
            axes.legend()
    with atomic_file(run / "losses.png") as file:
        figure.savefig(file, format="png", dpi=110)


def write_film(run: Path) -> None:
    """Join the grids of samples/ into samples.gif, at most `MOST_FRAMES` of them."""
    paths = sorted(RunFolder(run).sample_folder.glob("*.png"))
    if not paths:
        return
    step = max(1, -(-len(paths) // MOST_FRAMES))
    frames = []
    for path in [*paths[:-1:step], paths[-1]]:
        with Image.open(path) as picture:
            frame = picture.convert("RGB")
        frame.thumbnail((MOST_FILM_SIDE_PX, MOST_FILM_SIDE_PX))
        frames.append(frame.quantize(128))
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    with atomic_file(run / "samples.gif") as file:
        frames[0].save(
            file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
        )
