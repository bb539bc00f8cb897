"""Attributes asked for on the command line: `--hair-color blue`, one option per group. No torch."""

from __future__ import annotations

import difflib
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from acgan.drawing.chance import words
from avatar_common.disk.vocabulary import UNKNOWN, Group, Vocabulary, load_vocabulary
from avatar_common.errors import UserError

if TYPE_CHECKING:
    from avatar_common.commands import Command

RANDOM = "random"


def fold_attributes(
    commands: Mapping[str, Command], argv: Sequence[str] | None = None
) -> list[str]:
    """The command line with `--some-name value` turned into `--attributes some_name=value`.

    Which attributes there are is known only once the snapshot is read, so every option that the
    command does not have is taken for one, unless it is close to one the command has (a typing
    slip). Commands without `attributes` are left alone.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = commands.get(arguments[0]) if arguments else None
    if command is None:
        return arguments
    known = {field.name for field in fields(command.options)}
    if "attributes" not in known or command.options.__name__ == "TrainOptions":
        return arguments
    kept, pairs, rest = arguments[:1], [], arguments[1:]
    while rest:
        argument = rest.pop(0)
        option, equals, value = argument.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if (
            not option.startswith("--")
            or name in known | {"help"}
            or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        ):
            kept.append(argument)
        else:
            if not equals and rest and not rest[0].startswith("--"):
                equals, value = "=", rest.pop(0)
            # Without a value it stays a bare name; what it wants is known with the snapshot.
            pairs.append(name + equals + value)
    return [*kept, "--attributes", *pairs] if pairs else kept


def whole(number: SupportsIndex, what: str) -> int:
    """A whole number of any type, as NumPy's. Raises `UserError` for what is none."""
    try:
        return int(operator.index(number))
    except TypeError:
        raise UserError(f"{what} must be a whole number, not {str(number)[:40]!r}") from None


def parse_attributes(pairs: Sequence[str], vocabulary: Vocabulary) -> dict[str, str]:
    """`name=class` pairs checked against what the snapshot knows.

    Raises `UserError` naming the attributes, or the classes, that there are; also for an attribute
    that is named twice.
    """
    asked: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.replace("-", "_")
        if not equals and (group := _known(name, vocabulary)):
            wanted = "yes or no" if group.kind == "flag" else f"one of: {', '.join(group.classes)}"
            raise UserError(f"--{name.replace('_', '-')} needs a value", hint=wanted)
        if name not in vocabulary.names:
            close = difflib.get_close_matches(name, vocabulary.names, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UserError(
                f"this snapshot has no attribute {name[:60]!r}",
                hint=f"{guess}it knows {', '.join(vocabulary.names) or 'none'}",
            )
        if name in asked:
            raise UserError(f"{name} is named twice")
        if value == "":
            classes = ", ".join(vocabulary.group(name).classes)
            raise UserError(f"{name} needs a class", hint=f"one of: {classes}")
        if value != RANDOM:
            vocabulary.group(name).index_of(value)
        asked[name] = value
    return asked


def _known(name: str, vocabulary: Vocabulary) -> Group | None:
    """The group of that name here, or in the project's own vocabulary."""
    found = [group for known in (vocabulary, load_vocabulary()) for group in known]
    return next((group for group in found if group.name == name), None)


def label_row(
    asked: Mapping[str, str],
    vocabulary: Vocabulary,
    known_rows: Sequence[Sequence[int]] | np.ndarray,
    seed: int,
    index: int,
) -> tuple[int, ...]:
    """The label row [A] of picture `index` of a seed.

    A class that is asked for is taken as it is. The rest is as the training faces have it: the row
    of one of them, chosen among those that agree best with the classes asked for and, of these,
    leave least unknown. What even that face leaves unknown comes from another face that agrees as
    well where there is one; an attribute of which no face is known stays unknown (-1).
    """
    fixed = {
        a: group.index_of(asked[group.name])
        for a, group in enumerate(vocabulary)
        if asked.get(group.name, RANDOM) != RANDOM
    }
    everyone = np.asarray(known_rows, dtype=np.int64).reshape(len(known_rows), len(vocabulary))
    if len(everyone) == 0:
        everyone = np.full((1, len(vocabulary)), UNKNOWN, dtype=np.int64)
    agreement = np.zeros(len(everyone), np.int64)
    for a, place in fixed.items():
        agreement += everyone[:, a] == place
    table = everyone[agreement == agreement.max()] if fixed else everyone
    unknown = (np.delete(table, list(fixed), axis=1) == UNKNOWN).sum(axis=1)
    fullest = table[unknown == unknown.min()]
    chance = words(seed, index, "labels", 1 + len(vocabulary))
    row = fullest[int(chance[0]) % len(fullest)].copy()
    for a in range(len(vocabulary)):
        if a in fixed:
            row[a] = fixed[a]
        elif row[a] == UNKNOWN:
            for faces in (table, everyone):
                known = faces[faces[:, a] != UNKNOWN, a]
                if len(known):
                    row[a] = known[int(chance[1 + a]) % len(known)]
                    break
    return tuple(int(place) for place in row)
