"""Where a request comes from: who connects, or whom a trusted proxy says it speaks for."""

import ipaddress
from collections.abc import Sequence
from typing import Any

_FORWARDED = b"x-forwarded-for"
_IPV6_SITE_BITS = 64
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddresses:
    """Reads addresses; `X-Forwarded-For` counts only as far as `proxies` (networks) wrote it.

    Each proxy adds whom it heard to the end of the line. So it is read from the end, and the first
    address there that is no proxy's is the client: what stands before it, anybody may have written.
    """

    def __init__(self, *, proxies: Sequence[str] = ()) -> None:
        self._proxies = tuple(ipaddress.ip_network(network) for network in proxies)

    def find(self, scope: Any) -> str:
        """Return the address a connection comes from, empty where it has none."""
        client = scope.get("client") or ("",)
        address = _read(client[0] or "")
        if address is None:
            return ""
        said = b",".join(value for name, value in scope.get("headers", ()) if name == _FORWARDED)
        hops = said.decode("latin1").split(",") if said else []
        while hops and self._is_proxy(address):
            hop = _read(hops.pop())
            if hop is None:
                break
            address = hop
        return str(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(
            address in network for network in self._proxies if network.version == address.version
        )


def name_sender(address: str) -> str:
    """Return the name under which an address is counted: of IPv6, the whole network of a site."""
    read = _read(address)
    if isinstance(read, ipaddress.IPv6Address) and not read.is_loopback:
        site = ipaddress.ip_network((read, _IPV6_SITE_BITS), strict=False)
        return f"address-{site.network_address}"
    return f"address-{address}"


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
