"""What a site says in words where a listing or a file was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from crawler.fields import decode, text

MAX_QUOTED = 200
_SAYING = ("message", "reason", "detail", "description", "error", "errors", "msg")
_TITLE = re.compile(r"<title[^>]*>([^<]{1,120})", re.I)
_XML_REASON = re.compile(
    r"""<response\b[^>]*?\breason\s*=\s*["']([^"'<]{1,300})|<error[^>]*>([^<]+)"""
)
_HTML = re.compile(
    r"(?:<!--.*?-->|<\?xml[^>]*\?>|\s)*<(?:!doctype html|html|head|body)\b", re.I | re.S
)
_NO_PROSE = re.compile("[\\[\\]{}<>\x00-\x08\x0b\x0c\x0e-\x1f\ufffd\ud800-\udfff]")
_WANTS_KEY = re.compile(
    r"api[ _-]?key|authenti|authori[sz]|unauthori|log(?:ged)?[ -]?in\b|sign(?:ed)?[ -]?in\b"
    r"|credential|password|user_id|\btoken\b|\baccount\b|\bregister|members?[ -]only",
    re.I,
)


def said_in_json(content: object) -> str:
    """What an error of a booru says, in one line: its message or its reason; else nothing."""
    if isinstance(content, str):
        return "" if content.lstrip().startswith(("{", "[", "<")) else text(content)[:MAX_QUOTED]
    if isinstance(content, list):
        return next(filter(None, map(said_in_json, content[:10])), "")
    if isinstance(content, Mapping):
        found = (said_in_json(content[key]) for key in _SAYING if key in content)
        return next(filter(None, found), "")
    return ""


def said(body: bytes) -> str:
    """What an answer says to people, in one line of bounded length, or nothing."""
    content = decode(body[:100_000]).strip()
    try:
        return said_in_json(json.loads(content))
    except (ValueError, RecursionError):
        pass
    if is_html(content):
        found = _TITLE.search(content)
        return text(found[1]) if found else ""
    if content.startswith("<"):
        reason = _XML_REASON.search(content)
        return text(reason[1] or reason[2])[:MAX_QUOTED] if reason else ""
    start = content[:MAX_QUOTED]
    is_prose = start[:1].isalnum() and not _NO_PROSE.search(start)
    return text(start) if is_prose else ""


def is_html(content: str) -> bool:
    """Whether a text begins as a page for people does."""
    return _HTML.match(content) is not None


def what_is(body: bytes) -> str:
    """A short name for an answer that is not a listing, with what it says."""
    if not body.strip():
        return "an empty body"
    words = said(body)
    if is_html(decode(body[:100_000])):
        return (
            f"an HTML page ({words}) instead of a listing"
            if words
            else ("an HTML page instead of a listing")
        )
    return (
        f"words instead of a listing: {words!r}"
        if words
        else ("an answer that is cut off or malformed")
    )


def wants_key(words: str) -> bool:
    """Whether a site's words ask for a login."""
    return _WANTS_KEY.search(words) is not None
