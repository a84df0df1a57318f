"""Bring web hooks to addresses of others, and to none of ours (SSRF)."""

import asyncio
import ipaddress
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from scheduling.model.errors import BadInput

_HTTPS, _HTTP = 443, 80
# Where receivers of hooks listen; on any other port something else may take our words for its own.
_PORTS = frozenset({_HTTPS, 8443})
# What anybody on the Internet may have, and within it what is nobody's or leads elsewhere: RFC 6890
# and its later rows, where Python 3.11 does not know them. 2001::/23 is all of special purpose.
_UNICAST = ipaddress.ip_network("2000::/3")
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
        *("192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        "192.175.48.0/24",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What stands before an IPv4 address in an interface identifier of ISATAP.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_LONGEST_HEAD_BYTES = 64 * 1024
_LONGEST_URL = 2_048


class _Target(NamedTuple):
    host: str
    port: int
    path: str
    is_secure: bool
    is_listed: bool


class WebhookClient:
    """Posts to https at public addresses; elsewhere only where `hosts` lists ``host:port``.

    The address that was checked is the one that is connected to, so that a name which points
    elsewhere a moment later changes nothing. Redirects are not followed.
    """

    def __init__(self, *, hosts: tuple[str, ...]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._tls = ssl.create_default_context()

    def check(self, url: str) -> None:
        """See that a hook may go to this address, as far as the address itself tells.

        :raises BadInput: it may not
        """
        self._read(url)

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> int:
        """Send one POST and return the status it was answered with.

        :raises BadInput: the name stands for an address that is not public
        :raises OSError: nobody answered
        :raises ValueError: the answer is no HTTP
        """
        target = self._read(url)
        address = await self._resolve(target)
        reader, writer = await asyncio.open_connection(
            address,
            target.port,
            ssl=self._tls if target.is_secure else None,
            server_hostname=target.host if target.is_secure else None,
            limit=_LONGEST_HEAD_BYTES,
        )
        transport = writer.transport
        is_answered = False
        try:
            host = f"[{target.host}]" if ":" in target.host else target.host
            lines = {
                "Host": f"{host}:{target.port}",
                "User-Agent": "Lingua",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
                **headers,
            }
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
            await writer.drain()
            version, status, *_ = (await reader.readline()).decode("latin1").split() or ("", "")
            if not version.startswith("HTTP/1."):
                raise ValueError("the answer is no HTTP")
            is_answered = True
            return int(status)
        finally:
            # Closed in order, a connection stays for as long as its peer leaves the body unread.
            if is_answered and not transport.get_write_buffer_size():
                writer.close()
            else:
                transport.abort()

    async def _resolve(self, target: _Target) -> str:
        """Return an address to connect to; one that is not public makes all of them suspect."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not target.is_listed and not all(is_public(address) for address in addresses):
            raise _forbid("The callback's host is not at a public address.")
        return addresses[0]

    def _read(self, url: str) -> _Target:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _forbid("The callback is no URL.") from error
        host = (parts.hostname or "").lower()
        if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise _forbid("The callback is no URL.")
        if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
            raise _forbid("The callback is no web address, or names a user.")
        is_secure = parts.scheme == "https"
        port = port or (_HTTPS if is_secure else _HTTP)
        is_listed = f"{host}:{port}" in self._hosts or host in self._hosts
        if not is_secure and not is_listed:
            raise _forbid("The callback must be https.")
        if not is_listed and port not in _PORTS:
            raise _forbid("The callback's port is neither 443 nor 8443.")
        if not is_listed and _is_address(host) and not is_public(host):
            raise _forbid("The callback's host is not at a public address.")
        path = parts.path or "/"
        return _Target(
            host=host,
            port=port,
            path=f"{path}?{parts.query}" if parts.query else path,
            is_secure=is_secure,
            is_listed=is_listed,
        )


def is_public(text: str) -> bool:
    """Say whether an address is one anybody on the Internet may have, in whatever form."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    number = int(address)
    inner = ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    if address.ipv4_mapped or address in _NAT64:
        return is_public(str(inner))
    if (number >> 32) & 0xFFFF_FFFF in _ISATAP and not is_public(str(inner)):
        return False
    return address in _UNICAST and address.is_global


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _forbid(message: str) -> BadInput:
    return BadInput(message, code="CALLBACK_FORBIDDEN")
