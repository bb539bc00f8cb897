"""`bench generate`: how long one avatar takes on one CPU core, and how even a morph is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from acgan.drawing.ask import ask
from acgan.drawing.best_of import Reader
from acgan.drawing.export import notes_of, onnx_session, to_onnx
from acgan.drawing.painter import Painter
from acgan.drawing.path import largest_step, morph
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.classifiers import find_classifier
from avatar_common.errors import UserError
from bench.options import GenerateOptions

WARM_UP = 10
CANDIDATES = 16


def run(options: GenerateOptions) -> None:
    """Median milliseconds per picture; the last line on stdout is one JSON object."""
    if not 5 <= options.repeats <= 10_000:
        raise UserError("--repeats must be 5 to 10000")
    if not 0 <= options.pairs <= 10_000 or not 3 <= options.frames <= 1000:
        raise UserError("--pairs must be 0 to 10000, --frames 3 to 1000")
    path = find_snapshot(options.snapshot, options.workspace)
    if options.dry_run:
        explain_dry_run(options, [f"draw {options.repeats} times one picture with {path}"])
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    snapshot = load_snapshot(path)
    painter = Painter(snapshot)
    portraits = ask(painter, [], CANDIDATES, 0)
    session = onnx_session(to_onnx(snapshot, notes_of(snapshot), half=False), threads=1)
    feeds: dict[str, Any] = {
        "z": portraits[0].z[None],
        "labels": np.array([portraits[0].labels], np.int32),
    }
    torch_times = times_ms(lambda: painter.draw(portraits[:1]), options.repeats)
    onnx_times = times_ms(lambda: session.run(None, feeds), options.repeats)
    candidate_times = times_ms(lambda: painter.draw(portraits), max(5, options.repeats // 10))
    emit_json(
        {
            "snapshot": painter.name,
            "image_size": snapshot.info.image_size,
            "torch_ms": round(float(np.median(torch_times)), 2),
            "onnx_ms": round(float(np.median(onnx_times)), 2),
            "torch_p95_ms": round(float(np.percentile(torch_times, 95)), 2),
            "onnx_p95_ms": round(float(np.percentile(onnx_times, 95)), 2),
            "candidates_16_ms": round(float(np.median(candidate_times)), 1),
            "repeats": options.repeats,
            **(morph_steps(painter, options) if options.pairs else {}),
        }
    )


def morph_steps(painter: Painter, options: GenerateOptions) -> dict[str, Any]:
    """The largest step over the mean step of morphs, in the classifier's features."""
    path = find_classifier(painter.snapshot.path, painter.info, options.workspace)
    reader = Reader(path, painter.info)
    ratios = []
    with progress("morphs", options.pairs, quiet=options.quiet) as advance:
        for pair in range(options.pairs):
            keys = [ask(painter, [], 1, seed)[0] for seed in (2 * pair, 2 * pair + 1)]
            pictures = painter.draw(morph(painter, keys, options.frames))
            ratios.append(largest_step(reader.read(pictures)[0]))
            advance()
    return {
        "morphs": options.pairs,
        "frames": options.frames,
        "largest_over_mean_step_worst": round(max(ratios), 2),
        "largest_over_mean_step_median": round(float(np.median(ratios)), 2),
    }


def times_ms(draw: Callable[[], object], repeats: int) -> list[float]:
    """How long each call takes after some calls that do not count."""
    for _ in range(WARM_UP):
        draw()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        draw()
        times.append((time.perf_counter() - started) * 1000)
    return times
