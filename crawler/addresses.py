"""Where the crawl may connect: public addresses, and the site's own."""

from __future__ import annotations

import ipaddress
import socket
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from avatar_common.errors import Unavailable

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class UnsafeAddress(Exception):
    """A URL leads to an address that this crawl must not reach."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, embedded IPv4 addresses included."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip.sixtofour:
        return ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


class AddressGuard:
    """Allows public addresses and those of the site itself (a stand-in on loopback, say)."""

    def __init__(self, site_root: str) -> None:
        self._site_host = urlsplit(site_root).hostname or ""

    @cached_property
    def site_addresses(self) -> frozenset[str]:
        """The site's own addresses. Raises `Unavailable` when its name is unknown."""
        return frozenset(_resolve(self._site_host))

    def check_address(self, address: str) -> None:
        """Raise `UnsafeAddress` for an address that must not be reached."""
        if not is_public(address) and address not in self.site_addresses:
            raise UnsafeAddress(f"{address} is not a public address")

    def check_url(self, url: str, *, resolve: bool = False) -> None:
        """Raise `UnsafeAddress` for another scheme than http(s), a user name, or a bad address.

        Names are looked up only with `resolve` (needed when a proxy makes the connection);
        otherwise the connection itself is checked, which no second look-up can deceive.
        """
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise UnsafeAddress("not a URL") from None
        if parts.scheme not in ("http", "https"):
            raise UnsafeAddress("neither http nor https")
        if not parts.hostname or parts.username is not None or parts.password is not None:
            raise UnsafeAddress("no host name, or a user name in the URL")
        try:
            ipaddress.ip_address(parts.hostname)
        except ValueError:
            if resolve:
                self._check_name(parts.hostname)
            return
        self.check_address(parts.hostname)

    def _check_name(self, host: str) -> None:
        try:
            addresses = _resolve(host)
        except Unavailable:
            return  # only the proxy knows the name
        for address in addresses:
            self.check_address(address)


def _resolve(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(
            "no such host, or no network", where=host, hint="check the name and the connection"
        ) from None
    return {str(entry[4][0]) for entry in found}
