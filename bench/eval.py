"""`python -m bench eval`: generators made to fail; does the report name each failure?"""

from __future__ import annotations

import logging
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.options_eval import EvalOptions
from bench.planted import PLANTED, Material, Pool, real_faces
from cli import emit_json, explain_dry_run, progress
from demo.artist import draw_portrait, random_attributes
from eval.judge import TrainedJudge, obtain_judge
from eval.measure import measure
from eval.plan import Plan
from eval.reals import Reals, load_reals
from eval.verdicts import Verdict, verdicts_of
from manifest.vocabulary import UNKNOWN, Vocabulary, load_vocabulary

log = logging.getLogger(__name__)

GROUPS = ("hair_color", "eye_color", "glasses")
LABEL_NOISE = 0.06


def run(options: EvalOptions) -> None:
    """Time a full report on real faces passed off as samples, then plant every failure."""
    if options.dry_run:
        source = options.data or f"{options.faces} drawn faces of {options.image_size} px"
        explain_dry_run(options, [f"plant {len(PLANTED)} failures in {source} and score each"])
        return
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    if options.data is not None:
        reals, unseen = from_face_set(options.data, rng)
    else:
        reals, unseen = drawn_faces(options.faces, options.image_size, rng, quiet=options.quiet)
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as cache:
        emit_json(measured(options, reals, unseen, Path(cache)))


def measured(options: EvalOptions, reals: Reals, unseen: Pool, cache: Path) -> dict[str, Any]:
    """The timed full report, judge's training included, then every planted failure."""
    started = time.monotonic()
    judge = obtain_judge(reals, cache, device=torch.device("cpu"), quiet=options.quiet)
    material = make_material(reals, unseen, judge)
    timed = Plan(options.timed_count or options.count, options.seed, "full")
    on_reals = name_failures(material, reals, judge, timed, "")
    seconds = time.monotonic() - started
    planted, found = {}, {}
    plan = Plan(options.count, options.seed, "quick")
    with progress("planted failures", len(PLANTED), quiet=options.quiet) as advance:
        for name, (_, verdict) in PLANTED.items():
            named = [one.name for one in name_failures(material, reals, judge, plan, name)]
            planted[name], found[name] = verdict in named, named
            advance(1, name)
    return {
        "planted": planted,
        "verdicts_on_reals": [verdict.name for verdict in on_reals],
        "seconds": round(seconds, 1),
        "verdicts": found,
        "n_timed": timed.count,
        "n_real": len(reals.test_labels),
        "n_train": len(reals.train_labels),
        "threads": torch.get_num_threads(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def name_failures(
    material: Material, reals: Reals, judge: TrainedJudge, plan: Plan, name: str
) -> list[Verdict]:
    """The verdicts on one planted failure, or with no name on real faces passed off as samples."""
    drawer = PLANTED[name][0](material) if name else real_faces(material)
    return verdicts_of(measure(drawer, reals, judge, plan, name=name or "real faces").checks)


def make_material(reals: Reals, unseen: Pool, judge: TrainedJudge) -> Material:
    """What the stand-ins are made of; the confidence is the judge's in the least sure label."""

    def confidence(pool: Pool) -> np.ndarray:
        sure = np.ones(len(pool.labels))
        for column, probabilities in enumerate(judge.read(pool.pictures)[1]):
            known = pool.labels[:, column] != UNKNOWN
            rows = np.flatnonzero(known)
            sure[rows] = np.minimum(sure[rows], probabilities[rows, pool.labels[rows, column]])
        return sure

    return Material(
        Pool(reals.train_pictures, reals.train_labels), unseen, reals.vocabulary, confidence
    )


def drawn_faces(
    count: int,
    image_size: int,
    rng: np.random.Generator,
    *,
    quiet: bool,
    vocabulary: Vocabulary | None = None,
) -> tuple[Reals, Pool]:
    """Drawn faces with `LABEL_NOISE` wrong labels in each group, as booru tags have them.

    Three sevenths to train on, two to hold out, two that only the stand-ins see. A `vocabulary`
    with fewer classes draws these only.
    """
    vocabulary = vocabulary or load_vocabulary().only(GROUPS)
    pictures = np.empty((count, 3, image_size, image_size), dtype=np.uint8)
    labels = np.empty((count, len(vocabulary)), dtype=np.int64)
    with progress("draw", count, quiet=quiet) as advance:
        for row in range(count):
            attributes = random_attributes(rng)
            for column, group in enumerate(vocabulary):
                labels[row, column] = rng.integers(len(group.classes))
                name = group.classes[labels[row, column]]
                attributes[group.name] = name == "1" if group.kind == "flag" else name
            pictures[row] = draw_portrait(image_size, attributes, rng).transpose(2, 0, 1)
            advance()
    wrong = rng.random(labels.shape) < LABEL_NOISE
    offset = rng.integers(1, np.array(vocabulary.sizes), labels.shape)
    labels = np.where(wrong, (labels + offset) % np.array(vocabulary.sizes), labels)
    first, second = 3 * count // 7, 5 * count // 7
    reals = Reals(
        dataset_id=f"drawn-{count}-{image_size}",
        vocabulary=vocabulary,
        train_pictures=pictures[:first],
        train_labels=labels[:first],
        test_pictures=pictures[first:second],
        test_labels=labels[first:second],
    )
    return reals, Pool(pictures[second:], labels[second:])


def from_face_set(path: Path, rng: np.random.Generator) -> tuple[Reals, Pool]:
    """A face set, a third of whose train split is set aside for the stand-ins."""
    whole = load_reals(path)
    columns = [whole.vocabulary.names.index(n) for n in GROUPS if n in whole.vocabulary.names]
    order = rng.permutation(len(whole.train_labels))
    aside, kept = np.split(order, [len(order) // 3])
    reals = Reals(
        dataset_id=f"{whole.dataset_id}-bench",
        vocabulary=whole.vocabulary.only(GROUPS),
        train_pictures=whole.train_pictures[kept],
        train_labels=whole.train_labels[kept][:, columns],
        test_pictures=whole.test_pictures,
        test_labels=whole.test_labels[:, columns],
    )
    return reals, Pool(whole.train_pictures[aside], whole.train_labels[aside][:, columns])
