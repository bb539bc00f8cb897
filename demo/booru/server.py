"""The stand-in's HTTP server: threads, keep-alive, latency, faults, and a count of what it sent."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from demo.booru.answers import CLOUDFLARE_PAGE, HTML_PAGE, NO_KEY, WORDS, Answer, BooruKind
from demo.booru.danbooru import Danbooru
from demo.booru.faults import Faults, Lane
from demo.booru.gelbooru import Gelbooru
from demo.booru.moebooru import Moebooru
from demo.booru.posts import BooruPost, Catalogue
from demo.booru.samples import png

Kind = Literal["danbooru", "moebooru", "gelbooru"]
KINDS: dict[Kind, type[BooruKind]] = {
    "danbooru": Danbooru,
    "moebooru": Moebooru,
    "gelbooru": Gelbooru,
}
PLACEHOLDER = png(b"nothing to see here")
PRIVATE_URL = "http://127.0.0.2:9/x.png"
LIBRARY_AGENTS = ("python-requests/", "python-urllib3/", "Python-urllib/", "Mozilla/")


class StandIn:
    """A booru on loopback. `url` is its root; `files_sent` counts complete files by md5."""

    def __init__(
        self,
        posts: Iterable[BooruPost],
        kind: Kind = "danbooru",
        *,
        port: int = 0,
        latency_s: float = 0.0,
        faults: Faults | None = None,
        arrivals: Iterable[BooruPost] = (),
    ) -> None:
        self.catalogue = Catalogue(posts, arrivals)
        self.booru = KINDS[kind]()
        self.latency_s = latency_s
        self.faults = faults or Faults()
        self.files_sent: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.queries: list[str] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.stand_in = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serve(
    posts: Iterable[BooruPost],
    kind: Kind = "danbooru",
    *,
    port: int = 0,
    latency_s: float = 0.0,
    faults: Faults | None = None,
    arrivals: Iterable[BooruPost] = (),
) -> Iterator[StandIn]:
    """Serve posts on loopback (port 0: any free one) until the block ends; silent."""
    stand_in = StandIn(
        posts, kind, port=port, latency_s=latency_s, faults=faults, arrivals=arrivals
    )
    stand_in.start()
    try:
        yield stand_in
    finally:
        stand_in.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    stand_in: StandIn

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up (or is killed) is nothing to talk about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, *args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        stand_in = self.server.stand_in
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        moved = params.pop("moved", None) is not None
        agent = self.headers.get("User-Agent", "")
        lane: Lane = "listing" if stand_in.booru.is_listing(path) else "file"
        with stand_in.lock:
            stand_in.requests[lane] += 1
            stand_in.agents.add(agent)
            if lane == "listing":
                stand_in.queries.append(self.path)
        time.sleep(stand_in.latency_s)
        names = stand_in.faults.names
        if "cloudflare" in names or (
            "cloudflare_library_agents" in names and agent.startswith(LIBRARY_AGENTS)
        ):
            self._send(_cloudflare())
            return
        if "closed_api" in names and stand_in.booru.is_api(path, params):
            self._send(Answer(b'{"success":false,"reason":"access denied"}', 403))
            return
        if "private_redirect" in names and lane == "file":
            self._send(Answer(b"", 302, headers={"Location": PRIVATE_URL}))
            return
        if "wants_key" in names and lane == "listing" and not self._has_login(params):
            self._send(Answer(NO_KEY))
            return
        if "arrivals" in names and lane == "listing":
            stand_in.catalogue.arrive()
        fault = None if moved else stand_in.faults.draw(lane, self.path)
        self._answer(fault, path, params, lane)

    def _has_login(self, params: Mapping[str, str]) -> bool:
        return "Authorization" in self.headers or bool({"api_key", "password_hash"} & set(params))

    def _answer(self, fault: str | None, path: str, params: Mapping[str, str], lane: Lane) -> None:
        stand_in = self.server.stand_in
        instead = _instead(fault, self.path, stand_in.faults.retry_after_s)
        if instead is not None:
            self._send(instead)
            return
        if fault == "empty_page":
            self._send(stand_in.booru.empty_page(path, params))
            return
        if fault == "slow":
            time.sleep(stand_in.faults.slow_s)
        if fault == "short_page":
            limit = params.get("limit", "20")
            params = {**params, "limit": str(max(1, int(limit) // 3 if limit.isdigit() else 1))}
        names = stand_in.faults.names
        answer = stand_in.booru.answer(stand_in.catalogue, stand_in.url, path, params, names)
        if answer is None:
            answer = Answer(HTML_PAGE, 404, "text/html")
        if "control_character" in names and lane == "listing":
            answer = replace(answer, body=answer.body.replace(b"solo", b"so\x0blo", 1))
        if fault in ("cut_off", "cut_picture"):
            answer = replace(answer, body=answer.body[: len(answer.body) // 2])
        if fault == "corrupt" and answer.body:
            answer = replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 1]))
        self._send(answer, fault)
        whole = fault not in ("corrupt", "truncated", "long_length", "short_length", "cut_picture")
        if answer.md5 and whole:
            with stand_in.lock:
                stand_in.files_sent[answer.md5] += 1

    def _send(self, answer: Answer, fault: str | None = None) -> None:
        body = answer.body
        length = len(body)
        match fault:
            case "truncated":
                body = body[: length // 2]
            case "long_length":
                length += 100
            case "short_length":
                length = max(0, length - 10)
        if fault in ("truncated", "long_length", "short_length"):
            self.close_connection = True
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def version_string(self) -> str:
        return "stand-in"


def _cloudflare() -> Answer:
    headers = {"server": "cloudflare", "cf-mitigated": "challenge"}
    return Answer(CLOUDFLARE_PAGE, 403, "text/html; charset=UTF-8", headers)


def _instead(fault: str | None, url: str, retry_after_s: int | None) -> Answer | None:
    """The answer that takes the place of the right one, for the faults that replace it."""
    match fault:
        case "http_429":
            waits = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
            return Answer(b'{"success":false,"message":"too fast"}', 429, headers=waits)
        case "http_500" | "http_503":
            return Answer(b'{"success":false}', int(fault.removeprefix("http_")))
        case "empty_body":
            return Answer(b"")
        case "words":
            return Answer(WORDS)
        case "placeholder":
            return Answer(PLACEHOLDER, content_type="image/png")
        case "html":
            return Answer(HTML_PAGE, content_type="text/html; charset=utf-8")
        case "redirect":
            moved = url + ("&" if "?" in url else "?") + "moved=1"
            return Answer(b"", 302, headers={"Location": moved})
        case _:
            return None
