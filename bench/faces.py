"""`bench faces`: what a detector finds, measured on boxes drawn by hand.

A detection hits a face when its centre lies within a quarter of the face's side from the face's
centre and its side is 0.67 to 2.2 times the face's: cascades differ in what they call a face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from avatar_common.commands.output import emit_json, explain_dry_run, say
from avatar_common.commands.progress import progress
from avatar_common.errors import UserError
from bench.options import FacesOptions
from preprocess.boxes import Box, TrueFace, read_boxes
from preprocess.detect import DetectorConfig, Face, FaceDetector

_MAX_CENTRE_SHIFT = 0.25
_SIDE_RATIO = (0.67, 2.2)


@dataclass(frozen=True)
class PictureScore:
    """Which faces were found (bool per face, in order) and the detections that hit none."""

    found: tuple[bool, ...]
    false: tuple[Face, ...]


def run(options: FacesOptions) -> None:
    """Detect in every listed picture and end with one JSON line of counts."""
    truth = read_boxes(options.boxes)
    config = detector_config(options)
    if options.dry_run:
        explain_dry_run(options, [f"search {len(truth)} pictures with {config}"])
        return
    detector = FaceDetector(config)
    scores: dict[str, PictureScore] = {}
    with progress("pictures", len(truth), quiet=options.quiet) as advance:
        for name, faces in truth.items():
            picture = _read(options.pictures / name)
            search = _detect_equalized if options.equalize else FaceDetector.detect
            scores[name] = score_picture(search(detector, picture), faces)
            advance()
    if options.list_misses:
        _list_misses(truth, scores)
    emit_json(summary(truth, scores))


def detector_config(options: FacesOptions) -> DetectorConfig:
    """The shipped default, or a bare cascade without verifier, with the options laid over it."""
    config = DetectorConfig()
    if options.cascade is not None:
        config = DetectorConfig(
            cascade=options.cascade, working_side_px=512, scale_factor=1.1, min_score=0.0
        )
    if options.min_neighbors is not None:
        config = replace(config, min_neighbors=options.min_neighbors)
    if options.working_side_px is not None:
        config = replace(config, working_side_px=options.working_side_px)
    if options.min_score is not None:
        config = replace(config, min_score=options.min_score)
    return config


def hits(detection: Box, face: Box) -> bool:
    """Whether a detection (xywh) is this face (xywh)."""
    side = (face[2] + face[3]) / 2
    shift_x = detection[0] + detection[2] / 2 - face[0] - face[2] / 2
    shift_y = detection[1] + detection[3] / 2 - face[1] - face[3] / 2
    ratio = (detection[2] + detection[3]) / 2 / side
    near = float(np.hypot(shift_x, shift_y)) <= _MAX_CENTRE_SHIFT * side
    return near and _SIDE_RATIO[0] <= ratio <= _SIDE_RATIO[1]


def score_picture(detections: list[Face], faces: list[TrueFace]) -> PictureScore:
    """Match detections, best first, with faces; each face takes one, further ones are false."""
    found, false = [False] * len(faces), []
    for detection in sorted(detections, key=lambda d: -d.score):
        targets = [i for i, f in enumerate(faces) if hits(detection.box_xywh, f.box)]
        free = [i for i in targets if not found[i] and faces[i].kind != "other"]
        if free:
            found[free[0]] = True
        elif not any(faces[i].kind == "other" for i in targets):
            false.append(detection)
    return PictureScore(tuple(found), tuple(false))


def summary(
    truth: dict[str, list[TrueFace]], scores: dict[str, PictureScore]
) -> dict[str, float | int]:
    """Recall over all targets and over frontal ones, and the counts behind them."""
    pairs = [
        (face.kind, found)
        for name, faces in truth.items()
        for face, found in zip(faces, scores[name].found, strict=True)
        if face.kind != "other"
    ]
    front = [found for kind, found in pairs if kind == "front"]
    return {
        "recall": round(sum(found for _, found in pairs) / max(len(pairs), 1), 4),
        "front_recall": round(sum(front) / max(len(front), 1), 4),
        "false_positives": sum(len(s.false) for s in scores.values()),
        "pictures": len(truth),
        "boxes": len(pairs),
    }


def _read(path: Path) -> np.ndarray:
    try:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # over OpenCV's limit of pixels
        bgr = None
    if bgr is None:
        raise UserError("cannot read this picture", where=str(path))
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _detect_equalized(detector: FaceDetector, rgb: np.ndarray) -> list[Face]:
    """Faces of the picture as the tutorials search it: gray at the working size, equalised."""
    scale = detector.config.working_side_px / max(rgb.shape[:2])
    size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
    gray = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    faces = []
    for face in detector.detect(cv2.equalizeHist(gray)):
        x, y, w, h = (v / scale for v in face.box_xywh)
        faces.append(Face((x, y, w, h), face.score))
    return faces


def _list_misses(truth: dict[str, list[TrueFace]], scores: dict[str, PictureScore]) -> None:
    for name, score in scores.items():
        for face, found in zip(truth[name], score.found, strict=True):
            if not found and face.kind != "other":
                say(f"missed {name} {face.kind} {face.box}")
        for detection in score.false:
            box = tuple(round(v) for v in detection.box_xywh)
            say(f"false {name} {box} score {detection.score:.3f}")
