"""From a drawer and real faces to every number of the report; no files, no clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from eval.accuracy import GroupAccuracy, read_group
from eval.control import measure_control
from eval.detail import detail_ratio
from eval.distance import DistanceScores, measure_distance
from eval.diversity import choose_classes, measure_diversity, same_label_distance
from eval.drawer import Drawer, draw_all
from eval.inception import inception_distance
from eval.judge import TrainedJudge
from eval.ladder import gan_train_accuracy, resolution_ladder
from eval.memorisation import measure_memorisation
from eval.neighbours import compare_manifolds
from eval.options import Depth
from eval.patches import second_judge
from eval.reals import Labels, Pictures, Reals, asked_columns, scorable_groups
from eval.scores import Scores, Subject
from eval.strangeness import measure_strangeness
from manifest.errors import UserError
from manifest.vocabulary import UNKNOWN


@dataclass(frozen=True)
class Plan:
    """What to measure: how many faces, from which seed, how deep."""

    count: int = 2000
    seed: int = 0
    depth: Depth = "full"
    inception: Path | None = None


@dataclass(frozen=True)
class Drawn:
    """The fakes uint8 [N, 3, S, S] and what they were asked for, in the face set's columns."""

    pictures: Pictures
    labels: Labels


def rows_in_turn(total: int, count: int, seed: int) -> Labels:
    """`count` of `total` rows, each once before any comes again, in random order: a face set may
    be sorted by class, and its first rows are no sample of it."""
    return np.resize(np.random.default_rng(seed).permutation(total), count)


def draw_for(drawer: Drawer, reals: Reals, columns: list[int], plan: Plan) -> Drawn:
    """Ask for the held-out rows' own labels, round after round with new latents."""
    rows = rows_in_turn(len(reals.test_labels), plan.count, plan.seed)
    asked = np.full((plan.count, len(reals.vocabulary)), UNKNOWN, dtype=np.int64)
    asked[:, columns] = reals.test_labels[rows][:, columns]
    z = drawer.random_z(plan.count, plan.seed)
    pictures = draw_all(drawer, z, torch.from_numpy(asked[:, columns])).numpy()
    return Drawn(pictures, asked)


def measure(
    drawer: Drawer,
    reals: Reals,
    judge: TrainedJudge,
    plan: Plan,
    *,
    name: str,
    kimg: float = 0.0,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[Scores, Drawn]:
    """Draw and score. Raises `UserError` when drawer and face set do not fit."""
    columns = asked_columns(drawer.info.vocabulary, reals.vocabulary, name)
    scored, left_out = scorable_groups(reals, columns)
    if not scored:
        raise UserError("no attribute has enough known labels to be scored", where=reals.dataset_id)
    own_column = {columns.index(column): column for column in scored}
    full, seed, device, cache = plan.depth == "full", plan.seed, judge.device, judge.cache

    note("draw")
    drawn = draw_for(drawer, reals, columns, plan)
    note("read")
    fake_features, fake_read = judge.read_kept(drawn.pictures)
    real_features, real_read = judge.read_kept(reals.test_pictures)
    classes = choose_classes(reals.vocabulary, scored, drawn.labels, reals.test_labels)
    asked = reals.test_labels[:, columns]

    note("diversity")
    diversity = measure_diversity(
        drawn.pictures,
        reals.test_pictures,
        classes,
        enlarge=full,
        seed=seed,
        device=device,
        cache=cache,
    )
    pairs = same_label_distance(drawer, asked, reals.test_pictures, classes, seed=seed)
    note("control")
    control = measure_control(drawer, asked, own_column, judge.read, pairs.fake, seed=seed)
    note("distance")
    fake_classes, real_classes = (
        _rows(reals, scored[0], labels) for labels in (drawn.labels, reals.test_labels)
    )
    distances = [
        measure_distance(
            real_features,
            fake_features,
            seed=seed,
            fake_classes=fake_classes,
            real_classes=real_classes,
            **judge.features,
        )
    ]
    not_measured = dict.fromkeys(left_out, "too few known labels")
    if full:
        note("Inception")
        found = inception_distance(
            reals.test_pictures,
            drawn.pictures,
            plan.inception,
            seed=seed,
            device=device,
            cache=cache,
            fake_classes=fake_classes,
            real_classes=real_classes,
        )
        if isinstance(found, DistanceScores):
            distances.append(found)
        else:
            not_measured["inception"] = found
    note("memorisation")
    memorisation = measure_memorisation(
        drawn.pictures, reals.train_pictures, reals.test_pictures, seed
    )
    note("odd faces")
    strangeness = measure_strangeness(drawn.pictures, reals, device=device, cache=cache)
    scores = Scores(
        subject=Subject(
            snapshot=name,
            snapshot_hash=drawer.info.weights_sha256,
            kimg=kimg,
            dataset_id=reals.dataset_id,
            image_size=reals.image_size,
            n=plan.count,
            n_real=len(reals.test_labels),
            seed=seed,
            judge=judge.hash,
            judge_side=judge.net.side,
        ),
        accuracy=group_accuracies(reals, scored, drawn.labels, fake_read, real_read),
        second=second_judge(reals, scored, drawn.pictures, drawn.labels, cache, note)
        if full
        else [],
        ladder=resolution_ladder(reals, scored, drawn.pictures, drawn.labels, judge)
        if full
        else {},
        gan_train=gan_train_accuracy(
            reals, scored, drawn.pictures, drawn.labels, device, cache, note
        )
        if full
        else {},
        diversity=diversity,
        pairs=pairs,
        manifold=compare_manifolds(real_features, fake_features, seed),
        distances=distances,
        memorisation=memorisation,
        control=control,
        detail=detail_ratio(drawn.pictures, reals.test_pictures),
        strangeness=strangeness,
        not_measured=not_measured,
    )
    return scores, drawn


def group_accuracies(
    reals: Reals,
    scored: list[int],
    fake_labels: Labels,
    fake_read: list[npt.NDArray[np.float32]],
    real_read: list[npt.NDArray[np.float32]],
) -> list[GroupAccuracy]:
    """One judge's readings, group by group. `*_read` are probabilities per column."""
    return [
        GroupAccuracy(
            name=reals.vocabulary.names[column],
            classes=reals.vocabulary.groups[column].classes,
            fake=read_group(fake_labels[:, column], fake_read[column]),
            real=read_group(reals.test_labels[:, column], real_read[column]),
        )
        for column in scored
    ]


def _rows(reals: Reals, column: int, labels: Labels) -> dict[str, npt.NDArray[np.int64]]:
    group = reals.vocabulary.groups[column]
    return {
        name: np.flatnonzero(labels[:, column] == index) for index, name in enumerate(group.classes)
    }
