"""A look at Redis itself, for who checks an installation: its version, limits, clock, scripts."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
import redis
from redis.exceptions import MovedError, RedisError, ResponseError

from lua import scripts
from scheduling.model import clock
from scheduling.store.redis.sentinel_states import open_master
from scheduling.store.redis.words import spell_out

_PINGS = 40
_SLOTS = 16_384
_PROBE_LIFE_S = 10
_DISK_STATUSES = ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
_ASKED = ("maxmemory-policy", "appendonly", "save")


class RedisState(msgspec.Struct, frozen=True):
    """What one Redis says of itself; `problem` is why it could not be asked, in its own words.

    `write_refusal` is what it said to a key of ours, `disk_trouble` what it could not write last.
    """

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
    role: str = ""
    write_refusal: str = ""
    disk_trouble: str = ""
    memory_left_percent: float = 100.0


def inspect(
    urls: Sequence[str], *, sentinel_urls: Sequence[str] = (), timeout_s: float, probe_key: str
) -> Iterator[RedisState]:
    """Ask each Redis; nothing changes but that it knows our scripts, and a moment `probe_key`.

    With Sentinels it is the master that the one of `urls` names.
    """
    for url in urls:
        address = url.rpartition("@")[2].rpartition("//")[2]
        try:
            with _open(url, sentinel_urls, timeout_s) as client:
                yield _inspect_one(client, address, probe_key)
        except (RedisError, OSError) as error:
            yield RedisState(address=address, problem=spell_out(error))


def _open(url: str, sentinel_urls: Sequence[str], timeout_s: float) -> "redis.Redis":
    if sentinel_urls:
        return open_master(url, sentinel_urls, timeout_s=timeout_s)
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
    )


def _inspect_one(client: "redis.Redis", address: str, probe_key: str) -> RedisState:
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
        role=str(info.get("role", "")),
        write_refusal=_try_to_write(client, probe_key),
        disk_trouble=", ".join(_list_disk_troubles(info)),
        memory_left_percent=_measure_memory_left(info),
    )


def _try_to_write(client: "redis.Redis", key: str) -> str:
    """Write a key that ends by itself; return what Redis said against it, ``""`` for nothing."""
    try:
        client.set(key, "1", ex=_PROBE_LIFE_S)
        client.delete(key)
    except MovedError:
        return ""
    except ResponseError as refusal:
        return spell_out(refusal)
    return ""


def _list_disk_troubles(info: dict[str, Any]) -> Iterator[str]:
    for name in _DISK_STATUSES:
        status = str(info.get(name, "ok"))
        if status != "ok":
            yield f"{name} {status}"


def _measure_memory_left(info: dict[str, Any]) -> float:
    most = int(info.get("maxmemory") or 0)
    return 100.0 * (1 - int(info["used_memory"]) / most) if most else 100.0


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
