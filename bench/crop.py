"""`bench crop`: the tutorials' cropping loop and ours on the same pictures."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.faces import FaceFolder
from avatar_common.errors import UserError
from bench.faces import hits, score_picture
from bench.options import CropOptions
from preprocess.boxes import Box, TrueFace, read_boxes
from preprocess.crop import describe, finish, settings_of, work_on_all
from preprocess.decode import SUFFIXES
from preprocess.detect import Face
from preprocess.journal import Journal
from preprocess.options import CropOptions as OurOptions
from preprocess.sources import folder_tasks
from preprocess.workers import worker_count

Found = dict[str, list[Box]]
REAL_DATA = Path(os.environ.get("AVATAR_SHARED", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Outcome:
    """Boxes found per picture of the folder (not enlarged), and the time for all copies."""

    found: Found
    seconds: float
    cpu_seconds: float
    """Processor time of all processes, which other work on the machine leaves alone."""


def run(options: CropOptions) -> None:
    """Time both on copies of the same pictures; the last line is one JSON object.

    `peak_mb` bounds the memory of all of crop's processes together: see `our_peak_mb`.
    """
    folder = options.pictures or REAL_DATA / "pictures" / "full"
    cascade = options.naive_cascade or REAL_DATA / "cascade" / "lbpcascade_animeface.xml"
    truth = read_boxes(options.boxes or folder / "boxes.csv")
    originals = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not originals:
        raise UserError("holds no picture", where=str(folder))
    if not cascade.is_file():
        raise UserError("no such cascade", where=str(cascade), hint="give --naive-cascade")
    if options.count < 1:
        raise UserError(f"{options.count} is less than 1", where="--count")
    copied = {path.name for path in originals[: options.count]}
    truth = {name: faces for name, faces in truth.items() if name in copied}
    if options.dry_run:
        explain_dry_run(options, [f"crop {options.count} pictures twice"])
        return
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        pictures.mkdir()
        for number in range(options.count):
            original = originals[number % len(originals)]
            name = f"{number // len(originals):04d}-{original.name}"
            shutil.copyfile(original, pictures / name)
        # A process of its own, and the first: on Linux a child's peak starts at its parent's.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            ours = pool.submit(our_crop, pictures, Path(scratch), options).result()
            peak_mb = pool.submit(our_peak_mb, options.workers).result()
        naive = naive_loop(pictures, Path(scratch) / "naive", cascade)
    emit_json(
        {
            "speedup": round(naive.seconds / ours.seconds, 2),
            "recall": recall(ours.found, truth),
            "recall_naive": recall(naive.found, truth),
            "false": false_boxes(ours.found, truth),
            "false_naive": false_boxes(naive.found, truth),
            "peak_mb": round(peak_mb),
            "pictures": options.count,
            "cpu_ms_per_picture": round(1000 * ours.cpu_seconds / options.count, 1),
            "cpu_ms_per_picture_naive": round(1000 * naive.cpu_seconds / options.count, 1),
            "pictures_per_s": round(options.count / ours.seconds, 1),
            "pictures_per_s_naive": round(options.count / naive.seconds, 1),
        }
    )


def naive_loop(pictures: Path, out: Path, cascade_path: Path) -> Outcome:
    """The tutorials' loop: read, equalise, detect at full size, cut, resize; one process."""
    out.mkdir()
    cascade = cv2.CascadeClassifier(str(cascade_path))
    found: Found = {}
    with _Clock() as seconds:
        for path in sorted(pictures.iterdir()):
            picture = np.asarray(cv2.imread(str(path)))
            gray = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
            boxes = cascade.detectMultiScale(
                gray, scaleFactor=1.1, minNeighbors=5, minSize=(24, 24)
            )
            for number, (x, y, w, h) in enumerate(boxes):
                face = cv2.resize(picture[y : y + h, x : x + w], (64, 64))
                cv2.imwrite(str(out / f"{path.stem}-{number}.png"), face)
            found[path.name] = [(float(x), float(y), float(w), float(h)) for x, y, w, h in boxes]
    return Outcome(_first_copies(found), *seconds())


def our_crop(pictures: Path, scratch: Path, options: CropOptions) -> Outcome:
    """What `preprocess crop` does, worker start, journal and tables included."""
    ours = OurOptions(pictures=pictures, workspace=scratch, workers=options.workers)
    settings = settings_of(ours)
    folder = scratch / "faces"
    FaceFolder(folder).images.mkdir(parents=True)
    with _Clock() as seconds:
        tasks = list(folder_tasks(pictures))
        with closing(Journal(folder / "journal.jsonl", describe(settings))) as journal:
            for record in work_on_all(ours, settings, folder)(tasks):
                journal.add(record)
            records = list(journal.records())
            finish(folder, journal, settings, {task.key for task in tasks})
    found = {record.picture: [face.face_box for face in record.faces] for record in records}
    return Outcome(_first_copies(found), *seconds())


def our_peak_mb(workers: int) -> float:
    """The most that crop's processes can have held at once.

    Called in the process that ran it: its own peak, and the largest worker's for every worker. What
    they share counts each time.
    """
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    parent, largest = (resource.getrusage(kind).ru_maxrss for kind in kinds)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes here
    return (parent + worker_count(workers) * largest) / unit


class _Clock:
    """Measures the block; call the value it gives for wall and processor seconds."""

    def __enter__(self) -> Callable[[], tuple[float, float]]:
        self._start = time.perf_counter(), _cpu_seconds()
        return lambda: self._spent

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._start
        self._spent = time.perf_counter() - wall, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _first_copies(found: Found) -> Found:
    return {name[5:]: boxes for name, boxes in found.items() if name.startswith("0000-")}


def recall(found: Found, truth: dict[str, list[TrueFace]]) -> float:
    """The share of faces that some box hits, 0..1."""
    faces = [(name, face) for name, listed in truth.items() for face in listed]
    faces = [(name, face) for name, face in faces if face.kind != "other"]
    hit = [any(hits(box, face.box) for box in found.get(name, [])) for name, face in faces]
    return round(sum(hit) / max(len(hit), 1), 4)


def false_boxes(found: Found, truth: dict[str, list[TrueFace]]) -> int:
    """How many boxes hit no face, or one that another box hits."""
    return sum(
        len(score_picture([Face(box, 1.0) for box in boxes], truth.get(name, [])).false)
        for name, boxes in found.items()
    )
