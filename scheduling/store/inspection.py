"""A look at Redis itself, for who checks an installation: its version, limits, clock, scripts."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import redis
from redis.exceptions import RedisError, ResponseError

from lua import scripts
from scheduling.model import clock

_PINGS = 40
_SLOTS = 16_384
_ASKED = ("maxmemory-policy", "appendonly", "save")


class RedisState(msgspec.Struct, frozen=True):
    """What one Redis says of itself; `problem` is why it could not be asked."""

    address: str
    problem: str = ""
    version: str = ""
    eviction: str = ""
    has_memory_limit: bool = False
    is_kept_on_disk: bool = False
    slowest_ping_ms: float = 0.0
    ahead_ms: int = 0
    refused_scripts: tuple[str, ...] = ()
    cluster_state: str = ""
    slots_served: int = 0


def inspect(urls: Sequence[str], *, timeout_s: float) -> Iterator[RedisState]:
    """Ask each Redis; nothing is changed but that it knows our scripts."""
    for url in urls:
        address = url.rpartition("@")[2].rpartition("//")[2]
        client = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        try:
            yield _inspect_one(client, address)
        except (RedisError, OSError) as error:
            yield RedisState(address=address, problem=str(error) or type(error).__name__)
        finally:
            client.close()


def _inspect_one(client: "redis.Redis", address: str) -> RedisState:
    info: dict[str, Any] = client.info()
    limits = {name: _ask_limit(client, name) for name in _ASKED}
    cluster: dict[str, Any] = {}
    if info.get("cluster_enabled"):
        cluster = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]  # redis-py left it without types
    return RedisState(
        address=address,
        version=str(info["redis_version"]),
        eviction=limits["maxmemory-policy"] or str(info.get("maxmemory_policy", "")),
        has_memory_limit=bool(info.get("maxmemory")),
        is_kept_on_disk=bool(info.get("aof_enabled")) or bool(limits["save"]),
        slowest_ping_ms=_measure_ping_ms(client),
        ahead_ms=_measure_clock_ms(client),
        refused_scripts=tuple(_list_refused(client)),
        cluster_state=str(cluster.get("cluster_state", "")),
        slots_served=int(cluster.get("cluster_slots_ok", _SLOTS)),
    )


def _ask_limit(client: "redis.Redis", name: str) -> str:
    """Return a configuration value; empty where the service does not let us ask."""
    try:
        found = cast("dict[str, str]", client.config_get(name))
    except ResponseError:
        return ""
    return found.get(name, "")


def _measure_ping_ms(client: "redis.Redis") -> float:
    """Return the second slowest of many round trips: one alone may be our own hiccup."""
    spans = []
    for _ in range(_PINGS):
        begun = time.perf_counter()
        client.ping()
        spans.append((time.perf_counter() - begun) * 1_000)
    return sorted(spans)[-2]


def _measure_clock_ms(client: "redis.Redis") -> int:
    """Return how far Redis' clock is ahead of ours, half a round trip taken off."""
    before_ms = clock.now_ms()
    seconds, micros = client.time()
    after_ms = clock.now_ms()
    return int(seconds) * 1_000 + int(micros) // 1_000 - (before_ms + after_ms) // 2


def _list_refused(client: "redis.Redis") -> Iterator[str]:
    for name in scripts.list_names():
        try:
            client.script_load(scripts.load_source(name))
        except ResponseError:
            yield name
