"""From the bytes of somebody's table to rows of cells with their line numbers, read by pandas.

Spreadsheets and scripts differ in encoding, separator, quoting and line ends. What is clear is
read; what is not is refused with its line and what to do, never read by half.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from avatar_common.errors import UserError

log = logging.getLogger(__name__)

SEPARATORS = (",", ";", "\t", "|")
SPACES = "spaces"
MOST_COLUMNS = 5000
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAVE_AS_UTF8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8), or name its --encoding"


@dataclass(frozen=True)
class Row:
    """The cells of one row, without those that the table ends before; `line` counts from 1."""

    line: int
    cells: list[str]


def decode_text(data: bytes, where: str, encoding: str | None = None) -> str:
    r"""The table's text with "\n" at line ends: by its mark, as UTF-16 if it looks so, as UTF-8.

    Bytes that are not UTF-8 are kept as lone surrogates: they only matter in a cell that is used
    (see `check_cell`). Raises `UserError` for NUL characters and wrong encodings.
    """
    if encoding is None:
        encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None and (head := data[:4000]).count(0) > len(head) // 4:
        encoding = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8", "strict" if encoding else "surrogateescape")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"not {encoding} text", where=f"{where}:{line}", hint=SAVE_AS_UTF8
        ) from None
    except LookupError:
        raise UserError(f"no encoding is called {encoding!r}", where="--encoding") from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError("a NUL byte: the file is damaged", where=f"{where}:{line}")
    return text


def check_cell(cell: str) -> str:
    """The cell without spaces around. Raises `UserError` where its bytes were not UTF-8."""
    if any("\udc80" <= character <= "\udcff" for character in cell):
        shown = cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise UserError(f"{shown[:40]!r} is not UTF-8 text", hint=SAVE_AS_UTF8)
    cell = cell.strip()
    formula = re.fullmatch('="(.*)"', cell)  # how a spreadsheet keeps 007 a text
    return formula[1].strip() if formula else cell


@contextmanager
def _long_cells() -> Iterator[None]:
    """Without the csv module's guard of 128 KB a cell: long captions are no attack."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@_long_cells()
def read_rows(text: str, where: str, known: Callable[[str], bool]) -> list[Row]:
    """All rows that are not blank, the header first.

    `known` tells a column's name: the separator is the one that finds most of them in the first
    line. Raises `UserError` naming the line where a quote opens that nothing closes in earnest.
    """
    text, start, separator = _declared_separator(text)
    if separator is None:
        separator = choose_separator(text, known)
    if separator == SPACES:
        text, separator = "\n".join("\t".join(line.split()) for line in text.split("\n")), "\t"
    if '"' not in text:
        return _parse(text, separator, where, start, quotes=False)
    suspect = _broken_quote(text, separator, start)
    if suspect is None:
        rows = _parse(text, separator, where, start, quotes=True)
        suspect = _swallowed_rows(rows, separator)
        if suspect is None:
            return rows
    plain = _parse(text, separator, where, start, quotes=False)
    if len({len(row.cells) for row in plain}) != 1:
        raise UserError(
            "a quote opens here and nothing closes it before the next row",
            where=f"{where}:{suspect}",
            hint="close it, double it, or delete it",
        )
    log.warning("%s:%d: a quote that nothing closes is taken as it stands", where, suspect)
    return plain


def _declared_separator(text: str) -> tuple[str, int, str | None]:
    """The text from its header on, that line's number, and the separator of Excel's `sep=` line.

    A first line with nothing but a number counts the rows, as CelebA's own tables do.
    """
    first, _, rest = text.partition("\n")
    declared = re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE)
    if declared:
        return rest, 2, declared[1]
    if first.strip().isdigit() and re.search(r"\S\s+\S|[,;|]", rest.partition("\n")[0]):
        return rest, 2, None
    return text, 1, None


def choose_separator(text: str, known: Callable[[str], bool]) -> str:
    """The separator by which the header line holds most known names, and of these most cells."""
    header = next((line for line in text.split("\n") if line.strip()), "")
    cells = {separator: header.split(separator) for separator in SEPARATORS}
    cells[SPACES] = header.split()
    score = {
        separator: (sum(known(name.strip().strip('"')) for name in names), len(names))
        for separator, names in cells.items()
    }
    best = max(SEPARATORS, key=score.__getitem__)  # the first of equals
    spaces = score[SPACES]
    return SPACES if spaces[0] > score[best][0] and score[best][1] == 1 else best


def _parse(text: str, separator: str, where: str, start: int, *, quotes: bool) -> list[Row]:
    import pandas as pd  # slow to import, and of no use to the workers

    width = 1 + max(line.count(separator) for line in text.split("\n"))
    if width > MOST_COLUMNS:
        raise UserError(f"{width} columns are too many for a label table", where=where)
    try:
        frame = pd.read_csv(
            io.StringIO(text.rstrip("\n") + "\n"),
            sep=separator,
            quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            skipinitialspace=True,
            header=None,
            names=list(range(width)),
            index_col=False,
            dtype=str,
            keep_default_na=False,  # NaN is what a row does not reach; "" and "NA" are cells
            na_values=[],
            skip_blank_lines=False,  # rows give the line numbers
            engine="python",
        )
    except (ValueError, csv.Error) as error:
        raise UserError(f"not readable as a table: {error}", where=where) from None
    rows, line = [], start
    for values in frame.itertuples(index=False):
        cells = [cell for cell in values if isinstance(cell, str)]
        if any(cell.strip() for cell in cells):
            rows.append(Row(line, cells))
        line += 1 + sum(cell.count("\n") for cell in cells)
    return rows


def _broken_quote(text: str, separator: str, start: int) -> int | None:
    """The line of the first row with a quote that is not closed before the separator."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    line = 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error:
        return start + line
    return None


def _swallowed_rows(rows: list[Row], separator: str) -> int | None:
    """The line of the first row with a cell that holds what looks like more rows."""
    for row in rows:
        first = _shape(row.cells[0].split("\n")[0].split(separator)[0])
        for inner in (line for cell in row.cells for line in cell.split("\n")[1:]):
            cells = inner.split(separator)
            if len(cells) == len(rows[0].cells) > 1 and _shape(cells[0]) == first:
                return row.line
    return None


def _shape(cell: str) -> str:
    """A name's form: 12.png and 7.png have the same."""
    return re.sub(r"[^\W\d]+", "a", re.sub(r"\d+", "0", cell.strip()))
