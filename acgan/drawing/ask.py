"""From a request (attributes by name, a seed) to portraits."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import SupportsIndex

import numpy as np

from acgan.drawing.chance import SEED_BITS, latent
from acgan.drawing.painter import Painter
from acgan.drawing.recipe import Portrait
from acgan.drawing.request import RANDOM, label_row, parse_attributes, whole
from avatar_common.disk.vocabulary import UNKNOWN, Group, Vocabulary
from avatar_common.errors import UserError

log = logging.getLogger(__name__)
EACH = "each"
MOST_SEED = 2**SEED_BITS - 1


def check_seed(seed: SupportsIndex) -> int:
    """The seed as an int. Raises `UserError` for one out of range."""
    seed = whole(seed, "the seed")
    if not 0 <= seed <= MOST_SEED:
        raise UserError(f"the seed must be 0 to {MOST_SEED}")
    return seed


def ask(
    painter: Painter,
    asked: Sequence[str] | Mapping[str, str],
    count: int,
    seed: int,
    best_of: int = 1,
    first: int = 0,
) -> list[Portrait]:
    """`count` portraits of a seed from the `first` on; picture i is the same whatever the count.

    With `best_of` N there are N portraits in a row for each: the candidates, of the same labels.
    """
    seed = check_seed(seed)
    info = painter.info
    pairs = [f"{k}={v}" for k, v in asked.items()] if isinstance(asked, Mapping) else asked
    classes = parse_attributes(pairs, info.vocabulary)
    distribution = info.extra.get("z_distribution", "normal")
    portraits = []
    for index in range(first, first + count):
        # What is not asked for comes from a training face: told nothing, a generator draws smears.
        row = label_row(classes, info.vocabulary, painter.label_rows, seed, index)
        for candidate in range(best_of):
            z = latent(seed, index, candidate, info.z_dim, distribution)
            portraits.append(Portrait(z, ((1.0, row),), seed, index, candidate, best_of))
    return portraits


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
        place = group.index_of(value) if value != RANDOM else UNKNOWN
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


def as_texts(attributes: Mapping[str, str | int | bool]) -> list[str]:
    """Attributes as `name=class` texts; a flag may be given as True or False."""
    return [
        f"{name}={int(value) if isinstance(value, bool) else value}"
        for name, value in attributes.items()
    ]
