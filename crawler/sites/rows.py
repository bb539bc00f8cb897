"""The rows of a listing in JSON or XML: of a whole answer at once, of a damaged one row by row.

One bad byte, row or prologue costs the rows that it lies in, which are counted, and no other. XML
is read without entities, network or huge trees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from crawler import fields
from crawler.records import BadAnswer, Page, Post
from crawler.words import is_html, said_in_json, what_is

Row = Mapping[str, object]
MAX_MISSES = 3000
_UNDECODED = re.compile("[\ud800-\udfff]")
# Every post of every kind has a rating; a nested object, such as Danbooru's media asset, has none.
_POST_KEYS = frozenset(("rating", "tags", "tag_string"))
_JSON_ROW = re.compile(r'\{\s*"')
_JSON_RATING = re.compile(r'"rating"\s*:')
_JSON_FIELD = re.compile(r'"(?:id|rating|md5|hash|tags|tag_string|file_url)"')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_JSON_TOTAL = re.compile(r'"count"\s*:\s*"?([0-9]{1,15})')
_XML_PROLOGUE = re.compile(r"<\?xml[^>]*\?>")
_XML_OPENING = re.compile(r"""<posts(?:\s+\w+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'))*\s*>""")
# What sites forget to escape in URLs, and the names of HTML's characters: clear enough.
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9a-fA-F]+);)")
_XML_ROW = re.compile(r"<post(?=[\s/>])")
_XML_WHOLE_ROW = re.compile(
    r"""<post(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(?:/>|>.*?</post\s*>)""", re.S
)
_XML_FIELD = re.compile(r"\b(?:id|rating|md5|tags|file_url|file-url)\s*[=>]")
_XML_RATING = re.compile(r"\srating\s*=|<rating\b")
_XML_TOTAL = re.compile(r"""<posts\b[^>]*?\bcount\s*=\s*["']([0-9]{1,15})["']""")


@dataclass(frozen=True)
class Rows:
    """The rows in their order, None for each that cannot be read, and what `Page` says of them."""

    rows: Sequence[Row | None]
    total: int | None = None
    damaged: bool = False
    cut: bool = False

    def page(self, read: Callable[[Row], Post | None]) -> Page:
        """The page with the posts that `read` makes of the rows."""
        return page_of(
            [None if row is None else read(row) for row in self.rows],
            total=self.total,
            damaged=self.damaged,
            cut=self.cut,
        )


def page_of(
    found: Sequence[Post | None],
    *,
    total: int | None = None,
    damaged: bool = False,
    cut: bool = False,
) -> Page:
    """A page of the posts found; each None is a row that made no sense."""
    posts = tuple(post for post in found if post is not None)
    tail = next((n for n, post in enumerate(reversed(found)) if post is not None), len(found))
    gaps: list[tuple[int | None, int]] = []
    above, torn = None, False
    for post in found:
        if post is None:
            torn = True
            continue
        if torn:
            gaps.append((above, post.post_id))
        above, torn = post.post_id, False
    return Page(posts, len(found) - len(posts), total, tail, damaged, cut, tuple(gaps))


def json_rows(body: bytes) -> Rows:
    """Read a JSON listing: an array, or an object that holds one. Raises `BadAnswer`."""
    text = fields.decode(body)
    if not text.strip():
        raise BadAnswer("an empty body")
    if not _UNDECODED.search(text):
        try:
            content = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            pass
        else:
            return _json_content(content)
    if is_html(text):
        raise BadAnswer(what_is(body))
    return _salvaged_json(text, body)


def json_content(body: bytes) -> object:
    """The JSON value of an answer that is no listing. Raises `BadAnswer` naming what came."""
    try:
        return json.loads(fields.decode(body))
    except (ValueError, RecursionError):
        raise BadAnswer(what_is(body)) from None


def _json_content(content: object) -> Rows:
    total = None
    if isinstance(content, dict):
        words = said_in_json(content)
        if content.get("success") is False and words:
            raise BadAnswer(words)
        attributes = content.get("@attributes")
        total = fields.integer(attributes.get("count")) if isinstance(attributes, dict) else None
        rows = content.get("posts", content.get("post", [] if attributes is not None else None))
        content = [rows] if isinstance(rows, dict) else rows
        if content is None and words:
            raise BadAnswer(words)
    if isinstance(content, str):
        raise BadAnswer(said_in_json(content) or "JSON that is not a list of posts")
    if not isinstance(content, list):
        raise BadAnswer("JSON that is not a list of posts")
    found_id = any(isinstance(row, dict) and "id" in row for row in content)
    if not found_id and (words := said_in_json(content)):
        raise BadAnswer(words)
    sound: list[Row | None] = [row for found in content for row in _sound(found)]
    if 2 * sum(isinstance(found, _Twice) for found in content) > len(content):
        # Not damage but the site's habit.
        sound = [row if isinstance(row, dict) else None for row in content]
    return Rows(sound, total, damaged=len(sound) > len(content))


class _Twice(dict[str, object]):
    """An object with a key that comes twice: two rows that lost what was between them."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _sound(row: object) -> list[Row | None]:
    match row:
        case _Twice():
            return [None, None]
        case dict():
            return [row]
        case _:
            return [None]


def _salvaged_json(text: str, body: bytes) -> Rows:
    """The rows that can be read one by one, and a None for each that lies between them."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    rows: list[Row | None] = []
    at, read_to, misses = 0, 0, 0
    while misses < MAX_MISSES and (start := _JSON_ROW.search(text, at)):
        try:
            row, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            misses, at = misses + 1, start.start() + 1
            continue
        at = end
        if not _POST_KEYS.isdisjoint(row) and "id" in row:
            rows += [None] * _lost_in(text[read_to : start.start()], first=not rows)
            rows += [None] if _UNDECODED.search(text[start.start() : end]) else _sound(row)
            read_to = end
    rest = text[read_to:]
    rows += [None] * _lost_in(rest, first=not rows)
    if not rows:
        raise BadAnswer(what_is(body))
    total = _JSON_TOTAL.search(text[:2000])
    brackets = _STRING.sub("", rest)
    opened = brackets.count("{") + brackets.count("[")
    cut = opened >= brackets.count("}") + brackets.count("]")
    return Rows(rows, int(total[1]) if total else None, damaged=True, cut=cut)


def _lost_in(gap: str, *, first: bool) -> int:
    """How many rows lie in what could not be read between two others (or before the first)."""
    if not gap.strip("[]{}, \t\r\n"):
        return 0
    ratings = len(_JSON_RATING.findall(gap))
    return max(ratings, 0 if first and not _JSON_FIELD.search(gap) else 1)


def xml_rows(body: bytes) -> Rows:
    """Read an XML listing. Raises `BadAnswer` naming what came instead."""
    text = fields.decode(body)
    if is_html(text):
        raise BadAnswer(what_is(body))
    if not _UNDECODED.search(text):
        root = _root(text)
        if root is None:
            text = _BARE_AMPERSAND.sub("&amp;", text)
            root = _root(text)
        if root is not None:
            listing = root if root.tag == "posts" else root.find(".//posts")
            if listing is None:
                words = fields.text(root.get("reason") or root.text)[:200]
                raise BadAnswer(words or "XML that is not a list of posts")
            rows: list[Row | None] = [None] * _lost_in_xml(listing.text or "", first=True)
            for child in listing:
                rows += [_fields_of(child)] if isinstance(child.tag, str) else []
                rows += [None] * _lost_in_xml(child.tail or "", first=False)
            return Rows(rows, fields.integer(listing.get("count")), damaged=None in rows)
    return _salvaged_xml(text, body)


def xml_total(body: bytes) -> int | None:
    """The count that an XML listing gives of all posts, if it says so. Raises `BadAnswer`."""
    return xml_rows(body).total


def _root(text: str) -> etree._Element | None:
    """The root of a document that is known to be this text, whatever its prologue says."""
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    document = _XML_PROLOGUE.sub("", text[max(0, text.find("<")) :], count=1).encode()
    try:
        return etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _fields_of(element: etree._Element) -> Row:
    """A row as a mapping; its fields are attributes or, in other versions, elements."""
    row = {str(name): str(value) for name, value in element.attrib.items()}
    for child in element:
        if isinstance(child.tag, str) and child.text is not None:
            row.setdefault(child.tag.replace("-", "_"), child.text)
    return row


def _salvaged_xml(text: str, body: bytes) -> Rows:
    starts = [found.start() for found in _XML_ROW.finditer(text)]
    end = text.rfind("</posts")
    end = len(text) if end < (starts[-1] if starts else 0) else end
    if not starts:
        raise BadAnswer(what_is(body))
    rows: list[Row | None] = []
    opening = _XML_OPENING.search(text, 0, starts[0])
    rows += [None] * _lost_in_xml(text[opening.end() if opening else 0 : starts[0]], first=True)
    for start, following in zip(starts, [*starts[1:], end], strict=True):
        whole = _XML_WHOLE_ROW.match(text, start, following)
        rows += [_read_row(whole[0])] if whole else []
        rest = text[whole.end() if whole else start : following]
        rows += [None] * _lost_in_xml(rest, first=False)
    total = _XML_TOTAL.search(text)
    return Rows(rows, int(total[1]) if total else None, damaged=True, cut=end == len(text))


def _read_row(text: str) -> Row | None:
    if _UNDECODED.search(text):
        return None
    root = _root(text)
    return None if root is None else _fields_of(root)


def _lost_in_xml(gap: str, *, first: bool) -> int:
    """How many rows whose beginning is damaged lie between two others."""
    if not gap.strip():
        return 0
    ratings = len(_XML_RATING.findall(gap))
    return max(ratings, 0 if first and not _XML_FIELD.search(gap) else 1)
