"""The options of `acgan serve`. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avatar_common.commands.options import DeviceOptions


@dataclass(frozen=True, kw_only=True)
class ServeOptions(DeviceOptions):
    """Serve avatars over HTTP, and a page on which to make them."""

    snapshot: Path | None = None
    """The snapshot that draws unless a request names another; the workspace's and the shipped ones
    can be requested by name."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 opens it to the network."""

    port: int = 7860
    """Port to listen on; 0 takes a free one."""

    page: bool = True
    """Serve the page too; --no-page serves avatars only."""

    hosts: tuple[str, ...] = ()
    """Names under which a proxy or browser may ask for this server, as in avatars.example.org.
    Without any, a server on a loopback address answers to that alone, any other to every name."""

    root_path: str = ""
    """The path under which a proxy shows this server, as in /avatars; the proxy strips it."""

    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    """Addresses of proxies whose X-Forwarded-For is trusted."""

    client_limit: float = 50.0
    """Drawings a second that one client gets on average (ten seconds' worth at once); what is
    cached does not count. 0: no limit."""

    cache: Path | None = None
    """Folder in which drawn PNGs are kept; default: a temporary folder."""

    cache_mb: int = 256
    """How much of the disk the cache may take; a quarter of that is also used in memory."""

    engine: Literal["onnx", "torch"] = "onnx"
    """What draws on a CPU: ONNX Runtime, twice as fast, or PyTorch, ready some seconds sooner."""

    open: bool = False
    """Open the page in a browser."""
