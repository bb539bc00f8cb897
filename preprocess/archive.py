"""A folder or a zip of pictures and tables, read without unpacking anything."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from avatar_common.errors import UserError

log = logging.getLogger(__name__)

MAX_MEMBER_BYTES = 256 * 2**20
UTF8_NAMES = 0x800  # the flag of a zip's member
NAME_ENCODINGS = ("utf-8", "cp932", "gb18030", "euc-kr", "cp1252")
DRIVE = re.compile(r"^[A-Za-z]:([/\\]|$)")
MAX_TOTAL_RATIO, RATIO_FREE_BYTES = 100, 2**30


@dataclass(frozen=True)
class Archive:
    """A source of files named by relative paths with "/"."""

    path: Path
    names: tuple[str, ...]
    identity: str
    """A hash of all names, sizes and check sums or times: changes when the content does."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other readings of names that a zip holds in an encoding that it does not tell."""

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises `UserError` when it cannot be read."""
        where = f"{self.path}: {name}"
        if self.path.is_dir():
            path = self.path / name
            try:
                if path.stat().st_size > MAX_MEMBER_BYTES:
                    raise UserError("the file is too large", where=where)
                return path.read_bytes()
            except OSError as error:
                raise UserError(f"cannot be read: {error.strerror}", where=where) from None
        member = _members(self.path)[name]
        if member.file_size > MAX_MEMBER_BYTES:
            raise UserError("the file is too large", where=where)
        try:
            return _open_zip(self.path).read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise UserError(f"damaged: {error}", where=where) from None
        except (RuntimeError, NotImplementedError) as error:  # a password, an unknown method
            raise UserError(f"cannot be unpacked: {error}", where=where) from None


@functools.cache
def _open_zip(path: Path) -> zipfile.ZipFile:
    """Opened once per process; workers each hold their own."""
    return zipfile.ZipFile(path)


@functools.cache
def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by name, with "/" between folders whatever wrote it.

    Of two of one name the last, which is the one that unpacking would leave.
    """
    members = {
        _plain_path(member.filename): member
        for member in _open_zip(path).infolist()
        if not member.is_dir() and not member.filename.endswith("\\")
    }
    return members


def _plain_path(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _aliases(members: Mapping[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Names as other encodings read them: a zip without the UTF-8 mark does not tell its own."""
    found: dict[str, str] = {}
    for name, member in members.items():
        if member.flag_bits & UTF8_NAMES or name.isascii():
            continue
        for encoding in NAME_ENCODINGS:
            with suppress(UnicodeError):
                found.setdefault(
                    _plain_path(member.orig_filename.encode("cp437").decode(encoding)), name
                )
    return found


def open_archive(path: Path) -> Archive:
    """Open a folder or a zip.

    Raises `UserError` when it is neither, when a path in the zip climbs out of it, or when the zip
    claims to unpack to far more than it holds.
    """
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise UserError("no such file or folder", where=str(path))
    try:
        members = _open_zip(path).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise UserError(
            "neither a folder nor a readable zip", where=str(path), hint="unpack other archives"
        ) from None
    for member in members:
        check_inside(member.filename, str(path))
    total = sum(member.file_size for member in members)
    if total > RATIO_FREE_BYTES and total > MAX_TOTAL_RATIO * path.stat().st_size:
        raise UserError(
            f"would unpack to {total / 2**30:.1f} GB, far more than it holds",
            where=str(path),
            hint="a zip bomb? unpack it by hand and import the folder if it is not",
        )
    digest = hashlib.sha256()
    for member in members:
        digest.update(f"{member.filename}\0{member.CRC}\0{member.file_size}\n".encode())
    named = _members(path)
    doubled = sum(not member.is_dir() for member in members) - len(named)
    if doubled > 0:
        log.warning("%s: %d files have the name of a later one and are left out", path, doubled)
    return Archive(path, _visible(tuple(named)), digest.hexdigest(), _aliases(named))


def _open_folder(path: Path) -> Archive:
    files = sorted(found for found in path.rglob("*") if found.is_file())
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        name = file.relative_to(path).as_posix()
        digest.update(os.fsencode(name))  # which need not be UTF-8
        times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"  # exchanged files keep the first
        digest.update(f"\0{status.st_size}\0{times}\n".encode())
    names = tuple(file.relative_to(path).as_posix() for file in files)
    return Archive(path, _visible(names), digest.hexdigest())


def _visible(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without hidden files and the shadow copies that macOS puts into zips."""
    return tuple(
        name
        for name in names
        if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
    )


def plain_text(name: str) -> str:
    r"""A name as it can be written to a table: bytes that are not UTF-8 become `\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def check_inside(name: str, where: str) -> None:
    """Raise `UserError` unless `name` is a relative path that stays where it starts."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or DRIVE.match(name):
        raise UserError(f"the path {name!r} climbs out", where=where)
