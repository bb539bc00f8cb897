"""Atomic files: a kill leaves the old file or the new one, never half of one."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from avatar_common.errors import Unavailable, UserError

_WHOLE_NUMBERS = re.compile(r"\[\n((?:\s*-?\d+,\n)*\s*-?\d+)\n\s*\]")


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing; on a clean exit it replaces `path`.

    `durable` waits for the disk, against a power cut; what is easily made again can do without.
    Raises `Unavailable` when the disk is full; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(path) from error
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def no_space(path: Path) -> Unavailable:
    """The one error for a full disk."""
    return Unavailable(
        "no space left on the disk",
        where=str(path),
        hint="free some space, then run the same command",
    )


def check_folder(path: Path) -> None:
    """Raise `UserError` where a file lies in the way of a folder to write to."""
    if path.exists() and not path.is_dir():
        raise UserError(
            "this is a file; a folder is needed", where=str(path), hint="give another name"
        )


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` atomically."""
    with atomic_file(path, durable=durable) as file:
        file.write(data)


def read_at_most(path: Path, most_bytes: int, where: str | None = None) -> bytes:
    """A file's bytes; no more are read. Raises `UserError` for a larger or endless file."""
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise UserError(f"larger than {most_bytes >> 20} MB", where=where or str(path))
    return data


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any], *, schema_version: int) -> None:
    """Write `content` with its `schema_version` first, atomically; lists of numbers on one line."""
    body = json.dumps({"schema_version": schema_version, **content}, indent=2, ensure_ascii=False)
    on_one_line = _WHOLE_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", body)
    write_text(path, on_one_line + "\n")


def read_json(path: Path, *, schema_version: int) -> dict[str, Any]:
    """Read a file written by `write_json`.

    Raises `UserError` when the file is missing, not JSON, or of another schema version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("no such file", where=str(path)) from None
    except IsADirectoryError:
        raise UserError("is a folder, a file was expected", where=str(path)) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"not valid JSON: {error}", where=str(path)) from None
    check_schema_version(content, path, schema_version)
    return dict(content)


def check_schema_version(content: object, path: Path, expected: int) -> None:
    """Raise `UserError` unless `content` is a mapping of the expected schema version."""
    if not isinstance(content, Mapping):
        raise UserError("a JSON object was expected", where=str(path))
    found = content.get("schema_version")
    if found != expected:
        raise UserError(
            f"schema version {found!r}, this program reads version {expected}",
            where=str(path),
            hint="make the file again with this version, or use the version that wrote it",
        )


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a header line, atomically; `None` becomes an empty cell."""
    with atomic_file(path) as binary:
        lines = _Utf8Lines(binary)
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if cell is None else cell for cell in row] for row in rows])


class _Utf8Lines:
    """What `csv.writer` needs of a text file, without closing the binary file below it."""

    def __init__(self, binary: BinaryIO) -> None:
        self._binary = binary

    def write(self, text: str) -> int:
        return self._binary.write(text.encode())


def read_csv(path: Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield `(line number, row)` of a table whose header holds the `required` columns.

    What a spreadsheet changes when it saves is taken: a mark before the text, semicolons or tabs,
    rows of empty cells. Raises `UserError` naming file and line for a missing file, column or cell.
    """
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        raise UserError("no such file", where=str(path)) from None
    with file:
        reader = csv.DictReader(file)
        try:
            reader = csv.DictReader(file, delimiter=_separator(file.readline(), required))
            file.seek(0)
            header = reader.fieldnames or []
            missing = [name for name in required if name not in header]
            if missing:
                raise UserError(
                    f"column {missing[0]!r} is missing; there are {', '.join(header) or 'none'}",
                    where=f"{path}:1",
                )
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(
                        f"{len(header)} cells were expected", where=f"{path}:{reader.line_num}"
                    )
                if any(row.values()):
                    yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"not readable as CSV: {error}",
                where=f"{path}:{reader.line_num + 1}",
                hint="save it as CSV in UTF-8",
            ) from None


def _separator(header: str, required: Sequence[str]) -> str:
    """The separator by which a header line holds the `required` columns; a comma if none does."""
    for separator in ",;\t":
        if set(required) <= set(next(csv.reader([header], delimiter=separator), [])):
            return separator
    return ","
