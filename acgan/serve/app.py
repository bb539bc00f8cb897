"""`serve`: the page on a local port, with bounds on what it takes and gives."""

from __future__ import annotations

import ctypes
import ipaddress
import logging
import os
import socket
import tempfile
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import torch

from acgan.devices import choose_device
from acgan.make.options import ServeOptions
from acgan.make.snapshots import find_snapshot
from acgan.serve.cupboard import Cupboard
from acgan.serve.library import Library
from acgan.serve.studio import MOST_UPLOAD_BYTES, Studio
from cli import explain_dry_run, say
from manifest.errors import Unavailable, UserError

log = logging.getLogger(__name__)

MOST_BODY_BYTES = MOST_UPLOAD_BYTES + 2**16
WAITING_VISITORS = 100
AT_ONCE = 4
REMEMBERED_VISITORS = 64  # the one who has been away longest is forgotten first
REMEMBERED_STREAMS = 512  # many more than can wait at once
# The page and everything on it come from here; a browser then asks nobody else.
CONTENT_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]


def run(options: ServeOptions) -> None:
    """Serve until stopped."""
    if not 0 <= options.port <= 65535:
        raise UserError("--port must be 0 to 65535")
    first = find_snapshot(options.snapshot, options.workspace)
    device = choose_device(options.device, options.threads)
    if options.threads is None:
        torch.set_num_threads(1)  # one picture at a time gains nothing; several visitors do
    library = Library(options.workspace, first, device)
    if options.dry_run:
        explain_dry_run(options, [f"serve {', '.join(library.names)}"])
        return
    share_heaps()
    listener = listen(options.host, options.port)
    cupboard = Cupboard()
    try:
        app = build_app(Studio(library, cupboard), cupboard, options.host)
        port = listener.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        say(f"http://{host}:{port}/")
        if options.open:
            webbrowser.open(f"http://{host}:{port}/")
        serve(app, listener)
    finally:
        cupboard.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises `UserError` when it is taken or is none of ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(reason, where=f"{host}:{port}", hint="try --port 0") from None
    return listener


def build_app(studio: Studio, cupboard: Cupboard, host: str) -> Any:
    """The web application. Raises `Unavailable` where Gradio is not installed."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Gradio lets pages show any file under the temporary folder; ours is then all that there is.
    os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(cupboard.path)
    try:
        import gradio as gr
    except ImportError:
        raise Unavailable("gradio is not installed", hint="pip install -e '.[ui]'") from None
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from acgan.serve.page import Page
    from acgan.serve.style import CSS

    blocks = Page(studio).blocks
    blocks.queue(max_size=WAITING_VISITORS, default_concurrency_limit=AT_ONCE, api_open=False)
    blocks.state_session_capacity = REMEMBERED_VISITORS
    forget_requests(blocks)
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        blocks,
        path="/",
        server_name=host,
        allowed_paths=[],
        show_error=True,
        max_file_size=MOST_UPLOAD_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        footer_links=[],
        theme=gr.themes.Soft(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ).set(block_title_background_fill="none", block_title_padding="0"),
        css=CSS,
    )
    if is_loopback(host) and ":" not in host:
        # A page from elsewhere cannot reach us under a name of its own (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host, "127.0.0.1", "localhost"])
    return Bounds(app)


def share_heaps() -> None:
    """Let glibc keep two heaps for all threads: one each, as it likes to, only ever grow."""
    arena_max = -8  # M_ARENA_MAX in malloc.h
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(arena_max, 2)


class Nothing(set[str]):
    """A set that keeps nothing."""

    def add(self, _: str) -> None: ...

    def update(self, *_: Any) -> None: ...


def forget_requests(blocks: Any) -> None:
    """Bound what Gradio (6.x) remembers of every request for as long as it runs.

    Each control keeps the path of every file that it ever showed, so that Gradio can delete them:
    the cupboard does that here. Every visitor keeps a set of events for ever, the last 2,000 a
    queue of messages, the last 10,000 events a line of statistics.
    """
    for control in blocks.blocks.values():
        control.temp_files = Nothing()
    blocks.upload_file_set = Nothing()
    blocks.temp_file_sets = []
    queue = blocks._queue
    forgetful = type(queue.pending_messages_per_session)
    queue.pending_messages_per_session = forgetful(REMEMBERED_STREAMS)
    queue.pending_event_ids_session = forgetful(REMEMBERED_STREAMS)
    queue.ANALYTICS_MAX_EVENTS = REMEMBERED_STREAMS


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Bounds:
    """Refuses large bodies and adds the security headers."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        endless = b"transfer-encoding" in headers  # browsers say how much they send
        if endless or not declared.isdigit() or int(declared) > MOST_BODY_BYTES:
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": b"too large\n"})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def serve(app: Any, listener: socket.socket) -> None:
    """Answer until stopped by a signal."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listener])
