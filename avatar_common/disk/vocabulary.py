"""The attribute vocabulary: groups, their classes, and the booru tags behind each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from avatar_common.errors import UserError

VOCABULARY_SCHEMA_VERSION = 1
UNKNOWN = -1
DEFAULT_VOCABULARY = Path(__file__).with_name("vocabulary.toml")


@dataclass(frozen=True)
class Group:
    """One question about a face: one of several classes, or a yes/no flag (classes "0" and "1")."""

    name: str
    kind: Literal["one_of", "flag"]
    classes: tuple[str, ...]
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ambiguous: frozenset[str] = frozenset()
    absent: Literal["unknown", "no"] = "unknown"

    def index_of(self, value: str) -> int:
        """The index of a class name; an empty value is `UNKNOWN`. Raises `UserError` otherwise."""
        if value == "":
            return UNKNOWN
        if value in self.classes:
            return self.classes.index(value)
        if self.kind == "flag" and value.lower() in ("yes", "true", "no", "false"):
            return int(value.lower() in ("yes", "true"))
        raise UserError(
            f"{self.name} has no class {value!r}", hint=f"one of: {', '.join(self.classes)}"
        )

    def read(self, tags: frozenset[str], *, thorough: bool) -> str:
        """The class that `tags` give, or "" for unknown."""
        if tags & self.ambiguous:
            return ""
        found = [name for name in self.classes if not tags.isdisjoint(self.tags.get(name, ()))]
        if len(found) == 1:
            return found[0]
        if not found and self.kind == "flag" and self.absent == "no" and thorough:
            return "0"
        return ""


@dataclass(frozen=True)
class Vocabulary:
    """The ordered groups; the order is part of every contract that holds label columns."""

    groups: tuple[Group, ...]
    several_people_tags: frozenset[str] = frozenset()
    thorough_tags: int = 8

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names, in order."""
        return tuple(group.name for group in self.groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of classes of each group (2 for a flag)."""
        return tuple(len(group.classes) for group in self.groups)

    def group(self, name: str) -> Group:
        """The group called `name`. Raises `UserError` naming the groups that there are."""
        for group in self.groups:
            if group.name == name:
                return group
        raise UserError(f"no attribute {name!r}", hint=f"one of: {', '.join(self.names)}")

    def only(self, names: Iterable[str]) -> Vocabulary:
        """The vocabulary cut down to the named groups, in the vocabulary's own order."""
        wanted = set(names)
        return Vocabulary(
            tuple(group for group in self.groups if group.name in wanted),
            self.several_people_tags,
            self.thorough_tags,
        )

    def read_tags(self, tags: Iterable[str]) -> dict[str, str]:
        """Attribute values ("" for unknown) from a post's general tags.

        With several people in the picture, a colour cannot be given to one of them: all unknown.
        """
        tag_set = frozenset(tag.lower() for tag in tags)
        if tag_set & self.several_people_tags or {"1girl", "1boy"} <= tag_set:
            return dict.fromkeys(self.names, "")
        thorough = len(tag_set) >= self.thorough_tags
        return {group.name: group.read(tag_set, thorough=thorough) for group in self.groups}

    def encode(self, values: Mapping[str, str]) -> list[int]:
        """Class indices in group order; missing or empty values are `UNKNOWN`."""
        return [group.index_of(values.get(group.name, "")) for group in self.groups]

    def decode(self, row: Sequence[int]) -> dict[str, str]:
        """The inverse of `encode`."""
        return {
            group.name: "" if index == UNKNOWN else group.classes[index]
            for group, index in zip(self.groups, row, strict=True)
        }

    def to_json(self) -> list[dict[str, Any]]:
        """What a face set or a snapshot records: names, kinds and classes, in order."""
        return [
            {"name": group.name, "kind": group.kind, "classes": list(group.classes)}
            for group in self.groups
        ]

    @staticmethod
    def from_json(content: Any, where: str) -> Vocabulary:
        """Read `to_json`'s form. Raises `UserError` (with `where`) when it is malformed."""
        try:
            return Vocabulary(
                tuple(
                    Group(str(item["name"]), item["kind"], tuple(map(str, item["classes"])))
                    for item in content
                )
            )
        except (TypeError, KeyError) as error:
            raise UserError(f"the vocabulary is malformed: {error!r}", where=where) from None


@cache
def load_vocabulary(path: Path = DEFAULT_VOCABULARY) -> Vocabulary:
    """Read a vocabulary TOML file (see the comments in `vocabulary.toml`)."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if content.get("schema_version") != VOCABULARY_SCHEMA_VERSION:
            raise UserError(
                f"schema version {content.get('schema_version')!r}, "
                f"this program reads version {VOCABULARY_SCHEMA_VERSION}",
                where=str(path),
            )
        return Vocabulary(
            tuple(_read_group(item) for item in content["group"]),
            frozenset(content["several_people_tags"]),
            int(content["thorough_tags"]),
        )
    except FileNotFoundError:
        raise UserError("no such vocabulary file", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(f"not a valid vocabulary: {error}", where=str(path)) from None


def _read_group(item: Mapping[str, Any]) -> Group:
    if item["kind"] == "flag":
        tags = {"0": tuple(item.get("no_tags", ())), "1": tuple(item["tags"])}
    else:
        tags = {name: tuple(found) for name, found in item["classes"].items()}
    return Group(
        name=item["name"],
        kind=item["kind"],
        classes=tuple(tags),
        tags=tags,
        ambiguous=frozenset(item.get("ambiguous", ())),
        absent=item.get("absent", "unknown"),
    )
