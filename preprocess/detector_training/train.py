"""The main path of `train-cascade`: faces once, then mine, boost and write, stage by stage.

The file written so far is the whole state: a run that finds it goes on after its last stage.
"""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from avatar_common.commands.output import emit_json, explain_dry_run
from avatar_common.commands.progress import progress
from preprocess.detector_training.boost import Stage, StageGoal, stage_sums, train_stage
from preprocess.detector_training.face_views import face_patch, redrawn
from preprocess.detector_training.features import WINDOW_PX, all_features, feature_codes, integrals
from preprocess.detector_training.mining import Backgrounds, mine
from preprocess.detector_training.options import TrainCascadeOptions
from preprocess.detector_training.samples import (
    BoxedPicture,
    Jitter,
    draw_view,
    read_boxed,
    read_crops,
    split_faces,
)
from preprocess.detector_training.xml import Cascade, read_xml, write_xml

_log = logging.getLogger(__name__)

_CODE_CHUNK = 4096


def train_cascade(options: TrainCascadeOptions) -> None:
    """Train or go on training, and end with one JSON line of counts."""
    if options.dry_run:
        plan = [f"train {options.stages} stages into {options.out}"]
        explain_dry_run(options, plan)
        return
    cv2.setNumThreads(1)  # the scans are small: threads cost more than they give
    crops = [p for source in options.crops for p in read_crops(source)]
    picture_sets = [read_boxed(folder) for folder in options.pictures]
    faces, held = split_faces([crops, *picture_sets], options.seed)
    cascade = _resumed(options.out)
    windows = draw_windows(faces, options.faces, options.seed)
    held_windows = draw_windows(held, max(options.faces // 4, 1), options.seed + 1)
    face_codes, held_codes = window_codes(windows), window_codes(held_windows)
    face_codes, held_codes = _survivors(cascade, face_codes), _survivors(cascade, held_codes)
    negatives = np.empty((0, WINDOW_PX, WINDOW_PX), np.uint8)
    with progress("stages", options.stages, quiet=options.quiet) as advance:
        advance(len(cascade.stages))
        for number in range(len(cascade.stages), options.stages):
            rng = np.random.default_rng((options.seed, number))
            wanted = options.negatives - len(negatives)
            fresh = mine(
                cascade, Backgrounds(picture_sets, crops, rng), wanted, options.mining_cap_s
            )
            negatives = np.concatenate([negatives, fresh])
            if len(negatives) < min(200, options.negatives // 4):
                _log.warning("only %d negatives found: stopping before it overfits", len(negatives))
                break
            other_codes = window_codes(negatives)
            goal = StageGoal(
                options.min_hit_rate,
                options.max_false_alarm,
                options.max_stumps,
                options.feature_share,
            )
            stage, false_alarm = train_stage(face_codes, other_codes, held_codes, goal, rng)
            cascade = Cascade(WINDOW_PX, cascade.features, (*cascade.stages, stage))
            write_xml(cascade, options.out)
            negatives = negatives[stage_sums(stage.stumps, other_codes) >= stage.threshold]
            face_codes, held_codes = _passing(stage, face_codes), _passing(stage, held_codes)
            _log.info(
                "stage %d: %d stumps, false alarm %.3f, faces left %d, held left %d of %d",
                number,
                len(stage.stumps),
                false_alarm,
                face_codes.shape[1],
                held_codes.shape[1],
                len(held_windows),
            )
            advance()
    emit_json(
        {
            "cascade": str(options.out),
            "stages": len(cascade.stages),
            "stumps": sum(len(s.stumps) for s in cascade.stages),
            "face_pictures": len(faces),
            "held_hit_rate": round(held_codes.shape[1] / len(held_windows), 4),
        }
    )


def draw_windows(pictures: list[BoxedPicture], count: int, seed: int) -> np.ndarray:
    """`count` jittered gray face windows uint8 [count, 24, 24], every picture used in turn."""
    rng, jitter = np.random.default_rng(seed), Jitter()
    windows = np.empty((count, WINDOW_PX, WINDOW_PX), np.uint8)
    for i in range(count):
        picture = pictures[i % len(pictures)]
        patch = face_patch(picture, picture.faces[rng.integers(len(picture.faces))])
        view = draw_view(redrawn(patch.rgb, patch.box, rng), patch.box, WINDOW_PX, jitter, rng)
        windows[i] = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    return windows


def window_codes(windows: np.ndarray) -> np.ndarray:
    """Codes uint8 [F, N] of every feature, in slices that fit the processor's cache."""
    features = all_features()
    codes = np.empty((len(features), len(windows)), np.uint8)
    for start in range(0, len(windows), _CODE_CHUNK):
        part = slice(start, start + _CODE_CHUNK)
        codes[:, part] = feature_codes(integrals(windows[part]), features)
    return codes


def _resumed(path: Path) -> Cascade:
    if path.is_file():
        cascade = read_xml(path)
        _log.info("continuing after stage %d of %s", len(cascade.stages), path)
        return cascade
    return Cascade(WINDOW_PX, all_features(), ())


def _survivors(cascade: Cascade, codes: np.ndarray) -> np.ndarray:
    for stage in cascade.stages:
        codes = _passing(stage, codes)
    return codes


def _passing(stage: Stage, codes: np.ndarray) -> np.ndarray:
    return codes[:, stage_sums(stage.stumps, codes) >= stage.threshold]
