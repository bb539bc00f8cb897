"""Label tables in the forms that the field uses, read to rows of attribute values.

Known forms: `id,<hair> hair <eyes> eyes` and `id,tag:count<TAB>...` without a header (the ACGAN
courses' tables), and tables with a header (or JSON lines) that name a file and attributes or tags.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avatar_common.disk.vocabulary import Group, Vocabulary
from avatar_common.errors import UserError
from preprocess.label_values import (
    MINUS_ONE,
    NO,
    TAG_COUNT,
    TWO_COLOURS,
    YES,
    TagReader,
    counted_tags,
    flag,
    plain_number,
    read_value,
    tag_reader,
    two_colours,
)
from preprocess.table_text import Row, check_cell, decode_text, read_rows

log = logging.getLogger(__name__)

FILE_COLUMNS = (
    "file_name",
    "file",
    "filename",
    "image",
    "image_name",
    "image_file",
    "image_path",
    "file_path",
    "filepath",
    "path",
    "picture",
    "img",
    "name",
    "image_id",
    "id",
)
TAG_COLUMNS = ("tags", "tag", "tag_string", "tag_string_general", "tags_general", "general_tags")
COLUMN_GROUPS = {
    "hair": "hair_color",
    "haircolor": "hair_color",
    "hair_colour": "hair_color",
    "haircolour": "hair_color",
    "eyes": "eye_color",
    "eye": "eye_color",
    "eyecolor": "eye_color",
    "eyes_color": "eye_color",
    "eye_colour": "eye_color",
    "eyecolour": "eye_color",
    "smiling": "smile",  # CelebA's names
    "eyeglasses": "glasses",
    "wearing_hat": "hat",
}


@dataclass(frozen=True)
class LabelRow:
    """One picture's row: its name as written, its values ("" for unknown), and where it stands."""

    picture: str
    values: Mapping[str, str]
    where: str
    group: str = ""


@dataclass(frozen=True)
class Named:
    """A row by column: names in small letters with "_" for spaces."""

    line: int
    cells: Mapping[str, str]


OnBadRow = Callable[[UserError], None]


def read_table(
    data: bytes,
    where: str,
    vocabulary: Vocabulary,
    on_bad_row: OnBadRow,
    encoding: str | None = None,
) -> list[LabelRow]:
    """Read a table of any known form; `where` is its name in messages.

    A bad row goes to `on_bad_row` as a `UserError` naming file and row. Raises `UserError` when
    the table as a whole cannot be understood.
    """
    text = decode_text(data, where, encoding)
    if not text.strip():
        raise UserError("the table is empty", where=where)
    rows = Rows(where, on_bad_row)
    if where.lower().endswith((".jsonl", ".ndjson", ".json")):
        lines = _lines(text, where) if where.lower().endswith(".json") else text.split("\n")
        named = list(_json_rows(lines, rows))
        return list(_named_rows(named, rows, vocabulary, named[0].line if named else 1))
    first = next(line for line in text.split("\n") if line.strip())
    if _is_tag_counts(first):
        return list(_tag_count_rows(text, rows, vocabulary))
    table = read_rows(text, where, lambda name: _is_known(name, vocabulary))
    if not table:
        raise UserError("the table is empty", where=where)
    if len(table[0].cells) > 1 and TWO_COLOURS.match(table[0].cells[1].strip()):
        return list(_two_colour_rows(table, rows, vocabulary))
    named = list(_header_rows(table, rows, vocabulary))
    return list(_named_rows(named, rows, vocabulary, table[0].line))


@dataclass(frozen=True)
class Rows:
    """Where rows stand, and what happens to bad ones."""

    table: str
    on_bad_row: OnBadRow

    def where(self, line: int) -> str:
        """A line's place in messages."""
        return f"{self.table}:{line}"

    def bad(self, line: int, error: UserError) -> None:
        """Pass on a bad row with its place."""
        self.on_bad_row(UserError(error.what, where=self.where(line), hint=error.hint))


def _is_known(name: str, vocabulary: Vocabulary) -> bool:
    """Whether a column's name says what it holds."""
    name = _column_name(name)
    return (
        name in FILE_COLUMNS
        or name in TAG_COLUMNS
        or COLUMN_GROUPS.get(name, name) in vocabulary.names
        or name in _tags_of(vocabulary)
    )


def _tags_of(vocabulary: Vocabulary) -> set[str]:
    """All tags that say something of a one-of-many group."""
    many = [group for group in vocabulary if group.kind == "one_of"]
    return {tag for group in many for tags in group.tags.values() for tag in tags}


def _column_name(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().strip("\"'").strip().lower())


def _two_colour_rows(table: list[Row], rows: Rows, vocabulary: Vocabulary) -> Iterator[LabelRow]:
    """`id,<hair> hair <eyes> eyes`."""
    for row in table:
        cells = _without_empty_end(row.cells, 2)
        try:
            if len(cells) != 2 or not check_cell(cells[0]):
                shown = ",".join(cells)[:60]
                raise UserError(f"{shown!r} is not of the form id,<hair> hair <eyes> eyes")
            values = two_colours(check_cell(cells[1]), vocabulary)
        except UserError as error:
            rows.bad(row.line, error)
            continue
        yield LabelRow(check_cell(cells[0]), values, rows.where(row.line))


def _is_tag_counts(line: str) -> bool:
    number, comma, tags = line.partition(",")
    return bool(comma and number and tags) and all(
        map(TAG_COUNT.match, tags.strip("\t").split("\t"))
    )


def _tag_count_rows(text: str, rows: Rows, vocabulary: Vocabulary) -> Iterator[LabelRow]:
    """`id,tag:count<TAB>tag:count...`; no quotes: they are parts of tags."""
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        number, _, tags = content.partition(",")
        try:
            name = check_cell(number)
            if not name:
                raise UserError("the row names no picture")
            values = vocabulary.read_tags(counted_tags(tags))
        except UserError as error:
            rows.bad(line, error)
            continue
        yield LabelRow(name, values, rows.where(line))


def _header_rows(table: list[Row], rows: Rows, vocabulary: Vocabulary) -> Iterator[Named]:
    """The rows below a header, by column."""
    header, names = table[0], [_column_name(name) for name in table[0].cells]
    where = rows.where(header.line)
    while names and not names[-1]:
        names.pop()
    ahead = len(table) > 1 and len(_without_empty_end(table[1].cells, 0)) == len(names) + 1
    if not any(name in FILE_COLUMNS for name in names):
        if not (ahead and any(_is_known(name, vocabulary) for name in names)):
            raise UserError(
                f"no column names the file; there are {', '.join(header.cells)[:80]}",
                where=where,
                hint=f"the first line needs one of: {', '.join(FILE_COLUMNS)}",
            )
        names = ["file_name", *names]  # as CelebA's list, and indices that pandas writes
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice and _is_known(twice, vocabulary):
        group = COLUMN_GROUPS.get(twice, twice)
        raise UserError(f"several columns hold {group}, one is {twice}", where=where)
    if len(table) == 1:
        raise UserError("the table has no row below its header", where=where)
    for row in table[1:]:
        cells = _without_empty_end(row.cells, len(names))
        if len(cells) != len(names):
            error = UserError(
                f"{len(names)} cells were expected, there are {len(cells)}",
                hint="quote a cell that holds the separator",
            )
            rows.bad(row.line, error)
            continue
        yield Named(row.line, {name: cell for name, cell in zip(names, cells, strict=True) if name})


def _without_empty_end(cells: list[str], most: int) -> list[str]:
    """The cells without empty ones past `most`, which spreadsheets write."""
    end = len(cells)
    while end > most and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _lines(text: str, where: str) -> list[str]:
    """A JSON list of objects, or an object of them by file name, as JSON lines."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON: {error}", where=where) from None
    if isinstance(content, dict) and all(isinstance(value, dict) for value in content.values()):
        content = [{"file_name": name, **value} for name, value in content.items()]
    if not isinstance(content, list):
        raise UserError("a list of objects was expected", where=where)
    return [json.dumps(row) for row in content]


def _json_rows(lines: list[str], rows: Rows) -> Iterator[Named]:
    # Lines end with "\n" only: U+2028 and other separators may stand in a string.
    for line, content in enumerate(lines, start=1):
        if not content.strip():
            continue
        try:
            try:
                found: Any = json.loads(content)
            except (ValueError, RecursionError) as error:
                raise UserError(f"not valid JSON: {error}") from None
            if not isinstance(found, dict):
                raise UserError("a JSON object was expected")
            cells = {_column_name(str(name)): _as_cell(value) for name, value in found.items()}
            if not any(name in cells for name in FILE_COLUMNS):
                raise UserError("no key names the file", hint=f"one of: {', '.join(FILE_COLUMNS)}")
        except UserError as error:
            rows.bad(line, error)
            continue
        yield Named(line, cells)


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _named_rows(
    named: list[Named], rows: Rows, vocabulary: Vocabulary, header_line: int
) -> Iterator[LabelRow]:
    """Rows by column, read to labels. Raises `UserError` when no column holds any."""
    if not named:
        return
    columns = list(dict.fromkeys(name for row in named for name in row.cells))
    holding = _label_columns(columns, rows.where(header_line), vocabulary)
    file_column = next(name for name in FILE_COLUMNS if name in columns)
    tag_column = next((name for name in TAG_COLUMNS if name in columns), None)
    tags = [name for name in columns if name in _tags_of(vocabulary) and name not in holding]
    if not holding and not tags and tag_column is None:
        raise _no_attribute(rows.where(header_line), columns, vocabulary)
    used = {file_column, tag_column, "group", *holding, *tags}
    unused = [name for name in columns if name not in used]
    if unused:
        log.info("%s: not used: %s", rows.table, ", ".join(unused)[:200])
    minus_one = _meaning_of_minus_one(named, [*_flags(holding), *tags], rows.table)
    read_tags: TagReader = lambda cell: {}  # noqa: E731
    if tag_column is not None:
        filled = (row.cells.get(tag_column, "").strip() for row in named)
        read_tags = tag_reader(next(filter(None, filled), ""), vocabulary)
    found = Columns(file_column, tag_column or "", tuple(tags), holding, minus_one, read_tags)
    for row in named:
        try:
            picture = check_cell(row.cells.get(file_column, ""))
            if not picture:
                raise UserError("the row names no picture")
            values = found.values_of(row.cells, vocabulary)
        except UserError as error:
            rows.bad(row.line, error)
            continue
        yield LabelRow(picture, values, rows.where(row.line), row.cells.get("group", ""))


@dataclass(frozen=True)
class Columns:
    """Which columns hold what: the file, a list of tags, one tag each, an attribute each."""

    file: str
    tag_list: str
    tags: tuple[str, ...]
    attributes: Mapping[str, Group]
    minus_one: str
    """What -1 means of a flag."""
    read_tags: TagReader

    def values_of(self, cells: Mapping[str, str], vocabulary: Vocabulary) -> dict[str, str]:
        """The classes that a row names. Raises `UserError` for a cell that cannot be read."""
        values = self.read_tags(check_cell(cells.get(self.tag_list, "")))
        yes = frozenset(name for name in self.tags if flag(cells.get(name, ""), name, "") == "1")
        for group in vocabulary if self.tags else ():
            if group.kind == "one_of":
                values[group.name] = group.read(yes, thorough=False)
        for name, group in self.attributes.items():
            cell = check_cell(cells.get(name, ""))
            if plain_number(cell) == MINUS_ONE:
                cell = self.minus_one if group.kind == "flag" else ""
            values[group.name] = read_value(group, cell) or values.get(group.name, "")
        return values


def _flags(holding: Mapping[str, Group]) -> list[str]:
    return [name for name, group in holding.items() if group.kind == "flag"]


def _label_columns(names: Iterable[str], where: str, vocabulary: Vocabulary) -> dict[str, Group]:
    """The columns that hold an attribute. Raises `UserError` when two hold the same."""
    columns: dict[str, Group] = {}
    for name in names:
        group = COLUMN_GROUPS.get(name, name)
        if group in [known.name for known in columns.values()]:
            raise UserError(f"several columns hold {group}, one is {name}", where=where)
        if group in vocabulary.names:
            columns[name] = vocabulary.group(group)
    return columns


def _no_attribute(where: str, columns: Iterable[str], vocabulary: Vocabulary) -> UserError:
    return UserError(
        f"no column names an attribute; there are {', '.join(columns)[:80]}",
        where=where,
        hint=f"hair, eyes, tags or one of: {', '.join(vocabulary.names[:8])} ...; "
        "--unlabelled takes the pictures alone",
    )


def _meaning_of_minus_one(named: list[Named], flags: Iterable[str], table: str) -> str:
    """What -1 says of a flag: "0" in a table whose only no it is, else "", unknown."""
    found = {plain_number(row.cells.get(name, "")) for row in named for name in flags}
    if MINUS_ONE not in found:
        return ""
    if found & NO:
        log.warning("%s: -1 is taken for unknown, as there are other words for no", table)
        return ""
    if found & YES:
        log.warning("%s: -1 is taken for no, as in CelebA", table)
        return "0"
    raise UserError(
        "-1 may mean no or unknown, and the table has neither yes nor another no",
        where=table,
        hint="write 0 for no, and leave unknown cells empty",
    )
