"""The forms of a labelled set: which pictures it holds, and what is said of each."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from avatar_common.disk.faces import RejectRow
from avatar_common.disk.vocabulary import UNKNOWN, Group, Vocabulary
from avatar_common.errors import UserError
from preprocess.archive import DRIVE, Archive, check_inside, plain_text
from preprocess.decode import SUFFIXES
from preprocess.label_tables import LabelRow, OnBadRow, read_table
from preprocess.label_values import UNKNOWN_WORDS, read_value
from preprocess.options import ImportOptions

log = logging.getLogger(__name__)

HUGGING_FACE_TABLES = ("metadata.csv", "metadata.jsonl")
TABLES = ("metadata", "labels", "attributes", "tags", "tags_clean", "list_attr_celeba")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
PLAIN_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".parquet", ".feather")
MOST_NAMED = 5
YES_NO = frozenset(("yes", "no", "true", "false"))
PICTURE_FOLDERS = ("", "images", "faces")


@dataclass(frozen=True)
class Entry:
    """One picture of the source with its values; `group` when the source names near-duplicates."""

    picture: str
    values: Mapping[str, str]
    group: str = ""


def read_entries(
    source: Archive, options: ImportOptions, vocabulary: Vocabulary, rejects: list[RejectRow]
) -> tuple[Vocabulary, list[Entry]]:
    """All pictures of the source, whatever its form, and the vocabulary of their values.

    That is the one given, but for a StyleGAN set, which brings its own. Raises `UserError` naming
    table and row for the first row that cannot be used; with `skip_bad_rows` such rows go to
    `rejects` instead.
    """
    pictures = [name for name in source.names if _suffix(name) in SUFFIXES]
    if not pictures:
        raise UserError("holds no picture", where=str(source.path))
    if options.unlabelled:
        return vocabulary, [Entry(picture, {}) for picture in pictures]
    tables = [] if options.group else find_tables(source, options.table)
    if not tables:
        return vocabulary, read_class_folders(source, pictures, options.group, vocabulary)
    finder = PictureFinder(pictures, source.aliases)
    entries: dict[str, Entry] = {}
    bad_rows = BadRows(rejects, options.skip_bad_rows)
    for table in tables:
        where = f"{source.path}: {table}" if source.path.is_file() else str(source.path / table)
        data = source.read(table)
        if _is_stylegan(table, data):
            vocabulary, rows = stylegan_rows(data, where, bad_rows)
        else:
            rows = read_table(data, where, vocabulary, bad_rows, options.encoding)
        _add_entries(entries, rows, finder, table, bad_rows)
    if not entries:
        raise UserError("no row of the table can be used", where=str(source.path))
    bad_rows.sum_up()
    bare = [picture for picture in pictures if picture not in entries]
    if bare:
        log.warning(
            "%d of %d pictures have no row in %s, the first is %s: their labels are unknown",
            len(bare),
            len(pictures),
            ", ".join(tables)[:80],
            plain_text(bare[0]),
        )
    return vocabulary, [*entries.values(), *(Entry(picture, {}) for picture in bare)]


class BadRows:
    """What happens to rows that cannot be used: the first ends the import, or all are set aside."""

    def __init__(self, rejects: list[RejectRow], skip: bool) -> None:
        self._rejects, self._skip = rejects, skip
        self._count = 0

    def __call__(self, error: UserError) -> None:
        """Take a row that cannot be used. Raises `UserError` where it ends the import."""
        if not self._skip:
            hint = f"{error.hint}; " if error.hint else ""
            hint += "--skip-bad-rows sets it aside"
            raise UserError(error.what, where=error.where, hint=hint)
        self._count += 1
        if self._count <= MOST_NAMED:
            log.warning("%s", error)
        row = (plain_text(error.where or ""), "", "", "bad row", plain_text(error.what))
        self._rejects.append(row)

    def sum_up(self) -> None:
        """Say how many there were, where not each was named."""
        if self._count > MOST_NAMED:
            log.warning("%d rows in all are set aside: see rejects.csv", self._count)


def _add_entries(
    entries: dict[str, Entry],
    rows: Sequence[LabelRow],
    finder: PictureFinder,
    table: str,
    on_bad_row: OnBadRow,
) -> None:
    """Add what the rows of a table say, by picture."""
    unfound: list[UserError] = []
    for row in rows:
        try:
            picture = finder.find(row, str(PurePosixPath(table).parent))
        except UserError as missing:
            unfound.append(missing)
            continue
        entry = Entry(picture, row.values, plain_text(row.group))
        if entries.setdefault(picture, entry) != entry:
            on_bad_row(UserError(f"{row.picture!r} has a row already", where=row.where))
    for place, error in enumerate(unfound):
        others = len(unfound) - 1 if place == 0 else 0
        more = f" and {others} more rows find none" if others else ""
        on_bad_row(UserError(error.what + more, where=error.where, hint=error.hint))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def find_tables(source: Archive, asked: str | None) -> list[str]:
    """The label tables: the one asked for, or all Hugging Face ones, or the one that is known.

    Raises `UserError` when the one asked for is absent, or several could be meant, or one is in a
    spreadsheet's own form.
    """
    if asked is not None:
        if asked not in source.names:
            raise UserError("no such table in the source", where=f"{source.path}: {asked}")
        return [asked]
    by_name = defaultdict(list)
    for name in source.names:
        by_name[PurePosixPath(name).name.lower()].append(name)
    hugging_face = [name for kind in HUGGING_FACE_TABLES for name in by_name[kind]]
    if hugging_face:
        return hugging_face
    known = [
        name for kind in TABLES for suffix in TABLE_SUFFIXES for name in by_name[f"{kind}{suffix}"]
    ]
    stylegan = [n for n in by_name["dataset.json"] if _is_stylegan(n, source.read(n))]
    candidates = known or stylegan or [n for n in source.names if _suffix(n) in PLAIN_TABLES]
    if len(candidates) > 1:
        raise UserError(
            f"several tables: {', '.join(candidates[:5])}",
            where=str(source.path),
            hint="name one with --table, or take the pictures alone with --unlabelled",
        )
    others = [name for name in source.names if _suffix(name) in SPREADSHEETS]
    if not candidates and others:
        raise UserError(
            "not a table of plain text",
            where=f"{source.path}: {others[0]}",
            hint="save it as CSV (UTF-8), or take the pictures alone with --unlabelled",
        )
    return candidates


def _is_stylegan(table: str, data: bytes) -> bool:
    """Whether this is StyleGAN's dataset.json with labels; its tools write null without any."""
    head = data[:400]
    return _suffix(table) == ".json" and bool(re.search(rb'"labels"\s*:\s*\[', head))


def stylegan_rows(
    data: bytes, where: str, on_bad_row: OnBadRow
) -> tuple[Vocabulary, list[LabelRow]]:
    """The vocabulary and the one-hot rows of a StyleGAN zip that `export` wrote."""
    try:
        content = json.loads(data)
        vocabulary = Vocabulary.from_json(content["vocabulary"], where)
        labels = list(content["labels"])
        groups = {str(name): str(group) for name, group in content.get("groups", {}).items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"not a labelled StyleGAN set: {error!r}",
            where=where,
            hint="only those of `preprocess export` say what their labels mean; --unlabelled takes "
            "the pictures alone",
        ) from None
    rows = []
    for number, item in enumerate(labels):
        row_where = f"{where}: labels[{number}]"
        try:
            match item:
                case [str(name), [*code]]:
                    values = vocabulary.decode(_from_one_hot(code, vocabulary))
                case _:
                    raise UserError(f"{str(item)[:60]!r} is not of the form [file, [0, 1, ...]]")
        except UserError as error:
            on_bad_row(UserError(error.what, where=row_where))
            continue
        rows.append(LabelRow(name, values, row_where, groups.get(name, "")))
    return vocabulary, rows


def _from_one_hot(code: Sequence[object], vocabulary: Vocabulary) -> list[int]:
    """Class indices from one-hot codes side by side: the inverse of `export.one_hot`."""
    if len(code) != sum(vocabulary.sizes):
        raise UserError(f"{len(code)} label values, {sum(vocabulary.sizes)} were expected")
    if any(value not in (0, 1) for value in code):
        raise UserError("a label value is neither 0 nor 1")
    labels, start = [], 0
    for group in vocabulary:
        part = code[start : start + len(group.classes)]
        if part.count(1) > 1:
            raise UserError(f"several classes of {group.name}")
        labels.append(part.index(1) if 1 in part else UNKNOWN)
        start += len(group.classes)
    return labels


class PictureFinder:
    r"""Finds the picture that a table's row means: by path, by name, or by number (`7` = 7.jpg).

    Paths may be another system's (`images\7.jpg`, `C:\set\7.jpg`), small and capital letters
    and the forms of accents differ, and what another zip program took for the name is known too.
    """

    def __init__(self, pictures: Sequence[str], aliases: Mapping[str, str]) -> None:
        self._paths = set(pictures)
        self._by_key = defaultdict(set)
        there = [(name, name) for name in pictures]
        for name, picture in [*there, *aliases.items()]:
            if picture not in self._paths:
                continue
            parts = PurePosixPath(_key(name)).parts
            for start in range(len(parts)):
                path = "/".join(parts[start:])
                self._by_key[path].add(picture)
                self._by_key[str(PurePosixPath(path).with_suffix(""))].add(picture)

    def find(self, row: LabelRow, table_folder: str) -> str:
        """The picture's path in the source. Raises `UserError` naming the row."""
        asked = row.picture.replace("\\", "/")
        if ".." in PurePosixPath(asked).parts:
            check_inside(asked, row.where)
        base = PurePosixPath(table_folder)
        for name in (row.picture, asked):
            for folder in PICTURE_FOLDERS:
                path = str(base / folder / name)
                if path in self._paths:
                    return path
        key = _key(DRIVE.sub("", asked).strip("/"))
        found = self._by_key.get(key) or self._by_key.get(key.removesuffix(".0"), set())
        parts = PurePosixPath(key).parts
        while not found and len(parts) > 1:  # a path from where the table was written
            parts = parts[1:]
            found = self._by_key.get("/".join(parts), set())
        if len(found) != 1:
            problem = f"{len(found)} pictures are called" if found else "there is no picture"
            raise UserError(f"{problem} {row.picture!r}", where=row.where)
        return next(iter(found))


def _key(name: str) -> str:
    """A name without the differences that systems make: case, and how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def read_class_folders(
    source: Archive, pictures: Sequence[str], asked: str | None, vocabulary: Vocabulary
) -> list[Entry]:
    """One folder per class, the class name being the innermost folder's.

    Folders that name no attribute's class at all are just folders, and all labels unknown. Raises
    `UserError` when some folders are classes and others not, or several attributes fit.
    """
    folders = sorted({PurePosixPath(name).parent.name for name in pictures})
    if asked is not None:
        group = vocabulary.group(asked)
        for folder in folders:
            try:
                read_value(group, folder)
            except UserError as error:
                raise UserError(error.what, where=f"{source.path}: {folder}/") from None
    else:
        fitting = [group for group in vocabulary if _all_read(group, folders)]
        if len(fitting) != 1 and any(_is_class(folder, vocabulary) for folder in folders):
            raise UserError(
                f"no label table, and the folders {', '.join(folders[:5])} "
                + ("fit several attributes" if fitting else "are not all one attribute's classes"),
                where=str(source.path),
                hint="name the attribute with --group, add labels.csv (file,hair,eyes), "
                "or take the pictures alone with --unlabelled",
            )
        if len(fitting) != 1:
            return [Entry(name, {}) for name in pictures]
        group = fitting[0]
    return [
        Entry(name, {group.name: read_value(group, PurePosixPath(name).parent.name)})
        for name in pictures
    ]


def _is_class(folder: str, vocabulary: Vocabulary) -> bool:
    """Whether a folder's name is a class; a bare number or yes/no says nothing by itself."""
    if folder.lower() in UNKNOWN_WORDS or folder.isdigit():
        return False
    return any(
        _all_read(group, [folder])
        for group in vocabulary
        if group.kind == "one_of" or folder.lower() not in YES_NO
    )


def _all_read(group: Group, folders: Sequence[str]) -> bool:
    try:
        values = [read_value(group, folder) for folder in folders]
    except UserError:
        return False
    return any(values)
