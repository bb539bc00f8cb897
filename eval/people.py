"""`python -m eval people RUN [RUN]`: a test for people, as one page that needs nothing else.

Real or drawn (a pair of one real and one drawn face: which was drawn by a person?) and, with two
runs, A or B (the same labels drawn by both: which is the better drawing?). The page gives a small
answers file; laid into the run's `eval/people/`, the report shows it with Wilson intervals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from acgan.devices import choose_device
from acgan.nets.snapshot import Snapshot, load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, next_step
from avatar_common.disk.files import write_text
from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNCHW
from eval.answers import ANSWERS_FOLDER, ANSWERS_SCHEMA_VERSION
from eval.cache import content_hash
from eval.drawer import draw_all
from eval.figures import data_uri
from eval.options import PeopleOptions
from eval.reals import Reals, asked_columns, load_reals
from eval.sources import Sources, find_sources

MOST_RUNS = 2
SEED_APART = 700_000  # no report's draws


@dataclass(frozen=True)
class Pair:
    """Two faces and whose they are: a snapshot's weights hash, or "real".

    `kind` is "real" (one of them is: which?) or "ab" (the same labels drawn by two snapshots).
    """

    kind: str
    pictures: tuple[str, str]
    names: tuple[str, str]


def people(options: PeopleOptions) -> None:
    """Draw the faces, lay out the pairs, write the page."""
    if not 1 <= len(options.runs) <= MOST_RUNS:
        raise UserError("name one run, or two to compare")
    all_sources = [find_sources(options.workspace, run, options.data) for run in options.runs]
    out = options.out or all_sources[0].out / "people.html"
    if options.dry_run:
        explain_dry_run(options, [f"write a test of {options.pairs} pairs each to {out}"])
        return
    device = choose_device(options.device, options.threads)
    snapshots = [load_snapshot(sources.snapshot, device) for sources in all_sources]
    if len({snapshot.info.weights_sha256 for snapshot in snapshots}) < len(snapshots):
        raise UserError("both are the same snapshot")
    sizes = {snapshot.info.image_size for snapshot in snapshots}
    if len(sizes) > 1:
        raise UserError("the runs draw faces of different sizes", hint="compare equal sizes")
    reals = load_reals(all_sources[0].faces, image_size=sizes.pop())
    pairs = lay_out(snapshots, reals, options.pairs, options.seed)
    write_text(out, render(pairs, all_sources, reals.image_size))
    emit_json({"page": str(out), "pairs": len(pairs), "answers": str(all_sources[0].out)})
    next_step(f"open {out}; put the answers file into {all_sources[0].out / ANSWERS_FOLDER}")


def lay_out(snapshots: list[Snapshot], reals: Reals, count: int, seed: int) -> list[Pair]:
    """`count` pairs of real and drawn per snapshot and, of two snapshots, as many of both."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(reals.test_labels))
    count = min(count, len(order) // len(snapshots))
    rows = order[:count]
    drawn = [draw_rows(snapshot, reals, rows, seed) for snapshot in snapshots]
    names = [snapshot.info.weights_sha256 for snapshot in snapshots]
    pairs = []
    for place in range(count):
        for number, (pictures, name) in enumerate(zip(drawn, names, strict=True)):
            real = uri(reals.test_pictures[order[number * count + place]])  # each real face once
            pairs.append(shuffled("real", (real, uri(pictures[place])), ("real", name), rng))
        if len(drawn) == MOST_RUNS:
            both = (uri(drawn[0][place]), uri(drawn[1][place]))
            pairs.append(shuffled("ab", both, (names[0], names[1]), rng))
    return sorted(pairs, key=lambda pair: pair.kind == "ab")  # one kind after the other


def shuffled(
    kind: str, pictures: tuple[str, str], names: tuple[str, str], rng: np.random.Generator
) -> Pair:
    """Left and right by chance."""
    if rng.random() < 0.5:
        return Pair(kind, pictures, names)
    return Pair(kind, pictures[::-1], names[::-1])


def draw_rows(snapshot: Snapshot, reals: Reals, rows: np.ndarray, seed: int) -> PicturesNCHW:
    """Faces uint8 [N, 3, S, S] asked for the labels of held-out rows."""
    columns = asked_columns(snapshot.info.vocabulary, reals.vocabulary, str(snapshot.path))
    asked = torch.from_numpy(reals.test_labels[rows][:, columns])
    return draw_all(snapshot, snapshot.random_z(len(rows), seed + SEED_APART), asked).numpy()


def uri(picture: npt.NDArray[np.uint8]) -> str:
    """uint8 [3, S, S] as a PNG in the page."""
    return data_uri(np.ascontiguousarray(picture.transpose(1, 2, 0)))


def render(pairs: list[Pair], sources: list[Sources], side: int) -> str:
    """The page's HTML."""
    shown: list[dict[str, Any]] = [
        {"kind": pair.kind, "pictures": pair.pictures, "names": pair.names} for pair in pairs
    ]
    test = content_hash(np.frombuffer(json.dumps(shown).encode(), dtype=np.uint8))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("people.html").render(
        pairs=json.dumps(shown).replace("<", "\\u003c"),
        schema_version=ANSWERS_SCHEMA_VERSION,
        test=test,
        side=side,
        folders=[str(one.out / ANSWERS_FOLDER) for one in sources],
    )
