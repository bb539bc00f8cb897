"""`python -m bench eval`: generators made to fail; does the report name each failure?"""

from __future__ import annotations

import logging
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from acgan.nets.snapshot import load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary, load_vocabulary
from bench.ladder import climb
from bench.options import EvalOptions
from bench.planted import PLANTED, Material, Planted, Pool, is_named, real_faces
from demo.artist import draw_portrait, random_attributes
from eval.measure import measure
from eval.metric import Plan
from eval.metrics.memorisation import nearest_mirrored
from eval.reals import Reals, load_reals
from eval.trained_classifier import TrainedClassifier, obtain_classifier
from eval.twins import thumbnails, twin_limit
from eval.verdicts import Verdict, verdicts_of

log = logging.getLogger(__name__)

GROUPS = ("hair_color", "eye_color", "glasses")
LABEL_NOISE = 0.06
DRAWN = "drawn-"
SHIPPED = Path(__file__).resolve().parents[1] / "acgan" / "models"


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
    other = other_faces(reals, options.count, options.seed)
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as folder:
        emit_json(measured(options, reals, unseen, other, options.cache or Path(folder)))


def measured(
    options: EvalOptions, reals: Reals, unseen: Pool, other: Pool, cache: Path
) -> dict[str, Any]:
    """The timed full report with its classifier, every planted failure, and the ladder.

    Where there are fewer unseen faces than the timed report draws, the verdicts on reals come from
    a second report that draws no more than there are.
    """
    started = time.monotonic()
    classifier = obtain_classifier(reals, cache, device=torch.device("cpu"), quiet=options.quiet)
    material = make_material(reals, unseen, classifier, other)
    timed = Plan(options.timed_count or options.count, options.seed, "full")
    on_reals = verdicts_on(real_faces(material), reals, classifier, timed)
    seconds = time.monotonic() - started
    if timed.count > len(unseen.labels):  # the same face drawn again and again lacks variety
        each_once = replace(timed, count=min(options.count, len(unseen.labels)))
        on_reals = verdicts_on(real_faces(material), reals, classifier, each_once)
    planted, found = {}, {}
    plan = Plan(options.count, options.seed, "quick")
    with progress("planted failures", len(PLANTED), quiet=options.quiet) as advance:
        for name, (make, _) in PLANTED.items():
            named = [one.name for one in verdicts_on(make(material), reals, classifier, plan)]
            planted[name], found[name] = is_named(name, named), named
            advance(1, name)
    snapshots = options.ladder or ()
    return {
        "planted": planted,
        "verdicts_on_reals": [verdict.name for verdict in on_reals],
        "ladder": climb(
            snapshots, reals, classifier, real_faces(material), plan, quiet=options.quiet
        )
        if snapshots
        else None,
        "seconds": round(seconds, 1),
        "verdicts": found,
        "n_timed": timed.count,
        "n_real": len(reals.test_labels),
        "n_train": len(reals.train_labels),
        "threads": torch.get_num_threads(),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def verdicts_on(
    drawer: Planted, reals: Reals, classifier: TrainedClassifier, plan: Plan
) -> list[Verdict]:
    """What the report says of a stand-in."""
    return verdicts_of(measure(drawer, reals, classifier, plan, name=drawer.info.name).checks)


def other_faces(reals: Reals, count: int, seed: int) -> Pool:
    """Faces of another kind: drawn ones for a face set, the shipped model's for drawn faces."""
    side, rows = reals.image_size, np.zeros((count, len(reals.vocabulary)), np.int64)
    if reals.dataset_id.startswith(DRAWN):
        shipped = load_snapshot(min(SHIPPED.glob("*/*.json")))
        asked = torch.tensor(shipped.info.label_rows)[torch.arange(count) % 97]
        pictures = shipped.draw(shipped.random_z(count, seed), asked).float()
        pictures = functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)
        return Pool(pictures.round().to(torch.uint8).numpy(), rows)
    rng = np.random.default_rng(seed)
    drawn = [draw_portrait(side, random_attributes(rng), rng) for _ in range(count)]
    return Pool(np.stack(drawn).transpose(0, 3, 1, 2).copy(), rows)


def make_material(
    reals: Reals, unseen: Pool, classifier: TrainedClassifier, other: Pool
) -> Material:
    """What the stand-ins are made of; its confidence in the least sure label."""

    def confidence(pool: Pool) -> np.ndarray:
        sure = np.ones(len(pool.labels))
        for column, probabilities in enumerate(classifier.read(pool.pictures)[1]):
            known = pool.labels[:, column] != UNKNOWN
            rows = np.flatnonzero(known)
            sure[rows] = np.minimum(sure[rows], probabilities[rows, pool.labels[rows, column]])
        return sure

    train = Pool(reals.train_pictures, reals.train_labels)
    return Material(train, unseen, other, reals.vocabulary, confidence)


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
        dataset_id=f"{DRAWN}{count}-{image_size}",
        vocabulary=vocabulary,
        train_pictures=pictures[:first],
        train_labels=labels[:first],
        test_pictures=pictures[first:second],
        test_labels=labels[first:second],
    )
    return reals, Pool(pictures[second:], labels[second:])


def from_face_set(path: Path, rng: np.random.Generator) -> tuple[Reals, Pool]:
    """A face set, a third of whose train split is set aside for the stand-ins.

    Twins of the rest are left out, so that what stands aside is unseen.
    """
    whole = load_reals(path)
    columns = [whole.vocabulary.names.index(n) for n in GROUPS if n in whole.vocabulary.names]
    order = rng.permutation(len(whole.train_labels))
    aside, kept = np.split(order, [len(order) // 3])
    known, apart = thumbnails(whole.train_pictures[kept]), thumbnails(whole.train_pictures[aside])
    distances = nearest_mirrored(apart, known)[0] / np.sqrt(known.shape[1])
    aside = aside[distances >= twin_limit(distances)]
    reals = Reals(
        dataset_id=f"{whole.dataset_id}-bench",
        vocabulary=whole.vocabulary.only(GROUPS),
        train_pictures=whole.train_pictures[kept],
        train_labels=whole.train_labels[kept][:, columns],
        test_pictures=whole.test_pictures,
        test_labels=whole.test_labels[:, columns],
    )
    return reals, Pool(whole.train_pictures[aside], whole.train_labels[aside][:, columns])
