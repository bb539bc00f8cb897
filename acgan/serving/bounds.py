"""What the server lets in and what it sends along: bodies, host names, headers, a fair share."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

MOST_BODY_BYTES = 2**20
REMEMBERED_CLIENTS = 10_000
BURST_S = 10.0
# The page and everything on it come from here; a browser then asks nobody else.
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'; form-action 'none'"
)
HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Bounds:
    """Refuses large bodies and foreign host names, and adds the security headers."""

    def __init__(self, app: Any, hosts: Sequence[str]) -> None:
        """`hosts`: the names that are answered to; empty for any."""
        self._app, self._hosts = app, {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer that there are too many."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts and name_of_host(host) not in self._hosts:
            text = f"this server does not answer to {name_of_host(host)[:100]!r}"
            await refuse(send, 400, text, "start it with --hosts and that name")
            return
        declared = headers.get(b"content-length", b"0")
        endless = b"transfer-encoding" in headers  # browsers say how much they send
        if endless or not declared.isdigit() or int(declared) > MOST_BODY_BYTES:
            await refuse(send, 413, f"a request may have {MOST_BODY_BYTES >> 10} kB")
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def name_of_host(host: str) -> str:
    """A Host header without its port; IPv6 addresses keep their brackets."""
    end = host.rfind(":")
    return host[:end] if end > host.rfind("]") else host


async def refuse(send: Send, status: int, error: str, hint: str | None = None) -> None:
    """Answer with an error as JSON."""
    body = json.dumps({"error": error} | ({"hint": hint} if hint else {})).encode()
    headers = [(b"content-type", b"application/json"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Shares:
    """How much each client may still draw: a bucket that fills at `rate` a second."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, pictures: int) -> float:
        """Take so many pictures; 0, or how long to wait where there are not enough left."""
        if not self._rate:
            return 0.0
        now, most = self._clock(), max(self._rate * BURST_S, float(pictures))
        left, seen = self._buckets.pop(client, (most, now))
        left = min(most, left + (now - seen) * self._rate)
        granted = left >= pictures
        self._buckets[client] = (left - pictures if granted else left, now)
        while len(self._buckets) > REMEMBERED_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if granted else (pictures - left) / self._rate
