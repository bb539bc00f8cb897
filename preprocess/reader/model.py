"""The attribute reader at run time: an ONNX file that OpenCV runs, and the JSON beside it.

Six views of every face are read, three sizes and their mirror images. The network was taught every
class about as often, and no set is like that, so the set's own shares are estimated from all its
faces by expectation maximisation (Saerens et al. 2002, doi:10.1162/089976602753284446) and believed
half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from avatar_common.disk.files import read_json, write_json
from avatar_common.disk.vocabulary import UNKNOWN, Group
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNCHW

SHIPPED_READER = Path(__file__).parents[1] / "models" / "attribute_reader.onnx"
READER_SCHEMA_VERSION = 1
ONNX_SCHEMA_VERSION = 1
INPUT_SIDE_PX = 64
BATCH = 64
ZOOMS = (0.88, 1.0, 1.15)
# The estimate of a set's shares starts from equal ones, as if so many faces in every class had been
# seen, and so large a part of the set: few faces tell little, and rare classes must not vanish.
_PRIOR_FACES, _PRIOR_PART = 10.0, 0.3
_BELIEF_IN_SHARES = 0.5
_EM_ROUNDS = 30

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Readable:
    """One attribute that a reader reads."""

    name: str
    kind: str
    classes: tuple[str, ...]
    temperature: float
    """Logits are divided by it, so that the confidence says how often a reading is right."""
    min_confidence: float
    """From this confidence on a label is written, unless the user asks for another."""

    @property
    def group(self) -> Group:
        """The reader's classes as a group of a vocabulary."""
        return Group(self.name, "flag" if self.kind == "flag" else "one_of", self.classes)


@dataclass(frozen=True)
class Reading:
    """What a reader says of one attribute of N faces."""

    classes: npt.NDArray[np.int64]
    """The likeliest class [N] of the attribute's own list."""
    confidence: Floats
    """How likely it is right [N], 0..1; 0 where the mirrored face is read otherwise."""


class AttributeReader:
    """Reads attributes off faces; holds OpenCV state, so one per process.

    Raises `UserError` when the file or its description is absent or not a reader's.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or SHIPPED_READER
        hint = "give an ONNX file of train-reader, with its JSON beside it"
        if not self.path.is_file():
            raise UserError("no such reader file", where=str(self.path), hint=hint)
        self.notes = read_json(notes_path(self.path), schema_version=READER_SCHEMA_VERSION)
        if self.notes.get("weights_sha256") != sha256(self.path.read_bytes()).hexdigest():
            raise UserError(
                "not the reader that the JSON beside it describes", where=str(self.path), hint=hint
            )
        try:
            self.attributes = tuple(
                Readable(**{**item, "classes": tuple(item["classes"])})
                for item in self.notes["attributes"]
            )
            self._net = cv2.dnn.readNetFromONNX(str(self.path))
            logits = self._logits(np.zeros((1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX), np.uint8))
        except (KeyError, TypeError):
            raise UserError(
                "not a reader's description", where=str(notes_path(self.path)), hint=hint
            ) from None
        except cv2.error:
            logits = np.empty((0, 0))
        if logits.shape != (1, sum(len(found.classes) for found in self.attributes)):
            raise UserError("not a reader that OpenCV can run", where=str(self.path), hint=hint)

    def read(
        self, pictures: PicturesNCHW, advance: Callable[[int], None] = lambda count: None
    ) -> dict[str, Reading]:
        """Read the faces of one set, uint8 RGB [N, 3, S, S], by attribute name.

        `advance` hears of each batch.
        """
        upright, mirrored = self.logits(pictures, advance)
        return {
            found.name: reading_of(upright[:, part], mirrored[:, part], found.temperature)
            for found, part in zip(self.attributes, self.parts, strict=True)
        }

    @property
    def parts(self) -> list[slice]:
        """Which columns of the logits belong to which attribute."""
        return logit_parts([len(found.classes) for found in self.attributes])

    def logits(
        self, pictures: PicturesNCHW, advance: Callable[[int], None] = lambda count: None
    ) -> tuple[Floats, Floats]:
        """The network's answers [N, classes of all attributes], of the faces and their mirrors.

        Each is the mean over the sizes.
        """
        columns = sum(len(found.classes) for found in self.attributes)
        upright, mirrored = (np.zeros((len(pictures), columns)) for _ in range(2))
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            for zoom in ZOOMS:
                views = np.stack([framed(picture, zoom) for picture in batch])
                upright[start : start + BATCH] += self._logits(views) / len(ZOOMS)
                mirrored[start : start + BATCH] += self._logits(views[..., ::-1]) / len(ZOOMS)
            advance(len(batch))
        return upright, mirrored

    def _logits(self, batch: PicturesNCHW) -> Floats:
        self._net.setInput(np.ascontiguousarray(batch, dtype=np.float32))
        return self._net.forward().astype(np.float64)


def logit_parts(sizes: Sequence[int]) -> list[slice]:
    """Consecutive slices of these lengths."""
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def reading_of(upright: Floats, mirrored: Floats, temperature: float) -> Reading:
    """The mean of both images' logits [N, C], moved to the set's own shares.

    A face that the images disagree on has no confidence.
    """
    mean = (upright + mirrored) / 2
    shift = _BELIEF_IN_SHARES * log_shares(mean)
    probabilities = softmax((mean + shift) / temperature)
    classes = probabilities.argmax(axis=1)
    agree = (upright + shift).argmax(axis=1) == (mirrored + shift).argmax(axis=1)
    confidence = np.where(agree, probabilities[np.arange(len(classes)), classes], 0.0)
    return Reading(classes, confidence)


def log_shares(logits: Floats) -> Floats:
    """The log of each class's share in a set over an equal share [C], from its logits [N, C]."""
    classes = logits.shape[1]
    odds = softmax(logits)
    shares = np.full(classes, 1 / classes)
    prior = _PRIOR_FACES + _PRIOR_PART * len(logits) / classes
    for _ in range(_EM_ROUNDS):
        weighed = odds * shares
        counts = (weighed / weighed.sum(axis=1, keepdims=True)).sum(axis=0) + prior
        shares = counts / counts.sum()
    return np.asarray(np.log(shares * classes))


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def framed(picture: PicturesNCHW, zoom: float) -> PicturesNCHW:
    """One picture [3, S, S] at the network's side [3, 64, 64], nearer for a zoom over 1.

    Edges are repeated where the view is wider than the picture.
    """
    side, out = picture.shape[-1], INPUT_SIDE_PX
    rgb = np.ascontiguousarray(picture.transpose(1, 2, 0))
    scale = zoom * out / side
    if scale < 0.8:  # bilinear sampling alone would alias
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.45 / scale), np.uint8)
    shift = (out - 1) / 2 - scale * (side - 1) / 2
    to_view = np.array([[scale, 0, shift], [0, scale, shift]], np.float32)
    view = cv2.warpAffine(rgb, to_view, (out, out), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view.transpose(2, 0, 1), dtype=np.uint8)


def classes_within(found: Readable, group: Group) -> npt.NDArray[np.int64]:
    """Where each of the reader's classes stands in the face set's group; UNKNOWN without it."""
    return np.array(
        [group.classes.index(n) if n in group.classes else UNKNOWN for n in found.classes]
    )


def notes_path(path: Path) -> Path:
    """The JSON beside a reader: its attributes, what it was made of, how well it reads."""
    return path.with_suffix(".json")


def write_notes(path: Path, attributes: Sequence[Readable], made: Mapping[str, Any]) -> None:
    """Describe the reader whose ONNX file lies at `path`."""
    content = {
        "weights_sha256": sha256(path.read_bytes()).hexdigest(),
        "attributes": [asdict(found) for found in attributes],
        **made,
    }
    write_json(notes_path(path), content, schema_version=READER_SCHEMA_VERSION)
