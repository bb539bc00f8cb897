"""`python -m eval report`: draw faces with a snapshot, score them, write page and numbers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from acgan.snapshot import Snapshot, choose_device, load_snapshot
from cli import emit_json, explain_dry_run, next_step, progress
from eval.checks import run_checks
from eval.crowd import measure_crowd
from eval.judge import obtain_judge
from eval.measure import Drawn, Plan, measure
from eval.metrics import append_row
from eval.options import ReportOptions
from eval.page import write_page
from eval.reals import Reals, load_reals
from eval.scores import Scores, plain
from eval.summary import summarise
from eval.verdicts import verdicts_of
from manifest.errors import UserError
from manifest.faces import find_face_set
from manifest.runs import read_snapshot_info
from manifest.workspace import Workspace

log = logging.getLogger(__name__)

STAGES = 10


@dataclass(frozen=True)
class Sources:
    """What is scored, against which faces, and the folder for the results."""

    snapshot: Path
    faces: Path
    out: Path


def report(options: ReportOptions) -> None:
    """Score one snapshot; the numbers go to stdout as one JSON object."""
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
                f"write report.html and metrics.jsonl to {sources.out}",
            ],
        )
        return
    device = choose_device(options.device, options.threads)
    content = score_snapshot(sources, plan, device, quiet=options.quiet)
    emit_json(content)
    if content.get("conditional", True):
        next_step(f"open {sources.out / 'report.html'}")


def find_sources(workspace: Path, snapshot: Path | None, data: Path | None) -> Sources:
    """Resolve the defaults: the newest snapshot, and the face set that it was trained on."""
    home = Workspace(workspace)
    path = snapshot or home.newest_snapshot()
    if path is None:
        home.newest_run()
        raise UserError(
            "no snapshot yet", where=str(home.runs), hint="train a little longer, then score"
        )
    path = path.with_suffix(".json")
    info = read_snapshot_info(path)
    run = path.parent.parent if path.parent.name == "snapshots" else path.parent
    return Sources(path, data or _faces_of(home, info.dataset_id), run / "eval")


def _faces_of(home: Workspace, dataset_id: str) -> Path:
    """The face set that has this dataset id now, else the newest one (said in the log)."""
    found = find_face_set(home.faces, dataset_id)
    if found is not None:
        return found
    newest = home.newest_face_set()
    log.warning(
        "the faces and labels that the snapshot was trained on are not here, or have changed "
        "since; scoring against %s as it is now",
        newest,
    )
    return newest


def score_snapshot(
    sources: Sources, plan: Plan, device: torch.device, *, quiet: bool
) -> dict[str, Any]:
    """Score, write page and metrics row, and return the JSON object of the report."""
    started = time.monotonic()
    snapshot: Snapshot = load_snapshot(sources.snapshot, device)
    snapshot.generator.to(memory_format=torch.channels_last)  # draws twice as fast on a CPU
    reals: Reals = load_reals(sources.faces, image_size=snapshot.info.image_size)
    judge = obtain_judge(reals, sources.faces, device=device, quiet=quiet)
    if not len(snapshot.info.vocabulary):
        log.warning("the snapshot takes no labels: only the crowd is scored, without a page")
        return measure_crowd(snapshot, reals, judge, count=plan.count, seed=plan.seed)
    with progress("report", STAGES, quiet=quiet) as advance:
        scores, drawn = measure(
            snapshot,
            reals,
            judge,
            plan,
            name=str(sources.snapshot),
            kimg=snapshot.info.kimg,
            note=lambda text: advance(1, text),
        )
    return publish(scores, drawn, reals, sources.out, time.monotonic() - started)


def publish(
    scores: Scores, drawn: Drawn, reals: Reals, out: Path, seconds: float
) -> dict[str, Any]:
    """Write report.html, samples.png and a row of metrics.jsonl; return the row."""
    checks = run_checks(scores)
    content = scores.to_json()
    content["summary"] = summarise(content)
    content["verdicts"] = plain([verdict.to_json() for verdict in verdicts_of(checks)])
    content["seconds"] = round(seconds, 1)
    history = append_row(out / "metrics.jsonl", content)
    write_page(out / "report.html", scores, checks, drawn, reals, history)
    return content
