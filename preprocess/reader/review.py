"""`label --review`: a page on this machine with contact sheets of the guesses.

The desk holds the tables and writes them after every answer; pages only ask it. Two tabs see each
other's answers, since a page asks what has changed; a table edited elsewhere is read again first.
"""

from __future__ import annotations

import json
import logging
import secrets
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from avatar_common.commands import emit_json, explain_dry_run, next_step, say
from avatar_common.disk.faces import FaceFolder
from avatar_common.disk.vocabulary import UNKNOWN, Group, Vocabulary
from avatar_common.errors import UserError
from preprocess.reader.label import Cells, Tables, read_faces_of, read_tables, write_tables
from preprocess.reader.model import AttributeReader, Reading, classes_within
from preprocess.reader.options import LabelOptions

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("review.html")
MOST_BODY_BYTES = 2**20
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Desk:
    """The labels under review; every method may be called from several threads."""

    def __init__(
        self,
        tables: Tables,
        groups: Sequence[Group],
        general: Vocabulary,
        guesses: Mapping[str, Sequence[tuple[str, float]]],
    ) -> None:
        """`guesses` holds, per attribute that is read, a class or "" and its confidence by row."""
        self._lock = threading.Lock()
        self._tables = tables
        self._groups = groups
        self._general = general
        self._guesses = guesses
        self._changes: list[tuple[str, int]] = []
        self._before: dict[tuple[str, int], tuple[str, str]] = {}
        self._stamp = _stamp(tables.folder)
        self.names = list(tables.labels)
        self.attributes = [group.name for group in groups]
        self.answers = 0

    @property
    def folder(self) -> Path:
        """The face set's folder."""
        return self._tables.folder

    def sheet(self, attribute: str) -> dict[str, Any]:
        """All faces of one attribute: [class or "", who gave it, guess, confidence] by row."""
        with self._lock:
            self._refresh()
            group = self._tables.vocabulary.group(attribute)
            return {
                "attribute": attribute,
                "classes": group.classes,
                "version": len(self._changes),
                "faces": [self._face(attribute, row) for row in range(len(self.names))],
            }

    def changes(self, since: int) -> dict[str, Any]:
        """What was answered after `since` answers: [attribute, row, face]."""
        with self._lock:
            found = dict.fromkeys(self._changes[max(since, 0) :])
            return {
                "version": len(self._changes),
                "changes": [[name, row, self._face(name, row)] for name, row in found],
            }

    def answer(self, attribute: str, values: dict[int, str | None]) -> dict[str, Any]:
        """A person's word on some faces, by row.

        A class, "" for what cannot be told, or None for what the cell held before. Raises
        `UserError` for another class or row.
        """
        with self._lock:
            self._refresh()
            group = self._tables.vocabulary.group(attribute)
            for row, value in values.items():
                group.index_of(value or "")
                if not 0 <= row < len(self.names):
                    raise UserError(f"no face number {row}")
            before = len(self._changes)
            for row, value in values.items():
                labels, sources = (cells[self.names[row]] for cells in self._cells())
                old = self._before.setdefault(
                    (attribute, row), (labels[attribute], sources[attribute])
                )
                new = old if value is None else (value, "person")
                labels[attribute], sources[attribute] = new
                self._changes.append((attribute, row))
            write_tables(self._tables)
            self._stamp = _stamp(self.folder)
            self.answers += len(values)
        return self.changes(before)

    def _cells(self) -> tuple[Cells, Cells]:
        return self._tables.labels, self._tables.sources

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While inside, no answer is being written."""
        with self._lock:
            yield

    def _face(self, attribute: str, row: int) -> list[Any]:
        name = self.names[row]
        guesses = self._guesses.get(attribute)
        return [
            self._tables.labels[name][attribute],
            self._tables.sources[name][attribute],
            *(guesses[row] if guesses else ("", 0.0)),
        ]

    def _refresh(self) -> None:
        """Read the tables again where somebody else has written them."""
        stamp = _stamp(self.folder)
        if stamp == self._stamp:
            return
        tables = read_tables(self.folder, self._groups, self._general)
        if list(tables.labels) != self.names:
            raise UserError(
                "the faces have changed", where=str(self.folder), hint="start the review again"
            )
        log.info("the labels were changed elsewhere and are read again")
        self._tables, self._stamp = tables, stamp


def _stamp(folder: Path) -> tuple[int, ...]:
    """The times of the two label tables."""
    paths = [FaceFolder(folder).labels_table, FaceFolder(folder).sources_table]
    return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)


class Page(BaseHTTPRequestHandler):
    """Answers the page's questions; anything else is a plain error."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve the page, a face, or what is known of an attribute."""
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if not self._is_asked_by_name():
            return
        with self._errors():
            desk = self.server.desk
            if url.path == "/":
                self._send(self.server.page, "text/html; charset=utf-8")
            elif url.path == "/sheet":
                self._send_json(desk.sheet(query.get("attribute", "")))
            elif url.path == "/changes":
                self._send_json(desk.changes(int(query.get("since", "0"))))
            elif url.path.startswith("/face/"):
                name = desk.names[int(url.path.removeprefix("/face/"))]
                data = (FaceFolder(desk.folder).images / name).read_bytes()
                self._send(data, "image/png", cache="private, max-age=3600")
            else:
                self._fail(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        """Take a person's word."""
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BODY_BYTES:
            self.close_connection = True
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too much at once")
            return
        body = self.rfile.read(length)
        if not self._is_asked_by_name():
            return
        if urlsplit(self.path).path != "/answer":
            self._fail(HTTPStatus.NOT_FOUND, "no such page")
            return
        if self.headers.get("x-review") != self.server.token:  # another site's page cannot know it
            self._fail(HTTPStatus.FORBIDDEN, "open the page anew")
            return
        with self._errors():
            asked = json.loads(body)
            values = {int(row): value for row, value in asked["values"].items()}
            self._send_json(self.server.desk.answer(str(asked["attribute"]), values))

    def _is_asked_by_name(self) -> bool:
        """Whether the browser asked for this machine by a name that is this machine's own."""
        host = (self.headers.get("host") or "").rpartition(":")[0]
        if host in self.server.hosts:
            return True
        self._fail(HTTPStatus.FORBIDDEN, "ask by the address that the command printed")
        return False

    def _send(self, body: bytes, kind: str, *, status: int = 200, cache: str = "no-store") -> None:
        sizes = {"content-type": kind, "content-length": str(len(body)), "cache-control": cache}
        with suppress(ConnectionError):  # a tab was closed
            self.send_response(status)
            for name, value in {**HEADERS, **sizes}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def _send_json(self, content: Any, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), "application/json", status=status)

    def _fail(self, status: HTTPStatus, why: str) -> None:
        self._send_json({"error": why}, status)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What goes wrong becomes one line for the page."""
        try:
            yield
        except UserError as error:
            self._fail(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            self._fail(HTTPStatus.BAD_REQUEST, "not a question of this page")
        except OSError as error:
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, error.strerror or "cannot be read")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
        """Say nothing of each request."""
        log.debug(format, *args)


class Server(ThreadingHTTPServer):
    """The page's server. The port is taken at once; `show` says what to serve."""

    daemon_threads = True
    desk: Desk
    page: bytes

    def __init__(self, host: str, port: int) -> None:
        try:
            super().__init__((host, port), Page)
        except OSError as error:
            raise UserError(
                f"cannot listen at {host}:{port}: {(error.strerror or str(error)).lower()}",
                hint="give another --port; 0 takes any free one",
            ) from None
        self.token = secrets.token_urlsafe(16)
        self.hosts = {host, "localhost", "127.0.0.1"}

    def show(self, desk: Desk) -> None:
        """Serve this face set from now on."""
        self.desk = desk
        settings = {"token": self.token, "name": desk.folder.name, "attributes": desk.attributes}
        # In a script element, only "<" could end it early.
        text = json.dumps(settings).replace("<", "\\u003c")
        page = PAGE.read_text(encoding="utf-8").replace("{{settings}}", text)
        self.page = page.encode()

    @property
    def url(self) -> str:
        """The page's address."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"


def review(
    options: LabelOptions, folder: Path, reader: AttributeReader, general: Vocabulary
) -> None:
    """Read all faces, then serve the page until stopped."""
    if not 0 <= options.port <= 65535:
        raise UserError("--port must be 0 to 65535")
    groups = reviewed_groups(options.attributes, folder, reader, general)
    tables = read_tables(folder, groups, general)
    if options.dry_run:
        plan = [f"read {len(tables.labels)} faces", f"serve a page at {options.host}"]
        explain_dry_run(options, plan)
        return
    with Server(options.host, options.port) as server:
        readings = read_faces_of(folder, reader, quiet=options.quiet)
        desk = Desk(tables, groups, general, guesses_of(reader, readings, tables.vocabulary))
        server.show(desk)
        try:
            say(f"review {folder.name} at {server.url} (Ctrl-C ends; all is written as you go)")
            sys.stdout.flush()  # whoever started this through a pipe waits for the address
            if not options.no_browser:
                webbrowser.open(server.url)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            log.info("ended")
        with desk.at_rest():  # an answer that is being written is written to its end
            emit_json({"face_set": str(folder), "answers": desk.answers})
    next_step("python -m acgan train")


def reviewed_groups(
    names: Sequence[str], folder: Path, reader: AttributeReader, general: Vocabulary
) -> list[Group]:
    """The attributes to show.

    Those named, which the reader need not read; or all that it reads and all that the set has.
    Raises `UserError` for a name that nobody knows.
    """
    own = read_tables(folder, (), general).vocabulary
    read = {found.name: found.group for found in reader.attributes}
    known = {**read, **{group.name: group for group in general}}
    known.update({group.name: group for group in own})
    for name in names:
        if name not in known:
            raise UserError(f"no attribute {name!r}", hint=f"one of: {', '.join(known)}")
    return [known[name] for name in names or dict.fromkeys((*read, *own.names))]


def guesses_of(
    reader: AttributeReader, readings: Mapping[str, Reading], vocabulary: Vocabulary
) -> dict[str, list[tuple[str, float]]]:
    """The readings in the classes of the set: a class or "" and its confidence, by row."""
    guesses = {}
    for found in reader.attributes:
        if found.name in vocabulary.names:
            group, reading = vocabulary.group(found.name), readings[found.name]
            theirs = classes_within(found, group)[reading.classes]
            guesses[found.name] = [
                ("" if place == UNKNOWN else group.classes[place], round(float(sure), 3))
                for place, sure in zip(theirs, reading.confidence, strict=True)
            ]
    return guesses
