"""Where the master is, as Sentinels know it: asked each time a connection is opened."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from channels_streams.redis.refusals import spell_out

PORT = 26_379


@dataclass(frozen=True, kw_only=True, slots=True)
class SentinelAddress:
    """Sentinels, what their clients are told, and the name by which they know the master."""

    master_name: str
    sentinels: tuple[tuple[str, int], ...]
    sentinel_options: Mapping[str, Any]


class SentinelClient(Sentinel):
    """Asks Sentinels, of whom one that answers is enough; what they say is told when none does."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return host and port of a master.

        :raises MasterNotFoundError: no Sentinel knows one that lives
        """
        said = dict[str, None]()
        for at, sentinel in enumerate(self.sentinels):
            try:
                masters: Mapping[str, Any] = await cast("Any", sentinel).sentinel_masters()
            except (RedisError, OSError) as lost:
                said[spell_out(lost)] = None
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):
                # The one that answers is asked first the next time.
                self.sentinels[0], self.sentinels[at] = sentinel, self.sentinels[0]
                return state["ip"], state["port"]
            words = "it is down" if state else f"they know {', '.join(masters) or 'none'}"
            said[words] = None
        raise MasterNotFoundError(
            f"no Sentinel says where its master {service_name!r} is: {', '.join(said)}"
        )


class SentinelPool(SentinelConnectionPool):
    """Connections to the master; closed with it are those to the Sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """End the connections: those that nobody uses when the master has changed, else all."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            sentinels: SentinelClient = self.sentinel_manager
            await asyncio.gather(*(each.aclose() for each in sentinels.sentinels))


def read_master_name(url: str) -> str:
    """Return the name that stands where other addresses have a host, as it is written."""
    return unquote(urlsplit(url).netloc.rpartition("@")[2])


def read_address(url: str, sentinel_urls: Sequence[str]) -> SentinelAddress:
    """Return what ``redis://user:password@mymaster/0`` and the Sentinels' addresses say.

    All of them are asked with the user, the password and the scheme of the first.
    """
    parsed: list[dict[str, Any]] = [dict(parse_url(each)) for each in sentinel_urls]
    return SentinelAddress(
        master_name=read_master_name(url),
        sentinels=tuple((each["host"], each.get("port", PORT)) for each in parsed),
        sentinel_options=_strip(parsed[0]),
    )


def read_credentials(url: str) -> dict[str, Any]:
    """Return what is said to the master, wherever it is: user, password, database, TLS."""
    return _strip(dict(parse_url(url)))


def make_pool(
    address: SentinelAddress, *, timeout_s: float, connect_timeout_s: float, **connection: Any
) -> SentinelPool:
    """Make a pool whose connections ask the Sentinels, each time anew, where the master is."""
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": connect_timeout_s}
    sentinels = cast("Any", SentinelClient)(
        list(address.sentinels), sentinel_kwargs={**timeouts, **address.sentinel_options}
    )
    untyped: Any = SentinelPool
    return cast("SentinelPool", untyped(address.master_name, sentinels, **connection))


def _strip(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Take the place out of an address, and say TLS in the word that Sentinels' pools know."""
    place = ("host", "port", "connection_class")
    told = {name: value for name, value in parsed.items() if name not in place}
    return {**told, "ssl": True} if "connection_class" in parsed else told
