"""Reading single fields of an answer; whatever a server sends becomes a clean value or None."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

from crawler.records import BadAnswer

MAX_TEXT = 2000
MAX_TAGS = 1000
MAX_INTEGER = 2**53
_MD5 = re.compile(r"[0-9a-f]{32}")
_EXTENSION = re.compile(r"[a-z0-9]{1,5}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(value: object) -> str:
    """A string without control characters or lone surrogates, of bounded length; else empty."""
    return _CONTROL.sub(" ", value[:MAX_TEXT]).strip() if isinstance(value, str) else ""


def integer(value: object, *, lowest: int = 0) -> int | None:
    """A whole number, also when it is written as text; None when absent or out of range."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value.strip(), re.ASCII):
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
    """The names in a space-separated tag string, once each, in their order."""
    names = value.split() if isinstance(value, str) else ()
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


def parse_json(body: bytes) -> object:
    """The JSON value of an answer. Raises `BadAnswer` naming what came instead."""
    if not body.strip():
        raise BadAnswer("an empty body")
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise BadAnswer(what_is(body)) from None


def what_is(body: bytes) -> str:
    """A short name for an answer that is not a listing."""
    start = body.lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        title = re.search(rb"<title>([^<]{1,80})", body[:5000], re.IGNORECASE)
        named = f" ({text(title[1].decode('utf-8', 'replace'))})" if title else ""
        return f"an HTML page{named} instead of a listing"
    if not start:
        return "an empty body"
    return "an answer that is cut off or malformed"


def error_message(body: bytes) -> str:
    """What a booru says in the body of an error, in one line, or nothing."""
    try:
        content = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    return text(content.get("message") or content.get("reason"))[:200]
