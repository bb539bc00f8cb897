"""OpenCV's file format for LBP cascades: write what we train, read any such cascade back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from avatar_common.disk.files import write_text
from avatar_common.errors import UserError
from preprocess.detector_training.boost import Stage, Stump
from preprocess.detector_training.features import all_features, feature_codes, integrals

# What OpenCV takes from a stage's threshold when it reads one.
_OPENCV_SLACK = np.float32(1e-5)


@dataclass(frozen=True)
class Cascade:
    """A cascade over square windows; stumps index `features` [F, 4]."""

    window_px: int
    features: np.ndarray
    stages: tuple[Stage, ...]

    def passes(self, windows: np.ndarray) -> np.ndarray:
        """bool [N]: which uint8 windows [N, S, S] every stage lets through, as OpenCV decides."""
        alive = np.arange(len(windows))
        table = integrals(windows)
        for stage in self.stages:
            here = table[:, alive]
            total = np.zeros(len(alive))
            for stump in stage.stumps:
                codes = feature_codes(here, self.features[stump.feature][None])[0]
                total += np.where(stump.subset, np.float32(stump.left), np.float32(stump.right))[
                    codes
                ]
            alive = alive[total >= np.float32(stage.threshold) - _OPENCV_SLACK]
        passed = np.zeros(len(windows), bool)
        passed[alive] = True
        return passed


def write_xml(cascade: Cascade, path: Path) -> None:
    """Write the cascade so that `cv2.CascadeClassifier` loads it; only features in use are kept."""
    used = sorted({s.feature for stage in cascade.stages for s in stage.stumps})
    row_of = {feature: row for row, feature in enumerate(used)}
    lines = [
        '<?xml version="1.0"?>',
        "<opencv_storage>",
        '<cascade type_id="opencv-cascade-classifier">',
        "<stageType>BOOST</stageType>",
        "<featureType>LBP</featureType>",
        f"<height>{cascade.window_px}</height>",
        f"<width>{cascade.window_px}</width>",
        "<featureParams><maxCatCount>256</maxCatCount><featSize>1</featSize></featureParams>",
        f"<stageNum>{len(cascade.stages)}</stageNum>",
        "<stages>",
    ]
    for stage in cascade.stages:
        lines += _stage_lines(stage, row_of)
    lines += ["</stages>", "<features>"]
    for feature in used:
        rect = " ".join(str(int(v)) for v in cascade.features[feature])
        lines.append(f"<_><rect>{rect}</rect></_>")
    lines += ["</features>", "</cascade>", "</opencv_storage>", ""]
    write_text(path, "\n".join(lines))


def _stage_lines(stage: Stage, row_of: dict[int, int]) -> list[str]:
    lines = [
        "<_>",
        f"<maxWeakCount>{len(stage.stumps)}</maxWeakCount>",
        f"<stageThreshold>{stage.threshold:.9g}</stageThreshold>",
        "<weakClassifiers>",
    ]
    for stump in stage.stumps:
        words = np.packbits(stump.subset, bitorder="little").view("<i4")
        node = " ".join(str(int(v)) for v in (0, -1, row_of[stump.feature], *words))
        leaves = f"{stump.left:.9g} {stump.right:.9g}"
        lines.append(
            f"<_><internalNodes>{node}</internalNodes><leafValues>{leaves}</leafValues></_>"
        )
    return [*lines, "</weakClassifiers>", "</_>"]


def read_xml(path: Path) -> Cascade:
    """Read an LBP stump cascade; UserError when the file is not one."""
    try:
        root = ElementTree.parse(path).getroot().find("cascade")
        return _parse(root)
    except (OSError, ElementTree.ParseError, AttributeError, TypeError, ValueError, KeyError):
        raise UserError(
            "not an LBP cascade in OpenCV's format",
            where=str(path),
            hint="give a file of train-cascade, or delete it to start again",
        ) from None


def _parse(root: ElementTree.Element | None) -> Cascade:
    if root is None or _text(root, "featureType") != "LBP":
        raise ValueError("no LBP cascade")
    window_px = int(_text(root, "width"))
    table = all_features(window_px)
    row_of = {tuple(int(v) for v in f): row for row, f in enumerate(table)}
    rects = [tuple(int(v) for v in _text(f, "rect").split()) for f in root.iterfind("features/_")]
    stages = []
    for stage in root.iterfind("stages/_"):
        stumps = []
        for weak in stage.iterfind("weakClassifiers/_"):
            node = [int(v) for v in _text(weak, "internalNodes").split()]
            left, right = (float(v) for v in _text(weak, "leafValues").split())
            words = np.array(node[3:], "<i4").view(np.uint8)
            subset = np.unpackbits(words, bitorder="little").astype(bool)
            stumps.append(Stump(row_of[rects[node[2]]], subset, left, right))
        stages.append(Stage(tuple(stumps), float(_text(stage, "stageThreshold"))))
    return Cascade(window_px, table, tuple(stages))


def _text(element: ElementTree.Element, name: str) -> str:
    found = element.find(name)
    if found is None or found.text is None:
        raise ValueError(name)
    return found.text.strip()
