"""What a training command means: settings, face set, budget and the run's folder, all checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.dataset import Faces, fits_in_memory, load_faces
from acgan.drawing.snapshots import find_snapshot
from acgan.nets import build_discriminator, build_generator
from acgan.training.losses import group_weights
from acgan.training.options import TrainOptions
from acgan.training.presets import Preset
from acgan.training.rundir import (
    Budget,
    find_run,
    resolve_budget,
    resolve_settings,
    settings_to_json,
    what_differs,
)
from avatar_common.disk.runs import SnapshotInfo, read_snapshot_info
from avatar_common.disk.vocabulary import Vocabulary
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

FEW_FACES_PER_CLASS = 20
NETS_FIELDS = {"nets", "generator", "discriminator", "image_sizes"}
MOST_SEED = 2**27 - 1  # a step's random numbers follow from seed * 2**36 + pictures seen


@dataclass(frozen=True)
class Plan:
    """Everything a run needs; `training` is what makes two commands the same run."""

    options: TrainOptions
    settings: Preset
    origin: Mapping[str, str]
    budget: Budget
    faces: Faces
    sizes: tuple[int, ...]
    training: dict[str, Any]
    path: Path
    exists: bool
    why_new: str | None = None
    """What keeps the newest run of this name from being gone on with."""

    @property
    def class_weights(self) -> tuple[float, ...]:
        """The weight of each group's class loss."""
        return group_weights(self.sizes, self.settings.flag_weight, mean=self.settings.class_mean)

    @property
    def generator(self) -> dict[str, Any]:
        """The generator's description, as the snapshot will hold it."""
        return {
            "kind": self.settings.nets,
            "image_size": self.faces.image_size,
            "z_dim": self.settings.z_dim,
            "sizes": list(self.sizes),
            "width": self.options.width,
            **self.settings.generator,
        }

    @property
    def discriminator(self) -> dict[str, Any]:
        """The discriminator's description."""
        return {
            "kind": self.settings.nets,
            "image_size": self.faces.image_size,
            "sizes": list(self.sizes),
            "width": self.options.width,
            "slots": self.settings.slots,
            **self.settings.discriminator,
        }

    @property
    def vocabulary(self) -> Vocabulary:
        """The attributes that the generator takes."""
        return self.faces.vocabulary if self.settings.conditional else Vocabulary(())


def make_plan(options: TrainOptions) -> Plan:
    """Check a training command against its face set. Raises `UserError`."""
    settings, origin = resolve_settings(options)
    check_numbers(options, settings)
    budget = resolve_budget(options)
    workspace = Workspace(options.workspace)
    data = options.data or workspace.newest_face_set()
    image_size = options.image_size
    if options.start_from is not None:
        _, source = find_source(options.start_from, options.workspace)
        if origin["generator"] != "option":
            settings = like_source(settings, source)
        image_size = image_size or source.image_size
    faces = load_faces(data, "train", image_size=image_size, in_memory=fits_in_memory(data))
    check_size(faces.image_size, options, settings)
    if len(faces) < settings.batch:
        raise UserError(
            f"{len(faces)} training faces, fewer than one batch of {settings.batch}",
            where=str(faces.path),
            hint="crawl more, or give a smaller --batch",
        )
    faces = _choose_attributes(faces, options, conditional=settings.conditional)
    training = {
        "settings": settings_to_json(settings),
        "preset": options.preset,
        "dataset_id": faces.dataset_id,
        "image_size": faces.image_size,
        "attributes": list(faces.vocabulary.names),
        "seed": options.seed,
        "shuffle_labels": options.shuffle_labels,
        "width": options.width,
        "minutes": options.minutes,
        "kimg": options.kimg,
    }
    if options.start_from is not None:
        training["from"] = str(options.start_from)
    name = options.name or options.preset
    found = None if options.fresh else find_run(workspace, training, options.name)
    if found is None and not options.fresh:
        other = find_run(workspace, training, options.name, any_data=True)
        if other is not None:
            log.warning(
                "%s was trained on other faces or labels than are in %s now: this is a new run",
                other,
                faces.path,
            )
    plan = Plan(
        options=options,
        settings=settings,
        origin=origin,
        budget=budget,
        faces=faces,
        sizes=faces.vocabulary.sizes if settings.conditional else (),
        training=training,
        path=found or workspace.next_run(name),
        exists=found is not None,
        why_new=None if found or options.fresh else what_differs(workspace, training, name),
    )
    check_nets(plan)
    return plan


def check_nets(plan: Plan) -> None:
    """Raise `UserError` where options or `--from` describe nets that cannot be built.

    The same where they draw another size; a preset's own nets are not asked.
    """
    given = {name for name, where in plan.origin.items() if where == "option"}
    if plan.options.start_from is None and not given & NETS_FIELDS:
        return
    side = plan.faces.image_size
    labels = torch.zeros(2, len(plan.sizes), dtype=torch.int64)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            drawn = build_generator(plan.generator)(torch.zeros(2, plan.settings.z_dim), labels)
            if drawn.shape != (2, 3, side, side):
                raise ValueError(f"the generator draws {drawn.shape[-1]} px, not {side}")
            build_discriminator(plan.discriminator)(drawn)
    except (TypeError, ValueError, LookupError, RuntimeError, ArithmeticError) as error:
        reason = str(error).partition("\n")[0][:160]
        raise UserError(
            f"no such nets: {reason}", hint="see the fields nets, generator and discriminator"
        ) from None


def find_source(name: str, workspace: Path) -> tuple[Path, SnapshotInfo]:
    """The snapshot that a `--from` names, and its description. Raises `UserError`."""
    path = find_snapshot(Path(name), workspace)
    return path, read_snapshot_info(path.with_suffix(".json"))


def like_source(settings: Preset, source: SnapshotInfo) -> Preset:
    """The preset with the widths of the source's generator, or its weights would not fit."""
    if source.architecture.get("kind") != settings.nets:
        return settings
    ours = {"kind", "image_size", "z_dim", "sizes", "width", "truncation"}
    generator = {name: value for name, value in source.architecture.items() if name not in ours}
    return replace(settings, generator=generator, z_dim=source.z_dim)


def check_numbers(options: TrainOptions, settings: Preset) -> None:
    """Raise `UserError` for a number that no run can have."""
    bounds = {
        "seed": (options.seed, 0, MOST_SEED),
        "batch": (settings.batch, 2, 65536),
        "width": (options.width, 0.01, 100),
        "ticks": (options.ticks, 1, 100_000),
        "snapshots": (options.snapshots, 1, 1000),
    }
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise UserError(f"--{name} must be {least:g} to {most}")
    if options.image_size is not None:
        check_size(options.image_size, options, settings)


def check_size(image_size: int, options: TrainOptions, settings: Preset) -> None:
    """Raise `UserError` for a size that the preset does not draw."""
    if image_size not in settings.image_sizes:
        raise UserError(
            f"preset {options.preset} draws {', '.join(map(str, settings.image_sizes))} px, "
            f"not {image_size}",
            hint="choose one with --image-size",
        )


def _choose_attributes(faces: Faces, options: TrainOptions, *, conditional: bool) -> Faces:
    vocabulary, labels = faces.vocabulary, faces.labels
    if options.attributes:
        for name in options.attributes:
            vocabulary.group(name)
        columns = [a for a, name in enumerate(vocabulary.names) if name in options.attributes]
        vocabulary, labels = vocabulary.only(options.attributes), labels[:, columns]
    known = [a for a in range(len(vocabulary)) if (labels[:, a] >= 0).any()]
    if not known and not options.attributes:
        if conditional:
            log.warning(
                "no face has a known label: training without attributes; to read them from the "
                "faces first: python -m preprocess label"
            )
        vocabulary, labels = Vocabulary(()), labels[:, :0]
    elif len(known) < len(vocabulary):
        unknown = [name for a, name in enumerate(vocabulary.names) if a not in known]
        log.warning("no face has a known label for %s: left out", ", ".join(unknown))
        vocabulary = vocabulary.only(vocabulary.names[a] for a in known)
        labels = labels[:, known]
    if options.attributes and not len(vocabulary):
        raise UserError(
            "no face has a known label of these",
            where=str(faces.path),
            hint="python -m preprocess label reads them from the faces",
        )
    if options.shuffle_labels:
        labels = np.random.default_rng(options.seed).permutation(labels)
    return Faces(faces.images, labels, vocabulary, faces.dataset_id, faces.path)


def warn_of_rare_classes(faces: Faces) -> list[str]:
    """Name the classes that have too few training faces to be learnt well."""
    rare = [
        f"{group.name}={name} ({count})"
        for group in faces.vocabulary
        for name, count in zip(group.classes, faces.class_counts()[group.name], strict=True)
        if count < FEW_FACES_PER_CLASS
    ]
    if rare:
        log.warning(
            "classes with fewer than %d training faces will hardly be learnt: %s",
            FEW_FACES_PER_CLASS,
            ", ".join(rare),
        )
    return rare
