"""`python -m eval report`: draw faces with a snapshot, score them, write page and numbers."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import torch

from acgan.devices import choose_device
from acgan.drawing.best_of import open_picker
from acgan.nets.realness import Realness, find_realness
from acgan.nets.snapshot import Snapshot, load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, next_step, progress
from avatar_common.disk.scores import REPORT_PAGE, SCORES_TABLE, append_row, plain
from avatar_common.disk.vocabulary import UNKNOWN
from avatar_common.errors import UserError
from eval.answers import ANSWERS_FOLDER
from eval.cache import CACHE_FOLDER, ArrayCache
from eval.measure import Scores, measure
from eval.metric import Plan
from eval.metrics import METRICS
from eval.options import ReportOptions
from eval.page import write_page
from eval.reals import Reals, load_reals
from eval.sources import Sources, find_sources
from eval.trained_classifier import obtain_classifier
from eval.verdicts import verdicts_of

log = logging.getLogger(__name__)


def report(options: ReportOptions) -> None:
    """Score one snapshot; the numbers go to stdout as one JSON object.

    Raises `UserError` when there is no snapshot or face set, or when the two do not fit.
    """
    sources = find_sources(options.workspace, options.snapshot, options.data)
    plan = Plan(options.count, options.seed, options.depth, options.inception)
    if plan.count < 50:
        raise UserError("--count must be at least 50")
    if options.dry_run:
        explain_dry_run(
            options,
            [
                f"draw {plan.count} faces with {sources.snapshot}",
                f"score them against the held-out faces of {sources.faces}",
                f"write {REPORT_PAGE} and {SCORES_TABLE} to {sources.out}",
            ],
        )
        return
    device = choose_device(options.device, options.threads)
    content = score_snapshot(sources, plan, device, quiet=options.quiet)
    emit_json(content)
    next_step(f"open {sources.out / REPORT_PAGE}")


def score_snapshot(
    sources: Sources, plan: Plan, device: torch.device, *, quiet: bool
) -> dict[str, Any]:
    """Score, write page and metrics row, and return the JSON object of the report.

    Every score compares with held-out faces: the `test` split, which neither the generator nor the
    classifier was trained on.
    """
    started = time.monotonic()
    snapshot: Snapshot = load_snapshot(sources.snapshot, device)
    snapshot.generator.to(memory_format=torch.channels_last)  # draws twice as fast on a CPU
    # Real faces are shrunk to the size that the model draws: else sharpness alone would tell.
    reals: Reals = load_reals(sources.faces, image_size=snapshot.info.image_size)
    # Without labels on both sides there is nothing for a classifier to compare.
    classifier = None
    if not len(snapshot.info.vocabulary):
        log.warning("the snapshot takes no labels: what is read by label is left out")
    elif not (reals.train_labels != UNKNOWN).any():
        log.warning("no face has a known label: what is read by label is left out")
    else:
        classifier = obtain_classifier(reals, sources.faces, device=device, quiet=quiet)
    realness = find_realness(sources.snapshot, snapshot.info)
    picker = None
    if realness is not None and plan.depth == "full":
        picker = open_picker(sources.snapshot, snapshot.info, sources.workspace)
    with progress("report", len(METRICS) + 3, quiet=quiet) as advance:
        scores = measure(
            snapshot,
            reals,
            classifier,
            plan,
            name=str(sources.snapshot),
            kimg=snapshot.info.kimg,
            device=device,
            cache=ArrayCache(sources.faces / CACHE_FOLDER),
            used_networks=used_networks(snapshot, realness),
            picker=picker,
            answers=sources.out / ANSWERS_FOLDER,
            note=lambda text: advance(1, text),
        )
    return publish(scores, sources.out, time.monotonic() - started)


def used_networks(snapshot: Snapshot, realness: Realness | None) -> dict[str, str]:
    """Package -> SHA-256 of all pretrained weights that trained the model or choose its draws.

    Both are kept where training and choosing took different weights of one package. A network that
    took part would favour what it taught (2203.06026), so it may not score.
    """
    used = dict(snapshot.info.extra.get("pretrained", {}))
    if truncation := snapshot.info.extra.get("truncation"):
        used["truncation"] = truncation["network_sha256"]
    if realness is not None:
        used[f"{realness.info.network} (realness)"] = realness.info.network_sha256
    return used


def publish(scores: Scores, out: Path, seconds: float) -> dict[str, Any]:
    """Write report.html and a row of metrics.jsonl; return the row."""
    content = plain(
        {
            **scores.to_json(),
            "verdicts": [verdict.to_json() for verdict in verdicts_of(scores.checks)],
            "seconds": round(seconds, 1),
        }
    )
    history = append_row(out / SCORES_TABLE, content)
    write_page(out / REPORT_PAGE, scores, history)
    return dict(content)
