"""Label tables in the forms that the field uses, read to rows of attribute values.

Known forms: `id,<hair> hair <eyes> eyes` and `id,tag:count<TAB>...` without a header (the ACGAN
courses' tables), and tables with a header (or JSON lines) that name a file and attributes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manifest import UserError
from manifest.vocabulary import Group, Vocabulary

FILE_COLUMNS = ("file_name", "file", "filename", "image", "path", "name", "id")
COLUMN_GROUPS = {"hair": "hair_color", "eyes": "eye_color", "eye": "eye_color"}
UNKNOWN_WORDS = frozenset(("", "unknown", "<unk>", "unk", "?", "nan", "none", "null", "-1"))
_TAG_SUFFIX = {"hair_color": "_hair", "eye_color": "_eyes", "hair_length": "_hair"}
_TWO_COLOURS = re.compile(r"^(?P<hair>\S.*?) hair (?P<eyes>\S.*?) eyes$")
_TAG_COUNT = re.compile(r"^.+?:\d+$")


@dataclass(frozen=True)
class LabelRow:
    """One picture's row: its name as written, its values ("" for unknown), and where it stands."""

    picture: str
    values: Mapping[str, str]
    where: str
    group: str = ""


RowReader = Callable[[str, Any], LabelRow]
OnBadRow = Callable[[UserError], None]


def read_table(
    data: bytes, where: str, vocabulary: Vocabulary, on_bad_row: OnBadRow
) -> list[LabelRow]:
    """Read a table of any known form; `where` is its name in messages.

    A bad row goes to `on_bad_row` as a `UserError` naming file and row. Raises `UserError` when
    the table as a whole cannot be understood.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError("not UTF-8 text", where=f"{where}:{line}") from None
    if not text.strip():
        raise UserError("the table is empty", where=where)
    json_lines = where.endswith((".jsonl", ".ndjson"))
    lines, read = (_json_lines if json_lines else _csv_lines)(text, where, vocabulary)
    found = []
    for line, content in lines:
        try:
            found.append(read(f"{where}:{line}", content))
        except UserError as error:
            on_bad_row(UserError(error.what, where=f"{where}:{line}", hint=error.hint))
    if found and not any(row.values for row in found):
        raise _no_attribute(where, vocabulary)
    return found


def _csv_lines(
    text: str, where: str, vocabulary: Vocabulary
) -> tuple[Iterator[tuple[int, Any]], RowReader]:
    first = next(_numbered_cells(text, where))[1]
    headless = _headless_reader(first, vocabulary)
    lines = _numbered_cells(text, where)
    if headless is not None:
        return lines, headless
    next(lines)
    return lines, _header_reader(first, where, vocabulary)


def _numbered_cells(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(
            f"not readable as CSV: {error}", where=f"{where}:{reader.line_num}"
        ) from None


def _headless_reader(first: list[str], vocabulary: Vocabulary) -> RowReader | None:
    """The reader for a table without a header, told by its first line; None with a header."""
    if len(first) < 2:
        return None
    if _TWO_COLOURS.match(first[1]):
        return lambda where, cells: _two_colours(where, cells, vocabulary)
    if all(map(_TAG_COUNT.match, first[1].strip("\t").split("\t"))):
        return lambda where, cells: _tag_counts(where, cells, vocabulary)
    return None


def _two_colours(where: str, cells: list[str], vocabulary: Vocabulary) -> LabelRow:
    """`id,<hair> hair <eyes> eyes`."""
    match = _TWO_COLOURS.match(cells[1].strip()) if len(cells) == 2 else None
    if match is None or not cells[0].strip():
        raise UserError(f"{','.join(cells)[:60]!r} is not of the form id,<hair> hair <eyes> eyes")
    values = {
        "hair_color": read_value(vocabulary.group("hair_color"), match["hair"]),
        "eye_color": read_value(vocabulary.group("eye_color"), match["eyes"]),
    }
    return LabelRow(cells[0].strip(), values, where)


def _tag_counts(where: str, cells: list[str], vocabulary: Vocabulary) -> LabelRow:
    """`id,tag:count<TAB>tag:count...`; two classes of one group make the group unknown."""
    entries = [entry for entry in ",".join(cells[1:]).split("\t") if entry]
    bad = [entry for entry in entries if not _TAG_COUNT.match(entry)]
    if bad or not cells[0].strip():
        raise UserError(f"{(bad or cells)[0][:60]!r} is not of the form tag:count")
    tags = [entry.rpartition(":")[0].strip().replace(" ", "_") for entry in entries]
    return LabelRow(cells[0].strip(), vocabulary.read_tags(tags), where)


def _header_reader(header: list[str], where: str, vocabulary: Vocabulary) -> RowReader:
    names = [name.strip().lower() for name in header]
    file_column = next((name for name in FILE_COLUMNS if name in names), None)
    if file_column is None:
        raise UserError(
            f"no column names the file; there are {', '.join(header)[:80]}",
            where=f"{where}:1",
            hint=f"one of: {', '.join(FILE_COLUMNS)}",
        )
    if not _label_columns(names, f"{where}:1", vocabulary):
        raise _no_attribute(where, vocabulary)

    def read(row_where: str, cells: list[str]) -> LabelRow:
        if len(cells) != len(names):
            raise UserError(f"{len(names)} cells were expected, there are {len(cells)}")
        return _named_row(row_where, dict(zip(names, cells, strict=True)), file_column, vocabulary)

    return read


def _label_columns(names: list[str], where: str, vocabulary: Vocabulary) -> dict[str, Group]:
    """The columns that hold an attribute. Raises `UserError` when two hold the same."""
    columns: dict[str, Group] = {}
    for name in names:
        group = COLUMN_GROUPS.get(name, name)
        if group in [known.name for known in columns.values()]:
            raise UserError(f"several columns hold {group}, one is {name}", where=where)
        if group in vocabulary.names:
            columns[name] = vocabulary.group(group)
    return columns


def _no_attribute(where: str, vocabulary: Vocabulary) -> UserError:
    return UserError(
        "no column names an attribute",
        where=f"{where}:1",
        hint=f"hair, eyes or one of: {', '.join(vocabulary.names)}",
    )


def _named_row(
    where: str, row: Mapping[str, str], file_column: str, vocabulary: Vocabulary
) -> LabelRow:
    if not row[file_column].strip():
        raise UserError("the row names no picture")
    values = {
        group.name: read_value(group, row[name])
        for name, group in _label_columns(list(row), where, vocabulary).items()
    }
    return LabelRow(row[file_column].strip(), values, where, row.get("group", ""))


def _json_lines(
    text: str, where: str, vocabulary: Vocabulary
) -> tuple[Iterator[tuple[int, Any]], RowReader]:
    lines = ((i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip())
    return lines, lambda row_where, line: _json_row(row_where, line, vocabulary)


def _json_row(where: str, line: str, vocabulary: Vocabulary) -> LabelRow:
    try:
        content: Any = json.loads(line)
    except ValueError as error:
        raise UserError(f"not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError("a JSON object was expected")
    row = {str(name).lower(): _as_cell(value) for name, value in content.items()}
    file_column = next((name for name in FILE_COLUMNS if name in row), None)
    if file_column is None:
        raise UserError("no key names the file", hint=f"one of: {', '.join(FILE_COLUMNS)}")
    return _named_row(where, row, file_column, vocabulary)


def _as_cell(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def read_value(group: Group, cell: str) -> str:
    """The class that a cell names: a class, a booru tag behind one, or a tag's first word.

    Unknown words and tags that leave the group open ("bicolored") give "". Raises `UserError` for
    anything else.
    """
    value = cell.strip().lower()
    if value in UNKNOWN_WORDS:
        return ""
    if value in group.classes:
        return value
    if group.kind == "flag" and value in ("0.0", "1.0"):  # how pandas writes 0 beside empty cells
        return value[0]
    tag = value.replace(" ", "_")
    spelled = {tag, tag + _TAG_SUFFIX.get(group.name, "")}
    if spelled & group.ambiguous:
        return ""
    for name in group.classes:
        if spelled & set(group.tags.get(name, ())):
            return name
    return group.classes[group.index_of(value)]
