"""`serve`: avatars over HTTP and the page, with bounds on what they take and give."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import webbrowser
from typing import Any

import torch

from acgan.devices import choose_device
from acgan.drawing.snapshots import find_snapshot
from acgan.serving.cache import Cache
from acgan.serving.library import Library
from acgan.serving.options import ServeOptions
from avatar_common.commands import explain_dry_run, say
from avatar_common.errors import Unavailable, UserError

log = logging.getLogger(__name__)

WAITING_CONNECTIONS = 2048
MOST_CONNECTIONS = 2000


def run(options: ServeOptions) -> None:
    """Serve until stopped."""
    if not 0 <= options.port <= 65535:
        raise UserError("--port must be 0 to 65535")
    if not 1 <= options.cache_mb <= 2**20:
        raise UserError(f"--cache-mb must be 1 to {2**20}")
    if not 0 <= options.client_limit <= 1e6:
        raise UserError("--client-limit must be 0 (none) or more")
    if options.root_path and not options.root_path.startswith("/"):
        raise UserError("--root-path must start with /")
    first = find_snapshot(options.snapshot, options.workspace)
    device = choose_device(options.device, options.threads)
    if options.threads is None:
        torch.set_num_threads(1)  # one picture at a time gains nothing; several visitors do
    library = Library(options.workspace, first, device, options.engine)
    if options.dry_run:
        explain_dry_run(options, [f"serve {', '.join(library.names)}"])
        return
    listener = listen(options.host, options.port)
    size = options.cache_mb * 2**20
    cache = Cache(options.cache, disk_bytes=size, memory_bytes=size // 4)
    try:
        app = build_app(library, cache, options)
        library.model(library.names[0])  # loaded before anyone asks
        port = listener.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        say(f"http://{host}:{port}{options.root_path}/")
        if options.open:
            webbrowser.open(f"http://{host}:{port}/")
        make_server(app, options).run(sockets=[listener])
    finally:
        cache.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises `UserError` when it is taken or is none of ours."""
    listener = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(WAITING_CONNECTIONS)  # whoever reads the address may ask at once
    except UnicodeError:
        raise UserError("not the name of a host", where=host[:100]) from None
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = (error.strerror or str(error)).lower()
        raise UserError(reason, where=f"{host}:{port}", hint="try --port 0") from None
    return listener


def build_app(library: Library, cache: Cache, options: ServeOptions) -> Any:
    """The web application. Raises `Unavailable` where FastAPI or uvicorn is not installed."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise Unavailable(
            f"{error.name} is not installed", hint="pip install -e '.[serve]'"
        ) from None
    from acgan.serving.api import build_api
    from acgan.serving.bounds import Bounds
    from acgan.serving.desk import Desk

    threads = options.threads or max(2, os.cpu_count() or 1)
    desk = Desk(library, cache, threads, options.client_limit)
    return Bounds(build_api(desk, options.page), host_names(options))


def host_names(options: ServeOptions) -> list[str]:
    """The names to answer to; none for any.

    A page from elsewhere cannot reach a server on a loopback address under a name of its own (DNS
    rebinding).
    """
    own = [f"[{options.host}]" if ":" in options.host else options.host]
    local = [*own, "127.0.0.1", "localhost", "[::1]"]
    if options.hosts:
        return [*options.hosts, *local]
    return local if is_loopback(options.host) else []


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_server(app: Any, options: ServeOptions) -> Any:
    """A uvicorn server, to be run with the listener."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        root_path=options.root_path,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=15,
        backlog=WAITING_CONNECTIONS,
        limit_concurrency=MOST_CONNECTIONS,
        forwarded_allow_ips=list(options.trusted_proxies),
    )
    return uvicorn.Server(config)
