"""Reading single fields of an answer; whatever a server sends becomes a clean value or None."""

from __future__ import annotations

import codecs
import json
import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

MAX_TEXT = 2000
MAX_TAGS = 1000
MAX_INTEGER = 2**53
_MD5 = re.compile(r"[0-9a-f]{32}")
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:encoding|charset)\s*=\s*["']?([\w.:-]{2,40})""", re.I)
# Python knows these as encodings too, and they would read anything as something else.
_NO_ENCODINGS = frozenset(
    (b"unicode_escape", b"raw_unicode_escape", b"utf-7", b"utf7", b"punycode")
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(value: object) -> str:
    """A string without control characters or lone surrogates, of bounded length; else empty."""
    return _CONTROL.sub(" ", value[:MAX_TEXT]).strip() if isinstance(value, str) else ""


def integer(value: object, *, lowest: int = 0) -> int | None:
    """A whole number, also when it is written as text; None when absent or out of range."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value.strip(), re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if lowest <= value <= MAX_INTEGER else None


def post_number(value: object) -> int | None:
    """A post id, or None."""
    return integer(value, lowest=1)


def md5(value: object) -> str | None:
    """32 hex digits in lower case, or None."""
    found = value.strip().lower() if isinstance(value, str) else ""
    return found if _MD5.fullmatch(found) else None


def url(value: object, root: str) -> str | None:
    """An absolute URL (protocol-relative and relative ones are joined to the root), or None."""
    found = value.strip() if isinstance(value, str) else ""
    if not found or len(found) > MAX_TEXT or _CONTROL.search(found):
        return None
    try:
        joined = urljoin(root + "/", found)
        return joined if urlsplit(joined).hostname else None
    except ValueError:
        return None


def extension(*candidates: object) -> str:
    """The first usable file extension among names, URLs and bare extensions; else empty."""
    for candidate in candidates:
        if not isinstance(candidate, str) or not candidate:
            continue
        try:
            path = urlsplit(candidate).path if "/" in candidate else candidate
        except ValueError:
            continue
        suffix = PurePosixPath(path).suffix.lower().removeprefix(".") or path.lower()
        if _EXTENSION.fullmatch(suffix):
            return suffix
    return ""


def tag_names(value: object) -> tuple[str, ...]:
    """The names in a space-separated tag string or a list, once each, in their order."""
    names = value.split() if isinstance(value, str) else []
    if isinstance(value, list):
        names = [name for name in value if isinstance(name, str)]
    return tuple(dict.fromkeys(filter(None, (text(name[:200]) for name in names[:MAX_TAGS]))))


def time_of(value: object, *formats: str) -> str:
    """ISO 8601 in UTC from Unix seconds, ISO text or one of the `formats`; else empty."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).isoformat()
        if not isinstance(value, str):
            return ""
        if value.isdecimal():
            return datetime.fromtimestamp(int(value), UTC).isoformat()
        for pattern in formats:
            return datetime.strptime(value, pattern).astimezone(UTC).isoformat()
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def decode(body: bytes) -> str:
    """The text of an answer; bytes that no encoding explains become lone surrogates.

    A byte order mark is believed first, then UTF-8 where the bytes are that, and only then what
    the prologue of the document says: those are often wrong, and UTF-8 is hardly ever a chance.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _strictly(body[len(mark) :], name)
    guessed = json.detect_encoding(body[:4])
    if guessed != "utf-8" and b"\0" in body[:4]:
        return _strictly(body, guessed)
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass
    if (declared := _DECLARED.search(body[:1000])) and declared[1].lower() not in _NO_ENCODINGS:
        try:
            return body.decode(declared[1].decode("ascii"))
        except (LookupError, ValueError):
            pass
    return body.decode("utf-8", "surrogateescape")


def _strictly(body: bytes, encoding: str) -> str:
    """UTF-16 and UTF-32 have no bytes to escape: what is wrong in them becomes a surrogate too."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return body.decode(encoding, "replace").replace("\ufffd", "\udcff")
