"""A look at Sentinels, for who checks an installation: whom they take for the master."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import redis
from channels_streams.redis.sentinels import (
    SentinelAddress,
    read_address,
    read_credentials,
    read_master_name,
)
from redis.exceptions import RedisError

from scheduling.store.redis.words import spell_out


class SentinelState(msgspec.Struct, frozen=True):
    """What one Sentinel says; `problem` is why it is of no use."""

    address: str
    problem: str = ""
    master: str = ""
    replicas: int = 0


def inspect_sentinels(
    url: str, sentinel_urls: Sequence[str], *, timeout_s: float
) -> Iterator[SentinelState]:
    """Ask each Sentinel for the master that `url` names."""
    address = read_address(url, sentinel_urls)
    for host, port in address.sentinels:
        with _open(host, port, address, timeout_s) as client:
            try:
                yield _inspect_one(client, f"{host}:{port}", address.master_name)
            except (RedisError, OSError) as error:
                yield SentinelState(address=f"{host}:{port}", problem=spell_out(error))


def open_master(url: str, sentinel_urls: Sequence[str], *, timeout_s: float) -> "redis.Redis":
    """Return a client of the master that `url` names.

    :raises RedisError: no Sentinel says where it is
    """
    states = list(inspect_sentinels(url, sentinel_urls, timeout_s=timeout_s))
    known = next((state.master for state in states if not state.problem), "")
    if not known:
        problems = ", ".join(dict.fromkeys(state.problem for state in states))
        name = read_master_name(url)
        raise RedisError(f"no Sentinel says where its master {name!r} is: {problems}")
    host, _, port = known.rpartition(":")
    return redis.Redis(
        host=host,
        port=int(port),
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        **read_credentials(url),
    )


def _open(host: str, port: int, address: SentinelAddress, timeout_s: float) -> "redis.Redis":
    return redis.Redis(
        host=host,
        port=port,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        **address.sentinel_options,
    )


def _inspect_one(client: "redis.Redis", address: str, name: str) -> SentinelState:
    masters = cast("dict[str, dict[str, Any]]", client.sentinel_masters())
    state = masters.get(name)
    if state is None:
        return SentinelState(
            address=address, problem=f"knows no master {name!r}, but {', '.join(masters) or 'none'}"
        )
    if state["is_sdown"]:
        return SentinelState(address=address, problem=f"takes {name!r} for lost")
    return SentinelState(
        address=address, master=f"{state['ip']}:{state['port']}", replicas=state["num-slaves"]
    )
