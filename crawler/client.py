"""HTTP as this crawl speaks it: paced, guarded, honest about itself, never a browser."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError as Urllib3Error

from avatar_common.errors import Unavailable
from crawler.addresses import AddressGuard, UnsafeAddress
from crawler.options import QueryOptions
from crawler.politeness import (
    RateLimiter,
    Stopped,
    backoff_s,
    contact_of,
    retry_after_s,
    sleep,
    user_agent,
)
from crawler.queries import Query
from crawler.words import said

log = logging.getLogger(__name__)

MAX_REDIRECTS = 4
MAX_LISTING_BYTES = 20 * 2**20
MAX_PATIENCE_S = 900.0
CHUNK_BYTES = 2**16
_CHALLENGE_MARKS = (b"_cf_chl_opt", b"Just a moment...", b"jschl-answer")


class PassingFault(Exception):
    """A fault that may be gone at the next try; the text is the reason for the records."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refused(Exception):
    """An answer that no further try will change."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Client:
    """One session for one site: connection reuse, a limiter for listings and one for files."""

    def __init__(
        self,
        guard: AddressGuard,
        agent: str,
        *,
        rate: float,
        file_rate: float,
        connections: int = 1,
        timeout_s: float = 30.0,
        retries: int = 5,
        retry_wait_s: float = 1.0,
        stop: threading.Event | None = None,
    ) -> None:
        self.stop = stop or threading.Event()
        self.retries = retries
        self._retry_wait_s = retry_wait_s
        self._guard = guard
        self._timeout_s = timeout_s
        self._rng = random.Random()
        self._limiters = {
            "listing": RateLimiter(rate, self.stop),
            "file": RateLimiter(file_rate, self.stop),
        }
        self._proxies: dict[str, Mapping[str, str]] = {}
        self._session = requests.Session()
        # Our own handling of the environment: requests would send any netrc entry anywhere.
        self._session.trust_env = False
        self._session.verify = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
        )
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = agent
        adapter = _GuardedAdapter(guard, connections + 1)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def look_up(self, root: str) -> None:
        """Raise `Unavailable` when the site's name cannot be found (a proxy may know it)."""
        if not self._proxies_for(root):
            self._guard.site_addresses  # noqa: B018  (looked up once, and kept)

    def back_off(self, attempt: int, fault: Exception) -> None:
        """Sleep before the next try. Raises `Stopped` when the crawl ends."""
        wait_s = backoff_s(attempt, self._retry_wait_s, self._rng)
        sleep(max(wait_s, getattr(fault, "wait_s", None) or 0.0), self.stop)

    def listing(
        self, url: str, params: Mapping[str, str], basic: tuple[str, str] | None = None
    ) -> bytes:
        """The body of one listing. Raises `PassingFault`, `Refused`, `Unavailable`, `Stopped`."""
        with self._get("listing", url, params, basic) as response:
            return b"".join(read_chunks(response, MAX_LISTING_BYTES, self.stop))

    @contextmanager
    def file(self, url: str) -> Iterator[requests.Response]:
        """The answer for one file, its body not yet read. Raises as `listing` does."""
        with self._get("file", url, None, None) as response:
            yield response

    @contextmanager
    def _get(
        self,
        lane: str,
        url: str,
        params: Mapping[str, str] | None,
        basic: tuple[str, str] | None,
    ) -> Iterator[requests.Response]:
        origin = urlsplit(url)[:2]
        for _ in range(MAX_REDIRECTS + 1):
            host = urlsplit(url).netloc
            self._limiters[lane].wait(host)
            response = self._send(url, params, basic if urlsplit(url)[:2] == origin else None)
            with response:
                if not response.is_redirect:
                    self._raise_for_status(response, host)
                    yield response
                    return
                url = urljoin(url, response.headers.get("Location", ""))
                params = None
        raise Refused(310, "redirect: too many")

    def _send(
        self, url: str, params: Mapping[str, str] | None, basic: tuple[str, str] | None
    ) -> requests.Response:
        proxies = self._proxies_for(url)
        try:
            self._guard.check_url(url, resolve=bool(proxies))
            return self._session.get(
                url,
                params=params,
                auth=basic,
                stream=True,
                allow_redirects=False,
                timeout=self._timeout_s,
                proxies=proxies,
                headers={"Accept-Encoding": "gzip" if params else "identity"},
            )
        except UnsafeAddress:
            raise Refused(0, "unsafe address") from None
        except requests.RequestException as error:
            raise _fault(error) from None

    def _proxies_for(self, url: str) -> dict[str, str]:
        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = get_environ_proxies(url, no_proxy=None)
        return dict(self._proxies[host])

    def _raise_for_status(self, response: requests.Response, host: str) -> None:
        status = response.status_code
        if status == 200:
            return
        try:
            body = b"".join(read_chunks(response, 2**16, self.stop))
        except (PassingFault, Refused):
            body = b""
        if is_challenge(status, response.headers, body):
            raise Unavailable(
                "a Cloudflare challenge instead of an answer; this crawler stops here and does "
                "not pose as a browser",
                where=host,
                hint="set --contact, use your API credentials, or try again much later",
            )
        if status in (408, 420, 421, 429) or status >= 500:
            wait_s = retry_after_s(response.headers.get("Retry-After"))
            if wait_s is not None and wait_s > MAX_PATIENCE_S:
                raise Unavailable(
                    f"the site asks to come back in {wait_s / 60:.0f} minutes",
                    where=host,
                    hint="run the same command then",
                )
            if wait_s:
                for limiter in self._limiters.values():
                    limiter.pause(host, wait_s)
            raise PassingFault(f"http {status}", wait_s)
        message = said(body)
        raise Refused(status, f"http {status}" + (f": {message}" if message else ""))


def is_challenge(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer is Cloudflare's test for browsers."""
    if status not in (403, 429, 503):
        return False
    if headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    cloudflare = headers.get("server", "").lower().startswith("cloudflare")
    return cloudflare and any(mark in body for mark in _CHALLENGE_MARKS)


def read_chunks(
    response: requests.Response, max_bytes: int, stop: threading.Event
) -> Iterator[bytes]:
    """The body in chunks. Raises `PassingFault` when it breaks off, `Refused` when too large."""
    done = 0
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            done += len(chunk)
            if done > max_bytes:
                raise Refused(0, "too large")
            if stop.is_set():
                raise Stopped
            yield chunk
    except (requests.RequestException, Urllib3Error, OSError) as error:
        raise _fault(error) from None


def _fault(error: Exception) -> Exception:
    """Our error for one of the HTTP library's; its own text may hold a URL and is dropped."""
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return PassingFault("timeout")
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, Urllib3Error)):
        return PassingFault("truncated")
    if isinstance(error, requests.exceptions.SSLError):
        return PassingFault("bad certificate")
    if isinstance(error, (requests.ConnectionError, OSError)) and not isinstance(
        error, requests.exceptions.InvalidURL
    ):
        return PassingFault("no connection")
    return Refused(0, "bad url")


class _GuardedAdapter(HTTPAdapter):
    """Checks the address of every connection once it stands and before anything is sent."""

    def __init__(self, guard: AddressGuard, pool_size: int) -> None:
        self._guard = guard
        super().__init__(pool_connections=16, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        guard = self._guard

        class PlainConnection(HTTPConnection):
            def _new_conn(self) -> Any:
                return _checked(super()._new_conn(), guard)

        class SecureConnection(HTTPSConnection):
            def _new_conn(self) -> Any:
                return _checked(super()._new_conn(), guard)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = PlainConnection

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = SecureConnection

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _checked(connection: Any, guard: AddressGuard) -> Any:
    try:
        guard.check_address(connection.getpeername()[0])
    except BaseException:
        connection.close()
        raise
    return connection


def client_for(query: Query, options: QueryOptions, agent: str, connections: int = 1) -> Client:
    """The HTTP client for one site, with the limits that the options ask for."""
    return Client(
        AddressGuard(query.root),
        agent,
        rate=options.rate,
        file_rate=2 * options.rate if options.file_rate is None else options.file_rate,
        connections=connections,
        timeout_s=options.timeout,
        retries=options.retries,
        retry_wait_s=options.retry_wait,
    )


def contact_for(options: QueryOptions, queries: list[Query]) -> str:
    """The User-Agent with the user's contact; asks for one when real sites are to be crawled."""
    contact = contact_of(options.contact)
    if contact is None and any(query.root.startswith("https:") for query in queries):
        log.warning(
            "sites ask crawlers to say whom to contact: set --contact or $AVATAR_CONTACT to your "
            "mail or web address"
        )
    return user_agent(contact)
