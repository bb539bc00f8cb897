"""The cells of a label table, read to classes of the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Callable

from avatar_common.disk.vocabulary import Group, Vocabulary
from avatar_common.errors import UserError
from preprocess.table_text import check_cell

YES, NO = frozenset(("1", "yes", "true", "y", "t")), frozenset(("0", "no", "false", "n", "f"))
UNKNOWN_WORDS = frozenset(("", "unknown", "<unk>", "unk", "?", "nan", "na", "n/a", "none", "null"))
MINUS_ONE = "-1"
"""CelebA's "no"; an unknown where the table has another no, and for whatever is no flag."""
_WHOLE_NUMBER = re.compile(r"^(-?\d+)[.,]0*$")  # how pandas and spreadsheets may write 0 and 1
_TAG_SUFFIX = {"hair_color": "_hair", "eye_color": "_eyes", "hair_length": "_hair"}
TWO_COLOURS = re.compile(r"^(?P<hair>\S.*?)[ _]hair[ ,]+(?P<eyes>\S.*?)[ _]eyes$", re.IGNORECASE)
TAG_COUNT = re.compile(r"^.+?:\d+$")

TagReader = Callable[[str], dict[str, str]]


def two_colours(cell: str, vocabulary: Vocabulary) -> dict[str, str]:
    """The classes of `<hair> hair <eyes> eyes`. Raises `UserError` for another cell."""
    match = TWO_COLOURS.match(cell)
    if match is None:
        raise UserError(f"{cell[:60]!r} is not of the form <hair> hair <eyes> eyes")
    return {
        "hair_color": read_value(vocabulary.group("hair_color"), match["hair"]),
        "eye_color": read_value(vocabulary.group("eye_color"), match["eyes"]),
    }


def counted_tags(cell: str) -> list[str]:
    """The tags of `tag:count<TAB>tag:count...`. Raises `UserError` for another cell."""
    entries = [entry for entry in cell.split("\t") if entry.strip()]
    bad = [entry for entry in entries if not TAG_COUNT.match(entry)]
    if bad:
        raise UserError(f"{bad[0][:60]!r} is not of the form tag:count")
    return [entry.rpartition(":")[0].strip().replace(" ", "_") for entry in entries]


def plain_number(cell: str) -> str:
    """1 for 1.0 and 1,0: how pandas and spreadsheets may write a yes."""
    return _WHOLE_NUMBER.sub(r"\1", cell.strip().lower())


def flag(cell: str, name: str, minus_one: str) -> str:
    """A yes/no cell as "1", "0" or "" (unknown). Raises `UserError` for anything else."""
    value = plain_number(check_cell(cell))
    if value in YES | NO:
        return "1" if value in YES else "0"
    if value == MINUS_ONE or value in UNKNOWN_WORDS:
        return minus_one if value == MINUS_ONE else ""
    raise UserError(f"{name} is a yes or no, not {cell[:40]!r}", hint="1, 0, or empty for unknown")


def tag_reader(example: str, vocabulary: Vocabulary) -> TagReader:
    """How to read the cells of a tag column, told by the first that is not empty."""
    if TWO_COLOURS.match(example) and not example.startswith("1"):
        return lambda cell: two_colours(cell, vocabulary) if cell else {}
    if example and all(map(TAG_COUNT.match, example.split("\t"))) and "\t" in example:
        return lambda cell: vocabulary.read_tags(counted_tags(cell))
    separator = "," if "," in example else None
    return lambda cell: vocabulary.read_tags(
        tag.strip().replace(" ", "_") for tag in cell.split(separator)
    )


def read_value(group: Group, cell: str) -> str:
    """The class that a cell names: a class, a booru tag behind one, or a tag's first word.

    Unknown words and tags that leave the group open ("bicolored") give "". Raises `UserError` for
    anything else.
    """
    value = " ".join(cell.lower().split())
    if len(value) > 1 and value[0] == value[-1] == "'":
        value = value[1:-1].strip()
    for name in group.classes:
        if value == name.lower():
            return name
    if value in UNKNOWN_WORDS:
        return ""
    if group.kind == "flag" and (number := plain_number(value)) in YES | NO:
        return "1" if number in YES else "0"
    tag = value.replace(" ", "_")
    spelled = {tag, tag + _TAG_SUFFIX.get(group.name, "")}
    if spelled & group.ambiguous:
        return ""
    for name in group.classes:
        if spelled & set(group.tags.get(name, ())):
            return name
    return group.classes[group.index_of(value)]
