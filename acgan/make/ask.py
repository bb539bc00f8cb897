"""From a request (attributes by name, `random`, `any`, a seed) to portraits."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from acgan.make.painter import Painter
from acgan.make.recipe import Portrait
from acgan.request import RANDOM, label_rows, parse_attributes
from manifest.errors import UserError
from manifest.vocabulary import UNKNOWN, Group, Vocabulary

log = logging.getLogger(__name__)
EACH = "each"
MOST_SEED = 2**53 - 1  # what JSON carries exactly


def check_seed(seed: int) -> int:
    """Raises `UserError` for a seed out of range."""
    if not 0 <= seed <= MOST_SEED:
        raise UserError(f"the seed must be 0 to {MOST_SEED}")
    return seed


def ask(
    painter: Painter, pairs: Sequence[str] | Mapping[str, str], count: int, seed: int
) -> list[Portrait]:
    """`count` portraits of a seed; picture i is the same whatever the count."""
    check_seed(seed)
    info = painter.info
    pairs = [f"{k}={v}" for k, v in pairs.items()] if isinstance(pairs, Mapping) else pairs
    asked = parse_attributes(pairs, info.vocabulary)
    rows = label_rows(asked, info.vocabulary, info.label_rows, count, seed)
    latents = painter.snapshot.random_z(count, seed).numpy()
    return [
        Portrait(z, ((1.0, tuple(map(int, row))),), seed, index)
        for index, (z, row) in enumerate(zip(latents, rows, strict=True))
    ]


def split_each(pairs: Sequence[str], vocabulary: Vocabulary) -> tuple[list[str], list[str]]:
    """Take out the attributes asked for as `each`; the others as random there. Raises UserError."""
    each = [pair.partition("=")[0].replace("-", "_") for pair in pairs if pair.endswith("=" + EACH)]
    for name in each:
        parse_attributes([f"{name}={RANDOM}"], vocabulary)
    if len(each) > 2:
        raise UserError("`each` works for one or two attributes", where=", ".join(each))
    return each, [pair for pair in pairs if not pair.endswith("=" + EACH)]


def contact_portraits(
    portrait: Portrait,
    each: Sequence[str],
    vocabulary: Vocabulary,
    class_counts: Mapping[str, Sequence[int]],
) -> tuple[list[Portrait], list[str], list[str]]:
    """One portrait for every class of one or two attributes; also the names of rows and columns.

    The first attribute runs down, the second across; a single one runs across. A class that no
    training face had is left out: nothing has taught the generator what it is.
    """
    groups = [vocabulary.group(name) for name in each]
    places = [vocabulary.names.index(name) for name in each]
    shown = [seen_classes(group, class_counts.get(group.name, ())) for group in groups]
    portraits = []
    for classes in itertools.product(*shown):
        row = np.array(portrait.labels)
        row[places] = classes
        portraits.append(portrait.with_labels(tuple(map(int, row))))
    rows = [phrase(groups[0], groups[0].classes[c]) for c in shown[0]] if len(groups) == 2 else []
    last = groups[-1]
    return portraits, rows, [class_label(last.name, last.classes[c]) for c in shown[-1]]


def seen_classes(group: Group, counts: Sequence[int]) -> list[int]:
    """The classes that training faces had; all of them where the counts are not known."""
    seen = [index for index, count in enumerate(counts) if count > 0]
    return seen or list(range(len(group.classes)))


def warn_of_unseen(
    asked: Mapping[str, str], vocabulary: Vocabulary, counts: Mapping[str, Sequence[int]]
) -> None:
    """Say which of the classes asked for no training face had: what is drawn is a guess."""
    for name, value in asked.items():
        group = vocabulary.group(name)
        place = group.index_of(value) if value not in ("any", RANDOM) else UNKNOWN
        seen = seen_classes(group, counts.get(name, ()))
        if place != UNKNOWN and place not in seen:
            log.warning(
                "no face in training had %s: what is drawn for it is a guess (seen: %s)",
                phrase(group, group.classes[place]),
                ", ".join(group.classes[index] for index in seen),
            )


def class_label(group: str, name: str) -> str:
    """A class's name for people: a flag's 1 and 0 are the flag's name and "no" before it."""
    readable = group.replace("_", " ")
    return {"1": readable, "0": f"no {readable}"}.get(name, name)


def phrase(group: Group, name: str) -> str:
    """A class in words that need no heading: `blue hair`, `green eyes`, `no glasses`."""
    if group.kind == "flag":
        return class_label(group.name, name)
    noun = group.name.split("_")[0]
    return f"{name} {'eyes' if noun == 'eye' else noun}"
